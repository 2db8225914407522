//! The record of a conversation is what was said to the model, and a resumed one sends the same ids.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, HistoryEvent};
use descant::conversation::{Effort, Item};
use descant::engine::scripted::ScriptedGeneration;
use descant::session;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_resumed_conversation_sends_the_same_ids() {
    check("a_resumed_conversation_sends_the_same_ids", async {
        let script = [
            reason("Look.") + &call("read_file", r#"{"path":"a.txt"}"#),
            reason("I see.") + &answer("Three lines <|end|> \u{1F600}."),
            answer("Again."),
        ];
        let mut recorded = setup(script.clone());
        recorded.record = true;
        let mut rig = recorded.start();
        rig.turn("What is in a.txt?").await;
        rig.turn("And again?").await;
        let expected = rig.engine.requests().pop().unwrap().prompt;

        let path = rig.session.clone().unwrap();
        let state = session::load(&path).unwrap().into_state();
        assert_eq!(state.turns(), 2);
        let users = state
            .items()
            .iter()
            .filter(|item| matches!(item, Item::User { .. }))
            .count();
        assert_eq!((users, state.items().len()), (2, 6));

        // In another process, the same conversation as it was before the second answer, asked again.
        let (dir, home) = rig.end().await;
        let mut again = setup([answer("Again.")]);
        (again.dir, again.home, again.record) = (Some(dir), Some(home), true);
        let mut second = again.start();
        second.send(AgentCommand::Resume(path)).await;
        let turn = descant::conversation::TurnId(2);
        second
            .send(AgentCommand::Rewind { turn, files: false })
            .await;
        second
            .until(|event| matches!(event, AgentEvent::History(HistoryEvent::Rewound { .. })))
            .await;
        let told = second.turn("And again?").await;
        assert_eq!(told[0], "turn 3: And again?");
        assert_eq!(second.engine.requests()[0].prompt, expected);
    });
}

#[test]
fn the_record_is_private_and_complete_after_an_interrupt() {
    check(
        "the_record_is_private_and_complete_after_an_interrupt",
        async {
            let slow = ScriptedGeneration {
                text: answer("one two three four five six seven eight nine ten"),
                token_ms: 30,
                ..Default::default()
            };
            let mut recorded = setup([""; 0])
                .generation(slow)
                .generation(ScriptedGeneration::new(answer("x")));
            recorded.record = true;
            let mut rig = recorded.start();
            rig.submit("count").await;
            rig.until(
                |event| matches!(event, AgentEvent::AnswerDelta(text) if text.contains("three")),
            )
            .await;
            rig.send(AgentCommand::Interrupt).await;
            rig.rest().await;
            let path = rig.session.clone().unwrap();
            let items = session::load(&path).unwrap().into_state().into_items();
            assert_eq!(
                items[0],
                Item::User {
                    text: "count".into()
                }
            );
            let Item::Generated { tokens } = &items[1] else {
                panic!("{items:?}")
            };
            let said = String::from_utf8(vocabulary().decode_bytes(tokens)).unwrap();
            assert!(
                said.starts_with("<|channel|>final<|message|>one two three"),
                "{said}"
            );
            let mode =
                |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
            let lines = std::fs::read_to_string(&path).unwrap();
            assert!(
                lines
                    .lines()
                    .last()
                    .unwrap()
                    .contains(r#""how":"interrupted""#),
                "{lines}"
            );
        },
    );
}

#[test]
fn a_new_conversation_has_a_record_of_its_own_and_both_are_listed() {
    check(
        "a_new_conversation_has_a_record_of_its_own_and_both_are_listed",
        async {
            let mut recorded = setup([answer("1"), answer("2")]);
            recorded.record = true;
            let mut rig = recorded.start();
            rig.turn("one").await;
            rig.send(AgentCommand::NewConversation).await;
            rig.turn("two").await;
            let path = rig.session.clone().unwrap();
            let items = session::load(&path).unwrap().into_state().into_items();
            assert_eq!(items[0], Item::User { text: "one".into() });
            assert_eq!(items.len(), 2);
            rig.send(AgentCommand::NewConversation).await;
            rig.send(AgentCommand::ListSessions).await;
            let events = rig
                .until(|event| matches!(event, AgentEvent::History(HistoryEvent::Sessions(_))))
                .await;
            let Some(AgentEvent::History(HistoryEvent::Sessions(listed))) = events.last() else {
                panic!("{events:?}")
            };
            let mut titles: Vec<_> = listed
                .iter()
                .map(|one| (one.title.as_str(), one.messages, one.here))
                .collect();
            titles.sort_unstable();
            assert_eq!(titles, [("one", 1, true), ("two", 1, true)]);
        },
    );
}

#[test]
fn a_resumed_conversation_has_its_commands_its_context_and_the_effort_that_was_asked_for() {
    check(
        "a_resumed_conversation_has_its_commands_its_context_and_the_effort_that_was_asked_for",
        async {
            let mut recorded = setup([answer("I see.")]);
            recorded.record = true;
            let mut rig = recorded.start();
            rig.send(AgentCommand::Shell("echo one; exit 2".into()))
                .await;
            rig.until(|event| matches!(event, AgentEvent::ShellFinished { .. }))
                .await;
            rig.send(AgentCommand::SetEffort(Effort::High)).await;
            rig.submit("What did it say?").await;
            let events = rig.until(is_end).await;
            let fills = |events: &[AgentEvent]| {
                let mut fills = events.iter().filter_map(|event| match event {
                    AgentEvent::Context(fills) => Some(*fills),
                    _ => None,
                });
                fills.next_back().unwrap()
            };
            let (before, path) = (fills(&events), rig.session.clone().unwrap());
            assert!(before.attached > 10, "{before:?}");
            let (dir, home) = rig.end().await;

            let mut again = setup([answer("Yes.")]);
            (again.dir, again.home, again.record) = (Some(dir), Some(home), true);
            again.effort_asked = true;
            let mut second = again.start();
            second.send(AgentCommand::Resume(path)).await;
            let events = second
                .until(|event| matches!(event, AgentEvent::Context(_)))
                .await;
            // The last generation is closed otherwise in a history than it ended: by one token more or less.
            let after = fills(&events);
            assert_eq!(
                (after.fixed, after.attached, after.reserve),
                (before.fixed, before.attached, before.reserve)
            );
            assert!(after.conversation.abs_diff(before.conversation) <= 3);
            let restored = events.iter().find_map(|event| match event {
                AgentEvent::History(HistoryEvent::Restored(restored)) => Some(restored),
                _ => None,
            });
            let past = restored.unwrap().past.iter().filter_map(|past| match past {
                descant::agent::Past::Event(event) => Some(event.clone()),
                _ => None,
            });
            let past: Vec<AgentEvent> = past.collect();
            let shell: Vec<String> = told(&past)
                .into_iter()
                .filter(|told| told.starts_with("shell") || told.starts_with("printed"))
                .collect();
            let run = 1u64 << 32 | 1;
            assert_eq!(
                shell,
                [
                    format!("shell {run}: echo one; exit 2"),
                    format!("printed {run}: one\n"),
                    format!("shell {run} over: Exited(2)"),
                ]
            );
            // The rig's own effort over the record's, which is high.
            assert_eq!(restored.unwrap().effort, Effort::Low);
        },
    );
}
