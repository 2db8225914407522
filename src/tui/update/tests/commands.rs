//! Commands that ask the agent, keys that were moved, and the screens they open.

use super::*;
use crate::agent::{Answer, ApprovalPolicy, Check, ContextUse, Facts, ModelChoice};
use crate::config::{KeySetting, Meant};
use crate::patch::{Overall, OverallFile, Since};
use crate::tui::Keymap;
use std::sync::Arc;

fn answer(session: &mut Session, answer: Answer) {
    session.agent(AgentEvent::Answer(Box::new(answer)));
}

fn overall() -> Overall {
    let mut files = plan().files.into_iter();
    let mut file = |since, note: Option<&str>| OverallFile {
        plan: files.next().unwrap(),
        since,
        note: note.map(str::to_owned),
    };
    Overall {
        files: vec![
            file(Since::AsWritten, None),
            file(Since::Edited, None),
            file(Since::AsWritten, None),
        ],
        undone: 1,
    }
}

#[test]
fn a_model_is_chosen_from_those_that_are_there() {
    let mut session = Session::new(80, 24);
    session.keys("/model<Enter>");
    session.took();
    let choice = |name: &str, place: &str| ModelChoice {
        name: name.into(),
        place: place.into(),
    };
    let models = vec![
        choice("demo", "built in"),
        choice("gpt-oss-20b", "/models/gpt-oss-20b"),
    ];
    session.model.status.model = crate::tui::model::ModelState::Ready {
        name: "demo model".into(),
        demo: true,
        protocol: None,
    };
    answer(&mut session, Answer::Models(models));
    let screen = session.screen();
    assert!(screen.contains("\u{203a} demo (now)"), "{screen}");
    session.keys("20b<Enter>");
    assert_eq!(session.took(), ["switchmodel(\"gpt-oss-20b\")"]);
    session.agent(AgentEvent::ModelSwitching {
        name: "gpt-oss-20b".into(),
    });
    assert!(session.screen().contains("loading gpt-oss-20b"));
}

#[test]
fn unreviewed_patches_are_said_in_the_status_bar() {
    let mut session = Session::new(80, 24);
    session.agent(AgentEvent::Approvals(ApprovalPolicy::ApplyAll));
    let screen = session.screen();
    let last = screen.lines().last().unwrap();
    assert!(last.contains("unreviewed patches"), "{screen}");
    assert!(
        screen.contains("approvals: auto, patches are written unreviewed"),
        "{screen}"
    );
    // However narrow.
    session.send(Msg::Resize(40, 12));
    session.agent(AgentEvent::Context(ContextUse {
        fixed: 100,
        limit: Some(4096),
        ..ContextUse::default()
    }));
    let screen = session.screen();
    assert!(
        screen
            .lines()
            .last()
            .unwrap()
            .contains("unreviewed patches"),
        "{screen}"
    );
    session.agent(AgentEvent::Approvals(ApprovalPolicy::Review));
    let screen = session.screen();
    assert!(
        !screen.lines().last().unwrap().contains("unreviewed"),
        "{screen}"
    );
}

#[test]
fn the_changes_are_scrolled_searched_and_left() {
    let mut session = Session::new(80, 12);
    answer(&mut session, Answer::Changes(Ok(overall())));
    let top = |session: &mut Session| {
        let screen = session.screen();
        screen.lines().nth(1).unwrap_or_default().to_owned()
    };
    assert!(top(&mut session).starts_with("update src/main.rs"));
    for (keys, expected) in [
        ("<Tab>", "delete old.txt"),
        ("<Shift+Tab>", "update src/main.rs"),
        ("l", "delete old.txt"),
        ("g", "update src/main.rs"),
        ("/GO(C<Enter>", "24    -     go(count);"),
        ("n", "24    -     go(count);"),
        ("/zebra<Enter>", "24    -     go(count);"),
    ] {
        session.keys(keys);
        assert_eq!(
            top(&mut session).trim_start().split("  +").next().unwrap(),
            expected,
            "{keys}"
        );
    }
    assert!(session.screen().contains("nothing here has zebra"));
    session.keys("r");
    assert_eq!(session.took(), ["inquire(changes)"]);
    answer(&mut session, Answer::Changes(Ok(Overall::default())));
    assert!(
        session
            .screen()
            .contains("This conversation has changed no files.")
    );
    // The first Esc takes the search back, the second closes.
    session.keys("<Esc><Esc>x");
    assert_eq!(session.model.composer.text(), "x");
}

#[test]
fn facts_and_checks_are_said_in_the_conversation() {
    let mut session = Session::new(99, 30);
    answer(
        &mut session,
        Answer::Facts(Facts {
            asking: crate::config::Asking::default(),
            context_files: vec!["AGENTS.md".into()],
            workspace: "/work/project".into(),
            session: None,
            patches: 2,
            journal: Ok(("/state/journal/1".into(), 2049)),
        }),
    );
    answer(
        &mut session,
        Answer::Checkup(vec![Check {
            name: "python",
            ok: false,
            detail: "no engine".into(),
            hint: Some("install docker".into()),
        }]),
    );
    let screen = session.screen();
    for line in [
        "approvals  ask, you review every patch before it is written",
        "workspace  /work/project on main",
        "session    not recorded",
        "changes    2 patches in this conversation (/diff)",
        "journal    3 KiB in /state/journal/1",
        "-- python       no engine",
        "install docker",
    ] {
        assert!(screen.contains(line), "{line} in\n{screen}");
    }
}

#[test]
fn keys_that_were_moved_work_and_the_help_and_hints_know() {
    let setting = |context: &str, left: &str, right: &str| KeySetting {
        layer: 0,
        place: "config.toml:3".into(),
        context: context.into(),
        left: left.into(),
        right: Meant::One(right.into()),
    };
    let mut accept = setting("review", "accept", "o");
    accept.right = Meant::List(vec!["o".into()]);
    let settings = [
        setting("everywhere", "f5", "/diff"),
        setting("composer", "ctrl+s", "submit"),
        accept,
    ];
    let mut session = Session::new(80, 24);
    session.model.keys = Arc::new(Keymap::with(&settings).unwrap());
    session.keys("hi<Ctrl+S><F5>");
    assert_eq!(
        session.took(),
        ["history \"hi\"", "submit \"hi\"", "inquire(changes)"]
    );
    session.keys("/keys<Enter>/config.toml<Enter>");
    let screen = session.screen();
    for row in ["F5", "Ctrl+S", "[config.toml:3]"] {
        assert!(screen.contains(row), "{row} in\n{screen}");
    }
    session.keys("<Esc><Esc>");
    open_review(&mut session);
    assert!(session.screen().contains("o accept"));
    session.keys("yooooo");
    assert_eq!(session.took(), ["review 7 5/5"]);
}

#[test]
fn the_palette_knows_every_command_and_its_keys() {
    let mut session = Session::new(100, 40);
    session.keys("<Ctrl+P>");
    let screen = session.screen();
    for spec in crate::tui::command::COMMANDS {
        assert!(
            screen.contains(&format!("/{} ", spec.name)),
            "/{}\n{screen}",
            spec.name
        );
    }
    assert!(
        screen.contains("keys and commands, searchable \u{b7} F1"),
        "{screen}"
    );
    // By what it does.
    session.keys("zzqqxx");
    assert_eq!(session.model.picker.as_ref().unwrap().shown().len(), 0);
    session.keys("<Ctrl+U>journal<Ctrl+U>works on this machine<Enter>");
    assert_eq!(session.took(), ["inquire(checkup)"]);
}
