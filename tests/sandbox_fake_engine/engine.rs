//! A container engine on a Unix socket that goes wrong as a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use descant::sandbox::{CellResult, EngineLocator, Sandbox, SandboxConfig, SandboxError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The requests of a session, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Version,
    List,
    Volumes,
    Info,
    Image,
    /// Only where they are asked for.
    Pull,
    Import,
    Tag,
    Create,
    Attach,
    Start,
    Remove,
}

pub const STEPS: [Step; 9] = [
    Step::Version,
    Step::List,
    Step::Volumes,
    Step::Info,
    Step::Image,
    Step::Create,
    Step::Attach,
    Step::Start,
    Step::Remove,
];

/// How the answer to a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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

pub const FAULTS: [Fault; 11] = [
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
pub enum Kernel {
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

pub const KERNELS: [Kernel; 15] = [
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
pub struct Behaviour {
    pub fault: Option<(Step, Fault)>,
    pub kernel: Kernel,
    pub api: &'static str,
    pub image: bool,
    /// The id that a pull gives.
    pub registry: &'static str,
    /// How the supervisor greets.
    pub hello: &'static str,
    /// The names in an imported file.
    pub holds: &'static [&'static str],
    pub overlay: Overlay,
}

/// What becomes of an overlay of the work tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    Works,
    /// The container that mounts it does not start.
    NotMounted,
    /// It is mounted, on a machine with other files.
    ShowsOthers,
}

/// What the one file of the work tree holds.
pub const CONTENT: &str = "hello\n";

/// What an engine says of a pull.
const PULL: &str = r#"{"status":"Pulling from library/python","id":"3.13-slim"}
{"status":"Pulling fs layer","progressDetail":{},"id":"a"}
{"status":"Already exists","progressDetail":{},"id":"b"}
{"status":"Downloading","progressDetail":{"current":10000000,"total":40000000},"id":"a"}
{"status":"Download complete","progressDetail":{},"id":"a"}
{"status":"Extracting","progressDetail":{"current":1,"total":40000000},"id":"a"}
{"status":"Pull complete","progressDetail":{},"id":"a"}
{"status":"Status: Downloaded newer image for python:3.13-slim"}
"#;

pub const WELL: Behaviour = Behaviour {
    fault: None,
    kernel: Kernel::Well,
    api: "1.41",
    image: true,
    hello: r#"H{"python": "3.11.2", "filtered": true, "capabilities": 0, "no_new_privileges": true, "seccomp": true, "read_only": true, "interfaces": [], "unlimited": ["memory"]}"#,
    registry: "sha256:3333333333333333",
    holds: &["someone/python:3"],
    overlay: Overlay::Works,
};

type Images = Arc<Mutex<BTreeMap<String, String>>>;

pub struct Engine {
    pub folder: tempfile::TempDir,
    pub behaviour: Arc<Mutex<Behaviour>>,
    /// What was asked for, as `METHOD path`.
    pub requests: Arc<Mutex<Vec<String>>>,
    /// Which id each name stands for.
    pub images: Images,
    pub listening: tokio::task::JoinHandle<()>,
}

impl Engine {
    pub fn start(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("repository")).unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let images = Images::default();
        let (shared, log, held) = (
            Arc::clone(&behaviour),
            Arc::clone(&requests),
            Arc::clone(&images),
        );
        if behaviour.lock().unwrap().image {
            let name = "python:3.13-slim".to_owned();
            images.lock().unwrap().insert(name, "sha256:abc".to_owned());
        }
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let behaviour = shared.lock().unwrap().clone();
                tokio::spawn(serve(
                    stream,
                    behaviour,
                    Arc::clone(&log),
                    Arc::clone(&held),
                ));
            }
        });
        Self {
            folder,
            behaviour,
            requests,
            images,
            listening,
        }
    }

    pub fn config(&self) -> SandboxConfig {
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

    pub fn heal(&self) {
        *self.behaviour.lock().unwrap() = WELL;
    }

    pub fn asked(&self, what: &str) -> usize {
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

pub async fn serve(
    mut stream: UnixStream,
    behaviour: Behaviour,
    log: Arc<Mutex<Vec<String>>>,
    images: Images,
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
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        // Of an import only the end counts.
        let mut last = Vec::new();
        while !last.ends_with(b"\r\n0\r\n\r\n") {
            last.push(stream.read_u8().await.ok()?);
            if last.len() > 1 << 16 {
                last.drain(..1 << 15);
            }
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut words = head.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // The version that was agreed on goes before every path.
    let path = match path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_, rest)) => format!("/{rest}"),
        None => path.to_owned(),
    };
    let asked = match query {
        "" => format!("{method} {path}"),
        query => format!("{method} {path}?{query}"),
    };
    let options = if body.contains("lowerdir=") {
        " as an overlay"
    } else {
        ""
    };
    log.lock().unwrap().push(format!("{asked}{options}"));
    // The volume that was made last is the one that the container mounts.
    let overlaid = {
        let log = log.lock().unwrap();
        let mut volumes = log
            .iter()
            .rev()
            .filter(|asked| asked.contains(" /volumes/"));
        volumes
            .next()
            .is_some_and(|asked| asked.ends_with("as an overlay"))
    };
    let image = |name: &str| {
        let images = images.lock().unwrap();
        let known = images.get(name).cloned();
        known.or_else(|| images.values().find(|id| *id == name).cloned())
    };
    let (step, status, answer) = match (method, path.as_str()) {
        (_, p) if p.ends_with("/version") => {
            (Step::Version, "200 OK", format!(r#"{{"Version":"20.10.24+dfsg1","ApiVersion":"{}"}}"#, behaviour.api))
        }
        (_, "/containers/json") => (Step::List, "200 OK", "[]".to_owned()),
        ("GET", "/volumes") => (Step::Volumes, "200 OK", r#"{"Volumes":[],"Warnings":null}"#.to_owned()),
        (_, "/info") => (
            Step::Info,
            "200 OK",
            r#"{"NCPU":2,"MemoryLimit":true,"PidsLimit":true,"SecurityOptions":["name=seccomp,profile=default"]}"#.to_owned(),
        ),
        ("POST", "/images/create") if query.contains("fromSrc=-") => {
            let imported = "sha256:1111111111111111".to_owned();
            images.lock().unwrap().insert(imported.clone(), imported.clone());
            (Step::Import, "200 OK", format!("{{\"status\":\"{imported}\"}}\n"))
        }
        ("POST", "/images/load") => {
            let loaded = "sha256:2222222222222222".to_owned();
            for name in behaviour.holds {
                images.lock().unwrap().insert((*name).to_owned(), loaded.clone());
            }
            let said = behaviour.holds.iter().map(|name| format!("{{\"stream\":\"Loaded image: {name}\\n\"}}\n"));
            (Step::Import, "200 OK", said.collect())
        }
        ("POST", p) if p.ends_with("/tag") => {
            let id = image(p.strip_prefix("/images/")?.strip_suffix("/tag")?)?;
            let value = |key: &str| query.split('&').find_map(|part| part.strip_prefix(key)).unwrap_or_default().replace("%3A", ":");
            images.lock().unwrap().insert(format!("{}:{}", value("repo="), value("tag=")), id);
            (Step::Tag, "201 Created", String::new())
        }
        ("POST", "/images/create") => {
            if behaviour.fault.is_none() {
                images.lock().unwrap().insert("python:3.13-slim".to_owned(), behaviour.registry.to_owned());
            }
            (Step::Pull, "200 OK", PULL.to_owned())
        }
        (_, p) if p.starts_with("/images/") => match image(p.strip_prefix("/images/")?.strip_suffix("/json")?) {
            Some(id) if id == "sha256:3333333333333333" => {
                (Step::Image, "200 OK", format!(r#"{{"Id":"{id}","RepoDigests":["python@sha256:4444444444444444"]}}"#))
            }
            Some(id) => (Step::Image, "200 OK", format!(r#"{{"Id":"{id}"}}"#)),
            None => (Step::Image, "404 Not Found", r#"{"message":"No such image"}"#.to_owned()),
        },
        ("POST", "/containers/create") => (Step::Create, "201 Created", r#"{"Id":"c0ffee","Warnings":[]}"#.to_owned()),
        ("POST", "/volumes/create") => {
            let volume = r#"{"Name":"v","Driver":"local","Mountpoint":"/v","Labels":{},"Scope":"local","Options":{}}"#;
            (Step::Create, "201 Created", volume.to_owned())
        }
        ("PUT", p) if p.ends_with("/archive") => (Step::Create, "200 OK", String::new()),
        ("POST", p) if p.ends_with("/start") && overlaid && behaviour.overlay == Overlay::NotMounted => {
            let message = r#"{"message":"failed to mount local volume: invalid argument"}"#;
            (Step::Start, "500 Internal Server Error", message.to_owned())
        }
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
            return supervise(stream, behaviour, overlaid).await;
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

pub struct Supervisor {
    stream: UnixStream,
    nonce: Vec<u8>,
}

impl Supervisor {
    pub async fn read_frame(&mut self) -> Option<Vec<u8>> {
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// In the engine's own framing of a container's output.
    pub async fn write(&mut self, stream: u8, bytes: &[u8]) -> Option<()> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.stream
            .write_all(&[&[stream, 0, 0, 0], length.as_slice(), bytes].concat())
            .await
            .ok()
    }

    pub fn frame(&self, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(self.nonce.len() + body.len()).unwrap();
        [&length.to_be_bytes(), self.nonce.as_slice(), body].concat()
    }

    pub async fn say(&mut self, body: &[u8]) -> Option<()> {
        let frame = self.frame(body);
        self.write(1, &frame).await
    }
}

pub async fn supervise(stream: UnixStream, behaviour: Behaviour, overlaid: bool) -> Option<()> {
    let mut it = Supervisor {
        stream,
        nonce: Vec::new(),
    };
    let kernel = behaviour.kernel;
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
        _ => it.say(behaviour.hello.as_bytes()).await?,
    }
    loop {
        let command = it.read_frame().await?;
        if command[0] == b'P' {
            let shows = !overlaid || behaviour.overlay != Overlay::ShowsOthers;
            let content = if shows { CONTENT } else { "another's\n" };
            it.say(format!("P\0{content}").as_bytes()).await?;
        }
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

pub async fn run(sandbox: &Sandbox) -> Result<CellResult, SandboxError> {
    sandbox
        .run_python("1", |_| {}, &CancellationToken::new())
        .await
}

pub async fn start_error(config: SandboxConfig) -> SandboxError {
    Sandbox::start(config).await.map(|_| ()).unwrap_err()
}
