//! The composer of the real program on a pseudo-terminal: files, the user's own commands, the editor, the
//! history, large pastes. The model is scripted.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{Bench, pty::Pty};

fn script(answers: &[&str]) -> String {
    let generations: Vec<_> = answers
        .iter()
        .map(|text| {
            serde_json::json!({"text": format!("<|channel|>final<|message|>{text}<|return|>")})
        })
        .collect();
    serde_json::json!({ "generations": generations }).to_string()
}

fn start(bench: &Bench, answers: &[&str]) -> Pty {
    let model = bench.scripted(&script(answers));
    let mut pty = Pty::start(bench, 24, 100, &["-m", &model]);
    pty.wait_for("scripted");
    pty.wait_for("Ask for a change");
    // The terminal is asked about itself first, and does not answer.
    std::thread::sleep(std::time::Duration::from_millis(300));
    pty
}

fn leave(mut pty: Pty) {
    pty.send("\x03\x04");
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.alternate_screen());
}

#[test]
fn a_file_is_found_among_thousands_mentioned_and_attached() {
    let bench = Bench::new();
    for n in 0..3000 {
        bench.write(&format!("many/{}/file{n}.txt", n % 30), "x\n");
    }
    bench.write(".gitignore", "hidden.rs\n");
    bench.write("hidden.rs", "secret\n");
    bench.write("src/needle.rs", "fn needle() {}\n");
    bench.write("my notes.md", "one\ntwo\n");
    let mut pty = start(&bench, &["I see both."]);
    pty.send("read @needl");
    pty.wait_for("src/needle.rs");
    pty.send("\t");
    pty.wait_for("read @src/needle.rs");
    pty.send("and @my no");
    // A blank ends a name without quotes.
    pty.send("\x17\x17@mynot");
    pty.wait_for("› my notes.md");
    pty.send("\r");
    pty.wait_for("@\"my notes.md\"");
    pty.send("and @hidden.rs\x1b");
    std::thread::sleep(std::time::Duration::from_millis(100));
    pty.send("\r");
    pty.wait_for("attached: src/needle.rs (1 line), my notes.md (2 lines)");
    pty.wait_for("named only, not attached: hidden.rs (ignored");
    pty.wait_for("I see both.");
    leave(pty);
}

#[test]
fn the_users_own_command_streams_into_a_card_and_is_interrupted() {
    let bench = Bench::new();
    bench.write("here.txt", "x\n");
    let mut pty = start(&bench, &["It was over."]);
    pty.send("!ls; exit 3");
    pty.wait_for("runs in your shell");
    pty.send("\r");
    pty.wait_for("failed (exit 3)");
    pty.wait_for("here.txt");
    // Live: the second line is never reached.
    pty.send("!echo begun; sleep 1000; echo never\r");
    pty.wait_for("│ begun");
    pty.send("\x1b");
    pty.wait_for("[interrupted]");
    // It cannot take the interface's keys.
    pty.send("!cat; echo over\r");
    pty.wait_for("│ over");
    pty.send("what did it say?\r");
    pty.wait_for("It was over.");
    leave(pty);
    let ran = bench.run(&["sessions", "list"]);
    let id = ran.stdout.split('\t').next().unwrap().to_owned();
    let shown = bench.run(&["sessions", "show", &id]).stdout;
    assert!(shown.contains("! ls; exit 3"), "{shown}");
}

#[test]
fn the_editor_writes_the_message() {
    let bench = Bench::new();
    let editor = bench.write("editor.sh", "#!/bin/sh\necho 'from the editor' >> \"$1\"\n");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let model = bench.scripted(&script(&["ok"]));
    let variables = [("VISUAL", editor.to_str().unwrap())];
    let mut pty = Pty::with(&bench, 24, 100, &["-m", &model], &variables);
    pty.wait_for("scripted");
    pty.send("draft ");
    pty.wait_for("› draft");
    pty.send("\x07");
    pty.wait_for("draft from the editor");
    pty.send("\x18\x05");
    pty.wait("a second line", |screen| {
        screen.matches("from the editor").count() == 2
    });
    leave(pty);
}

#[test]
fn the_history_of_this_folder_is_searched_in_the_next_session() {
    let bench = Bench::new();
    let mut pty = start(&bench, &["ok", "ok"]);
    for message in ["explain the Parser", "count to three"] {
        pty.send(message);
        pty.send("\r");
        pty.wait_for("0.");
    }
    leave(pty);
    let mut pty = start(&bench, &["ok"]);
    pty.send("draft\x12pars");
    pty.wait_for("search: pars");
    pty.wait_for("explain the Parser");
    pty.send("\x1b");
    pty.wait_for("› draft");
    pty.send("\x12pars\r");
    pty.wait_for("› explain the Parser");
    leave(pty);
}

#[test]
fn a_megabyte_is_folded_unfolded_edited_and_sent_whole() {
    let bench = Bench::new();
    let mut pty = start(&bench, &["ok"]);
    let paste = "0123456789abcde\n".repeat(65_536);
    pty.send(&format!("\x1b[200~{paste}\x1b[201~"));
    pty.wait_for("[pasted 65536 lines]");
    pty.send(" and more");
    pty.wait_for("[pasted 65536 lines] and more");
    pty.send("\x01\x0f");
    pty.wait_for("› 0123456789abcde");
    pty.send("edited ");
    pty.wait("the edit", |screen| screen.contains("edited"));
    pty.send("\x1f\x1f");
    pty.wait_for("[pasted 65536 lines] and more");
    leave(pty);
}
