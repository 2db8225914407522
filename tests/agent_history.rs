//! Going back, forking, compacting, and going on after a kill: what the model is told and what is on record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, HistoryEvent, Message, Past, TurnEnd};
use descant::conversation::{Item, TurnId};
use descant::engine::scripted::ScriptedGeneration;
use descant::session::{self, Record};

fn recorded(script: impl IntoIterator<Item = String>) -> Rig {
    let mut setup = setup(script);
    setup.record = true;
    setup.start()
}

fn edit(old: &str, new: &str) -> String {
    let input = serde_json::json!({"input": patch("a.txt", old, new)});
    call("apply_patch", &input.to_string())
}

async fn history(rig: &mut Rig, wanted: impl Fn(&HistoryEvent) -> bool) -> HistoryEvent {
    let events = rig
        .until(|event| matches!(event, AgentEvent::History(event) if wanted(event)))
        .await;
    match events.into_iter().last() {
        Some(AgentEvent::History(event)) => event,
        other => panic!("{other:?}"),
    }
}

async fn messages(rig: &mut Rig) -> Vec<Message> {
    rig.send(AgentCommand::ListMessages).await;
    match history(rig, |event| matches!(event, HistoryEvent::Messages(_))).await {
        HistoryEvent::Messages(messages) => messages,
        other => panic!("{other:?}"),
    }
}

async fn rewind(rig: &mut Rig, turn: u64, files: bool) -> String {
    let turn = TurnId(turn);
    rig.send(AgentCommand::Rewind { turn, files }).await;
    let is_rewound = |event: &HistoryEvent| matches!(event, HistoryEvent::Rewound { .. });
    match history(rig, is_rewound).await {
        HistoryEvent::Rewound { message } => message,
        other => panic!("{other:?}"),
    }
}

async fn problem(rig: &mut Rig) -> String {
    let events = rig
        .until(|event| matches!(event, AgentEvent::Problem(_)))
        .await;
    match events.into_iter().last() {
        Some(AgentEvent::Problem(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn items(rig: &Rig) -> Vec<Item> {
    let path = rig.session.clone().unwrap();
    session::load(&path).unwrap().into_state().into_items()
}

#[test]
fn going_back_sends_what_was_sent_then_and_stays_on_record() {
    check(
        "going_back_sends_what_was_sent_then_and_stays_on_record",
        async {
            let mut rig = recorded([
                reason("One.") + &answer("1"),
                reason("Two.") + &answer("2"),
                reason("Three.") + &answer("3"),
                answer("two again"),
            ]);
            for text in ["one", "two", "three"] {
                rig.turn(text).await;
            }
            let asked = rig.engine.requests()[1].prompt.clone();
            let texts: Vec<_> = messages(&mut rig)
                .await
                .into_iter()
                .map(|message| (message.turn.0, message.text, message.patches))
                .collect();
            let expected = [(1, "one", 0), (2, "two", 0), (3, "three", 0)];
            assert_eq!(texts, expected.map(|(n, text, p)| (n, text.to_owned(), p)));

            assert_eq!(rewind(&mut rig, 2, false).await, "two");
            assert_eq!(rig.turn("two").await[0], "turn 4: two");
            // To the id, so the engine's prefix cache holds what it held.
            assert_eq!(rig.engine.requests()[3].prompt, asked);
            assert_eq!(items(&rig).len(), 4);
            let text = std::fs::read_to_string(rig.session.as_ref().unwrap()).unwrap();
            assert!(text.contains(r#""prompt":"three""#), "{text}");
            assert!(text.contains(r#"{"record":"rewound","turn":2}"#), "{text}");
        },
    );
}

#[test]
fn going_back_with_the_files_takes_the_patches_since_back() {
    check(
        "going_back_with_the_files_takes_the_patches_since_back",
        async {
            let mut rig = recorded([
                edit("one", "1"),
                answer("done"),
                edit("two", "2"),
                answer("done"),
                edit("three", "3"),
                answer("done"),
            ]);
            for text in ["first", "second", "third"] {
                rig.turn(text).await;
            }
            assert_eq!(rig.file("a.txt"), "1\n2\n3\n");
            let patches: Vec<_> = messages(&mut rig).await.iter().map(|m| m.patches).collect();
            assert_eq!(patches, [3, 2, 1]);
            assert_eq!(rewind(&mut rig, 2, true).await, "second");
            assert_eq!(rig.file("a.txt"), "1\ntwo\nthree\n");
            // The patch of a turn that was left earlier is taken back with one before it.
            assert_eq!(rewind(&mut rig, 1, true).await, "first");
            assert_eq!(rig.file("a.txt"), "one\ntwo\nthree\n");
            assert_eq!(items(&rig), []);
        },
    );
}

#[test]
fn files_that_changed_since_keep_everything_as_it_is() {
    check("files_that_changed_since_keep_everything_as_it_is", async {
        let script = [
            edit("one", "1"),
            answer("done"),
            call("apply_patch", &serde_json::json!({"input": patch("src/greet.py", "def greet(name):", "def greet(who):")}).to_string()),
            answer("done"),
        ];
        let mut rig = recorded(script);
        rig.turn("first").await;
        rig.turn("second").await;
        // The newest patch could be taken back, the one before it not.
        std::fs::write(rig.dir.path().join("a.txt"), "mine\n").unwrap();
        let before = (rig.file("a.txt"), rig.file("src/greet.py"), items(&rig));
        let turn = TurnId(1);
        rig.send(AgentCommand::Rewind { turn, files: true }).await;
        let said = problem(&mut rig).await;
        assert!(
            said.starts_with("the files were not taken back, and the conversation stays as it is\na.txt: changed since checkpoint 1"),
            "{said}"
        );
        let after = (rig.file("a.txt"), rig.file("src/greet.py"), items(&rig));
        assert_eq!(after, before);
        // And both patches are applied still.
        assert_eq!(messages(&mut rig).await[0].patches, 2);
    });
}

#[test]
fn a_fork_goes_on_alone() {
    check("a_fork_goes_on_alone", async {
        let mut rig = recorded([answer("1"), answer("2"), answer("3")]);
        rig.turn("one").await;
        rig.send(AgentCommand::Fork).await;
        rig.turn("two").await;
        let prompt = rig.engine.prompts().pop().unwrap();
        assert!(prompt.contains("one") && prompt.contains("two"), "{prompt}");
        assert_eq!(items(&rig).len(), 2, "the original is as it was");
        let all = session::recent(rig.home.path()).unwrap();
        let parent = &all
            .iter()
            .find(|(head, _)| head.parent.is_none())
            .unwrap()
            .0;
        let (fork, path) = all.iter().find(|(head, _)| head.parent.is_some()).unwrap();
        assert_eq!(fork.parent.as_ref(), Some(&parent.id));
        let forked = session::load(path).unwrap().into_state().into_items();
        assert_eq!(forked.len(), 4);
        // The one that is left is closed, and this one goes on in it.
        rig.send(AgentCommand::ResumeNamed(parent.id.to_string()))
            .await;
        rig.turn("three").await;
        assert_eq!(items(&rig).len(), 4);
    });
}

#[test]
fn a_conversation_that_is_open_elsewhere_is_forked() {
    check("a_conversation_that_is_open_elsewhere_is_forked", async {
        let mut rig = recorded([answer("1"), answer("2")]);
        rig.turn("one").await;
        let path = rig.session.clone().unwrap();
        // A second agent on the same folders, while the first one lives.
        rig.send(AgentCommand::NewConversation).await;
        rig.turn("other").await;
        let held = std::fs::File::open(&path).unwrap();
        held.lock().unwrap();
        rig.send(AgentCommand::Resume(path.clone())).await;
        let events = rig
            .until(|event| matches!(event, AgentEvent::Notice(text) if text.contains("fork of")))
            .await;
        assert!(!events.is_empty());
        assert_eq!(session::load(&path).unwrap().into_state().turns(), 1);
    });
}

#[test]
fn compacting_replaces_the_history_and_keeps_the_record() {
    check(
        "compacting_replaces_the_history_and_keeps_the_record",
        async {
            let long = "many words about nothing in particular ".repeat(200);
            let mut rig = recorded([
                answer(&long),
                answer("The user wants A. Open: B."),
                answer("going on"),
            ]);
            rig.turn("do A").await;
            let instructions = "mention B".to_owned();
            rig.send(AgentCommand::Compact { instructions }).await;
            let events = rig
                .until(|event| matches!(event, AgentEvent::History(HistoryEvent::CompactDone)))
                .await;
            assert!(
            events.iter().any(|event| matches!(event, AgentEvent::Notice(text) if text.starts_with("The conversation was compacted: "))),
            "{events:?}"
        );
            let deltas = |event: &AgentEvent| matches!(event, AgentEvent::AnswerDelta(_));
            assert!(!events.iter().any(deltas), "a summary is no answer");
            rig.turn("and now?").await;
            let prompts = rig.engine.prompts();
            assert!(prompts[1].contains(&long) && prompts[1].contains("The user adds: mention B"));
            assert!(!prompts[2].contains("many words"), "{}", prompts[2]);
            assert!(prompts[2].contains("do A") && prompts[2].contains("Open: B."));
            // All of it is on record, and can be gone back to.
            assert_eq!(messages(&mut rig).await.len(), 2);
            rewind(&mut rig, 1, false).await;
            assert_eq!(items(&rig), []);
        },
    );
}

#[test]
fn a_compaction_that_fails_or_is_stopped_leaves_the_conversation() {
    check(
        "a_compaction_that_fails_or_is_stopped_leaves_the_conversation",
        async {
            let slow = ScriptedGeneration {
                text: answer(&"summary ".repeat(100)),
                token_ms: 50,
                ..Default::default()
            };
            let mut setup = setup([answer("1"), reason("Only thoughts.")]).generation(slow);
            setup.record = true;
            let mut rig = setup.start();
            rig.turn("one").await;
            let before = items(&rig);
            for stop in [false, true] {
                let instructions = String::new();
                rig.send(AgentCommand::Compact { instructions }).await;
                if stop {
                    let begun = |event: &HistoryEvent| {
                        matches!(event, HistoryEvent::CompactProgress { .. })
                    };
                    history(&mut rig, begun).await;
                    rig.send(AgentCommand::Interrupt).await;
                }
                let said = problem(&mut rig).await;
                assert!(said.contains("the conversation is as it was"), "{said}");
                assert_eq!(items(&rig), before);
            }
        },
    );
}

#[test]
fn what_a_kill_cut_off_is_shown_and_answered() {
    check("what_a_kill_cut_off_is_shown_and_answered", async {
        let mut rig = recorded([
            reason("Look.") + &call("read_file", r#"{"path":"a.txt"}"#),
            answer("Three lines."),
        ]);
        rig.turn("what is in a.txt?").await;
        let path = rig.session.clone().unwrap();
        let (dir, home) = rig.end().await;
        // Up to and with the call, as if the process had died before its answer.
        let text = std::fs::read_to_string(&path).unwrap();
        let until = text.find(r#"{"record":"call_ended""#).unwrap();
        std::fs::write(&path, &text[..until]).unwrap();

        let mut again = setup([answer("Again.")]);
        (again.dir, again.home, again.record) = (Some(dir), Some(home), true);
        let mut second = again.start();
        second.send(AgentCommand::Resume(path.clone())).await;
        let is_restored = |event: &HistoryEvent| matches!(event, HistoryEvent::Restored(_));
        let HistoryEvent::Restored(restored) = history(&mut second, is_restored).await else {
            panic!()
        };
        assert!(
            matches!(
                restored.past.last(),
                Some(Past::Ended {
                    end: TurnEnd::Interrupted,
                    ..
                })
            ),
            "{restored:?}"
        );
        assert!(restored.past.iter().any(
            |past| matches!(past, Past::Event(AgentEvent::ReasoningDone(text)) if text == "Look.")
        ));
        second.turn("go on").await;
        let prompt = second.engine.prompts().pop().unwrap();
        assert!(
            prompt.contains("Error: Descant ended before this call did"),
            "{prompt}"
        );
        // Once is enough: the answer is on record.
        let loaded = session::load(&path).unwrap();
        let answers = loaded.records.iter().filter(|record| {
            matches!(record, Record::Item(entry) if matches!(entry.entry, Item::ToolResult { .. }))
        });
        assert_eq!(answers.count(), 1);
    });
}

#[test]
fn a_long_conversation_is_shown_from_its_end_and_goes_on_whole() {
    check(
        "a_long_conversation_is_shown_from_its_end_and_goes_on_whole",
        async {
            const TURNS: usize = 40;
            let long = "some words of it ".repeat(300);
            let mut rig = recorded((0..TURNS).map(|n| answer(&format!("answer {n} {long}"))));
            for n in 0..TURNS {
                rig.turn(&format!("question {n}.")).await;
            }
            let path = rig.session.clone().unwrap();
            let before = items(&rig);
            let (dir, home) = rig.end().await;
            let mut again = setup([answer("Again.")]);
            (again.dir, again.home, again.record) = (Some(dir), Some(home), true);
            let mut second = again.start();
            second.send(AgentCommand::Resume(path.clone())).await;
            // Sent before it is read, and obeyed after.
            second.send(AgentCommand::Submit("go on".into())).await;
            let mut shown: Vec<Vec<Past>> = Vec::new();
            let over = |event: &AgentEvent| matches!(event, AgentEvent::TurnDone { .. });
            for event in second.until(over).await {
                match event {
                    AgentEvent::History(HistoryEvent::Restored(restored)) => {
                        assert!(restored.more && shown.is_empty());
                        shown.push(restored.past);
                    }
                    AgentEvent::History(HistoryEvent::Earlier(past)) => shown.push(past),
                    AgentEvent::TurnStarted { .. } => {
                        assert!(shown.len() > 2, "{} pieces", shown.len());
                    }
                    _ => {}
                }
            }
            let asked: Vec<String> = shown
                .into_iter()
                .rev()
                .flatten()
                .filter_map(|past| match past {
                    Past::Event(AgentEvent::TurnStarted { prompt, .. }) => Some(prompt),
                    _ => None,
                })
                .collect();
            let expected: Vec<String> = (0..TURNS).map(|n| format!("question {n}.")).collect();
            assert_eq!(asked, expected);
            let prompt = second.engine.prompts().pop().unwrap();
            for n in 0..TURNS {
                assert!(prompt.contains(&format!("question {n}.")), "{n}");
                assert!(prompt.contains(&format!("answer {n} ")), "{n}");
            }
            let after = session::load(&path).unwrap().into_state().into_items();
            assert_eq!(after[..before.len()], before);
            assert_eq!(after.len(), before.len() + 2);
        },
    );
}

#[test]
fn an_export_is_a_new_file_with_secrets_masked() {
    check("an_export_is_a_new_file_with_secrets_masked", async {
        let token: String = ('a'..='z').chain('0'..='9').collect();
        let secret = format!("ghp_{token}");
        let mut setup = setup([
            call("read_file", r#"{"path":"env"}"#),
            answer("It holds a token."),
        ]);
        setup.record = true;
        setup.files.push(("env", format!("TOKEN: {secret}\n")));
        let mut rig = setup.start();
        rig.turn("what is in env?").await;
        for (file, found) in [
            ("a.md", "a.md"),
            ("a.md", "a-2.md"),
            ("a.json", "a.json"),
            ("a.jsonl", "a.jsonl"),
        ] {
            let file = Some(file.into());
            rig.send(AgentCommand::Export { file }).await;
            rig.until(|event| matches!(event, AgentEvent::Notice(text) if text.contains(&format!("{found} ("))))
                .await;
            let text = rig.file(found);
            assert!(!text.contains(&token), "{text}");
            assert!(
                text.contains("[masked: github token]") && text.contains("It holds a token."),
                "{text}"
            );
        }
        let json: serde_json::Value = serde_json::from_str(&rig.file("a.json")).unwrap();
        assert_eq!(json["entries"][0]["text"], "what is in env?");
        // The record itself keeps what was said.
        let raw = std::fs::read_to_string(rig.session.as_ref().unwrap()).unwrap();
        assert!(raw.contains(&secret));
    });
}
