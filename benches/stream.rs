//! The running program while a model speaks, seen from the other end of its terminal (120x40).
//!
//! `cargo bench --bench stream`. A recorded model says 200 tokens a second, a third of them reasoning. Printed, with the
//! figure to reach:
//! - bytes written to the terminal per streamed token (40);
//! - share of a core beyond the engine (5 %): the program's time for the turn in the interface, less its time for the
//!   same turn with `--once` (of which the start is taken off, as a turn of one word shows it), over the length of the
//!   stream;
//! - from a key in the composer to the terminal that shows it, under the stream, 99th percentile (16 ms); beside it,
//!   taken in turn, the same for a program that only writes back what it reads: what the pseudo-terminal, this
//!   program's emulator and the machine's load take of it. Nothing is subtracted;
//! - wake-ups while nothing happens (0).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/support/mod.rs"]
mod support;

use descant::harmony::vocab::Vocabulary;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::{Bench, pty::Pty};

const TOKEN: Duration = Duration::from_millis(5);
/// Words of an answer, most of them one token.
const WORDS: &str = "the parser reads one line at a time and keeps the rest for the next call so that a \
                     cut in the middle of a word costs nothing and the state stays small enough to copy";

fn main() -> ExitCode {
    let full = std::env::args().any(|argument| argument == "--bench");
    let tokens = if full { 3000 } else { 60 };
    let bench = Bench::new();
    let (reasoning, answer) = (prose(tokens / 3), prose(tokens * 2 / 3));
    let vocabulary = Vocabulary::load(bench.home()).expect("loading the vocabulary");
    let streamed = vocabulary.encode_text(&reasoning).len() + vocabulary.encode_text(&answer).len();
    let generation = |end: &str| {
        serde_json::json!({
            "text": format!(
                "<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant<|channel|>final<|message|>{answer} {end}<|return|>"
            ),
            "token_ms": TOKEN.as_millis() as u64
        })
    };
    let script = serde_json::json!({ "generations": [generation("FIRST"), generation("SECOND")] })
        .to_string();
    let model = bench.scripted(&script);

    let mut pty = Pty::start(&bench, 40, 120, &["-m", &model]);
    // The model's name stands in the status line once it is loaded.
    pty.wait("a loaded model", |screen| {
        screen.contains("scripted") && !screen.contains("loading")
    });
    let process = Process(pty.child.process_id().unwrap());
    settle();

    let (before, cpu, start) = (pty.received(), process.cpu(), Instant::now());
    turn(&mut pty, "one", "FIRST", |_| {});
    let (bytes, cpu, took) = (
        pty.received() - before,
        process.cpu() - cpu,
        start.elapsed(),
    );

    settle();
    let wakeups = process.wakeups();
    std::thread::sleep(Duration::from_secs(if full { 5 } else { 1 }));
    let wakeups = process.wakeups() - wakeups;

    let mut echo = Pty::program(&bench, 40, 120, "sh", &["-c", "stty raw -echo; exec cat"]);
    settle();
    let (mut keys, mut echoes) = (Vec::new(), Vec::new());
    turn(&mut pty, "two", "SECOND", |pty| {
        keys.extend(key(pty, keys.len()));
        echoes.extend(key(&mut echo, 0));
        if echoes.len() % 80 == 79 {
            echo.send("\r");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    drop((pty, echo));

    let once = once_cpu(&bench, &model);
    let word = serde_json::json!({ "generations": [{ "text": "<|channel|>final<|message|>word<|return|>" }] });
    let start = once_cpu(&bench, &bench.scripted(&word.to_string()));
    let once = once.saturating_sub(start);
    let per_token = bytes as f64 / streamed as f64;
    let share = cpu.saturating_sub(once).as_secs_f64() / took.as_secs_f64();
    println!("bytes to the terminal per token: {per_token:.1} of {streamed} tokens (at most 40)");
    println!(
        "share of a core beyond the engine: {:.1} % at {:.0} tokens/s (at most 5 %); the engine and the agent alone {:.1} %",
        share * 100.0,
        streamed as f64 / took.as_secs_f64(),
        once.as_secs_f64() / took.as_secs_f64() * 100.0
    );
    println!(
        "key to terminal under the stream: {} (at most 16 ms); a program that writes back what it reads: {}",
        spread(&mut keys),
        spread(&mut echoes)
    );
    println!("wake-ups while idle: {wakeups} (0)");
    let good = per_token <= 40.0 && wakeups == 0;
    if full && !good {
        println!("a figure that does not depend on the machine's load was missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let part = |percent| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    let most = times.last().copied().unwrap_or_default();
    format!(
        "median {:.1?}, p99 {:.1?}, longest {most:.1?} of {}",
        part(50),
        part(99),
        times.len()
    )
}

/// Paragraphs of about so many tokens.
fn prose(tokens: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().cycle().take(tokens).collect();
    words
        .chunks(60)
        .map(|paragraph| paragraph.join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// One turn from the message to the answer's last word, with something to do while it runs.
fn turn(pty: &mut Pty, message: &str, end: &str, mut meanwhile: impl FnMut(&mut Pty)) {
    pty.send(&format!("{message}\r"));
    let deadline = Instant::now() + Duration::from_secs(120);
    while !pty.screen().contains(end) {
        assert!(Instant::now() < deadline, "no end\n{}", pty.screen());
        meanwhile(pty);
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// From a letter sent to the cursor behind it.
fn key(pty: &mut Pty, n: usize) -> Option<Duration> {
    if n % 80 == 79 {
        // The line is full: away with it.
        pty.send("\x15");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (row, column) = pty.cursor();
    let start = Instant::now();
    pty.send("k");
    while pty.cursor() != (row, column + 1) {
        if start.elapsed() > Duration::from_secs(5) {
            return None;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Some(start.elapsed())
}

fn once_cpu(bench: &Bench, model: &str) -> Duration {
    let mut child = bench
        .command(&["--once", "-m", model, "one"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child.id());
    let mut last = Duration::ZERO;
    while child.try_wait().unwrap().is_none() {
        last = process.cpu().max(last);
        std::thread::sleep(Duration::from_millis(20));
    }
    last
}

/// Until the last frame is drawn and what was started in the background is done.
fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}

struct Process(u32);

impl Process {
    /// User and system time, in the kernel's hundredths of a second (proc(5), fields 14 and 15 of `stat`).
    fn cpu(&self) -> Duration {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", self.0)) else {
            return Duration::ZERO;
        };
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// How often a thread of the process gave up or lost its core (proc(5), `status`).
    fn wakeups(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.0);
        std::fs::read_dir(Path::new(&tasks))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
            .flat_map(|status| {
                let count = |line: &str| {
                    line.strip_prefix("voluntary_ctxt_switches:")
                        .and_then(|count| count.trim().parse::<u64>().ok())
                };
                status.lines().filter_map(count).collect::<Vec<_>>()
            })
            .sum()
    }
}
