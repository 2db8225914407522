//! The terminal UI with the built-in model, seen through a pseudo-terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::picture::{DARK, LIGHT, animated};
use support::{Bench, pty::Pty};

/// Two functions whose changed lines are far enough apart to be two hunks.
const SHOP: &str = "\
def price(item, count):
    return item.cost * count


def greet(name):
    print(\"Hello\", name)


def discount(total):
    rate = 0.05
    return total * rate
";

const CHANGE: &str = "In shop.py, change `return item.cost * count` to `return item.price * count` \
                      and `rate = 0.05` to `rate = 0.1`.";

fn project() -> Bench {
    let bench = Bench::new();
    bench.write("shop.py", SHOP);
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
    pty.send("keep the rate");
    pty.send("\r");
    pty.wait_for("You declined the rest: keep the rate");
    assert_eq!(
        bench.read("shop.py"),
        SHOP.replace("item.cost", "item.price")
    );
    pty.wait_for("of them reasoning");
    pty.send("/undo\r");
    pty.wait("the undo", |_| bench.read("shop.py") == SHOP);
    pty.send("/quit\r");
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.alternate_screen());
}

fn bless(name: &str, picture: &str) {
    if std::env::var_os("DESCANT_BLESS").is_some() {
        let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, picture).unwrap();
    }
}

/// Also makes the README's pictures: `DESCANT_BLESS=1 cargo test --release --test tui_demo`.
#[test]
fn the_review_is_what_the_readme_shows() {
    for (look, background, ending) in [(&DARK, "15;0", ""), (&LIGHT, "0;15", "-light")] {
        let bench = project();
        let variables = [("COLORTERM", "truecolor"), ("COLORFGBG", background)];
        let mut pty = Pty::with(&bench, 30, 110, &["-m", "demo"], &variables);
        pty.wait_for("demo");
        pty.send(CHANGE);
        pty.send("\r");
        pty.wait_for("1 of 2");
        // Colours of code come a moment after the patch.
        pty.wait_for("return item.price * count");
        let screen = pty.screen();
        assert!(screen.contains("shop.py"), "{screen}");
        bless(&format!("review{ending}.svg"), &pty.svg(look));
        pty.send("A");
        pty.wait_for("Changed shop.py.");
        bless(&format!("conversation{ending}.svg"), &pty.svg(look));
    }
}

/// The recording of the README: asked, thought, reviewed hunk by hunk, applied, undone.
#[test]
fn a_change_from_the_question_to_its_undo() {
    let bench = project();
    let variables = [("COLORTERM", "truecolor"), ("COLORFGBG", "15;0")];
    let mut pty = Pty::with(&bench, 30, 110, &["-m", "demo"], &variables);
    let mut frames = Vec::new();
    pty.wait_for("demo model \u{b7}");
    frames.push((pty.frame(), 1.5));
    pty.send(CHANGE);
    pty.wait_for("0.1`.");
    frames.push((pty.frame(), 2.5));
    pty.send("\r");
    // Whatever of the stream is seen on the way to the review.
    let mut seen = String::new();
    pty.wait("1 of 2", |screen| {
        screen.contains("thinking") || screen.contains("1 of 2")
    });
    while frames.len() < 8 && !pty.screen().contains("1 of 2") {
        let screen = pty.screen();
        if screen != seen {
            frames.push((pty.frame(), 0.5));
            seen = screen;
        }
        std::thread::sleep(std::time::Duration::from_millis(80));
    }
    pty.wait_for("1 of 2");
    pty.wait_for("return item.price * count");
    frames.push((pty.frame(), 3.0));
    pty.send("y");
    pty.wait_for("2 of 2");
    frames.push((pty.frame(), 3.0));
    pty.send("y");
    pty.wait_for("Changed shop.py.");
    pty.wait_for("tokens");
    frames.push((pty.frame(), 3.0));
    pty.send("/undo\r");
    pty.wait("the undo", |_| bench.read("shop.py") == SHOP);
    pty.wait_for("Undone");
    frames.push((pty.frame(), 3.5));
    let picture = animated(&frames, &DARK);
    assert!(picture.len() < 300_000, "{} bytes", picture.len());
    bless("demo.svg", &picture);
}
