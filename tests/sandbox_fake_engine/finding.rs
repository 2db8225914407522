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
        runtime_dir: Some(runtime.path().to_owned()),
        ..EngineLocator::default()
    };
    let config = SandboxConfig {
        engine: locator,
        ..well.config()
    };
    let sandbox = Sandbox::start(config).await.unwrap();
    assert_eq!(
        sandbox.description(),
        "docker 20.10, python 3.11.2 (python:3.13-slim), no memory limit"
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

#[tokio::test]
async fn todays_engines_are_spoken_to_as_well() {
    for api in ["1.41", "1.47", "1.52", "1.99"] {
        let engine = Engine::start(Behaviour { api, ..WELL });
        let sandbox = Sandbox::start(engine.config()).await.unwrap();
        let report = sandbox.report();
        let agreed = report.engine.rsplit(' ').next().unwrap();
        // What both speak: never more than the engine, and never less than is needed.
        let number = |text: &str| text.strip_prefix("1.").unwrap().parse::<u32>().unwrap();
        assert!(
            (41..=number(api)).contains(&number(agreed)),
            "{api}: {}",
            report.engine
        );
        assert_eq!(
            number(agreed) < number(api),
            api == "1.99",
            "{agreed} of {api}"
        );
    }
}

#[tokio::test]
async fn the_current_context_is_found_and_named() {
    let well = Engine::start(WELL);
    let home = tempfile::tempdir().unwrap();
    let context = |name: &str, host: &str| {
        let id = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(name));
        let folder = home.path().join(".docker/contexts/meta").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let meta = format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        std::fs::write(folder.join("meta.json"), meta).unwrap();
    };
    let socket = well.folder.path().join("engine.sock");
    context("work", &format!("unix://{}", socket.display()));
    context("far", "ssh://ada@example.org");
    let current = |name: &str| {
        let text = format!(r#"{{"currentContext":"{name}"}}"#);
        std::fs::write(home.path().join(".docker/config.json"), text).unwrap();
    };
    let locator = EngineLocator {
        home: Some(home.path().to_owned()),
        ..EngineLocator::default()
    };
    let start = async |locator: EngineLocator| {
        Sandbox::start(SandboxConfig {
            engine: locator,
            ..well.config()
        })
        .await
    };
    current("work");
    let sandbox = start(locator.clone()).await.unwrap();
    assert_eq!(
        sandbox.report().engine,
        format!(
            "docker 20.10, {} (docker's current context work), API 1.41",
            socket.display()
        )
    );
    // Named by the environment it is the only one, and what is wrong with it is told.
    let named = |name: &str| EngineLocator {
        docker_context: Some(name.to_owned()),
        ..locator.clone()
    };
    let wrong = |started: Result<Sandbox, SandboxError>| refused(started.map(|_| ()).unwrap_err());
    let (reason, _) = wrong(start(named("far")).await);
    assert!(
        reason.contains("ssh://ada@example.org (DOCKER_CONTEXT, the context far)"),
        "{reason}"
    );
    let (reason, _) = wrong(start(named("absent")).await);
    assert!(reason.contains("no such context"), "{reason}");
    // Offline, what is reached over the network is not tried.
    context("tcp", "tcp://127.0.0.1:1");
    let offline = EngineLocator {
        local_only: true,
        ..named("tcp")
    };
    let (reason, hint) = wrong(start(offline).await);
    assert!(
        reason.contains("--offline forbids") && hint.contains("local engine"),
        "{reason} / {hint}"
    );
}
