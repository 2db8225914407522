//! Which engine is taken, and what is told where none can be.

use descant::sandbox::{EngineLocator, Sandbox, SandboxConfig, SandboxError};

use crate::engine::{Behaviour, Engine, WELL, start_error};

fn refused(error: SandboxError) -> (String, String) {
    match error {
        SandboxError::NoEngine { reason, hint } => (reason, hint),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn without_an_engine_the_reason_and_the_next_step_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = |host: &str| SandboxConfig::new(folder.path().to_owned(), EngineLocator::at(host));
    let socket = folder.path().join("engine.sock");
    let host = format!("unix://{}", socket.display());
    let (reason, hint) = refused(start_error(config(&host)).await);
    assert!(
        reason.contains("engine.sock") && hint.contains("install or start"),
        "{reason} / {hint}"
    );
    // A socket left by an engine that has stopped.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (reason, hint) = refused(start_error(config(&host)).await);
    assert!(
        reason.contains("nothing listens there") && hint.contains("start"),
        "{reason} / {hint}"
    );
    for host in [
        "ssh://somewhere",
        "npipe:////./pipe/docker_engine",
        "",
        "unix://",
        "tcp://[",
        "tcp://127.0.0.1:1",
    ] {
        let (reason, _) = refused(start_error(config(host)).await);
        assert!(!reason.is_empty(), "{host}");
    }
    // Only a socket's own words count when none is named; here none is.
    let nowhere = EngineLocator {
        home: Some(folder.path().to_owned()),
        ..EngineLocator::default()
    };
    if !std::path::Path::new("/var/run/docker.sock").exists()
        && !std::path::Path::new("/run/podman/podman.sock").exists()
    {
        let error = start_error(SandboxConfig::new(folder.path().to_owned(), nowhere)).await;
        assert!(refused(error).0.contains("no Docker or Podman socket"));
    }
}

#[tokio::test]
async fn a_rootless_engine_comes_before_the_machines() {
    let well = Engine::start(WELL);
    let runtime = tempfile::tempdir().unwrap();
    let (real, there) = (
        well.folder.path().join("engine.sock"),
        runtime.path().join("docker.sock"),
    );
    std::os::unix::fs::symlink(real, there).unwrap();
    let locator = EngineLocator {
        docker_host: None,
        runtime_dir: Some(runtime.path().to_owned()),
        home: None,
    };
    let config = SandboxConfig {
        engine: locator,
        ..well.config()
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    assert_eq!(
        sandbox.description(),
        "docker 20.10, python 3.11.2 (python:3.13-slim)"
    );
    assert_eq!(well.asked("POST /containers/create"), 1);
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_named() {
    let engine = Engine::start(Behaviour {
        api: "1.40",
        ..WELL
    });
    let (reason, _) = refused(start_error(engine.config()).await);
    assert!(
        reason.contains("20.10") && reason.contains("1.40") && reason.contains("1.41"),
        "{reason}"
    );
    for api in ["", "one", "1", "99999999999999999999.1"] {
        let engine = Engine::start(Behaviour { api, ..WELL });
        refused(start_error(engine.config()).await);
    }
}
