//! A stand-in for the Hugging Face hub on this machine: the API's shapes, redirects to a second origin as to the CDN,
//! ranges, and every way these go wrong that a test asks for.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub const REPO: &str = "someone/tiny";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What becomes of one answer with a file's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The connection ends after so many bytes of the content.
    Cut(usize),
    /// All of it, whatever was asked.
    IgnoreRange,
    /// Other bytes than were asked for, and said so.
    WrongRange,
    /// One byte is another.
    Corrupt,
    Status(u16, Option<u64>),
    /// Nothing more after so many bytes, until the test is over.
    Stall(usize),
    /// So many bytes, then a wait until [`StandIn::release`].
    Hold(usize),
    /// So many bytes at a time, a millisecond between.
    Slow(usize),
    /// Not the file.
    Shorter,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
    /// It came to the second origin.
    pub cdn: bool,
}

#[derive(Default)]
struct State {
    /// Shared, so that a large one is neither copied nor hashed for each request.
    files: BTreeMap<String, Arc<Vec<u8>>>,
    /// What the API lists.
    tree: String,
    /// For one content answer each, in their order.
    faults: VecDeque<Fault>,
    /// For all of them.
    always: Option<Fault>,
    /// For answers of the API, status and the hub's error code.
    api: VecDeque<(u16, &'static str)>,
    asked: Vec<Asked>,
    released: bool,
    /// Open content answers, and the most at once.
    open: usize,
    most: usize,
    held: usize,
}

#[derive(Clone)]
pub struct StandIn {
    hub: SocketAddr,
    cdn: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl StandIn {
    pub fn start(files: &[(&str, Vec<u8>)]) -> StandIn {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, cdn) = (listen(), listen());
        let stand_in = StandIn {
            hub: hub.local_addr().unwrap(),
            cdn: cdn.local_addr().unwrap(),
            state: Arc::default(),
        };
        let named = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), Arc::new(bytes.clone())));
        stand_in.lock().files = named.collect();
        let tree = tree(&stand_in.lock().files);
        stand_in.lock().tree = tree;
        for (listener, is_cdn) in [(hub, false), (cdn, true)] {
            let stand_in = stand_in.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let stand_in = stand_in.clone();
                    std::thread::spawn(move || stand_in.serve(stream, is_cdn));
                }
            });
        }
        stand_in
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    pub fn cdn(&self) -> String {
        format!("http://{}", self.cdn)
    }

    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().faults.extend(faults);
    }

    pub fn always(&self, fault: Option<Fault>) {
        self.lock().always = fault;
    }

    pub fn api_answers(&self, status: u16, code: &'static str) {
        self.lock().api.push_back((status, code));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    pub fn forget_asked(&self) {
        self.lock().asked.clear();
    }

    pub fn content_requests(&self) -> usize {
        self.asked().iter().filter(|asked| asked.cdn).count()
    }

    /// The most content answers that were open at once.
    pub fn most_at_once(&self) -> usize {
        self.lock().most
    }

    /// Lets held answers go on.
    pub fn release(&self) {
        self.lock().released = true;
        self.state.1.notify_all();
    }

    /// Waits until so many answers are held.
    pub fn wait_held(&self, count: usize) {
        let (lock, wake) = &*self.state;
        let waited = wake.wait_timeout_while(lock.lock().unwrap(), Duration::from_secs(60), |s| {
            s.held < count
        });
        assert!(!waited.unwrap().1.timed_out(), "no answer was held");
    }

    pub fn change(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.files.insert(name.to_owned(), Arc::new(bytes));
        state.tree = tree(&state.files);
    }

    fn serve(&self, stream: TcpStream, cdn: bool) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let mut first = String::new();
            if !matches!(reader.read_line(&mut first), Ok(n) if n > 0) {
                return;
            }
            let mut asked = Asked {
                path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
                range: None,
                authorization: None,
                cdn,
            };
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                match name.to_ascii_lowercase().as_str() {
                    "range" => asked.range = Some(value.trim().to_owned()),
                    "authorization" => asked.authorization = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
            self.lock().asked.push(asked.clone());
            if self.answer(&mut stream, &asked).is_err() {
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    }

    fn answer(&self, stream: &mut TcpStream, asked: &Asked) -> std::io::Result<()> {
        // As a proxy gets it: with the origin in front.
        let path = match asked.path.strip_prefix("http://") {
            Some(rest) => rest
                .split_once('/')
                .map_or(String::new(), |(_, path)| format!("/{path}")),
            None => asked.path.clone(),
        };
        let path = path.split('?').next().unwrap_or_default();
        if asked.cdn || path.starts_with("/blob/") {
            return self.content(stream, path.trim_start_matches("/blob/"), asked);
        }
        let api = self.lock().api.pop_front();
        if let Some((status, code)) = api {
            let body = format!("{{\"error\":\"{code}\"}}");
            let head = format!("X-Error-Code: {code}\r\n");
            return plain(stream, status, &head, body.as_bytes());
        }
        let api = format!("/api/models/{REPO}");
        if path == format!("{api}/revision/main") || path == format!("{api}/revision/refs%2Fpr%2F1")
        {
            return plain(
                stream,
                200,
                "",
                format!("{{\"id\":\"{REPO}\",\"sha\":\"{COMMIT}\"}}").as_bytes(),
            );
        }
        if path == format!("{api}/tree/{COMMIT}") {
            return plain(stream, 200, "", self.lock().tree.clone().as_bytes());
        }
        let resolve = format!("/{REPO}/resolve/{COMMIT}/");
        let name = path.strip_prefix(&resolve).unwrap_or_default().to_owned();
        let (exists, large) = {
            let state = self.lock();
            (state.files.contains_key(&name), is_large(&name))
        };
        match (exists, large) {
            (true, true) => {
                let to = format!("Location: {}/blob/{name}?signature=secret\r\n", self.cdn());
                plain(stream, 302, &to, b"")
            }
            (true, false) => self.content(stream, &name, asked),
            (false, _) => plain(stream, 404, "X-Error-Code: RepoNotFound\r\n", b"{}"),
        }
    }

    fn content(&self, stream: &mut TcpStream, name: &str, asked: &Asked) -> std::io::Result<()> {
        let (bytes, fault) = {
            let mut state = self.lock();
            let fault = match state.faults.pop_front() {
                Some(fault) => Some(fault),
                None => state.always.clone(),
            };
            state.open += 1;
            state.most = state.most.max(state.open);
            (state.files.get(name).cloned().unwrap_or_default(), fault)
        };
        let sent = self.send(stream, &bytes, asked, fault);
        self.lock().open -= 1;
        sent
    }

    fn send(
        &self,
        stream: &mut TcpStream,
        bytes: &[u8],
        asked: &Asked,
        fault: Option<Fault>,
    ) -> std::io::Result<()> {
        let size = bytes.len();
        if let Some(Fault::Status(status, wait)) = &fault {
            let head = wait.map_or(String::new(), |s| format!("Retry-After: {s}\r\n"));
            return plain(stream, *status, &head, b"no");
        }
        let bytes = match fault {
            Some(Fault::Shorter) => &bytes[..size / 2],
            _ => bytes,
        };
        let range = asked.range.as_deref().and_then(|range| {
            let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some((
                from.parse::<usize>().ok()?,
                to.parse::<usize>().ok()?.min(size - 1),
            ))
        });
        let (head, body) = match range {
            Some((from, to)) if fault == Some(Fault::WrongRange) => {
                let from = from.saturating_sub(7);
                (
                    format!("HTTP/1.1 206 P\r\nContent-Range: bytes {from}-{to}/{size}\r\n"),
                    &bytes[from..=to],
                )
            }
            Some((from, to)) if fault != Some(Fault::IgnoreRange) => (
                format!("HTTP/1.1 206 P\r\nContent-Range: bytes {from}-{to}/{size}\r\n"),
                &bytes[from..=to],
            ),
            Some(_) | None => ("HTTP/1.1 200 OK\r\n".to_owned(), bytes),
        };
        let mut body = Cow::Borrowed(body);
        if fault == Some(Fault::Corrupt) {
            let middle = body.len() / 2;
            body.to_mut()[middle] ^= 0x40;
        }
        write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len())?;
        match fault {
            Some(Fault::Cut(after)) => {
                stream.write_all(&body[..after.min(body.len())])?;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            Some(Fault::Stall(after)) => {
                stream.write_all(&body[..after.min(body.len())])?;
                stream.flush()?;
                let mut end = [0];
                let _ = stream.read(&mut end);
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            Some(Fault::Hold(after)) => {
                let after = after.min(body.len());
                stream.write_all(&body[..after])?;
                stream.flush()?;
                let (lock, wake) = &*self.state;
                let mut state = lock.lock().unwrap();
                state.held += 1;
                wake.notify_all();
                let state = wake.wait_while(state, |s| !s.released).unwrap();
                drop(state);
                stream.write_all(&body[after..])
            }
            Some(Fault::Slow(step)) => {
                for piece in body.chunks(step) {
                    stream.write_all(piece)?;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(())
            }
            _ => stream.write_all(&body),
        }
    }
}

fn tree(files: &BTreeMap<String, Arc<Vec<u8>>>) -> String {
    let entries = files.iter().map(|(name, bytes)| {
        let oid = git2::Oid::hash_object(git2::ObjectType::Blob, bytes).unwrap();
        let size = bytes.len();
        if is_large(name) {
            let sha = hex::encode(Sha256::digest(&**bytes));
            format!(
                r#"{{"type":"file","oid":"{oid}","size":{size},"path":"{name}","lfs":{{"oid":"{sha}","size":{size},"pointerSize":134}}}}"#
            )
        } else {
            format!(r#"{{"type":"file","oid":"{oid}","size":{size},"path":"{name}"}}"#)
        }
    });
    let folder = r#"{"type":"directory","oid":"00","size":0,"path":"original"}"#.to_owned();
    let all: Vec<String> = entries.chain([folder]).collect();
    format!("[{}]", all.join(","))
}

fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors") || name == "tokenizer.json"
}

fn plain(stream: &mut TcpStream, status: u16, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} X\r\n{head}Content-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// Bytes that differ at every place, so that a piece in the wrong one is found.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
