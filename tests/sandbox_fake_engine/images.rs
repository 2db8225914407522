//! The image: pulled, imported, pinned.

use descant::sandbox::{CellExit, Sandbox, SandboxConfig, SandboxError};

use crate::engine::{Behaviour, Engine, FAULTS, Fault, Step, WELL, run, start_error};

#[tokio::test]
async fn a_missing_image_is_pulled_only_where_that_is_allowed() {
    let engine = Engine::start(Behaviour {
        image: false,
        ..WELL
    });
    match start_error(engine.config()).await {
        SandboxError::NoImage { image, hint } => {
            assert_eq!(image, "python:3.13-slim");
            assert!(hint.contains("docker pull python:3.13-slim"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(engine.asked("/images/create"), 0);
    let mut lines = Vec::new();
    let allowed = SandboxConfig {
        pull: true,
        ..engine.config()
    };
    let sandbox = Sandbox::start_with_progress(allowed, |line| lines.push(line.to_owned()))
        .await
        .unwrap();
    assert_eq!(run(&sandbox).await.unwrap().exit, CellExit::Ok);
    assert_eq!(
        lines,
        [
            "python:3.13-slim: Pulling",
            "python:3.13-slim: Downloading 25%",
            "python:3.13-slim: Done"
        ]
    );
}

#[tokio::test]
async fn a_pull_that_fails_says_why() {
    for fault in FAULTS {
        if matches!(fault, Fault::Hang | Fault::SlowDrip) {
            continue; // A pull may take its time: two minutes of silence.
        }
        let engine = Engine::start(Behaviour {
            image: false,
            fault: Some((Step::Pull, fault)),
            ..WELL
        });
        let error = start_error(SandboxConfig {
            pull: true,
            ..engine.config()
        })
        .await;
        assert!(
            matches!(
                error,
                SandboxError::Engine {
                    doing: "pulling the image",
                    ..
                } | SandboxError::Engine {
                    doing: "looking for the image",
                    ..
                }
            ),
            "{fault:?}: {error}"
        );
    }
}
