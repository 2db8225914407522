//! Bytes are sacred: encodings, line endings and modes are kept, and git's odd work trees work or are refused
//! by name, with git's own files untouched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use descant::patch::{self, Decisions, Encoding, Journal, OnChanged, Plan};
use descant::workspace::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Place {
    home: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new(files: &[(&str, &[u8])]) -> Self {
        // In memory where that is possible: hundreds of checkpoints are synced.
        let memory = Path::new("/dev/shm");
        let home = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        }
        .unwrap();
        let root = home.path().join("root");
        fs::create_dir(&root).unwrap();
        let place = Self { home, root };
        for (name, bytes) in files {
            place.write(name, bytes);
        }
        place
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.root.join(name)).unwrap()
    }

    fn plan(&self, body: &str) -> Result<Plan, String> {
        let workspace = Workspace::discover(&self.root).unwrap();
        let text = format!("*** Begin Patch\n{body}*** End Patch\n");
        let parsed = patch::parse(&text).unwrap();
        patch::plan(&workspace, &parsed).map_err(|error| error.to_string())
    }

    /// Writes all of it.
    fn apply(&self, plan: &Plan) -> Journal {
        let workspace = Workspace::discover(&self.root).unwrap();
        let mut journal = Journal::open(&self.home.path().join("state"), &workspace).unwrap();
        let decisions = Decisions::accept_all(plan);
        patch::apply(&workspace, plan, &decisions, &mut journal).unwrap();
        journal
    }

    fn undo(&self, journal: &mut Journal) {
        journal
            .undo(&Workspace::discover(&self.root).unwrap(), OnChanged::Refuse)
            .unwrap();
    }

    /// git's answer; it knows no configuration but the repository's.
    fn git(&self, arguments: &[&str]) -> String {
        let output = self.git_in(&self.root, arguments);
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) -> std::process::Output {
        Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c"])
            .args(["protocol.file.allow=always", "-c", "gc.auto=0"])
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CEILING_DIRECTORIES", self.home.path())
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("HOME", self.home.path())
            .output()
            .unwrap()
    }

    fn committed(files: &[(&str, &[u8])]) -> Self {
        let place = Self::new(files);
        place.git(&["init", "-q", "-b", "main"]);
        place.git(&["add", "-A"]);
        place.git(&["commit", "-q", "-m", "first"]);
        place
    }
}

/// Whether git is there. In CI it has to be.
fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "git is not installed"
    );
    if !found {
        eprintln!("not run: git is not installed");
    }
    found
}

/// Every file below the folder.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

const UPDATE: &str = "*** Update File: a.txt\n@@\n-b\n+c\n";

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn each_encoding_is_edited_and_kept() {
    let (le, be) = (u16::to_le_bytes, u16::to_be_bytes);
    let before = "é one\r\nü two\r\nlast";
    let after = "é one\r\nZwei €\r\nnew\r\nlast";
    let latin = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let marked = |text: &str| format!("\u{feff}{text}");
    for (encoding, name, old, new) in [
        (
            Encoding::Utf8,
            "UTF-8",
            before.as_bytes().to_vec(),
            after.as_bytes().to_vec(),
        ),
        (
            Encoding::Utf16Le,
            "UTF-16 LE",
            utf16(&marked(before), le),
            utf16(&marked(after), le),
        ),
        (
            Encoding::Utf16Be,
            "UTF-16 BE",
            utf16(&marked(before), be),
            utf16(&marked(after), be),
        ),
        (
            Encoding::Utf16Le,
            "UTF-16 LE",
            utf16(before, le),
            utf16(after, le),
        ),
        (
            Encoding::Windows1252,
            "Windows-1252",
            latin(before),
            latin(after),
        ),
    ] {
        let place = Place::new(&[("a.txt", &old)]);
        let plan = place
            .plan("*** Update File: a.txt\n@@\n é one\n-ü two\n+Zwei €\n+new\n last\n")
            .unwrap();
        assert_eq!((plan.files[0].encoding, encoding.name()), (encoding, name));
        assert!(
            plan.unified_diff()
                .contains("-ü two\r\n+Zwei €\r\n+new\r\n")
        );
        let mut journal = place.apply(&plan);
        assert_eq!(place.read("a.txt"), new, "{name}");
        place.undo(&mut journal);
        assert_eq!(place.read("a.txt"), old, "{name}");

        let plan = place.plan("*** Delete File: a.txt\n").unwrap();
        assert!(plan.unified_diff().contains("\n-ü two\r\n"));
        let mut journal = place.apply(&plan);
        assert!(!place.root.join("a.txt").exists());
        place.undo(&mut journal);
        assert_eq!(place.read("a.txt"), old, "{name}");

        let plan = place
            .plan("*** Update File: a.txt\n*** Move to: b.txt\n")
            .unwrap();
        place.apply(&plan);
        assert_eq!(place.read("b.txt"), old, "{name}");
    }
}

/// S7 where `git apply` cannot say: every subset against a splice of our own, encoded on its own.
#[test]
fn every_subset_of_hunks_in_every_encoding() {
    const HUNKS: usize = 6;
    let text = |chosen: usize, ending: &str| -> String {
        (0..HUNKS * 8 + 1)
            .map(|line| match (line % 8, chosen >> (line / 8) & 1) {
                (0, 1) if line < HUNKS * 8 => match line / 8 % 3 {
                    0 => format!("é new {line}{ending}"),
                    1 => String::new(),
                    _ => format!("ß {line}{ending}€ more{ending}"),
                },
                _ => format!("ß {line}{ending}"),
            })
            .collect()
    };
    let body: String = (0..HUNKS)
        .map(|hunk| {
            let line = hunk * 8;
            let change = match hunk % 3 {
                0 => format!("-ß {line}\n+é new {line}\n"),
                1 => format!("-ß {line}\n"),
                _ => format!(" ß {line}\n+€ more\n"),
            };
            format!("@@\n{change} ß {}\n", line + 1)
        })
        .collect();
    let body = format!("*** Update File: a.txt\n{body}");
    type Encode = fn(&str) -> Vec<u8>;
    let encodings: [Encode; 4] = [
        |text| utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
        |text| utf16(text, u16::to_be_bytes),
        |text| encoding_rs::WINDOWS_1252.encode(text).0.into_owned(),
        |text| format!("\u{feff}{text}").into_bytes(),
    ];
    let mut compared = 0;
    for (encode, ending) in encodings.iter().zip(["\r\n", "\n", "\r\n", "\n"]) {
        for newline in [true, false] {
            let whole = |chosen| {
                let text = text(chosen, ending);
                encode(if newline { &text } else { text.trim_end() })
            };
            let place = Place::new(&[("a.txt", &whole(0))]);
            let plan = place.plan(&body).unwrap();
            assert_eq!(plan.hunks().count(), HUNKS);
            let workspace = Workspace::discover(&place.root).unwrap();
            let mut journal = Journal::open(&place.home.path().join("state"), &workspace).unwrap();
            for chosen in 0..1usize << HUNKS {
                let mut decisions = Decisions::accept_all(&plan);
                decisions.hunks.retain(|id, _| chosen >> id.0 & 1 == 1);
                patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
                assert_eq!(place.read("a.txt"), whole(chosen), "{chosen:b}");
                place.write("a.txt", &whole(0));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 8 * 64);
}

/// S7 with a new mode: every subset, with the mode and without, against `git apply`.
#[cfg(unix)]
#[test]
fn every_subset_of_hunks_with_a_new_mode_equals_git_apply() {
    use std::os::unix::fs::PermissionsExt as _;
    if !has_git() {
        return;
    }
    let text: String = (0..40).map(|line| format!("{line}\n")).collect();
    let hunk = |hunk: usize| format!("@@\n-{}\n+new\n", hunk * 10);
    for (old, new) in [(0o644, 0o755), (0o755, 0o644)] {
        for chosen in 0..1usize << 4 {
            let picked: Vec<usize> = (0..4).filter(|hunk| chosen >> hunk & 1 == 1).collect();
            let place = Place::new(&[("a.txt", text.as_bytes())]);
            let copy = Place::new(&[("a.txt", text.as_bytes())]);
            let state = |place: &Place| {
                let file = place.root.join("a.txt").metadata().unwrap();
                (file.permissions().mode() & 0o111, place.read("a.txt"))
            };
            for place in [&place, &copy] {
                let set = fs::Permissions::from_mode(old);
                fs::set_permissions(place.root.join("a.txt"), set).unwrap();
            }
            let all: String = (0..4).map(hunk).collect();
            let mut plan = place
                .plan(&format!("*** Update File: a.txt\n{all}"))
                .unwrap();
            plan.files[0].new_mode = Some(new);

            let mut by_git = plan.clone();
            if picked.is_empty() {
                by_git.files[0].hunks.clear();
            } else {
                let some: String = picked.iter().copied().map(hunk).collect();
                by_git = copy
                    .plan(&format!("*** Update File: a.txt\n{some}"))
                    .unwrap();
                by_git.files[0].new_mode = Some(new);
            }
            copy.write("diff", by_git.unified_diff().as_bytes());
            copy.git(&["apply", "diff"]);

            let mut decisions = Decisions::accept_all(&plan);
            decisions.hunks.retain(|id, _| picked.contains(&id.0));
            let workspace = Workspace::discover(&place.root).unwrap();
            let mut journal = Journal::open(&place.home.path().join("state"), &workspace).unwrap();
            patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
            assert_eq!(state(&place), state(&copy), "{chosen:b}");
        }
    }
}

#[test]
fn an_encoding_that_cannot_hold_a_character_refuses_it() {
    let place = Place::new(&[("a.txt", b"caf\xe9\nb\n")]);
    assert_eq!(
        place
            .plan("*** Update File: a.txt\n@@\n-b\n+one\n+a \u{2192} b\n")
            .unwrap_err(),
        "a.txt: line 3 would have `→` (U+2192), which its encoding Windows-1252 cannot hold\n  \
         write it with other characters, or ask the user to save the file as UTF-8 first"
    );
    let mut plan = place.plan(UPDATE).unwrap();
    let before = plan.clone();
    let error = plan
        .edit_hunk(patch::HunkId(0), " café\n-b\n+→\n")
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`→` (U+2192) cannot be written in Windows-1252"),
        "{error}"
    );
    assert_eq!(plan, before);
    plan.edit_hunk(patch::HunkId(0), " café\n-b\n+ü\n").unwrap();
    place.apply(&plan);
    assert_eq!(place.read("a.txt"), b"caf\xe9\n\xfc\n");
}

#[test]
fn what_is_no_text_is_refused_by_name() {
    for (bytes, why) in [
        (&b"\x7fELF\x02\x01\x01\0\0\0"[..], "it contains a NUL byte"),
        (b"a\xff\x01\n", "it is neither UTF-8 nor Latin-1"),
        (
            "ä ö ü \u{fe}".as_bytes().get(..10).unwrap(),
            "it is UTF-8 with damaged characters",
        ),
        (
            b"\xff\xfea\0\0\xd8b\0",
            "it is UTF-16 with damaged characters",
        ),
    ] {
        let place = Place::new(&[("a.txt", bytes)]);
        for body in [UPDATE, "*** Delete File: a.txt\n"] {
            assert_eq!(
                place.plan(body).unwrap_err(),
                format!("a.txt: not a text file ({why}); only text files are edited")
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_new_mode_alone_and_with_lines() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |place: &Place| {
        let file = place.root.join("a.txt").metadata().unwrap();
        file.permissions().mode() & 0o777
    };
    for (old, new, hunks) in [
        (0o644, 0o755, true),
        (0o755, 0o644, true),
        (0o640, 0o750, false),
        (0o755, 0o644, false),
    ] {
        let place = Place::new(&[("a.txt", b"a\nb\n")]);
        let set = fs::Permissions::from_mode(old);
        fs::set_permissions(place.root.join("a.txt"), set).unwrap();
        let mut plan = place.plan(UPDATE).unwrap();
        plan.files[0].new_mode = Some(new);
        if !hunks {
            plan.files[0].hunks.clear();
            plan.files[0].post = plan.files[0].pre.clone();
        }
        let diff = plan.unified_diff();
        let git = |mode: u32| if mode & 0o111 != 0 { 100_755 } else { 100_644 };
        let head = format!(
            "diff --git a/a.txt b/a.txt\nold mode {}\nnew mode {}\n",
            git(old),
            git(new)
        );
        assert!(diff.starts_with(&head), "{diff}");
        if has_git() {
            let copy = Place::new(&[("a.txt", b"a\nb\n"), ("diff", diff.as_bytes())]);
            let set = fs::Permissions::from_mode(old);
            fs::set_permissions(copy.root.join("a.txt"), set).unwrap();
            copy.git(&["apply", "diff"]);
            assert_eq!(mode(&copy) & 0o100, new & 0o100);
        }
        let mut journal = place.apply(&plan);
        assert_eq!(mode(&place), new);
        let text: &[u8] = if hunks { b"a\nc\n" } else { b"a\nb\n" };
        assert_eq!(place.read("a.txt"), text);
        place.undo(&mut journal);
        assert_eq!(
            (mode(&place), place.read("a.txt")),
            (old, b"a\nb\n".to_vec())
        );

        // The lines without the mode, and neither.
        let workspace = Workspace::discover(&place.root).unwrap();
        let mut decisions = Decisions::accept_all(&plan);
        let no = patch::Decision::Reject { note: None };
        decisions.files.insert(0, no);
        patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
        assert_eq!((mode(&place), place.read("a.txt")), (old, text.to_vec()));
    }
}

#[test]
fn filters_of_git_take_no_part() {
    if !has_git() {
        return;
    }
    for (setting, attributes) in [
        ("true", ""),
        ("input", ""),
        ("false", "*.txt text eol=crlf\n"),
    ] {
        for (old, new) in [
            ("a\r\nb\r\n", "a\r\nc\r\n"),
            ("a\nb\n", "a\nc\n"),
            ("a\nb\r\nz\n", "a\nc\r\nz\n"),
        ] {
            let place = Place::committed(&[
                ("a.txt", old.as_bytes()),
                (".gitattributes", attributes.as_bytes()),
            ]);
            place.git(&["config", "core.autocrlf", setting]);
            let git = tree(&place.root.join(".git"));
            let plan = place.plan(UPDATE).unwrap();
            let ends = if old.contains("b\r") { "\r\n" } else { "\n" };
            assert!(plan.unified_diff().contains(&format!("\n-b{ends}+c{ends}")));
            let mut journal = place.apply(&plan);
            assert_eq!(place.read("a.txt"), new.as_bytes());
            assert_eq!(tree(&place.root.join(".git")), git);
            let changed = place.git(&["diff", "--numstat", "--ignore-space-at-eol"]);
            assert_eq!(changed, "1\t1\ta.txt\n");
            place.undo(&mut journal);
            assert_eq!(place.read("a.txt"), old.as_bytes());
        }
    }
}

#[test]
fn a_git_lfs_pointer_is_not_edited_but_moved_and_removed() {
    let pointer: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let place = Place::new(&[("a.txt", pointer), ("b.txt", pointer)]);
    let update = "*** Update File: a.txt\n@@\n-size 12345\n+size 1\n";
    assert_eq!(
        place.plan(update).unwrap_err(),
        "a.txt: a Git LFS pointer; the file's own text is not here\n  \
         ask the user to run `git lfs pull`, then read the file again"
    );
    let plan = place
        .plan("*** Update File: a.txt\n*** Move to: c.bin\n*** Delete File: b.txt\n")
        .unwrap();
    let mut journal = place.apply(&plan);
    assert_eq!(place.read("c.bin"), pointer);
    assert!(!place.root.join("b.txt").exists());
    place.undo(&mut journal);
    assert_eq!(place.read("b.txt"), pointer);
    // A text about pointers is none.
    let text = "version https://git-lfs.github.com/spec/v1\nb\n";
    place.write("a.txt", text.as_bytes());
    place.plan(UPDATE).unwrap();
}

#[test]
fn what_a_sparse_checkout_leaves_out_is_refused_with_the_way_to_get_it() {
    if !has_git() {
        return;
    }
    for sparse_index in [false, true] {
        let place = Place::committed(&[
            ("a.txt", b"a\nb\n"),
            ("in/x.txt", b"x\n"),
            ("out/deep/y.txt", b"y\n"),
        ]);
        let flag = if sparse_index {
            "--sparse-index"
        } else {
            "--no-sparse-index"
        };
        place.git(&["sparse-checkout", "set", "--cone", flag, "in"]);
        assert!(!place.root.join("out").exists());
        let git = tree(&place.root.join(".git"));
        for (body, path) in [
            ("*** Add File: out/deep/y.txt\n+mine\n", "out/deep/y.txt"),
            (
                "*** Update File: out/deep/y.txt\n@@\n-y\n+z\n",
                "out/deep/y.txt",
            ),
            ("*** Delete File: out/deep/y.txt\n", "out/deep/y.txt"),
            (
                "*** Update File: a.txt\n*** Move to: out/deep/y.txt\n",
                "out/deep/y.txt",
            ),
            ("*** Add File: out\n+mine\n", "out"),
            (
                "*** Add File: out/deep/y.txt/z\n+mine\n",
                "out/deep/y.txt/z",
            ),
        ] {
            let error = place.plan(body).unwrap_err();
            let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
            let wanted = if sparse_index {
                format!(
                    "{path}: not on disk, and whether the sparse checkout leaves it out cannot be told from its sparse index\n  ask the user to run `git sparse-checkout reapply --no-sparse-index`"
                )
            } else {
                format!(
                    "{path}: in the repository, but the sparse checkout leaves it out\n  ask the user to run `git sparse-checkout add {folder}`, then read the file"
                )
            };
            assert_eq!(error, wanted);
        }
        place.apply(&place.plan(UPDATE).unwrap());
        assert_eq!(place.read("a.txt"), b"a\nc\n");
        if !sparse_index {
            place.apply(&place.plan("*** Add File: in/new.txt\n+n\n").unwrap());
        }
        assert_eq!(tree(&place.root.join(".git")), git);
    }
}

#[test]
fn submodules_are_refused_by_name_also_when_their_index_cannot_be_read() {
    if !has_git() {
        return;
    }
    let module = Place::committed(&[("m.txt", b"m\n")]);
    let place = Place::committed(&[("a.txt", b"a\nb\n"), ("out/y.txt", b"y\n")]);
    let url = module.root.to_str().unwrap();
    place.git(&["submodule", "--quiet", "add", url, "libs/module"]);
    place.git(&["commit", "-q", "-m", "module"]);
    let refused = |why: &str| {
        for body in [
            "*** Update File: libs/module/m.txt\n@@\n-m\n+n\n",
            "*** Add File: libs/module/new.txt\n+n\n",
            "*** Delete File: libs/module/m.txt\n",
            "*** Update File: a.txt\n*** Move to: libs/module/a.txt\n",
            "*** Add File: libs/module\n+n\n",
        ] {
            let error = place.plan(body).unwrap_err();
            assert!(
                error.contains("libs/module is a submodule"),
                "{why}: {error}"
            );
        }
    };
    refused("checked out");
    place.git(&["submodule", "--quiet", "deinit", "-f", "libs/module"]);
    refused("not initialised");
    place.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "libs"]);
    refused("with a sparse index");
    place.apply(&place.plan(UPDATE).unwrap());
}

#[test]
fn a_linked_worktree_works_and_the_main_repository_is_not_written() {
    if !has_git() {
        return;
    }
    let place = Place::committed(&[("a.txt", b"a\nb\n")]);
    let linked = place.home.path().join("linked");
    place.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "topic",
        linked.to_str().unwrap(),
    ]);
    let before = tree(&place.root);
    let other = Place {
        home: tempfile::tempdir().unwrap(),
        root: linked.clone(),
    };
    assert!(linked.join(".git").is_file());
    let dot_git = other.read(".git");
    let workspace = Workspace::discover(&linked).unwrap();
    assert_eq!(workspace.branch().as_deref(), Some("topic"));
    let plan = other
        .plan(&format!("{UPDATE}*** Add File: n.txt\n+n\n"))
        .unwrap();
    let mut journal = other.apply(&plan);
    assert_eq!(other.read("a.txt"), b"a\nc\n");
    other.undo(&mut journal);
    assert_eq!(other.read("a.txt"), b"a\nb\n");
    assert_eq!((tree(&place.root), other.read(".git")), (before, dot_git));
}

#[test]
fn in_the_middle_of_a_rebase_and_of_a_merge_with_a_stash() {
    if !has_git() {
        return;
    }
    for command in ["rebase", "merge"] {
        let place = Place::committed(&[("a.txt", b"a\nb\n"), ("both.txt", b"1\n")]);
        place.git(&["switch", "-q", "-c", "topic"]);
        place.write("both.txt", b"2\n");
        place.git(&["commit", "-q", "-am", "topic"]);
        place.git(&["switch", "-q", "main"]);
        place.write("both.txt", b"3\n");
        place.git(&["commit", "-q", "-am", "main"]);
        place.write("both.txt", b"4\n");
        place.git(&["stash", "-q"]);
        assert!(
            !place
                .git_in(&place.root, &[command, "topic"])
                .status
                .success()
        );
        let (git, status) = (
            tree(&place.root.join(".git")),
            place.git(&["status", "--porcelain"]),
        );
        assert!(status.contains("both.txt") && !status.contains("a.txt"));

        let marked = String::from_utf8(place.read("both.txt")).unwrap();
        let ours = marked.lines().next().unwrap();
        let body = format!("{UPDATE}*** Update File: both.txt\n@@\n-{ours}\n+resolved\n");
        let mut journal = place.apply(&place.plan(&body).unwrap());
        assert!(place.read("both.txt").starts_with(b"resolved\n"));
        place.undo(&mut journal);
        assert_eq!(place.read("both.txt"), marked.as_bytes());
        assert_eq!(tree(&place.root.join(".git")), git, "{command}");
        assert_eq!(place.git(&["status", "--porcelain"]), status);
    }
}

#[test]
fn a_folder_outside_git_works() {
    let place = Place::new(&[("a.txt", b"a\nb\n")]);
    let mut journal = place.apply(&place.plan(UPDATE).unwrap());
    assert_eq!(place.read("a.txt"), b"a\nc\n");
    place.undo(&mut journal);
    let names: Vec<_> = fs::read_dir(&place.root).unwrap().collect();
    assert_eq!((names.len(), place.read("a.txt")), (1, b"a\nb\n".to_vec()));
}
