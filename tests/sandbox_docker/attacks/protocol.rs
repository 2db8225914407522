//! The stream to Descant: forged frames, closed descriptors, the driver and its supervisor killed, signals.

use descant::sandbox::{CellExit, SandboxError};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn forged_frames_are_not_believed() {
    let session = session!();
    let forged = "import os, struct\nbody = b'x' * 16 + b'D' + b'{\"cell\": 1, \"status\": \"ok\"}'\n\
        os.write(os.open('/proc/1/fd/1', os.O_WRONLY), struct.pack('>I', len(body)) + body)\nimport time\ntime.sleep(2)";
    let outcome = session
        .sandbox
        .run_python(forged, |_| {}, &CancellationToken::new())
        .await;
    match outcome {
        Err(SandboxError::Kernel(why)) => assert!(why.contains("did not send"), "{why}"),
        // An image whose process 1 cannot be reached.
        Ok(result) => assert_eq!(result.exit, CellExit::Error, "{}", result.output),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(session.ok("1 + 1").await, "2\n");
    // The cell's own standard output is wrapped, whatever bytes it has.
    let printed = session
        .ok("import os\n_ = os.write(1, b'\\x00\\x00\\x00\\x11' + b'x' * 16 + b'D')")
        .await;
    assert!(printed.ends_with("xD"), "{printed:?}");
    // And the process that knows the nonce cannot be looked into.
    let looked = session
        .run("import os\nfor name in ('mem', 'environ', 'fd', 'maps'):\n    path = f'/proc/{os.getppid()}/{name}'\n    try:\n        os.listdir(path) if name == 'fd' else open(path, 'rb').read(1)\n        print(name, 'open')\n    except PermissionError: pass")
        .await;
    assert_eq!(looked.output, "");
}

/// The result pipe is the kernel's own: what the code writes there can at most end its own cell.
#[tokio::test]
async fn answers_written_by_the_code_itself() {
    let session = session!();
    let code = r#"
import os, sys, json
for fd in range(3, 20):
    for text in (b'{"cell": 1, "status": "ok"}\n', b"not an answer\n", b"x" * 10000):
        try: os.write(fd, text)
        except OSError: pass
import time
time.sleep(1)
"#;
    let result = session.run(code).await;
    assert!(
        matches!(result.exit, CellExit::Ok | CellExit::Died),
        "{result:?}"
    );
    // What is left of it may cost the kernel, never an answer that was not given.
    let next = session.run("1 + 1").await;
    assert!(
        next.exit == CellExit::Died || next.output.ends_with("2\n"),
        "{next:?}"
    );
    assert_eq!(session.ok("2 + 2").await.lines().last(), Some("4"));
}

#[tokio::test]
async fn every_descriptor_is_closed() {
    let session = session!();
    let result = session.run("import os\nos.closerange(0, 100)").await;
    assert!(
        matches!(result.exit, CellExit::Died | CellExit::Error | CellExit::Ok),
        "{result:?}"
    );
    assert_eq!(
        session.ok("print('well')").await.lines().last(),
        Some("well")
    );
}

#[tokio::test]
async fn every_process_it_may_signal_is_killed() {
    for signal in [9, 15, 19, 2] {
        let session = session!(|config: &mut descant::sandbox::SandboxConfig| {
            config.timeout = std::time::Duration::from_secs(5);
        });
        let result = session
            .run(&format!(
                "import os, time\nos.kill(-1, {signal})\nfor _ in range(100): time.sleep(0.1)"
            ))
            .await;
        assert_ne!(result.exit, CellExit::Ok, "signal {signal}: {result:?}");
        assert_eq!(session.ok("1 + 1").await, "2\n", "after signal {signal}");
        session.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_interrupt_is_caught_for_ever() {
    let session = session!(|config: &mut descant::sandbox::SandboxConfig| {
        config.timeout = std::time::Duration::from_secs(5);
    });
    let result = session
        .run("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
        .await;
    assert_eq!(result.exit, CellExit::Timeout);
    // Where the interrupt comes between two lines of the loop, it ends it after all.
    assert!(
        result.output.contains("variables are lost") || result.output.contains("KeyboardInterrupt"),
        "{}",
        result.output
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

/// An alarm or a timer of the code's own does not end the session.
#[tokio::test]
async fn its_own_timers_go_off_between_cells() {
    let session = session!();
    session
        .ok("import signal\nsignal.signal(signal.SIGALRM, lambda *_: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.05, 0.05);")
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let _ = session.run("1 + 1").await;
    let _ = session.run("signal.setitimer(signal.ITIMER_REAL, 0)").await;
    let last = session.run("1 + 1").await;
    assert!(
        last.output.ends_with("2\n") || last.exit == CellExit::Error,
        "{last:?}"
    );
    assert_eq!(
        session
            .run("import signal\nsignal.alarm(0)\nprint('well')")
            .await
            .output
            .lines()
            .last(),
        Some("well")
    );
}
