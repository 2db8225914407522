//! `--once` to the letter of its contract: exit codes, streams, JSON. The model is a script, everything else is
//! real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Bench, Ran};

/// A script of generations, each the text after `<|start|>assistant`.
fn script(generations: &[&str]) -> String {
    let generations: Vec<Value> = generations
        .iter()
        .map(|text| json!({"text": text}))
        .collect();
    json!({"generations": generations}).to_string()
}

fn answer(text: &str) -> String {
    format!(
        "<|channel|>analysis<|message|>Thinking.<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
    )
}

fn patch(text: &str) -> String {
    format!("<|channel|>commentary to=functions.apply_patch<|message|>{text}<|call|>")
}

const UPDATE: &str = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+ONE\n*** End Patch";

fn once(bench: &Bench, generations: &[&str], args: &[&str]) -> Ran {
    let model = bench.scripted(&script(generations));
    let mut all = vec!["--once", "-m", &model];
    all.extend_from_slice(args);
    bench.run(&all)
}

#[test]
fn the_answer_alone_is_on_stdout() {
    let bench = Bench::without_sandbox();
    let last = bench.home().join("last");
    let ran = once(
        &bench,
        &[&answer("Hello.")],
        &["-o", last.to_str().unwrap(), "hi"],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "Hello.\n"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(last).unwrap(), "Hello.");
}

#[test]
fn standard_input_is_the_prompt_or_a_block_beside_it() {
    let bench = Bench::without_sandbox();
    let model = bench.scripted(&script(&[&answer("ok")]));
    for (args, input, recorded) in [
        (
            vec!["--once", "-m", &model, "-"],
            "from stdin\n",
            "from stdin",
        ),
        (vec!["--once", "-m", &model], "from stdin\n", "from stdin"),
        (
            vec!["--once", "-m", &model, "look"],
            "x = 1\n",
            "look\n<stdin>\nx = 1\n</stdin>",
        ),
    ] {
        let ran = bench.run_with(&args, input);
        assert_eq!(ran.code, 0, "{ran:?}");
        let sessions = bench.home().join("descant/sessions");
        let newest = std::fs::read_dir(sessions)
            .unwrap()
            .map(|e| e.unwrap().path())
            .max_by_key(|p| std::fs::metadata(p).unwrap().modified().unwrap());
        let record = std::fs::read_to_string(newest.unwrap()).unwrap();
        assert!(
            record.contains(&serde_json::to_string(recorded).unwrap()),
            "{recorded:?} not in {record}"
        );
    }
}

#[test]
fn usage_errors_are_2() {
    let bench = Bench::without_sandbox();
    let model = bench.scripted(&script(&[]));
    for args in [
        vec!["--once", "-m", model.as_str()],
        vec!["--apply", "all", "x"],
        vec!["--once", "--timeout", "0", "x"],
        vec!["--once", "-c", "modle=x", "x"],
        vec!["--once", "-C", "no/such/folder", "x"],
        vec!["--frobnicate"],
    ] {
        let ran = bench.run(&args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn a_missing_model_is_4_and_says_what_to_do() {
    let bench = Bench::without_sandbox();
    for json in [false, true] {
        let mut args = vec!["--once", "-m", "gpt-oss-20b"];
        if json {
            args.push("--json");
        }
        args.push("hi");
        let ran = bench.run(&args);
        assert_eq!(ran.code, 4, "{ran:?}");
        let said = if json { &ran.stdout } else { &ran.stderr };
        assert!(
            said.contains("gpt-oss-20b") && said.contains("demo"),
            "{ran:?}"
        );
        if json {
            let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
            assert_eq!(last["type"], "turn.failed");
        }
    }
}

#[test]
fn apply_decides_what_is_written() {
    for (apply, code, after) in [("none", 3, "one\ntwo\n"), ("all", 0, "ONE\ntwo\n")] {
        let bench = Bench::without_sandbox();
        bench.write("a.txt", "one\ntwo\n");
        let ran = once(
            &bench,
            &[&patch(UPDATE), &answer("Done.")],
            &["--apply", apply, "go"],
        );
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(bench.read("a.txt"), after);
        assert_eq!(
            ran.stdout.contains("-one\n+ONE\n"),
            apply == "none",
            "{ran:?}"
        );
    }
}

#[test]
fn a_patch_that_never_fits_is_3() {
    let bench = Bench::without_sandbox();
    bench.write("a.txt", "other\n");
    let ran = once(
        &bench,
        &[&patch(UPDATE), &answer("It did not fit.")],
        &["--apply", "all", "go"],
    );
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (3, "It did not fit.\n"),
        "{ran:?}"
    );
}

#[test]
fn a_turn_without_an_answer_is_1() {
    let bench = Bench::without_sandbox();
    let silent = "<|channel|>analysis<|message|>Hm.<|return|>";
    let ran = once(&bench, &[silent, silent, silent], &["go"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let broken =
        json!({"generations": [{"text": answer("x"), "accident": {"fail": 3}}]}).to_string();
    let model = bench.scripted(&broken);
    let ran = bench.run(&["--once", "--json", "-m", &model, "go"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "turn.failed", "{ran:?}");
}

#[test]
fn a_timeout_is_124_and_leaves_at_once() {
    let bench = Bench::without_sandbox();
    let slow =
        json!({"generations": [{"text": answer("never"), "accident": {"hang": 2}}]}).to_string();
    let model = bench.scripted(&slow);
    let ran = bench.run(&["--once", "--json", "--timeout", "1", "-m", &model, "go"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    let ends = ran
        .stdout
        .lines()
        .filter(|l| l.contains("turn.failed") || l.contains("turn.completed"))
        .count();
    assert_eq!(ends, 1, "{ran:?}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_is_130() {
    let bench = Bench::without_sandbox();
    let slow =
        json!({"generations": [{"text": answer("never"), "accident": {"hang": 2}}]}).to_string();
    let model = bench.scripted(&slow);
    let mut command = bench.command(&["--once", "-m", &model, "go"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran:?}");
}

#[test]
fn control_characters_of_the_model_do_not_reach_the_streams() {
    let bench = Bench::without_sandbox();
    let ran = once(
        &bench,
        &[&answer("a\u{1b}]52;c;eA==\u{7}b\u{202e}c")],
        &["go"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    for stream in [&ran.stdout, &ran.stderr] {
        assert!(
            !stream.contains(['\u{1b}', '\u{7}', '\u{202e}']),
            "{stream:?}"
        );
    }
}

#[test]
fn apply_and_checkpoints_work_without_a_model() {
    let bench = Bench::without_sandbox();
    bench.write("a.txt", "one\ntwo\n");
    let check = bench.run_with(&["apply", "--check"], UPDATE);
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.stdout.contains("-one\n+ONE\n"), "{check:?}");
    assert_eq!(bench.read("a.txt"), "one\ntwo\n");
    let applied = bench.run_with(&["apply", "--yes", "-"], UPDATE);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(bench.read("a.txt"), "ONE\ntwo\n");
    let list = bench.run(&["checkpoints"]);
    assert!(list.stdout.contains("M a.txt"), "{list:?}");
    assert_eq!(bench.run(&["undo"]).code, 0);
    assert_eq!(bench.read("a.txt"), "one\ntwo\n");
    let nothing = bench.run(&["undo"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.stderr.contains("nothing to undo"), "{nothing:?}");
}

#[test]
fn sessions_are_listed_shown_and_removed() {
    let bench = Bench::without_sandbox();
    assert_eq!(once(&bench, &[&answer("Hello.")], &["say hello"]).code, 0);
    let list = bench.run(&["sessions"]);
    assert!(list.stdout.contains("say hello"), "{list:?}");
    let id = list.stdout.split('\t').next().unwrap().to_owned();
    let show = bench.run(&["sessions", "show", &id]);
    assert!(
        show.stdout.contains("## You\n\nsay hello") && show.stdout.contains("Hello."),
        "{show:?}"
    );
    assert_eq!(bench.run(&["sessions", "rm", &id]).code, 0);
    assert_eq!(bench.run(&["sessions"]).stdout, "");
}

#[test]
fn completions_manual_models_and_doctor_answer() {
    let bench = Bench::without_sandbox();
    assert!(
        bench
            .run(&["completions", "bash"])
            .stdout
            .contains("descant")
    );
    assert!(bench.run(&["man"]).stdout.contains(".TH"));
    assert!(bench.run(&["models"]).stdout.starts_with("demo\t"));
    let doctor = bench.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    for name in ["acceleration", "model", "python", "workspace"] {
        assert!(names.contains(&name), "{doctor:?}");
    }
}
