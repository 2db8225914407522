//! `--once` with the built-in model: a real checkpoint in process, real files, a real patch, a real container.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::process::Command;
use support::{Bench, engine_or_not_run};

const CALC: &str = "def add(a, b):\n    return a - b\n\n\ndef mul(a, b):\n    return a * b\n";
const FIXED: &str = "def add(a, b):\n    return a + b\n\n\ndef mul(a, b):\n    return a * b\n";
const CHANGE: &str = "In calc.py, change `return a - b` to `return a + b`.";

fn calc() -> Bench {
    let bench = Bench::new();
    bench.write("calc.py", CALC);
    bench
}

#[test]
fn a_line_is_changed_and_undo_restores_every_byte() {
    let bench = calc();
    let before = bench.tree();
    let ran = bench.run(&["--once", "--apply", "all", "-m", "demo", CHANGE]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(bench.read("calc.py"), FIXED);
    assert_eq!(ran.stdout.trim(), "Changed calc.py.");
    assert!(
        ran.stderr.contains("demo model") && ran.stderr.contains("gpt-oss-20b"),
        "{}",
        ran.stderr
    );
    let undo = bench.run(&["undo"]);
    assert_eq!(undo.code, 0, "{undo:?}");
    assert_eq!(bench.tree(), before);
    let redo = bench.run(&["redo"]);
    assert_eq!(redo.code, 0, "{redo:?}");
    assert_eq!(bench.read("calc.py"), FIXED);
}

#[test]
fn without_apply_it_prints_a_diff_that_git_takes_and_writes_nothing() {
    let bench = calc();
    let before = bench.tree();
    let ran = bench.run(&["--once", "-m", "demo", CHANGE]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(bench.tree(), before);
    let mut git = Command::new("git")
        .args(["apply", "-"])
        .current_dir(bench.work())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut git.stdin.take().unwrap(), ran.stdout.as_bytes()).unwrap();
    assert!(
        git.wait().unwrap().success(),
        "git refused:\n{}",
        ran.stdout
    );
    assert_eq!(bench.read("calc.py"), FIXED);
}

#[test]
fn json_lines_follow_the_schema_and_end_once() {
    let bench = calc();
    let last = bench.home().join("last.txt");
    let ran = bench.run(&[
        "--once",
        "--json",
        "--apply",
        "all",
        "-m",
        "demo",
        "-o",
        last.to_str().unwrap(),
        CHANGE,
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let kinds: Vec<&str> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["thread.started", "turn.started"]);
    assert_eq!(*kinds.last().unwrap(), "turn.completed");
    assert_eq!(
        kinds
            .iter()
            .filter(|k| matches!(**k, "turn.completed" | "turn.failed"))
            .count(),
        1
    );
    let usage = &lines.last().unwrap()["usage"];
    for field in [
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
    ] {
        assert!(usage[field].is_u64(), "{usage}");
    }
    assert!(
        usage["cached_input_tokens"].as_u64() > Some(0),
        "the prefix cache was not used: {usage}"
    );
    let items: Vec<&Value> = lines
        .iter()
        .filter(|l| l["type"] == "item.completed")
        .map(|l| &l["item"])
        .collect();
    let change = items.iter().find(|i| i["type"] == "file_change").unwrap();
    assert_eq!(change["status"], "completed");
    assert_eq!(
        change["changes"],
        serde_json::json!([{"path": "calc.py", "kind": "update"}])
    );
    let read = items.iter().find(|i| i["type"] == "mcp_tool_call").unwrap();
    assert_eq!(
        (read["server"].as_str(), read["tool"].as_str()),
        (Some("descant"), Some("read_file"))
    );
    assert!(items.iter().any(|i| i["type"] == "reasoning"));
    let message = items.iter().find(|i| i["type"] == "agent_message").unwrap();
    assert_eq!(
        message["text"].as_str().unwrap(),
        std::fs::read_to_string(last).unwrap()
    );
    for line in &lines {
        if let Some(item) = line.get("item") {
            assert!(item["id"].as_str().unwrap().starts_with("item_"));
        }
    }
}

#[test]
fn arithmetic_runs_in_a_container() {
    if !engine_or_not_run("arithmetic_runs_in_a_container") {
        return;
    }
    let bench = Bench::new();
    let ran = bench.run(&["--once", "-m", "demo", "What is 1234 * 77?"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("95018"), "{ran:?}");
}

#[test]
fn without_an_engine_python_is_named_as_missing() {
    let bench = Bench::new();
    let mut command = bench.command(&["--once", "-m", "demo", "What is 1234 * 77?"]);
    command.env(
        "DOCKER_HOST",
        format!("unix://{}/no.sock", bench.home().display()),
    );
    let ran = support::Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("python is not available"), "{ran:?}");
    assert!(!ran.stdout.contains("95018"), "{ran:?}");
    assert!(bench.tree().is_empty());
}

#[test]
fn files_are_created_shown_and_deleted() {
    let bench = Bench::new();
    let made = bench.run(&[
        "--once",
        "--apply",
        "all",
        "-m",
        "demo",
        "Create src/notes.md with:\n# Notes\n\nmilk\nbread",
    ]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(bench.read("src/notes.md"), "# Notes\n\nmilk\nbread\n");
    let shown = bench.run(&["--once", "-m", "demo", "Show src/notes.md."]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown.stdout.contains("# Notes\n\nmilk\nbread\n"),
        "{shown:?}"
    );
    let gone = bench.run(&[
        "--once",
        "--apply",
        "all",
        "-m",
        "demo",
        "Delete src/notes.md.",
    ]);
    assert_eq!(gone.code, 0, "{gone:?}");
    assert!(!bench.work().join("src/notes.md").exists());
    let undone = bench.run(&["undo"]);
    assert_eq!(undone.code, 0, "{undone:?}");
    assert_eq!(bench.read("src/notes.md"), "# Notes\n\nmilk\nbread\n");
}

#[test]
fn anything_else_gets_an_honest_answer() {
    let bench = calc();
    let before = bench.tree();
    let ran = bench.run(&[
        "--once",
        "--apply",
        "all",
        "-m",
        "demo",
        "Please refactor my whole project to use async.",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("demo model"), "{ran:?}");
    assert_eq!(bench.tree(), before);
}
