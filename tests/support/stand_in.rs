//! A stand-in for a model server: real TCP, and every fault that a test asks for.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longest wait for something that must happen; far above any need.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST /v1/chat/completions`.
    pub line: String,
    /// Lower case, a line a header.
    pub headers: String,
    pub body: Value,
}

/// What is done on a connection, in order; then it is closed.
#[derive(Debug, Clone)]
pub enum Act {
    Send(Vec<u8>),
    Wait(Duration),
    /// Sends it again and again until the client closes.
    Flood(Vec<u8>),
    /// Until the client closes.
    Hang,
}

type Answers = dyn Fn(&Asked, usize) -> Vec<Act> + Send + Sync;

#[derive(Default)]
struct Log {
    asked: Mutex<Vec<Asked>>,
    /// Connections that the client closed while they hung or were flooded.
    closed: Mutex<usize>,
    change: Condvar,
}

pub struct StandIn {
    pub url: String,
    log: Arc<Log>,
}

impl StandIn {
    /// `answers` gets the request and how many of the same line came before it.
    pub fn start(answers: impl Fn(&Asked, usize) -> Vec<Act> + Send + Sync + 'static) -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Log::default());
        let (shared, answers): (_, Arc<Answers>) = (Arc::clone(&log), Arc::new(answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, answers) = (Arc::clone(&shared), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &log, answers.as_ref()));
            }
        });
        StandIn { url, log }
    }

    /// The requests whose line is this, in order.
    pub fn asked(&self, line: &str) -> Vec<Asked> {
        let all = self.log.asked.lock().unwrap();
        all.iter()
            .filter(|asked| asked.line == line)
            .cloned()
            .collect()
    }

    pub fn requests(&self) -> usize {
        self.log.asked.lock().unwrap().len()
    }

    /// Waits until the client has closed so many connections that were left open for it.
    pub fn wait_closed(&self, count: usize) {
        let closed = self.log.closed.lock().unwrap();
        let waited = self
            .log
            .change
            .wait_timeout_while(closed, PATIENCE, |closed| *closed < count);
        assert!(!waited.unwrap().1.timed_out(), "the connection stays open");
    }
}

fn serve(mut stream: TcpStream, log: &Log, answers: &Answers) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.rsplit_once(' ')?.0.to_owned();
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        let header = header.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push_str(&header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked = Asked {
        line,
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let before = {
        let mut all = log.asked.lock().unwrap();
        let before = all.iter().filter(|other| other.line == asked.line).count();
        all.push(asked.clone());
        before
    };
    for act in answers(&asked, before) {
        match act {
            Act::Send(bytes) => stream.write_all(&bytes).ok()?,
            Act::Wait(time) => std::thread::sleep(time),
            Act::Flood(bytes) => {
                while stream.write_all(&bytes).is_ok() {}
                note_closed(log);
            }
            Act::Hang => {
                let mut rest = [0; 1024];
                while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
                note_closed(log);
            }
        }
    }
    Some(())
}

fn note_closed(log: &Log) {
    *log.closed.lock().unwrap() += 1;
    log.change.notify_all();
}

fn head(status: u16, more: &str) -> String {
    format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n{more}\r\n")
}

/// A whole answer in JSON.
pub fn answer(status: u16, body: &Value) -> Vec<Act> {
    answer_with(status, "", body)
}

/// With more headers, each ended by `\r\n`.
pub fn answer_with(status: u16, headers: &str, body: &Value) -> Vec<Act> {
    let body = body.to_string();
    let head = head(
        status,
        &format!(
            "{headers}content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ),
    );
    vec![Act::Send(format!("{head}{body}").into_bytes())]
}

fn stream_head() -> Vec<u8> {
    head(
        200,
        "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n",
    )
    .into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The beginning of a stream: no end, so that closing behind it cuts it.
pub fn begin(bytes: &[u8]) -> Vec<Act> {
    let mut acts = vec![Act::Send(stream_head())];
    if !bytes.is_empty() {
        acts.push(Act::Send(chunk(bytes)));
    }
    acts
}

/// A whole stream.
pub fn stream(bytes: &[u8]) -> Vec<Act> {
    let mut acts = begin(bytes);
    acts.push(Act::Send(b"0\r\n\r\n".to_vec()));
    acts
}

/// A whole stream, a byte at a time.
pub fn stream_bytewise(bytes: &[u8]) -> Vec<Act> {
    let mut acts = begin(b"");
    acts.extend(bytes.iter().map(|byte| Act::Send(chunk(&[*byte]))));
    acts.push(Act::Send(b"0\r\n\r\n".to_vec()));
    acts
}

/// An event.
pub fn event(data: &Value) -> Vec<u8> {
    format!("data: {data}\n\n").into_bytes()
}

pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/server")
            .join(name),
    )
    .unwrap()
}

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// llama.cpp with GPT-OSS.
    Llama,
    /// vLLM with GPT-OSS.
    Vllm,
    /// vLLM before it told ids by `return_token_ids`.
    OldVllm,
    /// A server of the Responses API.
    Responses,
    /// A server of chat completions alone.
    Chat,
}

pub const MODEL: &str = "openai/gpt-oss-20b";
pub const CONTEXT: usize = 8192;

impl Kind {
    pub fn path(self) -> &'static str {
        match self {
            Kind::Llama => "POST /completion",
            Kind::Vllm | Kind::OldVllm => "POST /v1/completions",
            Kind::Responses => "POST /v1/responses",
            Kind::Chat => "POST /v1/chat/completions",
        }
    }

    /// Its answers to what a client asks before it generates; `None` for a generation.
    pub fn greets(self, asked: &Asked) -> Option<Vec<Act>> {
        // <|start|>a<|channel|>b<|constrain|>c<|message|>d<|end|>e<|call|>f<|return|>
        let sample = [
            200006, 64, 200005, 65, 200003, 66, 200008, 67, 200007, 68, 200012, 69, 200002,
        ];
        let raw = matches!(self, Kind::Llama | Kind::Vllm | Kind::OldVllm);
        let nothing = || {
            answer(
                404,
                &json!({"error": {"message": "File Not Found", "code": 404}}),
            )
        };
        let generates = asked.body.get("stream") == Some(&json!(true));
        Some(match asked.line.as_str() {
            "GET /v1/models" => answer(
                200,
                &json!({"object": "list", "data": [{"id": MODEL, "max_model_len": CONTEXT}]}),
            ),
            "POST /tokenize" if self == Kind::Llama => answer(200, &json!({"tokens": sample})),
            "POST /tokenize" if raw => answer(
                200,
                &json!({"tokens": sample, "count": sample.len(), "max_model_len": CONTEXT}),
            ),
            "GET /props" if self == Kind::Llama => answer(
                200,
                &json!({"default_generation_settings": {"n_ctx": CONTEXT}}),
            ),
            line if line == self.path() && generates => return None,
            "POST /v1/completions" if self == Kind::Vllm => {
                answer(200, &json!({"choices": [{"text": "a", "token_ids": [64]}]}))
            }
            "POST /v1/completions" if self == Kind::OldVllm => answer(
                200,
                &json!({"choices": [{"text": "a",
                "logprobs": asked.body.get("logprobs").map(|_| json!({"tokens": ["token_id:64"]}))}]}),
            ),
            line if line == self.path() => {
                answer(400, &json!({"error": {"message": "'input' is required"}}))
            }
            _ => nothing(),
        })
    }

    pub fn start(
        self,
        generates: impl Fn(&Asked, usize) -> Vec<Act> + Send + Sync + 'static,
    ) -> StandIn {
        // The probe of vLLM asks once on the same line.
        let greeted = match self {
            Kind::Vllm | Kind::Responses | Kind::Chat => 1,
            Kind::OldVllm => 2,
            Kind::Llama => 0,
        };
        StandIn::start(move |asked, before| {
            self.greets(asked)
                .unwrap_or_else(|| generates(asked, before.saturating_sub(greeted)))
        })
    }
}

impl StandIn {
    /// The requests for a generation.
    pub fn generations(&self, kind: Kind) -> Vec<Asked> {
        let mut all = self.asked(kind.path());
        all.retain(|asked| asked.body.get("stream") == Some(&json!(true)));
        all
    }
}
