//! Commands themselves: state, exit codes, limits, what is left running.

use crate::bench::Bench;
use crate::both_ways;
use descant::sandbox::{CommandExit, ViewChoice};
use descant::tools::python::Interpreter;
use descant::tools::shell::Shell;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

both_ways!(folder_and_variables_stay, state);
async fn state(view: ViewChoice) {
    let Some(bench) = Bench::start(view).await else {
        return;
    };
    assert_eq!(
        bench.ok("pwd; id -u").await.lines().next(),
        Some("/workspace")
    );
    bench
        .ok("cd src; export KEY='a b\n\"c\"'; LOCAL=1; f() { :; }")
        .await;
    assert_eq!(
        bench
            .ok("pwd; printf %s \"$KEY\"; echo \"${LOCAL:-gone}\"")
            .await,
        "/workspace/src\na b\n\"c\"gone\n"
    );
    // Also when it leaves early, or badly.
    let result = bench.run("cd deep; export KEY=2; exit 7").await;
    assert_eq!(
        (result.exit, result.folder.as_str()),
        (CommandExit::Code(7), "/workspace/src/deep")
    );
    assert_eq!(bench.ok("pwd; echo $KEY").await, "/workspace/src/deep\n2\n");
    let result = bench.run("set -eu; false; echo not here").await;
    assert_eq!(
        (result.exit, result.output.as_str()),
        (CommandExit::Code(1), "")
    );
    assert_eq!(bench.run("if").await.exit, CommandExit::Code(2));
    assert_eq!(
        bench.run("nosuchcommand").await.exit,
        CommandExit::Code(127)
    );
    assert_eq!(bench.run("kill -9 $$").await.exit, CommandExit::Code(137));
    assert_eq!(bench.ok("pwd").await, "/workspace/src/deep\n");
    assert_eq!(bench.ok("cat; echo end").await, "end\n");
    bench.stop().await;
}

both_ways!(python_and_shell_see_the_same_files, same);
async fn same(view: ViewChoice) {
    let Some(bench) = Bench::start(view).await else {
        return;
    };
    let code =
        "import os\nprint(open('/workspace/a.txt').read(), os.path.exists('/workspace/.env'))";
    let cancel = CancellationToken::new();
    let run = Interpreter::run(&bench.bench, code, Box::new(|_: &str| {}), &cancel);
    assert_eq!(run.await.unwrap().output, "one\ntwo\nthree\n False\n");
    bench
        .run("echo four >> a.txt; mkdir -p target; echo x > target/new")
        .await;
    let code = "print(open('/workspace/a.txt').read()[-5:], open('/workspace/target/new').read())";
    let run = Interpreter::run(&bench.bench, code, Box::new(|_: &str| {}), &cancel);
    assert_eq!(run.await.unwrap().output, "four\n x\n\n");
    assert_eq!(bench.text("a.txt"), "one\ntwo\nthree\n");
    bench.stop().await;
}

#[tokio::test]
async fn a_time_limit_interrupts_then_kills_and_keeps_the_state() {
    let change = |config: &mut descant::sandbox::SandboxConfig| {
        config.shell_timeout = Duration::from_secs(2);
    };
    let bench = Bench::with(ViewChoice::Auto, crate::bench::repository(), &[], change).await;
    let Some(bench) = bench else { return };
    bench.ok("cd src; export KEPT=yes").await;
    for (command, how) in [
        ("echo begun; sleep 60", "it was interrupted"),
        (
            "trap '' INT TERM; echo begun; while :; do sleep 1; done",
            "it had to be killed",
        ),
        (
            "trap '' INT; echo begun; (setsid sleep 600 &) ; sleep 600",
            "it had to be killed",
        ),
    ] {
        let result = bench.run(command).await;
        assert_eq!(result.exit, CommandExit::Timeout, "{command}");
        assert!(result.output.starts_with("begun\n"), "{}", result.output);
        let end = format!("[the time limit of 2 s was reached; {how}]\n");
        assert!(
            result.output.ends_with(&end),
            "{command}: {}",
            result.output
        );
        assert_eq!(bench.ok("pwd; echo $KEPT").await, "/workspace/src\nyes\n");
    }
    assert_eq!(
        bench.ok("ps -e 2>/dev/null | grep -c sleep || true").await,
        "0\n"
    );
    bench.stop().await;
}

#[tokio::test]
async fn the_user_interrupts_a_command() {
    let Some(bench) = Bench::start(ViewChoice::Auto).await else {
        return;
    };
    bench.bench.begin().await.unwrap();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let sink = Box::new(move |_: &str| stop.cancel());
    let result = Shell::run(&bench.bench, "echo begun; sleep 60", sink, &cancel)
        .await
        .unwrap();
    assert_eq!(result.exit, CommandExit::Interrupted);
    assert_eq!(result.output, "begun\n[interrupted; it was interrupted]\n");
    assert_eq!(bench.ok("echo on").await, "on\n");
    bench.stop().await;
}

#[tokio::test]
async fn what_a_command_leaves_running_ends_with_it() {
    let Some(bench) = Bench::start(ViewChoice::Auto).await else {
        return;
    };
    let result = bench
        .run("(setsid nohup sleep 900 >/dev/null 2>&1 &); sleep 901 & echo ran")
        .await;
    assert_eq!(result.exit, CommandExit::Code(0));
    assert_eq!(
        result.output,
        "ran\n[what the command left running was ended with it]\n"
    );
    let left = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null; echo; done | grep -c '^sleep 90' || true";
    assert_eq!(bench.ok(left).await, "0\n");
    bench.stop().await;
}

#[tokio::test]
async fn output_is_capped_head_and_tail_and_a_flood_ends() {
    let change = |config: &mut descant::sandbox::SandboxConfig| {
        config.shell_timeout = Duration::from_secs(60);
        config.output_limit = 64 << 10;
    };
    let bench = Bench::with(ViewChoice::Auto, crate::bench::repository(), &[], change).await;
    let Some(bench) = bench else { return };
    let result = bench
        .run("echo head; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo tail; exit 3")
        .await;
    assert_eq!(result.exit, CommandExit::Code(3));
    assert!(result.output.len() < 70_000, "{}", result.output.len());
    assert!(result.output.starts_with("head\nxxx") && result.output.ends_with("x\ntail\n"));
    assert!(result.output.contains("bytes left out"));
    let result = bench
        .run("printf 'a\\377b\\033[31m\\0c\\n'; echo err >&2")
        .await;
    assert_eq!(result.output, "a\u{fffd}b\u{1b}[31m\0c\nerr\n");
    bench.stop().await;
}

#[tokio::test]
async fn a_fork_bomb_and_a_memory_bomb_end_and_the_next_command_runs() {
    let change = |config: &mut descant::sandbox::SandboxConfig| {
        config.shell_timeout = Duration::from_secs(4);
        config.memory = 256 << 20;
    };
    let bench = Bench::with(ViewChoice::Auto, crate::bench::repository(), &[], change).await;
    let Some(bench) = bench else { return };
    let result = bench.run("bomb() { bomb | bomb & }; bomb; sleep 30").await;
    assert_ne!(result.exit, CommandExit::Interrupted);
    let result = bench
        .run("python3 -c 'x = bytearray(2 << 30)'; echo after")
        .await;
    assert!(
        result
            .output
            .contains("[out of memory: a process of the command was killed]")
            || result.output.contains("MemoryError"),
        "{}",
        result.output
    );
    assert_eq!(bench.ok("echo on").await, "on\n");
    bench.stop().await;
}

#[tokio::test]
async fn a_command_that_fills_the_disk_is_stopped() {
    let change = |config: &mut descant::sandbox::SandboxConfig| config.disk = 64 << 20;
    let bench = Bench::with(ViewChoice::Auto, crate::bench::repository(), &[], change).await;
    let Some(mut bench) = bench else { return };
    let result = bench.run("mkdir -p target; i=0; while :; do i=$((i+1)); head -c 8000000 /dev/zero > target/$i; done").await;
    assert_eq!(result.exit, CommandExit::Code(137));
    assert!(
        result.output.ends_with(
            "[stopped: what it wrote below /workspace needs more than the 64 MiB there are]\n"
        ),
        "{}",
        result.output
    );
    let changes = bench.changes().await;
    bench.reject(changes).await;
    assert_eq!(bench.ok("rm -r target; echo on").await, "on\n");
    bench.stop().await;
}

#[tokio::test]
async fn the_shells_own_process_killed_by_a_command_comes_back() {
    let Some(bench) = Bench::start(ViewChoice::Auto).await else {
        return;
    };
    bench.bench.begin().await.unwrap();
    let cancel = CancellationToken::new();
    let error = Shell::run(
        &bench.bench,
        "kill -9 $PPID; sleep 5",
        Box::new(|_: &str| {}),
        &cancel,
    )
    .await
    .unwrap_err();
    assert!(
        error.to_string().contains("the shell's process broke off"),
        "{error}"
    );
    assert_eq!(bench.ok("pwd").await, "/workspace\n");
    // Stopped, it answers neither interrupt nor kill: the container is replaced.
    let change = |config: &mut descant::sandbox::SandboxConfig| {
        config.shell_timeout = Duration::from_secs(1);
    };
    bench.stop().await;
    let bench = Bench::with(ViewChoice::Auto, crate::bench::repository(), &[], change)
        .await
        .unwrap();
    let result = bench.run("kill -STOP $PPID; sleep 60").await;
    assert_eq!(result.exit, CommandExit::Timeout);
    assert!(
        result.output.ends_with("the container was replaced]\n"),
        "{}",
        result.output
    );
    assert_eq!(bench.ok("cat b.txt").await, "b\n");
    bench.stop().await;
}
