//! The terminal UI with the built-in model, seen through a pseudo-terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

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
        screen.contains("shop.py") && screen.contains("return item.price * count"),
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
    pty.wait_for("Changed shop.py.");
    if std::env::var_os("DESCANT_BLESS").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conversation.svg"),
            pty.svg(),
        )
        .unwrap();
    }
}
