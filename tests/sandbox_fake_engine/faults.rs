//! Every step broken in every way, and a supervisor that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use descant::sandbox::{CellExit, Sandbox, SandboxConfig, SandboxError};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::engine::{Behaviour, Engine, FAULTS, Fault, KERNELS, Kernel, STEPS, Step, WELL, run};

/// After whatever came before, python works.
async fn assert_well(engine: &Engine, sandbox: Option<&Sandbox>, case: &str) {
    engine.heal();
    let fresh;
    let sandbox = match sandbox {
        Some(sandbox) => sandbox,
        None => {
            fresh = Sandbox::start(engine.config())
                .await
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            &fresh
        }
    };
    let result = run(sandbox)
        .await
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(
        (result.exit, result.output.as_str()),
        (CellExit::Ok, "before\n"),
        "{case}"
    );
    sandbox.stop().await;
}

/// Panics in any task, also in one that nobody awaits.
fn count_panics() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&panics);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        counter.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    panics
}

#[tokio::test]
async fn every_fault_at_every_step_is_a_typed_error_and_the_session_goes_on() {
    let panics = count_panics();
    let cases = STEPS
        .iter()
        .flat_map(|step| FAULTS.iter().map(move |fault| (*step, *fault)));
    let outcomes = join_all(cases.map(|(step, fault)| async move {
        let case = format!("{fault:?} at {step:?}");
        let engine = Engine::start(Behaviour {
            fault: Some((step, fault)),
            ..WELL
        });
        let started = Sandbox::start(engine.config()).await;
        match (&started, step) {
            // The sweep and the removal are not worth a session.
            (Ok(sandbox), Step::List | Step::Volumes | Step::Remove) => {
                let result = run(sandbox)
                    .await
                    .unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(result.exit, CellExit::Ok, "{case}");
                sandbox.stop().await;
            }
            // An engine that answers "200, done" to a start is believed.
            (Ok(_), Step::Start)
                if matches!(
                    fault,
                    Fault::MalformedJson | Fault::WrongTypes | Fault::CutShort
                ) => {}
            (Err(SandboxError::NoEngine { .. }), Step::Version)
            | (
                Err(SandboxError::Engine { .. }),
                Step::Info | Step::Image | Step::Create | Step::Attach | Step::Start,
            ) => {}
            (Err(error), _) => panic!("{case}: {error}"),
            (Ok(_), _) => panic!("{case}: it started"),
        }
        if let Err(error) = &started {
            let text = error.to_string();
            let told = match fault {
                Fault::ServerError => text.contains("the disk is full"),
                Fault::Forbidden => text.contains("authorization denied"),
                _ => true,
            };
            assert!(told && text.contains('\n'), "{case}: {text}");
        }
        // A container that was made is removed again, whatever failed after it.
        if matches!(step, Step::Attach | Step::Start) && started.is_err() {
            let requests = engine.requests.lock().unwrap().clone();
            assert_eq!(
                engine.asked("DELETE /containers/c0ffee"),
                1,
                "{case}: {requests:?}"
            );
        }
        assert_well(&engine, None, &case).await;
    }))
    .await;
    assert_eq!((outcomes.len(), panics.load(Ordering::Relaxed)), (99, 0));
}

#[tokio::test]
async fn a_supervisor_that_misbehaves_ends_its_cell_and_the_next_one_runs() {
    let cases = join_all(KERNELS.iter().map(|kernel| async move {
        let case = format!("{kernel:?}");
        let engine = Engine::start(Behaviour {
            kernel: *kernel,
            ..WELL
        });
        let started = Sandbox::start(engine.config()).await;
        let sandbox = match (started, kernel) {
            (
                Err(SandboxError::Kernel(why)),
                Kernel::Mute | Kernel::Leaves | Kernel::SaysSomethingElse,
            ) => {
                assert!(!why.is_empty());
                assert_eq!(engine.asked("DELETE"), 1, "{case}");
                return assert_well(&engine, None, &case).await;
            }
            (Err(SandboxError::Kernel(why)), Kernel::ComplainsAndLeaves) => {
                assert!(why.contains("this is not Python"), "{why}");
                return assert_well(&engine, None, &case).await;
            }
            (Err(error), _) => panic!("{case}: {error}"),
            (Ok(sandbox), _) => sandbox,
        };
        match (run(&sandbox).await, kernel) {
            (Ok(result), Kernel::Drips) => assert_eq!(
                (result.exit, result.output.as_str()),
                (CellExit::Ok, "before\n")
            ),
            (Ok(result), Kernel::LeavesInTheMiddle | Kernel::CutFrame) => {
                assert_eq!(result.exit, CellExit::Died, "{case}");
                assert!(
                    result.output.starts_with("before\n[the container ended"),
                    "{}",
                    result.output
                );
            }
            (Ok(result), Kernel::NeverAnswers | Kernel::FloodsForEver | Kernel::HugeChunk) => {
                assert_eq!(result.exit, CellExit::Timeout, "{case}");
                assert!(
                    result.output.contains("the container was replaced"),
                    "{}",
                    result.output
                );
                assert!(result.output.len() < 17 * 1024);
            }
            (
                Err(SandboxError::Kernel(_)),
                Kernel::ForgedNonce
                | Kernel::HugeFrame
                | Kernel::UnknownFrame
                | Kernel::BadJson
                | Kernel::OutsideAnyStream,
            ) => {}
            (other, _) => panic!("{case}: {other:?}"),
        }
        assert_eq!(
            engine.asked("DELETE"),
            usize::from(*kernel != Kernel::Drips),
            "{case}"
        );
        assert_well(&engine, Some(&sandbox), &case).await;
    }))
    .await;
    assert_eq!(cases.len(), KERNELS.len());
}

#[tokio::test]
async fn an_engine_that_breaks_between_two_cells_is_tried_again_with_the_next() {
    for fault in FAULTS {
        let engine = Engine::start(Behaviour {
            kernel: Kernel::LeavesInTheMiddle,
            ..WELL
        });
        let sandbox = Sandbox::start(engine.config()).await.unwrap();
        assert_eq!(run(&sandbox).await.unwrap().exit, CellExit::Died);
        engine.behaviour.lock().unwrap().fault = Some((Step::Create, fault));
        let again = run(&sandbox).await;
        assert!(
            matches!(
                again,
                Err(SandboxError::Engine {
                    doing: "creating the container",
                    ..
                })
            ),
            "{fault:?}: {again:?}"
        );
        assert_well(&engine, Some(&sandbox), "between").await;
    }
}

#[tokio::test]
async fn a_container_that_does_not_come_up_can_be_cancelled_and_stopped() {
    for step in [Step::Create, Step::Start] {
        let engine = Engine::start(Behaviour {
            kernel: Kernel::LeavesInTheMiddle,
            ..WELL
        });
        let config = SandboxConfig {
            engine_timeout: Duration::from_secs(600),
            ..engine.config()
        };
        let sandbox = Arc::new(Sandbox::start(config).await.unwrap());
        assert_eq!(run(&sandbox).await.unwrap().exit, CellExit::Died);
        engine.behaviour.lock().unwrap().fault = Some((step, Fault::Hang));
        let cancel = CancellationToken::new();
        let soon = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(sandbox.run_python("1", |_| {}, &cancel), soon);
        assert_eq!(result.unwrap().exit, CellExit::Interrupted);
        let waiting = Arc::clone(&sandbox);
        let waiting = tokio::spawn(async move { run(&waiting).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        sandbox.stop().await;
        assert!(matches!(waiting.await.unwrap(), Err(SandboxError::Stopped)));
        // One that was made is not left behind: the first, and those that hung at their start.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let removed = if step == Step::Start { 3 } else { 1 };
        assert_eq!(
            engine.asked("DELETE /containers/c0ffee"),
            removed,
            "{step:?}"
        );
    }
}

#[tokio::test]
async fn a_container_that_is_not_confined_as_asked_is_not_used() {
    for (hello, why) in [
        (
            WELL.hello
                .replace("\"capabilities\": 0", "\"capabilities\": 8"),
            "the capabilities 0x8",
        ),
        (
            WELL.hello.replace(
                "\"no_new_privileges\": true",
                "\"no_new_privileges\": false",
            ),
            "new privileges",
        ),
        (
            WELL.hello
                .replace("\"read_only\": true", "\"read_only\": false"),
            "can be written",
        ),
        (WELL.hello.replace("[]", "[\"eth0\"]"), "a network (eth0)"),
    ] {
        let engine = Engine::start(Behaviour {
            hello: hello.leak(),
            ..WELL
        });
        match Sandbox::start(engine.config()).await.map(|_| ()) {
            Err(SandboxError::Unconfined { what }) => assert!(what.contains(why), "{what}"),
            other => panic!("{why}: {other:?}"),
        }
        assert_eq!(engine.asked("DELETE /containers/c0ffee"), 1, "{why}");
        // With a network that the user switched on, there is one.
        let network = SandboxConfig {
            network: true,
            ..engine.config()
        };
        assert_eq!(
            Sandbox::start(network).await.is_ok(),
            why.contains("network")
        );
    }
}
