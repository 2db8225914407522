//! Applying a patch, from its text to the files, against `git apply` of the same change.
//!
//! Ours locates every hunk, keeps both images in the journal and syncs; git trusts line numbers and syncs nothing. The
//! figure is for a patch in the running program, as in a conversation; `descant apply --yes` as a process of its own is
//! printed beside it. In memory where there is a file system in memory: it is about the work and not about the disk.

use descant::patch::{self, Decisions, Journal, diff};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;

struct Case {
    name: &'static str,
    figure: f64,
    /// Name, before, after.
    files: Vec<(String, String, String)>,
}

fn line(file: usize, n: usize) -> String {
    format!("    call_{file}_{n}(argument_{}, value);\n", n * 7)
}

/// `lines` lines of which every `every`th changes.
fn file(number: usize, lines: usize, every: usize) -> (String, String, String) {
    let before: String = (0..lines).map(|n| line(number, n)).collect();
    let after: String = (0..lines)
        .map(|n| {
            if n % every == every / 2 {
                format!("    changed_{number}_{n}();\n")
            } else {
                line(number, n)
            }
        })
        .collect();
    (format!("file_{number}.txt"), before, after)
}

/// The change in V4A, as a model writes it: three lines of context, no line numbers.
fn v4a(case: &Case) -> String {
    let mut text = "*** Begin Patch\n".to_owned();
    for (name, before, after) in &case.files {
        text.push_str(&format!("*** Update File: {name}\n"));
        for hunk in diff::hunks(before.as_bytes(), after.as_bytes()) {
            text.push_str("@@\n");
            text.push_str(&hunk.edit_text());
        }
    }
    text.push_str("*** End Patch\n");
    text
}

fn write(root: &Path, case: &Case) {
    for (name, before, _) in &case.files {
        fs::write(root.join(name), before).expect("writing the bench's files");
    }
}

fn check(root: &Path, case: &Case) {
    for (name, _, after) in &case.files {
        let found = fs::read_to_string(root.join(name)).expect("reading the bench's files");
        assert!(found == *after, "{name} is not as it should be");
    }
}

fn timed(mut command: Command) -> Duration {
    command.stdout(Stdio::null()).stdin(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("starting the program");
    let took = start.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    took
}

fn folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    parent.join(format!("descant-bench-{}", std::process::id()))
}

/// One ratio; whether it is good enough.
fn run(case: &Case, home: &Path) -> bool {
    let root = home.join("work");
    fs::create_dir_all(&root).expect("making the bench's folder");
    write(&root, case);
    let workspace = descant::workspace::Workspace::open(&root).expect("opening the folder");
    let text = v4a(case);
    let parsed = patch::parse(&text).expect("the bench's patch");
    let plan = patch::plan(&workspace, &parsed).expect("planning the bench's patch");
    let (ours, theirs) = (home.join("patch.txt"), home.join("patch.diff"));
    fs::write(&ours, text).expect("writing the patch");
    fs::write(&theirs, plan.unified_diff()).expect("writing the diff");

    let descant = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_descant"));
        command
            .args(["apply", "--yes"])
            .arg(&ours)
            .arg("-C")
            .arg(&root);
        command.env("DESCANT_HOME", home.join("state"));
        command
    };
    let git = || {
        let mut command = Command::new("git");
        command.arg("apply").arg(&theirs).current_dir(&root);
        command.env("GIT_CEILING_DIRECTORIES", home);
        command
    };
    let text = fs::read_to_string(&ours).expect("reading the patch");
    let mut journal = Journal::open(&home.join("state"), &workspace).expect("opening the journal");
    let mut in_program = || {
        let start = Instant::now();
        let parsed = patch::parse(&text).expect("the bench's patch");
        let plan = patch::plan(&workspace, &parsed).expect("planning the bench's patch");
        let decisions = Decisions::accept_all(&plan);
        patch::apply(&workspace, &plan, &decisions, &mut journal).expect("applying it");
        start.elapsed()
    };
    // Once each before anything counts: caches, and our journal's folder.
    timed(descant());
    write(&root, case);
    in_program();
    let mut times: [Vec<(f64, Duration)>; 2] = Default::default();
    let mut base = Vec::new();
    for _ in 0..ROUNDS {
        write(&root, case);
        let theirs = timed(git());
        check(&root, case);
        base.push(theirs);
        for (times, run) in times
            .iter_mut()
            .zip([&mut in_program as &mut dyn FnMut() -> Duration, &mut || {
                timed(descant())
            }])
        {
            write(&root, case);
            let ours = run();
            check(&root, case);
            times.push((ours.as_secs_f64() / theirs.as_secs_f64(), ours));
        }
    }
    base.sort();
    let median = |mut times: Vec<(f64, Duration)>| {
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        times[times.len() / 2]
    };
    let [(ratio, ours), (process_ratio, process)] = times.map(median);
    println!(
        "apply {:<32} {:>8.1?} (git) -> {ours:>8.1?}  x{ratio:.2} (at most x{}); as a process {process:.1?}, x{process_ratio:.2}",
        case.name,
        base[base.len() / 2],
        case.figure
    );
    ratio <= case.figure
}

/// The names of the cases that missed their figure.
pub fn missed() -> Vec<&'static str> {
    let cases = [
        Case {
            name: "1,000 hunks in a file of 5 MB",
            figure: 1.5,
            files: vec![file(0, 130_000, 130)],
        },
        Case {
            name: "100 files of 10 hunks",
            figure: 2.0,
            files: (0..100).map(|number| file(number, 300, 30)).collect(),
        },
    ];
    let home = folder();
    cases
        .iter()
        .filter(|case| {
            let good = run(case, &home);
            let _ = fs::remove_dir_all(&home);
            !good
        })
        .map(|case| case.name)
        .collect()
}
