//! The interface for screen readers in a pseudo-terminal: the same work as on the drawn screen, without one
//! escape sequence, and nothing said twice.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod support;

use support::{Bench, pty::Pty};

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

fn started(bench: &Bench, model: &str) -> Pty {
    Pty::start(
        bench,
        50,
        200,
        &["-m", model, "-c", "ui.screen_reader=true"],
    )
}

fn heard(pty: &Pty) -> String {
    String::from_utf8(pty.bytes()).unwrap()
}

/// What an ear, and a terminal without a cursor to place, can take.
fn is_linear(heard: &str) {
    let acts: Vec<char> = heard
        .chars()
        .filter(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t'))
        .collect();
    assert_eq!(acts, [], "{heard:?}");
    // A carriage return that is not a line's end would go back over what was said.
    assert!(!heard.replace("\r\n", "").contains('\r'), "{heard:?}");
}

#[test]
fn a_change_is_asked_for_reviewed_applied_and_undone_in_lines() {
    let bench = Bench::without_sandbox();
    bench.write("shop.py", SHOP);
    let mut pty = started(&bench, "demo");
    pty.wait_for("demo model is ready");
    pty.send(CHANGE);
    pty.send("\r");
    pty.wait_for("Change 1 of 2: update shop.py");
    pty.wait_for("removed:     return item.cost * count");
    pty.wait_for("added:     return item.price * count");
    pty.wait_for("Apply this change?");
    pty.send("y\r");
    pty.wait_for("Change 2 of 2");
    pty.send("n\r");
    pty.wait_for("A note to the model");
    pty.send("keep the rate\r");
    pty.wait_for("Applied: update shop.py; 1 change was left out.");
    pty.wait_for("Done in");
    assert_eq!(
        bench.read("shop.py"),
        SHOP.replace("item.cost", "item.price")
    );
    pty.send("/undo\r");
    pty.wait("the undo", |_| bench.read("shop.py") == SHOP);
    pty.send("/quit\r");
    assert_eq!(pty.wait_exit(), 0);
    let heard = heard(&pty);
    is_linear(&heard);
    for once in [
        "Writing a patch.",
        "Change 1 of 2:",
        "Change 2 of 2:",
        "Applied: update shop.py",
    ] {
        assert_eq!(heard.matches(once).count(), 1, "{once}: {heard}");
    }
}

#[test]
fn reasoning_is_announced_and_read_on_request_and_the_answer_comes_once() {
    let bench = Bench::without_sandbox();
    let script = serde_json::json!({
        "generations": [{
            "text": "<|channel|>analysis<|message|>First thought.\nSecond thought.<|end|>\
                     <|start|>assistant<|channel|>final<|message|>One. Two \u{1b}[2Jand three.\nFour<|return|>",
        }]
    });
    let model = bench.scripted(&script.to_string());
    let mut pty = started(&bench, &model);
    pty.wait_for("is ready");
    pty.send("count\\\rto four\r");
    pty.wait_for("Done in");
    let so_far = heard(&pty);
    assert!(so_far.contains("more: "), "{so_far}");
    assert!(so_far.contains("Thinking.\r\nThought for"), "{so_far}");
    assert!(!so_far.contains("First thought"), "{so_far}");
    assert_eq!(
        so_far
            .matches("One. Two ␛[2Jand three.\r\nFour\r\n")
            .count(),
        1,
        "{so_far}"
    );
    pty.send("/reasoning\r");
    pty.wait_for("Second thought.");
    pty.wait_for("End of the reasoning.");
    pty.send("/nonsense\r");
    pty.wait_for("there is no command /nonsense");
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
    is_linear(&heard(&pty));
}

#[test]
fn ctrl_c_interrupts_the_turn_and_twice_leaves() {
    let bench = Bench::without_sandbox();
    let script = serde_json::json!({
        "generations": [{
            "text": "<|channel|>final<|message|>It goes on. And on and on and on and on and on.<|return|>",
            "token_ms": 300,
        }]
    });
    let model = bench.scripted(&script.to_string());
    let mut pty = started(&bench, &model);
    pty.wait_for("is ready");
    pty.send("go\r");
    pty.wait_for("It goes on.");
    pty.send("\x03");
    pty.wait_for("Interrupted after");
    pty.send("\x03");
    pty.wait_for("Ctrl+C again leaves.");
    pty.send("\x03");
    assert_eq!(pty.wait_exit(), 0);
}

#[test]
fn a_dumb_terminal_is_read_line_by_line() {
    let bench = Bench::without_sandbox();
    let mut pty = Pty::with(&bench, 24, 80, &["-m", "demo"], &[("TERM", "dumb")]);
    pty.wait_for("Descant, line by line");
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
    is_linear(&heard(&pty));
}

#[test]
fn commands_of_ones_own_messages_and_conversations_are_chosen_in_words() {
    let bench = Bench::without_sandbox();
    let answer = |text: &str| serde_json::json!({"text": format!("<|channel|>final<|message|>{text}<|return|>")});
    let script = serde_json::json!({"generations": [answer("Heard."), answer("Again.")]});
    let model = bench.scripted(&script.to_string());
    let mut pty = started(&bench, &model);
    pty.wait_for("is ready");
    pty.send("!echo of-my-own; exit 3\r");
    pty.wait_for("Your command runs: echo of-my-own");
    pty.wait_for("Your command ended with exit code 3.");
    pty.send("what was that?\r");
    pty.wait_for("Done in");
    pty.send("/rewind\r");
    pty.wait_for("1: what was that?.");
    pty.wait_for("Go back to before which?");
    pty.send("7\r");
    pty.wait_for("say a number from 1 to 1");
    pty.send("\r");
    pty.send("/new\r");
    pty.wait_for("A new conversation begins.");
    pty.send("/resume\r");
    pty.wait_for("Go on with which?");
    pty.send("1\r");
    pty.wait_for("The conversation goes on: 1 message. Your last message: what was that?");
    pty.wait_for("Heard.");
    pty.send("/status\r");
    pty.wait_for("instructions and tools");
    pty.send("\x04");
    assert_eq!(pty.wait_exit(), 0);
    let heard = heard(&pty);
    is_linear(&heard);
    // The question for a message is not said again while a model loads.
    let before = heard.split("is ready").next().unwrap();
    assert!(before.matches("You: ").count() <= 1, "{before}");
}
