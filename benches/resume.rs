//! How soon a long conversation is on screen again, and what a very long one weighs.
//!
//! `cargo bench --bench resume`. `opening`: from the spawn of `descant resume ID` on a file of 10 MB until its last
//! words are on the terminal, beside the start of a new conversation (the aim: at most 200 ms). `memory`: what the
//! program holds of a conversation of a million tokens after every line of it was scrolled past, from the end to the
//! beginning and back (the aim: at most 100 MB, without a model).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "ui/record.rs"]
mod record;
#[path = "../tests/support/mod.rs"]
mod support;

use record::{Made, Until};
use std::time::{Duration, Instant};
use support::{Bench, pty::Pty};

const ROUNDS: usize = 15;
const SIZE: (u16, u16) = (40, 120);

fn main() {
    // `cargo test --all-targets` runs benches too; a small round shows that it works.
    let real = std::env::args().any(|a| a == "--bench");
    let (rounds, bytes, tokens) = if real {
        (ROUNDS, 10_000_000, 1_000_000)
    } else {
        (1, 300_000, 20_000)
    };
    let bench = Bench::new();
    opening(&bench, rounds, bytes);
    let bench = Bench::new();
    memory(&bench, tokens);
}

fn made(bench: &Bench, until: &Until) -> Made {
    record::make(&bench.home().join("descant"), bench.work(), until).unwrap()
}

/// Time from the spawn until `text` is on the screen.
fn until(bench: &Bench, args: &[&str], text: &str) -> (Duration, Pty) {
    let start = Instant::now();
    let mut pty = Pty::start(bench, SIZE.0, SIZE.1, args);
    seen(&mut pty, text);
    (start.elapsed(), pty)
}

/// Looks often, for what is measured.
fn seen(pty: &mut Pty, text: &str) {
    let start = Instant::now();
    while !pty.screen().contains(text) {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "never seen: {text}\n{}",
            pty.screen()
        );
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn opening(bench: &Bench, rounds: usize, bytes: u64) {
    let session = made(bench, &Until::Bytes(bytes));
    let last = format!("last words of answer {:05}", session.turns);
    let model = bench.scripted(r#"{"generations": []}"#);
    let (mut empty, mut long) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (time, mut pty) = until(bench, &["-m", &model], "Ask for a change");
        empty.push(time);
        pty.send("\x04");
        pty.wait_exit();
        let (time, mut pty) = until(bench, &["resume", &session.id, "-m", &model], &last);
        long.push(time);
        pty.send("\x04");
        pty.wait_exit();
    }
    let size = std::fs::metadata(&session.path).unwrap().len() as f64 / 1e6;
    let (empty, long) = (median(&mut empty), median(&mut long));
    println!(
        "opening a session of {size:.1} MB ({} turns, {} tokens): {:.0} ms to its end on screen = {:.1} x a new one ({:.0} ms); target 200 ms",
        session.turns,
        session.tokens,
        ms(long),
        long.as_secs_f64() / empty.as_secs_f64(),
        ms(empty),
    );
}

fn memory(bench: &Bench, tokens: usize) {
    let session = made(bench, &Until::Tokens(tokens));
    let last = format!("last words of answer {:05}", session.turns);
    // No model: its vocabulary is the conversation's here.
    let (_, mut pty) = until(
        bench,
        &["resume", &session.id, "-m", "/no/such/model"],
        &last,
    );
    let opened = resident(&pty);
    // Cards open, so that nothing is passed over; then a page at a time, each seen before the next.
    pty.send("\x0f");
    std::thread::sleep(Duration::from_millis(500));
    let pages = scroll(&mut pty, "\x1b[5~", &record::prompt(1));
    let top = resident(&pty);
    scroll(&mut pty, "\x1b[6~", &last);
    let back = resident(&pty);
    std::thread::sleep(Duration::from_secs(2));
    println!(
        "memory with {} tokens ({:.1} MB of text, {} turns, {pages} pages): {opened:.0} MB opened, {top:.0} at the beginning, {back:.0} back at the end, {:.0} at rest; target 100 MB",
        session.tokens,
        session.text as f64 / 1e6,
        session.turns,
        resident(&pty),
    );
}

fn scroll(pty: &mut Pty, key: &str, to: &str) -> usize {
    let start = Instant::now();
    let mut pages = 0;
    while !pty.screen().contains(to) {
        let before = pty.received();
        pty.send(key);
        pages += 1;
        let sent = Instant::now();
        while pty.received() == before && sent.elapsed() < Duration::from_millis(300) {
            std::thread::sleep(Duration::from_micros(500));
        }
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "never seen: {to}\n{}",
            pty.screen()
        );
    }
    pages
}

/// MB.
fn resident(pty: &Pty) -> f64 {
    let pid = pty.child.process_id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
