//! How soon one can type, and what the interface weighs without a model.
//!
//! `cargo bench --bench startup`. The baseline of the same run is the cheapest start of the same program
//! (`descant --version`), seen through the same pseudo-terminal. Targets: the first frame, with the composer in it, <= 30 ms
//! after the spawn; a letter typed then and shown, which is what a usable composer means, <= 60 ms after it; memory
//! <= 40 MB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};
use support::{Bench, pty::Pty};

const ROUNDS: usize = 15;

fn main() {
    // `cargo test --all-targets` runs benches too; one round shows that it works.
    let rounds = if std::env::args().any(|a| a == "--bench") {
        ROUNDS
    } else {
        1
    };
    let bench = Bench::new();
    let model = bench.scripted(r#"{"generations": []}"#);
    let (mut version, mut first, mut composer) = (Vec::new(), Vec::new(), Vec::new());
    let mut memory = Vec::new();
    for _ in 0..rounds {
        version.push(until(&bench, &["--version"], "descant 0").0);
        let (time, pty) = until(&bench, &["-m", &model], "Ask for a change");
        first.push(time);
        let typed = Instant::now();
        let mut pty = pty;
        pty.send("zqzq");
        while !pty.screen().contains("zqzq") {
            std::thread::sleep(Duration::from_micros(200));
        }
        composer.push(time + typed.elapsed());
        pty.send("\x03\x03\x03");
        // A loaded model brings its vocabulary along; the interface alone is what is there before it.
        let (_, mut pty) = until(&bench, &["-m", "/no/such/model"], "failed to load");
        memory.push(resident_kib(pty.child.process_id().unwrap()));
        pty.send("\x03\x03\x03");
    }
    let (version, first) = (median(&mut version), median(&mut first));
    let composer = median(&mut composer);
    memory.sort_unstable();
    let memory = memory[memory.len() / 2];
    println!(
        "start to the first frame: {:.1} ms = {:.1} x the start of --version; target 30 ms",
        ms(first),
        first.as_secs_f64() / version.as_secs_f64(),
    );
    println!(
        "start to a letter in the composer: {:.1} ms = {:.1} x the start of --version ({:.1} ms); target 60 ms",
        ms(composer),
        composer.as_secs_f64() / version.as_secs_f64(),
        ms(version),
    );
    println!(
        "resident without a model: {:.1} MB; target 40 MB",
        memory as f64 / 1024.0
    );
}

/// Time from the spawn until `text` is on the screen.
fn until(bench: &Bench, args: &[&str], text: &str) -> (Duration, Pty) {
    let start = Instant::now();
    let pty = Pty::start(bench, 40, 120, args);
    while !pty.screen().contains(text) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "never seen: {text}\n{}",
            pty.screen()
        );
        std::thread::sleep(Duration::from_micros(200));
    }
    (start.elapsed(), pty)
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
