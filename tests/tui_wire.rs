//! What the program draws piece by piece is what it draws anew: on a terminal, in tmux and in GNU screen, after a long
//! stream with everything that is drawn in a way of its own (styles, links, wide characters, erased rests of rows).

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use support::{Bench, pty::Pty, there_or_not_run};

/// Longer than any pane, so that the panes move on several times.
fn script(bench: &Bench) -> String {
    let words = |n: usize| {
        let words: Vec<String> = (0..n).map(|n| format!("word{n}")).collect();
        words.join(" ")
    };
    let part = |n: usize| {
        format!(
            "## Part {n}\n\n{}\n\n- **strong** and `code`\n- [a link](https://example.org/{n}) here\n- 漢字 in 文章 of wide\n\n\
             ```rust\nfn part_{n}() -> usize {{\n    let rest = \"blank\";              // {n}\n\n    rest.len()\n}}\n```\n\n\
             | a | b |\n|---|---|\n| {n} | wide 漢 |\n\n",
            words(20 + 17 * n)
        )
    };
    let answer: String = (0..6).map(part).collect();
    let text = format!(
        "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{answer} DONE<|return|>",
        words(400)
    );
    let script = serde_json::json!({ "generations": [{ "text": text, "token_ms": 1 }] });
    bench.scripted(&script.to_string())
}

/// Every cell with what is seen of it.
fn cells(pty: &Pty) -> Vec<String> {
    let screen = pty.frame();
    let (rows, columns) = screen.size();
    let mut out = Vec::new();
    for row in 0..rows.get() {
        for column in 0..columns.get() {
            let cell = screen.cell(row, column).unwrap();
            let symbol = match cell.contents() {
                "" => " ",
                symbol => symbol,
            };
            let lines = (cell.underline(), cell.inverse());
            // Nobody sees the colour of a blank's character.
            let style = match (symbol, lines) {
                (" ", (false, false)) => String::new(),
                _ => format!("{:?} {} {}", cell.fgcolor(), cell.bold(), cell.italic()),
            };
            out.push(format!(
                "{row},{column}: {symbol:?} {:?} {lines:?} {style}",
                cell.bgcolor()
            ));
        }
    }
    out
}

/// The program runs in `pty`: has it speak, and compares its screen with the one it draws when it is told to draw all
/// of it again.
fn compare(pty: &mut Pty) {
    pty.wait_for("Ask for a change");
    pty.send("speak\r");
    pty.wait_for("DONE");
    // The line that says what the turn took is the last of it.
    pty.wait_for("tokens");
    pty.send("abc");
    pty.wait_for("abc");
    let drawn = cells(pty);
    pty.send("\x7f");
    pty.wait("the letter gone", |screen| !screen.contains("abc"));
    // What comes after the drawing is seen after it.
    pty.send("\x0c");
    pty.send("c");
    pty.wait_for("abc");
    let anew = cells(pty);
    let differences: Vec<_> = drawn
        .iter()
        .zip(&anew)
        .filter(|(drawn, anew)| drawn != anew)
        .collect();
    assert!(
        differences.is_empty(),
        "drawn, and drawn anew:\n{differences:#?}\n{}",
        pty.screen()
    );
}

#[test]
fn on_a_terminal() {
    for (rows, columns, theme) in [(40, 120, "dark"), (24, 80, "light"), (12, 40, "ansi16")] {
        let bench = Bench::without_sandbox();
        let model = script(&bench);
        let theme = format!("theme={theme}");
        let mut pty = Pty::start(&bench, rows, columns, &["-m", &model, "-c", &theme]);
        compare(&mut pty);
    }
}

#[test]
fn in_tmux() {
    if !there_or_not_run("tmux") {
        return;
    }
    let bench = Bench::without_sandbox();
    let model = script(&bench);
    let socket = bench.home().join("tmux").display().to_string();
    let program = format!("exec '{}' -m '{model}'", env!("CARGO_BIN_EXE_descant"));
    let words = [
        "-u",
        "-S",
        &socket,
        "-f",
        "/dev/null",
        "new-session",
        &program,
    ];
    let mut pty = Pty::program(&bench, 40, 120, "tmux", &words);
    compare(&mut pty);
    let _ = Command::new("tmux")
        .args(["-S", &socket, "kill-server"])
        .status();
}

#[test]
fn in_screen() {
    if !there_or_not_run("screen") {
        return;
    }
    let bench = Bench::without_sandbox();
    let model = script(&bench);
    let folder = bench.home().join("screens");
    std::fs::create_dir(&folder).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&folder, mode).unwrap();
    let mut pty = Pty::program_in(
        &bench,
        40,
        120,
        "screen",
        &[
            "-U",
            "-c",
            "/dev/null",
            "-S",
            "descant",
            env!("CARGO_BIN_EXE_descant"),
            "-m",
            &model,
        ],
        &[("SCREENDIR", &folder.display().to_string())],
    );
    compare(&mut pty);
    pty.send("\x03\x03\x03\x04");
}
