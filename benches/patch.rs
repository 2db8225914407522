//! How the cost of finding hunks grows with the file: a ratio, so that it means the same on every machine.
//!
//! A file ten times as long, patched at its end, may take at most twelve times as long, in every stage; so
//! may the error for a hunk that is nowhere. Prints one line a case and fails where the figure is missed.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use descant::patch::locate::locate;
use descant::patch::v4a::{FileOperation, PatchHunk, parse};
use std::hint::black_box;
use std::time::{Duration, Instant};

const FIGURE: f64 = 12.0;
const LINES: usize = 20_000;

fn hunks(body: &str) -> Vec<PatchHunk> {
    let text = format!("*** Begin Patch\n*** Update File: f\n{body}*** End Patch\n");
    match parse(&text)
        .expect("the bench's patch")
        .files
        .into_iter()
        .next()
        .map(|file| file.operation)
    {
        Some(FileOperation::Update { hunks, .. }) => hunks,
        _ => Vec::new(),
    }
}

/// The fastest of several runs, which is the one least disturbed.
fn fastest(file: &[&str], hunks: &[PatchHunk]) -> Duration {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            let _ = black_box(locate(black_box(file), black_box(hunks)));
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    type Make = fn(usize) -> (String, String);
    let cases: [(&str, Make); 5] = [
        ("exact", |n| {
            (
                unlike(n),
                format!(
                    "@@\n     call_{0}();\n-    call_{1}();\n+    new();\n",
                    n - 3,
                    n - 2
                ),
            )
        }),
        ("indentation", |n| {
            (
                unlike(n),
                format!("@@\n call_{0}();\n-call_{1}();\n+new();\n", n - 3, n - 2),
            )
        }),
        ("header", |n| {
            (
                unlike(n),
                format!(
                    "@@ call_{0}();\n-    call_{1}();\n+    new();\n",
                    n - 3,
                    n - 2
                ),
            )
        }),
        ("nowhere", |n| {
            (
                unlike(n),
                "@@\n     call_x();\n-    call_y();\n+    new();\n".to_owned(),
            )
        }),
        ("all lines alike", |n| {
            (
                format!("{}end\n", "    x\n".repeat(n)),
                format!("@@\n{}-end\n+new\n", "     x\n".repeat(200)),
            )
        }),
    ];
    let mut missed = Vec::new();
    for (name, make) in cases {
        let [small, large] = [LINES, 10 * LINES].map(|n| {
            let (text, body) = make(n);
            let file: Vec<&str> = text.lines().collect();
            fastest(&file, &hunks(&body))
        });
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        println!(
            "locate {name:<16} {small:>10.1?} -> {large:>10.1?}  x{ratio:.1} (at most x{FIGURE})"
        );
        if ratio > FIGURE {
            missed.push(name);
        }
    }
    if !missed.is_empty() {
        eprintln!("grows faster than the file: {}", missed.join(", "));
        std::process::exit(1);
    }
}

fn unlike(lines: usize) -> String {
    (0..lines).map(|n| format!("    call_{n}();\n")).collect()
}
