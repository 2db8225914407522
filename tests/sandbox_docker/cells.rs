//! One kernel: state, values, tracebacks, the time limit, and what a cell leaves behind.

use std::sync::Arc;
use std::time::Duration;

use descant::sandbox::{CellExit, Sandbox, SandboxConfig, SandboxError};
use tokio_util::sync::CancellationToken;

use crate::support::{config, engine};

#[tokio::test]
async fn cells_compute_keep_their_state_and_show_their_last_value() {
    let session = session!();
    assert_eq!(session.ok("print(1234 * 77)").await, "95018\n");
    assert_eq!(
        session.ok("x = 20\ndef double(n):\n    return 2 * n").await,
        ""
    );
    assert_eq!(session.ok("double(x) + 2").await, "42\n");
    assert_eq!(session.ok("_ + 1").await, "43\n");
    assert_eq!(session.ok("None").await, "");
    assert_eq!(
        session.ok("'shown as its repr'").await,
        "'shown as its repr'\n"
    );
    assert_eq!(session.ok("x;").await, "");
    assert_eq!(session.ok("").await, "");
    assert_eq!(
        session
            .ok("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'")
            .await,
        "'awaited'\n"
    );
    let description = session.sandbox.description();
    assert!(
        description.contains("python 3.") && description.starts_with(['d', 'p']),
        "{description}"
    );
    session.sandbox.stop().await;
}

#[tokio::test]
async fn a_traceback_shows_the_cells_own_lines_only() {
    let session = session!();
    let result = session.run("def f(n):\n    return 1 / n\nf(0)").await;
    assert_eq!(result.exit, CellExit::Error);
    let places: Vec<&str> = result
        .output
        .lines()
        .filter(|line| line.starts_with("  File"))
        .collect();
    assert_eq!(
        places,
        [
            "  File \"<cell 1>\", line 3, in <module>",
            "  File \"<cell 1>\", line 2, in f"
        ]
    );
    assert!(
        result.output.contains("    return 1 / n\n")
            && result
                .output
                .ends_with("ZeroDivisionError: division by zero\n")
    );
    let result = session.run("x = (").await;
    assert_eq!(result.exit, CellExit::Error);
    assert!(
        result.output.contains("SyntaxError") && !result.output.contains("Traceback"),
        "{}",
        result.output
    );
    let result = session.run("import sys\nsys.exit('bad')").await;
    assert_eq!(
        (result.exit, result.output.as_str()),
        (CellExit::Error, "SystemExit: bad\n")
    );
    assert_eq!(session.ok("exit()").await, "");
    // What a class does when it is shown is the cell's own failure, not the kernel's.
    let result = session
        .run("class Bad(Exception):\n    def __str__(self): raise Bad\nraise Bad")
        .await;
    assert_eq!(result.exit, CellExit::Error);
    let result = session
        .run("class Odd:\n    def __repr__(self): 1 / 0\nOdd()")
        .await;
    assert!(result.exit == CellExit::Error && result.output.contains("ZeroDivisionError"));
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn output_streams_while_the_cell_runs() {
    let session = session!();
    let mut pieces = Vec::new();
    let code =
        "import time, sys\nprint('first')\ntime.sleep(1.5)\nprint('second', file=sys.stderr)";
    let result = session
        .sandbox
        .run_python(
            code,
            |text| pieces.push(text.to_owned()),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(result.output, "first\nsecond\n");
    assert_eq!(pieces, ["first\n", "second\n"]);
}

#[tokio::test]
async fn the_time_limit_interrupts_and_keeps_the_variables() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(5));
    session.ok("kept = 7").await;
    for code in [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "import subprocess\nsubprocess.run(['sleep', '60'])",
    ] {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Timeout, "{code}");
        assert!(
            result.output.contains("KeyboardInterrupt"),
            "{}",
            result.output
        );
        assert!(
            result
                .output
                .ends_with("[the time limit of 5 s was reached; variables are kept]\n"),
            "{}",
            result.output
        );
    }
    assert_eq!(session.ok("kept").await, "7\n");
}

#[tokio::test]
async fn code_that_ignores_the_interrupt_is_killed_and_a_new_kernel_starts() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(5));
    session.ok("kept = 7").await;
    let stubborn = [
        "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nwhile True: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        // The supervisor itself stopped: the container is replaced.
        "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nwhile True: pass",
    ];
    for code in stubborn {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Timeout, "{code}");
        assert!(
            result.output.contains("variables are lost"),
            "{}",
            result.output
        );
        assert_eq!(session.run("kept").await.exit, CellExit::Error);
        assert_eq!(session.ok("kept = 7\nkept").await, "7\n");
    }
}

#[tokio::test]
async fn a_cancelled_cell_stops_at_once_and_keeps_the_variables() {
    let session = session!();
    session.ok("kept = 7").await;
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let result = session
        .sandbox
        .run_python(
            "print('running')\nwhile True: pass",
            |_| token.cancel(),
            &cancel,
        )
        .await
        .unwrap();
    assert_eq!(result.exit, CellExit::Interrupted);
    // A kernel that had to be killed would not know it any more.
    assert_eq!(session.ok("kept").await, "7\n");
}

#[tokio::test]
async fn a_kernel_that_dies_is_replaced() {
    let session = session!();
    let deaths = [
        "import os\nos.kill(os.getpid(), 9)",
        "import os\nos._exit(3)",
        "import ctypes\nctypes.string_at(0)",
        // The supervisor, and with it the container.
        "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(5)",
    ];
    for code in deaths {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Died, "{code}: {}", result.output);
        assert!(
            result.output.contains("variables are lost"),
            "{}",
            result.output
        );
        assert_eq!(session.ok("1 + 1").await, "2\n", "after {code}");
    }
    // Between two cells.
    session
        .ok("import os, threading\nthreading.Timer(0.2, lambda: os._exit(1)).start()")
        .await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let output = session.ok("print('new')").await;
    assert!(
        output.contains("had ended since the last call") && output.ends_with("new\n"),
        "{output}"
    );
}

#[tokio::test]
async fn what_a_cell_leaves_running_neither_blocks_nor_leaks_into_the_protocol() {
    let session = session!();
    session.ok("import threading, time\ndef tick():\n    while True:\n        print('tick')\n        time.sleep(0.01)\nthreading.Thread(target=tick, daemon=True).start()").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for round in 0..5 {
        let output = session.ok(&format!("print('round {round}')")).await;
        assert!(output.contains(&format!("round {round}")), "{output}");
    }
    // A fork that returns from the cell must not answer for it; closed and replaced streams are the cell's own.
    let output = session.ok("import os\nchild = os.fork()\nif child: os.waitpid(child, 0); print('parent')\nelse: print('child')").await;
    assert!(
        output.contains("parent") && output.contains("child"),
        "{output}"
    );
    session.run("import sys\nsys.stdout.close(); sys.stderr = None; os.close(1); os.close(2); os.close(0)").await;
    assert!(
        session
            .ok("print('still here')")
            .await
            .contains("still here")
    );
    assert!(session.run("input()").await.output.contains("EOFError"));
}

#[tokio::test]
async fn cells_wait_for_each_other_and_stop_ends_them() {
    let session = session!();
    let never = CancellationToken::new();
    let first =
        session
            .sandbox
            .run_python("import time\ntime.sleep(0.5)\nprint('one')", |_| {}, &never);
    let second = session
        .sandbox
        .run_python("print('two', time is not None)", |_| {}, &never);
    let (first, second) = tokio::join!(first, second);
    assert_eq!(
        (
            first.unwrap().output.as_str(),
            second.unwrap().output.as_str()
        ),
        ("one\n", "two True\n")
    );
    let sandbox = Arc::clone(&session.sandbox);
    let running = tokio::spawn(async move {
        sandbox
            .run_python("while True: pass", |_| {}, &CancellationToken::new())
            .await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    session.sandbox.stop().await;
    assert_eq!(running.await.unwrap().unwrap().exit, CellExit::Interrupted);
    let after = session.sandbox.run_python("1", |_| {}, &never).await;
    assert!(matches!(after, Err(SandboxError::Stopped)), "{after:?}");
    let long = "#".repeat((1 << 20) + 1);
    assert!(matches!(
        session.sandbox.run_python(&long, |_| {}, &never).await,
        Err(SandboxError::CodeTooLong { .. })
    ));
}

#[tokio::test]
async fn an_abandoned_call_gives_its_container_up() {
    let session = session!();
    session.ok("kept = 7").await;
    let abandoned = tokio::time::timeout(
        Duration::from_millis(500),
        session.sandbox.run_python(
            "while True: print('x' * 1000)",
            |_| {},
            &CancellationToken::new(),
        ),
    )
    .await;
    assert!(abandoned.is_err());
    assert_eq!(
        session.run("kept").await.exit,
        CellExit::Error,
        "a new kernel"
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn a_repository_only_root_may_read_says_so_to_the_model() {
    let repository = tempfile::tempdir().unwrap();
    let config = config(repository.path());
    let Some(sandbox) = engine(Sandbox::start(config).await) else {
        return;
    };
    let result = sandbox
        .run_python(
            "import os\nprint(os.getcwd())\nos.listdir('/workspace') and 1 / 0",
            |_| {},
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    sandbox.stop().await;
    // Unreadable: the failure is explained. Readable and empty: nothing fails and nothing is said.
    let note = "note: /workspace cannot be read here (Permission denied)\n";
    let as_root = result.output.starts_with("/mnt/data\n") && result.output.ends_with(note);
    assert!(
        as_root || result.output == "/workspace\n[]\n",
        "{}",
        result.output
    );
}
