//! What patches cost: ratios, so that they mean the same on every machine.
//!
//! A file ten times as long, patched at its end, may take at most twelve times as long to locate, in every stage;
//! so may the error for a hunk that is nowhere. Applying is measured against `git apply` in `apply`. Prints one line
//! a case and fails where a figure is missed.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[path = "patch/apply.rs"]
mod apply;

use descant::patch::locate::locate;
use descant::patch::v4a::{FileOperation, PatchHunk, parse};
use std::hint::black_box;
use std::time::{Duration, Instant};

const FIGURE: f64 = 12.0;
const LINES: usize = 20_000;
const BATCH: Duration = Duration::from_millis(20);

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

/// Time of one search, from as many as fill `BATCH`. Batches of one length: on a busy machine a long
/// measurement is interrupted and a short one is not, which would look like growth.
fn time_of(file: &[&str], hunks: &[PatchHunk]) -> Duration {
    let start = Instant::now();
    let mut searches = 0;
    while start.elapsed() < BATCH {
        let _ = black_box(locate(black_box(file), black_box(hunks)));
        searches += 1;
    }
    start.elapsed() / searches
}

fn main() {
    type Make = fn(usize) -> (String, String);
    let cases: [(&str, Make); 7] = [
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
        ("fuzzy", |n| {
            let lines = unlike(n);
            let near: Vec<&str> = lines.lines().skip(n - 9).take(7).collect();
            let (above, below) = near.split_at(3);
            let (changed, below) = below.split_at(1);
            let mut body = format!("@@\n {}\n", above.join("\n ").replacen("call", "cal", 1));
            body.push_str(&format!(
                "-{}\n+    new();\n {}\n",
                changed.concat(),
                below.join("\n ")
            ));
            (lines, body)
        }),
        ("nowhere, alike", |n| {
            (
                "    x\n".repeat(n),
                "@@\n     x\n-    y\n+    z\n".to_owned(),
            )
        }),
        ("all lines alike", |n| {
            (
                format!("{}end\n", "    x\n".repeat(n)),
                format!("@@\n{}-end\n+new\n", "     x\n".repeat(200)),
            )
        }),
    ];
    let mut missed = apply::missed();
    for (name, make) in cases {
        let [(small_text, small_body), (large_text, large_body)] = [make(LINES), make(10 * LINES)];
        let [small_file, large_file] =
            [&small_text, &large_text].map(|text| text.lines().collect::<Vec<_>>());
        let [small_hunks, large_hunks] = [hunks(&small_body), hunks(&large_body)];
        // Neighbours in time, and the median of their ratios: other programs come and go meanwhile.
        let mut rounds: Vec<(f64, Duration, Duration)> = (0..25)
            .map(|_| {
                (
                    time_of(&small_file, &small_hunks),
                    time_of(&large_file, &large_hunks),
                )
            })
            .map(|(small, large)| (large.as_secs_f64() / small.as_secs_f64(), small, large))
            .collect();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, small, large) = rounds[rounds.len() / 2];
        println!(
            "locate {name:<16} {small:>10.1?} -> {large:>10.1?}  x{ratio:.1} (at most x{FIGURE})"
        );
        if ratio > FIGURE {
            missed.push(name);
        }
    }
    if !missed.is_empty() {
        eprintln!("figures missed: {}", missed.join(", "));
        std::process::exit(1);
    }
}

fn unlike(lines: usize) -> String {
    (0..lines).map(|n| format!("    call_{n}();\n")).collect()
}
