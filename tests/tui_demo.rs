//! The terminal UI with the built-in model, seen through a pseudo-terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Bench, pty::Pty};

/// Two functions whose changed lines are far enough apart to be two hunks.
const CALC: &str = "\
def add(a, b):
    return a - b


def sub(a, b):
    return a - b - 0


def mul(a, b):
    return a + b
";

const CHANGE: &str =
    "In calc.py, change `return a - b` to `return a + b` and `return a + b` to `return a * b`.";

fn project() -> Bench {
    let bench = Bench::new();
    bench.write("calc.py", CALC);
    bench
}

#[test]
fn two_hunks_one_accepted_one_rejected_with_a_note_that_the_model_reads() {
    let bench = project();
    let mut pty = Pty::start(&bench, 24, 80, &["-m", "demo"]);
    pty.wait_for("demo");
    pty.send(CHANGE);
    pty.send("\r");
    pty.wait_for("1 of 2");
    pty.send("y");
    pty.wait_for("2 of 2");
    pty.send("n");
    pty.send("keep the sum");
    pty.send("\r");
    pty.wait_for("You declined the rest: keep the sum");
    assert_eq!(
        bench.read("calc.py"),
        CALC.replacen("a - b\n", "a + b\n", 1)
    );
    pty.send("/undo\r");
    pty.wait("the undo", |_| bench.read("calc.py") == CALC);
    pty.send("/quit\r");
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.alternate_screen());
}

/// Also makes the README's picture: `DESCANT_BLESS=1 cargo test --release --test tui_demo`.
#[test]
fn the_review_is_what_the_readme_shows() {
    let bench = project();
    let mut pty = Pty::start(&bench, 30, 110, &["-m", "demo"]);
    pty.wait_for("demo");
    pty.send(CHANGE);
    pty.send("\r");
    pty.wait_for("1 of 2");
    let screen = pty.screen();
    assert!(
        screen.contains("calc.py") && screen.contains("return a + b"),
        "{screen}"
    );
    if std::env::var_os("DESCANT_BLESS").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/docs/review.svg"),
            pty.svg(),
        )
        .unwrap();
    }
    pty.send("A");
    pty.wait_for("Changed calc.py.");
    if std::env::var_os("DESCANT_BLESS").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conversation.svg"),
            pty.svg(),
        )
        .unwrap();
    }
}
