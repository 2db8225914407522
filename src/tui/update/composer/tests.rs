use super::*;
use crate::agent::{AgentEvent, FileList, RunId, ShellEnd};
use crate::tui::model::Msg;
use crate::tui::testing::{Session, start_turn};
use std::sync::Arc;
use std::time::Duration;

fn files(session: &mut Session, paths: &[&str]) {
    let list = FileList {
        paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        whole: true,
    };
    session.agent(AgentEvent::Files(Arc::new(list)));
}

/// As the loop does: the searches that were asked for are made, and their answers come.
fn answer(session: &mut Session) {
    let mut asked = Vec::new();
    session.effects.retain(|effect| match effect {
        Effect::MatchFiles(wanted) => {
            asked.push(wanted.clone());
            false
        }
        _ => true,
    });
    for wanted in asked {
        let found =
            crate::tui::composer::files::best(&wanted.list, &wanted.query, 8, || true).unwrap();
        session.send(Msg::Matched(wanted.generation, found));
    }
}

/// Keys, and the text they leave.
#[test]
fn keys_of_writing() {
    for (keys, text) in [
        ("one two<Ctrl+W>x", "one x"),
        ("one two<Alt+b>x", "one xtwo"),
        ("one two<Ctrl+Left><Ctrl+Left>x", "xone two"),
        ("one two<Home><Alt+f>x", "onex two"),
        ("one two<Ctrl+A><Ctrl+Right>x", "onex two"),
        ("one two<Ctrl+A><Alt+d>", " two"),
        ("foo.bar<Alt+Backspace>", "foo."),
        ("one two<Ctrl+A><Ctrl+K>x", "x"),
        ("one two<Ctrl+U><Ctrl+Y><Ctrl+Y>", "one twoone two"),
        ("one<Ctrl+J>two<Ctrl+A>x<Ctrl+E>y", "one\nxtwoy"),
        ("one<Ctrl+J>two<Ctrl+Home>x<Ctrl+End>y", "xone\ntwoy"),
        ("one two<Ctrl+_>", "one "),
        ("one two<Ctrl+/><Ctrl+7><Alt+Z>", "one "),
        ("one two<Alt+z><Alt+Z>", "one two"),
        ("precious<Ctrl+C><Ctrl+_>", "precious"),
        ("abc<Left><Ctrl+H>", "ac"),
        ("abc<Home><Delete><Ctrl+D>", "c"),
        ("abc<Ctrl+X>d", "abcd"),
        ("ab<Ctrl+X><Ctrl+A>x", "xab"),
    ] {
        let mut session = Session::new(80, 24);
        session.keys(keys);
        assert_eq!(session.model.composer.text(), text, "{keys}");
        assert_eq!(session.took(), [""; 0], "{keys}");
    }
}

#[test]
fn a_large_paste_is_a_chip_until_it_is_unfolded() {
    let mut session = Session::new(80, 24);
    session.keys("see ");
    let paste = "line\n".repeat(120);
    session.send(Msg::Paste(paste.clone()));
    session.send(Msg::Paste("short".into()));
    assert_eq!(
        session.model.composer.shown(),
        "see [pasted 120 lines]short"
    );
    session.keys("<Ctrl+W><Backspace>");
    assert_eq!(session.model.composer.shown(), "see ");
    session.keys("<Ctrl+_><Ctrl+_><Ctrl+_>");
    assert_eq!(session.model.composer.shown(), "see [pasted 120 lines]");
    session.keys("<Ctrl+O>");
    assert_eq!(session.model.composer.shown(), format!("see {paste}"));
    assert!(!session.model.look.unfolded);
    session.keys("<Ctrl+_>x<Ctrl+O>");
    assert!(session.model.look.unfolded, "elsewhere it is the cards'");
    session.keys("<Enter>");
    let sent = format!("see {paste}x");
    assert_eq!(
        session.took(),
        [format!("history {sent:?}"), format!("submit {sent:?}")]
    );
}

#[test]
fn the_history_is_searched_back_and_forth() {
    let older = ["fix the build", "Fix the tests", "push"];
    let rows: &[(&str, &str, &[&str])] = &[
        ("draft<Ctrl+R>fix<Esc>", "draft", &[]),
        ("draft<Ctrl+R>fix<Ctrl+C>", "draft", &[]),
        ("draft<Ctrl+R>fix<Enter>", "Fix the tests", &[]),
        ("draft<Ctrl+R>fix<Ctrl+R><Enter>", "fix the build", &[]),
        (
            "draft<Ctrl+R>fix<Ctrl+R><Ctrl+S><Enter>",
            "Fix the tests",
            &[],
        ),
        ("draft<Ctrl+R>nothing like it<Enter>", "draft", &[]),
        ("draft<Ctrl+R>fix<Enter><Ctrl+_>", "draft", &[]),
        // A key of editing takes what was found and edits it.
        ("<Ctrl+R>push<Ctrl+E> it", "push it", &[]),
        (
            "<Ctrl+R>push<Enter><Enter>",
            "",
            &["history \"push\"", "submit \"push\""],
        ),
        ("<Ctrl+R><Backspace><Ctrl+R><Esc>x", "x", &[]),
    ];
    for (keys, text, took) in rows {
        let mut session = Session::new(80, 24);
        session.send(Msg::History(older.map(str::to_owned).to_vec()));
        session.keys(keys);
        assert_eq!(session.model.composer.text(), *text, "{keys}");
        assert_eq!(session.took(), *took, "{keys}");
    }
}

#[test]
fn a_mention_is_searched_beside_the_loop_and_taken() {
    let paths = [
        "docs/",
        "docs/main.md",
        "my file.txt",
        "src/",
        "src/main.rs",
    ];
    let mut session = Session::new(80, 24);
    session.keys("see @");
    assert_eq!(session.took(), ["listfiles"]);
    files(&mut session, &paths);
    answer(&mut session);
    session.keys("mainr");
    answer(&mut session);
    assert!(
        session.screen().contains("› src/main.rs"),
        "{}",
        session.screen()
    );
    session.keys("<Enter>and @my<Down>");
    answer(&mut session);
    session.keys("<Tab>@src");
    answer(&mut session);
    session.keys("<Tab>");
    answer(&mut session);
    session.keys("ma");
    answer(&mut session);
    session.keys("<Tab>");
    assert_eq!(
        session.model.composer.text(),
        "see @src/main.rs and @\"my file.txt\" @src/main.rs "
    );
    assert_eq!(session.took(), [""; 0], "one list serves all of them");
    session.keys("<Enter>");
    assert_eq!(session.took().len(), 2, "sent");
}

#[test]
fn enter_before_the_answer_waits_for_it() {
    let mut session = Session::new(80, 24);
    session.keys("@");
    files(&mut session, &["a.rs", "b.rs"]);
    answer(&mut session);
    // What is shown was found for `@`; it is not what Enter means.
    session.keys("b<Enter>");
    assert_eq!(session.model.composer.text(), "@b");
    answer(&mut session);
    assert_eq!(session.model.composer.text(), "@b.rs ");
    session.took();
    // Nobody's file: then Enter sends.
    session.keys("<Ctrl+U>@zzz<Enter>");
    assert_eq!(session.model.composer.text(), "@zzz");
    answer(&mut session);
    assert_eq!(session.took(), ["history \"@zzz\"", "submit \"@zzz\""]);
    // Typing on is a change of mind.
    session.keys("@a<Enter>x");
    answer(&mut session);
    assert_eq!(session.model.composer.text(), "@ax");
    // Esc closes the list: Enter sends again.
    session.keys("<Ctrl+U>@a");
    answer(&mut session);
    session.took();
    session.keys("<Esc><Enter>");
    assert_eq!(session.took(), ["history \"@a\"", "submit \"@a\""]);
}

#[test]
fn a_command_of_the_users_runs_in_their_shell_and_is_interrupted_first() {
    let mut session = Session::new(80, 24);
    session.keys("! cargo test<Enter>");
    assert_eq!(
        session.took(),
        ["history \"! cargo test\"", "shell \"cargo test\""]
    );
    session.keys("!<Enter>!  <Enter>");
    assert_eq!(session.took(), [""; 0], "nothing to run");
    start_turn(&mut session.model);
    let run = RunId(1);
    session.agent(AgentEvent::ShellStarted {
        run,
        command: "cargo \u{1b}[2Jtest".into(),
    });
    session.agent(AgentEvent::ShellOutput {
        run,
        text: "one\ntwo\n".into(),
    });
    session.keys("<Esc>");
    assert_eq!(session.took(), ["interruptshell"]);
    session.keys("<Ctrl+C>");
    assert_eq!(session.took(), ["interruptshell"]);
    // The turn's end does not end the command's card.
    session.agent(AgentEvent::TurnInterrupted {
        turn: crate::conversation::TurnId(1),
        usage: crate::conversation::Usage::default(),
    });
    assert!(
        session.screen().contains("! cargo ␛[2Jtest  running"),
        "{}",
        session.screen()
    );
    session.agent(AgentEvent::ShellFinished {
        run,
        end: ShellEnd::Exited(3),
        elapsed: Duration::from_millis(2500),
    });
    let screen = session.screen();
    assert!(screen.contains("failed (exit 3)  2.5s"), "{screen}");
    assert!(screen.contains("│ two"), "{screen}");
    start_turn(&mut session.model);
    session.keys("<Esc>");
    assert_eq!(session.took(), ["interrupt"], "then the turn");
}

#[test]
fn the_last_queued_message_comes_back_before_what_is_written() {
    let mut session = Session::new(80, 24);
    session.model.queued = vec!["first".into(), "second".into()];
    session.keys("<Up>");
    assert_eq!(session.took(), ["takeback"]);
    session.keys("x<Up>");
    assert_eq!(session.took(), [""; 0], "Up in a text is the history's");
    session.keys("<Alt+Up>");
    assert_eq!(session.took(), ["takeback"]);
    session.agent(AgentEvent::TakenBack {
        text: Some("second".into()),
    });
    assert_eq!(session.model.composer.text(), "second\nx");
    assert_eq!(session.model.queued, ["first"]);
    session.agent(AgentEvent::TakenBack { text: None });
    assert_eq!(session.model.queued, ["first"], "it was sent already");
}

#[test]
fn the_message_goes_to_the_editor_and_comes_back() {
    for keys in ["draft<Ctrl+G>", "draft<Ctrl+X><Ctrl+E>"] {
        let mut session = Session::new(80, 24);
        session.keys(keys);
        assert_eq!(session.took(), ["edit \"draft\""], "{keys}");
        session.send(Msg::Edited(Ok("draft\nand more\n".into())));
        assert_eq!(session.model.composer.text(), "draft\nand more");
        session.keys("<Ctrl+_><Ctrl+_>");
        assert_eq!(session.model.composer.text(), "draft");
        session.send(Msg::Edited(Err("the editor `x` did not start".into())));
        assert!(session.screen().contains("did not start"));
        assert_eq!(session.model.composer.text(), "draft");
    }
}

#[test]
fn the_message_of_the_command_line_never_reaches_the_shell() {
    let mut session = Session::new(80, 24);
    session.send(Msg::Prompt("fix @src/main.rs".into()));
    assert_eq!(
        session.took(),
        [
            "history \"fix @src/main.rs\"",
            "submit \"fix @src/main.rs\""
        ]
    );
    session.send(Msg::Prompt("!rm -rf /".into()));
    assert_eq!(session.took(), [""; 0]);
    assert_eq!(session.model.composer.text(), "!rm -rf /");
}

#[test]
fn the_hint_names_the_new_line_that_works_here() {
    let mut session = Session::new(80, 24);
    assert!(session.screen().contains("Ctrl+J new line"));
    session.send(Msg::Keyboard);
    assert!(session.screen().contains("Shift+Enter new line"));
    session.keys("x");
    assert!(
        session
            .screen()
            .contains("Enter sends · Shift+Enter new line")
    );
}
