//! The sandbox against an engine that fails: a fake one on a Unix socket, broken at each step in each way.
//!
//! Whatever it does, the caller gets a typed error or a cell that says what happened, nothing panics, and once
//! the engine is well again python works with the next call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use descant::sandbox::{CellExit, CellResult, EngineLocator, Sandbox, SandboxConfig, SandboxError};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The requests of a session, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Version,
    List,
    Info,
    Image,
    /// Only where the image is missing.
    Pull,
    Create,
    Attach,
    Start,
    Remove,
}

const STEPS: [Step; 8] = [
    Step::Version,
    Step::List,
    Step::Info,
    Step::Image,
    Step::Create,
    Step::Attach,
    Step::Start,
    Step::Remove,
];

/// How the answer to a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Close,
    ServerError,
    ServerErrorInHtml,
    Forbidden,
    MalformedJson,
    WrongTypes,
    CutShort,
    NotHttp,
    EndlessHeader,
    SlowDrip,
    Hang,
}

const FAULTS: [Fault; 11] = [
    Fault::Close,
    Fault::ServerError,
    Fault::ServerErrorInHtml,
    Fault::Forbidden,
    Fault::MalformedJson,
    Fault::WrongTypes,
    Fault::CutShort,
    Fault::NotHttp,
    Fault::EndlessHeader,
    Fault::SlowDrip,
    Fault::Hang,
];

/// How the supervisor in the container goes wrong, once it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Well,
    /// At the greeting.
    Mute,
    Leaves,
    ComplainsAndLeaves,
    SaysSomethingElse,
    /// At a cell.
    ForgedNonce,
    HugeFrame,
    UnknownFrame,
    BadJson,
    LeavesInTheMiddle,
    CutFrame,
    OutsideAnyStream,
    HugeChunk,
    NeverAnswers,
    FloodsForEver,
    Drips,
}

const KERNELS: [Kernel; 15] = [
    Kernel::Mute,
    Kernel::Leaves,
    Kernel::ComplainsAndLeaves,
    Kernel::SaysSomethingElse,
    Kernel::ForgedNonce,
    Kernel::HugeFrame,
    Kernel::UnknownFrame,
    Kernel::BadJson,
    Kernel::LeavesInTheMiddle,
    Kernel::CutFrame,
    Kernel::OutsideAnyStream,
    Kernel::HugeChunk,
    Kernel::NeverAnswers,
    Kernel::FloodsForEver,
    Kernel::Drips,
];

#[derive(Debug, Clone)]
struct Behaviour {
    fault: Option<(Step, Fault)>,
    kernel: Kernel,
    api: &'static str,
    image: bool,
}

const WELL: Behaviour = Behaviour {
    fault: None,
    kernel: Kernel::Well,
    api: "1.41",
    image: true,
};

struct Engine {
    folder: tempfile::TempDir,
    behaviour: Arc<Mutex<Behaviour>>,
    /// What was asked for, as `METHOD path`.
    requests: Arc<Mutex<Vec<String>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Engine {
    fn start(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("repository")).unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (shared, log) = (Arc::clone(&behaviour), Arc::clone(&requests));
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let behaviour = shared.lock().unwrap().clone();
                tokio::spawn(serve(stream, behaviour, Arc::clone(&log)));
            }
        });
        Self {
            folder,
            behaviour,
            requests,
            listening,
        }
    }

    fn config(&self) -> SandboxConfig {
        let socket = format!(
            "unix://{}",
            self.folder.path().join("engine.sock").display()
        );
        SandboxConfig {
            engine_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(1),
            ..SandboxConfig::new(
                self.folder.path().join("repository"),
                EngineLocator::at(socket),
            )
        }
    }

    fn heal(&self) {
        *self.behaviour.lock().unwrap() = WELL;
    }

    fn asked(&self, what: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.contains(what))
            .count()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(
    mut stream: UnixStream,
    behaviour: Behaviour,
    log: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|n| n.trim().parse().unwrap())
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next()?, words.next()?.split('?').next()?);
    let path = path.replacen("/v1.41", "", 1);
    let pulled = behaviour.fault.is_none()
        && log
            .lock()
            .unwrap()
            .iter()
            .any(|request| request == "POST /images/create");
    log.lock().unwrap().push(format!("{method} {path}"));
    let (step, status, answer) = match (method, path.as_str()) {
        (_, p) if p.ends_with("/version") => {
            (Step::Version, "200 OK", format!(r#"{{"Version":"20.10.24+dfsg1","ApiVersion":"{}"}}"#, behaviour.api))
        }
        (_, "/containers/json") => (Step::List, "200 OK", "[]".to_owned()),
        (_, "/info") => (
            Step::Info,
            "200 OK",
            r#"{"NCPU":2,"MemoryLimit":true,"PidsLimit":true,"SecurityOptions":["name=seccomp,profile=default"]}"#.to_owned(),
        ),
        ("POST", "/images/create") => (
            Step::Pull,
            "200 OK",
            "{\"status\":\"Pulling\"}\n{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":4}}\n{\"status\":\"Done\"}\n"
                .to_owned(),
        ),
        (_, p) if p.starts_with("/images/") && !behaviour.image && !pulled => {
            (Step::Image, "404 Not Found", r#"{"message":"No such image"}"#.to_owned())
        }
        (_, p) if p.starts_with("/images/") => (Step::Image, "200 OK", r#"{"Id":"sha256:abc"}"#.to_owned()),
        ("POST", "/containers/create") => (Step::Create, "201 Created", r#"{"Id":"c0ffee","Warnings":[]}"#.to_owned()),
        ("POST", p) if p.ends_with("/attach") => (Step::Attach, "101 UPGRADED", String::new()),
        ("POST", p) if p.ends_with("/start") => (Step::Start, "204 No Content", String::new()),
        ("DELETE", _) => (Step::Remove, "204 No Content", String::new()),
        (_, p) if p.ends_with("/json") => (Step::Remove, "404 Not Found", r#"{"message":"gone"}"#.to_owned()),
        other => panic!("the fake engine was asked for {other:?}"),
    };
    let plain = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let fault = behaviour
        .fault
        .filter(|(at, _)| *at == step)
        .map(|(_, fault)| fault);
    let said = match fault {
        None if step == Step::Attach => {
            let upgrade = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
            stream.write_all(upgrade.as_bytes()).await.ok()?;
            return supervise(stream, behaviour.kernel).await;
        }
        None if status.starts_with("204") => {
            format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n")
        }
        None => plain(status, &answer),
        Some(Fault::Close) => return None,
        Some(Fault::ServerError) => plain(
            "500 Internal Server Error",
            r#"{"message":"the disk is full"}"#,
        ),
        Some(Fault::ServerErrorInHtml) => plain("502 Bad Gateway", "<html>bad gateway</html>"),
        Some(Fault::Forbidden) => plain(
            "403 Forbidden",
            r#"{"message":"authorization denied by plugin"}"#,
        ),
        Some(Fault::MalformedJson) => plain("200 OK", "{\"Id\": \"c0f"),
        Some(Fault::WrongTypes) => plain(
            "200 OK",
            r#"{"Id":[1],"ApiVersion":{},"NCPU":"many","SecurityOptions":7}"#,
        ),
        Some(Fault::CutShort) => {
            "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"Id\": ".to_owned()
        }
        Some(Fault::NotHttp) => "SSH-2.0-OpenSSH_9.2\r\n\0\0\0\0".to_owned(),
        Some(Fault::EndlessHeader) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.ok()?;
            loop {
                stream.write_all(&[b'x'; 4096]).await.ok()?;
            }
        }
        Some(Fault::SlowDrip) => {
            for byte in plain("200 OK", &" ".repeat(1000)).bytes() {
                stream.write_all(&[byte]).await.ok()?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            return None;
        }
        Some(Fault::Hang) => {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
            return None;
        }
    };
    stream.write_all(said.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

struct Supervisor {
    stream: UnixStream,
    nonce: Vec<u8>,
}

impl Supervisor {
    async fn read_frame(&mut self) -> Option<Vec<u8>> {
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// In the engine's own framing of a container's output.
    async fn write(&mut self, stream: u8, bytes: &[u8]) -> Option<()> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.stream
            .write_all(&[&[stream, 0, 0, 0], length.as_slice(), bytes].concat())
            .await
            .ok()
    }

    fn frame(&self, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(self.nonce.len() + body.len()).unwrap();
        [&length.to_be_bytes(), self.nonce.as_slice(), body].concat()
    }

    async fn say(&mut self, body: &[u8]) -> Option<()> {
        let frame = self.frame(body);
        self.write(1, &frame).await
    }
}

async fn supervise(stream: UnixStream, kernel: Kernel) -> Option<()> {
    let mut it = Supervisor {
        stream,
        nonce: Vec::new(),
    };
    let hello = it.read_frame().await?;
    it.nonce = hello[1..17].to_vec();
    match kernel {
        Kernel::Mute => {
            return it
                .stream
                .read_to_end(&mut Vec::new())
                .await
                .ok()
                .map(|_| ());
        }
        Kernel::Leaves => return None,
        Kernel::ComplainsAndLeaves => return it.write(2, b"python3: this is not Python\n").await,
        Kernel::SaysSomethingElse => it.say(b"O is not a greeting").await?,
        _ => it.say(br#"H{"python": "3.11.2"}"#).await?,
    }
    loop {
        let command = it.read_frame().await?;
        if command[0] != b'R' {
            continue;
        }
        let request: serde_json::Value = serde_json::from_slice(&command[1..]).unwrap();
        let done = format!(r#"D{{"cell": {}, "status": "ok"}}"#, request["cell"]);
        it.say(b"Obefore\n").await?;
        match kernel {
            Kernel::ForgedNonce => {
                let mut forged = it.frame(done.as_bytes());
                forged[5] ^= 1;
                it.write(1, &forged).await?;
            }
            Kernel::HugeFrame => it.write(1, &[0xff, 0xff, 0xff, 0xff, b'x']).await?,
            Kernel::UnknownFrame => it.say(b"Zz").await?,
            Kernel::BadJson => it.say(b"D{").await?,
            Kernel::LeavesInTheMiddle => return None,
            Kernel::CutFrame => {
                let frame = it.frame(done.as_bytes());
                it.write(1, &frame[..frame.len() - 3]).await?;
                return None;
            }
            Kernel::OutsideAnyStream => it.stream.write_all(b"raw bytes").await.ok()?,
            Kernel::HugeChunk => {
                it.stream
                    .write_all(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
                    .await
                    .ok()?;
                return it
                    .stream
                    .read_to_end(&mut Vec::new())
                    .await
                    .ok()
                    .map(|_| ());
            }
            Kernel::NeverAnswers => {}
            Kernel::FloodsForEver => loop {
                it.say(&[b'O'; 32 * 1024]).await?;
            },
            Kernel::Drips => {
                let frame = it.frame(done.as_bytes());
                for byte in frame {
                    it.write(1, &[byte]).await?;
                }
            }
            _ => it.say(done.as_bytes()).await?,
        }
    }
}

async fn run(sandbox: &Sandbox) -> Result<CellResult, SandboxError> {
    sandbox
        .run_python("1", |_| {}, &CancellationToken::new())
        .await
}

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
            (Ok(sandbox), Step::List | Step::Remove) => {
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
    assert_eq!((outcomes.len(), panics.load(Ordering::Relaxed)), (88, 0));
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

fn refused(error: SandboxError) -> (String, String) {
    match error {
        SandboxError::NoEngine { reason, hint } => (reason, hint),
        other => panic!("{other}"),
    }
}

async fn start_error(config: SandboxConfig) -> SandboxError {
    Sandbox::start(config).await.map(|_| ()).unwrap_err()
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
