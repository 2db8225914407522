//! Nothing that text from outside says acts on the terminal: the corpus of `support/escapes.rs` through `--once`
//! and the subcommands of the real program, on a pipe and on a terminal (safety T1). The interface's own test is
//! beside it, in `tui`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::escapes::{corpus, leaks as found};
use support::pty::Pty;
use support::{Bench, Ran};

const NEWLINES: &[char] = &['\n', '\t'];
/// A pseudo-terminal puts a carriage return before a newline.
const TERMINAL: &[char] = &['\n', '\t', '\r'];

fn leaks(sent: &str, allowed: &[char]) -> Option<String> {
    found(sent, allowed, descant::text::is_unsafe)
}

/// Cases together, so that not every one needs a process; what joins them is plain.
fn chunks(size: usize) -> Vec<String> {
    corpus().chunks(size).map(|cases| cases.join("|")).collect()
}

#[track_caller]
fn clean(what: &str, ran: &Ran) {
    for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if let Some(leak) = leaks(text, NEWLINES) {
            panic!("{what}: {stream} has {leak}");
        }
        // A pipe gets no sequence of ours either.
        assert!(!text.contains('\u{1b}'), "{what}: {stream} is coloured");
    }
}

/// What a terminal was sent until the program ended.
fn on_terminal(bench: &Bench, args: &[&str]) -> String {
    let mut pty = Pty::start(bench, 50, 200, args);
    pty.wait_exit();
    String::from_utf8(pty.bytes()).unwrap()
}

/// A turn that says the corpus in every channel, calls tools with it, and proposes it as a file; every way but the
/// answer has a part of it.
fn script(bench: &Bench) -> String {
    let all = corpus();
    let part = |number: usize| -> String {
        let cases: Vec<&str> = all
            .iter()
            .skip(number)
            .step_by(6)
            .map(String::as_str)
            .collect();
        cases.join("\n")
    };
    let single = all
        .iter()
        .filter(|case| case.chars().count() == 1 && !"\r\0".contains(case.as_str()));
    let lines: String = single
        .map(String::as_str)
        .chain(part(5).replace(['\r', '\0'], "").lines())
        .map(|line| format!("+{line}\n"))
        .collect();
    let patch = format!("*** Begin Patch\n*** Add File: new.txt\n{lines}*** End Patch");
    let call = |tool: &str, text: &str| {
        format!("<|channel|>commentary to=functions.{tool}<|message|>{text}<|call|>")
    };
    let generations: Vec<Value> = [
        format!(
            "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>commentary<|message|>{}<|end|><|start|>assistant{}",
            part(0),
            part(1),
            call("read_file", &json!({"path": part(2)}).to_string())
        ),
        call("apply_patch", &part(3)),
        call("no_such_tool", &part(4)),
        call("apply_patch", &patch),
        format!("<|channel|>final<|message|>{}<|return|>", all.join("\n")),
    ]
    .iter()
    .map(|text| json!({"text": text}))
    .collect();
    bench.scripted(&json!({"generations": generations}).to_string())
}

#[test]
fn the_corpus_is_large_and_would_be_noticed() {
    let cases = corpus();
    assert!(cases.len() >= 500, "{}", cases.len());
    let harmless: Vec<&String> = cases
        .iter()
        .filter(|case| leaks(case, &[]).is_none())
        .collect();
    // Sequences that we write ourselves, variation selectors, and what a decoder has made harmless.
    assert!(harmless.len() < 60, "{harmless:?}");
}

#[test]
fn once_in_text_and_json() {
    let bench = Bench::new();
    let model = script(&bench);
    let ran = bench.run_with(
        &["--once", "-m", &model, "-"],
        &corpus().join("\n").replace('\0', ""),
    );
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    // A piped diff is the change itself, byte by byte, for `git apply`; the answer went to stderr beside it.
    assert!(ran.stdout.contains("+\u{1b}["), "the diff is exact");
    clean(
        "--once",
        &Ran {
            stdout: String::new(),
            ..ran
        },
    );
    let ran = bench.run(&["--once", "--json", "-m", &model, "go"]);
    clean("--once --json", &ran);
    let texts: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = texts.iter().any(|event| {
        event["item"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("\u{9b}2J") && text.contains('\u{e0041}'))
    });
    assert!(said, "JSON gives the text itself");
    for apply in ["none", "all"] {
        let sent = on_terminal(&bench, &["--once", "--apply", apply, "-m", &model, "go"]);
        assert!(sent.contains("<U+202E>"), "{sent}");
        assert_eq!(
            leaks(&sent, TERMINAL),
            None,
            "--apply {apply} on a terminal"
        );
    }
    let sent = on_terminal(&bench, &["--once", "--json", "-m", &model, "go"]);
    assert_eq!(leaks(&sent, TERMINAL), None, "--json on a terminal");
}

#[test]
fn an_answer_alone_in_a_pipe() {
    let bench = Bench::without_sandbox();
    let text = format!(
        "<|channel|>final<|message|>{}<|return|>",
        corpus().join("\n")
    );
    let model = bench.scripted(&json!({"generations": [{"text": text}]}).to_string());
    let ran = bench.run(&["--once", "-m", &model, "go"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("<U+009B>2J"));
    clean("an answer", &ran);
}

#[test]
fn a_review_line_by_line_shows_every_character() {
    let bench = Bench::without_sandbox();
    let model = script(&bench);
    let mut pty = Pty::start(
        &bench,
        50,
        200,
        &["--once", "--apply", "ask", "-m", &model, "go"],
    );
    pty.wait_for("Apply this");
    pty.send("q\n");
    pty.wait_exit();
    let sent = String::from_utf8(pty.bytes()).unwrap();
    assert_eq!(leaks(&sent, TERMINAL), None);
    for hidden in [
        "<U+FE0F>",
        "<U+200D>",
        "<U+E0041>",
        "<U+202E>",
        "<U+00AD>",
        "<U+E0100>",
    ] {
        assert!(sent.contains(hidden), "{hidden}");
    }
}

#[test]
fn sessions_and_what_was_said_in_them() {
    let bench = Bench::without_sandbox();
    for chunk in chunks(60) {
        let text = format!("<|channel|>final<|message|>{chunk}<|return|>");
        let model = bench.scripted(&json!({"generations": [{"text": text}]}).to_string());
        let ran = bench.run_with(&["--once", "-m", &model, "-"], &chunk.replace('\0', ""));
        clean("a turn", &ran);
    }
    let list = bench.run(&["sessions"]);
    assert!(list.stdout.lines().count() >= 8, "{list:?}");
    clean("sessions", &list);
    let id = list.stdout.split('\t').next().unwrap().to_owned();
    let show = bench.run(&["sessions", "show", &id]);
    assert!(show.stdout.contains("<U+E0070>"), "{show:?}");
    clean("sessions show", &show);
    assert_eq!(leaks(&on_terminal(&bench, &["sessions"]), TERMINAL), None);
    assert_eq!(
        leaks(&on_terminal(&bench, &["sessions", "show", &id]), TERMINAL),
        None
    );
}

#[test]
fn patches_checkpoints_and_undo() {
    let bench = Bench::without_sandbox();
    let lines = |sign: char| -> String {
        let all = corpus().join("\n").replace(['\r', '\0', '\u{feff}'], "");
        all.lines().map(|line| format!("{sign}{line}\n")).collect()
    };
    let add = format!(
        "*** Begin Patch\n*** Add File: a.txt\n{}*** End Patch",
        lines('+')
    );
    let file = bench.home().join("add.patch");
    std::fs::write(&file, &add).unwrap();
    let file = file.to_str().unwrap();
    let check = on_terminal(&bench, &["apply", "--check", file]);
    assert_eq!(leaks(&check, TERMINAL), None);
    assert!(
        check.contains("<U+FE0F>") && check.contains("<U+202E>"),
        "{check}"
    );
    assert_eq!(
        leaks(&on_terminal(&bench, &["apply", "--yes", file]), TERMINAL),
        None
    );
    assert!(bench.read("a.txt").contains("\u{9b}2J"));
    for command in [
        &["checkpoints"][..],
        &["undo"],
        &["redo"],
        &["undo"],
        &["undo"],
    ] {
        assert_eq!(
            leaks(&on_terminal(&bench, command), TERMINAL),
            None,
            "{command:?}"
        );
    }
}

#[test]
fn names_of_files_in_patches_and_on_the_command_line() {
    let bench = Bench::without_sandbox();
    for name in corpus()
        .iter()
        .step_by(7)
        .filter(|name| !name.contains(['\n', '\0']))
    {
        let patch = format!(
            "*** Begin Patch\n*** Update File: d/{name}.txt\n@@ {name}\n-{name}\n+x\n*** End Patch"
        );
        clean("apply", &bench.run_with(&["apply", "--yes", "-"], &patch));
    }
    for chunk in chunks(24) {
        let chunk = chunk.replace(['\0'], "");
        for args in [
            vec!["apply", &chunk],
            vec!["-C", &chunk, "doctor"],
            vec!["-m", &chunk, "--once", "hi"],
            vec!["-c", &chunk, "--once", "hi"],
            vec!["resume", &chunk],
            vec!["sessions", "show", &chunk],
            vec!["models", "pull", "--offline", &chunk],
            vec!["--no-such", &chunk],
            vec!["models", &chunk],
        ] {
            let ran = bench.run(&args);
            assert_ne!(ran.code, 0, "{args:?}: {ran:?}");
            clean(&format!("{args:?}"), &ran);
        }
    }
}

/// What a program in the sandbox prints, and what it complains of. Needs a container engine, as
/// `tests/sandbox_docker.rs` does.
#[test]
fn python_and_what_it_prints() {
    let bench = Bench::new();
    let probe = bench.run_with(&["python", "-"], "print(1)");
    if probe.code == 4 {
        let required = [("CI", "true"), ("DESCANT_REQUIRE_DOCKER", "1")]
            .iter()
            .any(|(name, value)| std::env::var(name).is_ok_and(|set| set == *value));
        assert!(!required, "no container engine: {}", probe.stderr);
        return;
    }
    assert_eq!(
        (probe.code, probe.stdout.as_str()),
        (0, "1\n"),
        "{}",
        probe.stderr
    );
    let cases: Vec<String> = corpus()
        .iter()
        .map(|case| {
            case.chars()
                .map(|c| format!("\\U{:08x}", u32::from(c)))
                .collect()
        })
        .collect();
    let program = format!(
        "import sys\ncases = [\"{}\"]\nfor case in cases:\n    print(case)\nsys.stderr.write('|'.join(cases))\nsys.stdout.flush()\nraise ValueError(''.join(cases[::7]))\n",
        cases.join("\", \"")
    );
    let file = bench.write("all.py", &program);
    let file = file.to_str().unwrap();
    let ran = bench.run(&["python", file]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("<U+009B>2J") && ran.stdout.contains("<U+202E>"));
    clean("python", &ran);
    let sent = on_terminal(&bench, &["python", file]);
    assert!(sent.contains("<U+E0041>"), "{sent}");
    assert_eq!(leaks(&sent, TERMINAL), None, "python on a terminal");
}

#[test]
fn models_and_doctor() {
    let bench = Bench::new();
    let hub = bench.home().join(".cache/huggingface/hub");
    for case in corpus()
        .iter()
        .step_by(5)
        .filter(|case| !case.contains(['/', '\0']))
    {
        std::fs::create_dir_all(hub.join(format!("models--a--{case}"))).unwrap();
    }
    clean("models", &bench.run(&["models"]));
    assert_eq!(leaks(&on_terminal(&bench, &["models"]), TERMINAL), None);
    let odd = "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{e0041}";
    let folder = bench.work().join(odd);
    std::fs::create_dir(&folder).unwrap();
    assert!(Path::new(&folder).is_dir());
    for args in [&["doctor"][..], &["doctor", "--json"]] {
        let mut all = vec!["-C", folder.to_str().unwrap(), "-m", odd];
        all.extend_from_slice(args);
        let ran = bench.run(&all);
        assert_eq!(ran.code, 0, "{ran:?}");
        clean(&format!("{args:?}"), &ran);
        assert_eq!(
            leaks(&on_terminal(&bench, &all), TERMINAL),
            None,
            "{args:?}"
        );
    }
}
