//! A conversation that comes near the end of the context: compacted by itself, between turns and within one, or
//! refused with what to drop.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, HistoryEvent};
use descant::config::CompactSettings;
use descant::conversation::{Item, TurnId};
use descant::engine::scripted::{Accident, ScriptedGeneration};
use descant::session;

/// A rig whose fixed prompt takes about a third of the context.
fn small(script: impl IntoIterator<Item = String>) -> Setup {
    let mut setup = setup(script);
    setup.script.context_length = 3_072;
    setup.max_tokens = 1_024;
    setup.record = true;
    setup.files.push(("long.txt", lines(1_200)));
    setup.files.push(("some.txt", lines(160)));
    setup
}

/// Some 5 tokens and 12 bytes a line.
fn lines(count: usize) -> String {
    (0..count).map(|n| format!("line {n:05} x\n")).collect()
}

fn read(path: &str) -> String {
    call(
        "read_file",
        &serde_json::json!({ "path": path }).to_string(),
    )
}

fn items(rig: &Rig) -> Vec<Item> {
    let path = rig.session.clone().unwrap();
    session::load(&path).unwrap().into_state().into_items()
}

fn compacted(told: &[String]) -> bool {
    told.iter()
        .any(|line| line.contains("The conversation was compacted: "))
}

const REQUEST: &str = "about to be replaced by a summary";

#[test]
fn before_a_turn_it_is_compacted_and_the_message_goes_on_after_it() {
    check(
        "before_a_turn_it_is_compacted_and_the_message_goes_on_after_it",
        async {
            let mut rig = small([
                reason("Long, this.") + &answer("one"),
                reason("I sum up.") + &answer("SUMMARY OF ALL"),
                answer("two"),
                answer("three"),
            ])
            .start();
            let long = lines(280);
            let told = rig.turn(&long).await;
            assert!(!compacted(&told), "{told:?}");
            let told = rig.turn("and now?").await;
            assert!(compacted(&told), "{told:?}");
            assert_eq!(told.last().unwrap(), "done, answered: true", "{told:?}");
            let prompts = rig.engine.prompts();
            assert!(
                prompts[1].contains(REQUEST) && prompts[1].contains("Long, this."),
                "{}",
                prompts[1]
            );
            assert!(prompts[2].contains("SUMMARY OF ALL") && prompts[2].contains("and now?"));
            assert!(!prompts[2].contains(REQUEST) && !prompts[2].contains("Long, this."));
            // The user's last message stays, cut in its middle.
            assert!(prompts[2].contains("line 00000") && prompts[2].contains("line 00279"));
            assert!(!prompts[2].contains("line 00150"));
            // The request stood behind what the engine had computed.
            let requests = rig.engine.requests();
            let before = &requests[0].prompt;
            assert_eq!(requests[1].prompt[..before.len()], before[..]);
            // It goes on without being compacted again, and back into what was.
            assert!(!compacted(&rig.turn("more").await));
            rig.send(AgentCommand::Rewind {
                turn: TurnId(2),
                files: false,
            })
            .await;
            rig.until(|event| matches!(event, AgentEvent::History(HistoryEvent::Rewound { .. })))
                .await;
            assert_eq!(items(&rig)[0], Item::User { text: long });
            assert_eq!(items(&rig).len(), 2);
        },
    );
}

#[test]
fn in_the_middle_of_a_turn_the_last_step_stays_word_for_word() {
    check(
        "in_the_middle_of_a_turn_the_last_step_stays_word_for_word",
        async {
            let mut rig = small([
                reason("First I look.") + &read("some.txt"),
                reason("Then I look again.") + &read("src/greet.py"),
                reason("And at lines once more.") + &read("some.txt"),
                answer("SUMMARY SO FAR"),
                answer("done"),
            ])
            .start();
            let told = rig.turn("Look at all of it.").await;
            assert!(compacted(&told), "{told:?}");
            assert_eq!(told.last().unwrap(), "done, answered: true", "{told:?}");
            let prompts = rig.engine.prompts();
            assert!(prompts[3].contains(REQUEST) && prompts[3].contains("Then I look again."));
            // The reasoning and the call that the summary is not of.
            assert!(!prompts[3].contains("And at lines once more."));
            let last = &prompts[4];
            assert!(
                last.contains("Look at all of it.") && last.contains("SUMMARY SO FAR"),
                "{last}"
            );
            assert!(
                last.contains("And at lines once more.") && last.contains("line 00159"),
                "{last}"
            );
            assert!(
                !last.contains("First I look.") && !last.contains("Then I look again."),
                "{last}"
            );
            assert_eq!(last.matches("line 00080").count(), 1);
            let requests = rig.engine.requests();
            let before = &requests[2].prompt;
            // All but the `<|start|>assistant` that it ended with.
            let shared = before.len() - 2;
            assert_eq!(requests[3].prompt[..shared], before[..shared]);
            // The record has both, and what is resumed is what was told.
            let text = std::fs::read_to_string(rig.session.as_ref().unwrap()).unwrap();
            assert!(text.contains(r#""record":"compacted""#));
            assert!(matches!(&items(&rig)[0], Item::User { text } if text == "Look at all of it."));
        },
    );
}

#[test]
fn an_answer_that_would_not_fit_is_cut_and_can_be_read() {
    check(
        "an_answer_that_would_not_fit_is_cut_and_can_be_read",
        async {
            let page = r#"{"path":"tool-output:1","offset":600,"limit":2}"#;
            let mut rig =
                small([read("long.txt"), call("read_file", page), answer("done")]).start();
            let told = rig.turn("Read it.").await;
            assert_eq!(told.last().unwrap(), "done, answered: true", "{told:?}");
            let prompts = rig.engine.prompts();
            assert!(
                prompts[1].contains("line 00000")
                    && prompts[1].contains("read_file has all of it as tool-output:1]")
            );
            // 400 lines are what it answered; the rest of the file it may ask for.
            assert!(
                prompts[1].contains("continue with offset=401"),
                "{}",
                prompts[1]
            );
            assert!(
                prompts[2].contains(
                    "Error: tool-output:1: offset 600 is past the end; the file has 401 lines"
                ),
                "{}",
                prompts[2]
            );
        },
    );
}

#[test]
fn what_cannot_be_made_to_fit_names_its_largest_parts() {
    check(
        "what_cannot_be_made_to_fit_names_its_largest_parts",
        async {
            let mut setup = small([answer("one"), answer("two")]);
            setup.compact = CompactSettings {
                auto: false,
                ..CompactSettings::default()
            };
            let mut rig = setup.start();
            rig.turn(&lines(300)).await;
            let told = rig.turn(&lines(260)).await;
            let last = told.last().unwrap();
            for part in [
                "tokens and the context holds 3072",
                "the largest parts: your message \"line 00000 x\": ",
                "instructions and tools",
                "/rewind goes back",
                "/compact summarises",
                "/new begins anew",
            ] {
                assert!(last.contains(part), "{part} in {last}");
            }
            assert_eq!(rig.engine.requests().len(), 1);
            // The message that did not fit is not part of the conversation.
            assert_eq!(
                rig.turn("short").await.last().unwrap(),
                "done, answered: true"
            );
            // A message that alone is too long cannot be helped by a summary.
            let mut rig = small([answer("one")]).start();
            let told = rig.turn(&lines(1_200)).await;
            let last = told.last().unwrap();
            assert!(last.contains("the largest parts: your message"), "{last}");
            assert!(
                last.contains("could not be compacted: nothing in it can be made shorter"),
                "{last}"
            );
        },
    );
}

#[test]
fn a_summary_that_fails_costs_nothing_while_there_is_room() {
    check(
        "a_summary_that_fails_costs_nothing_while_there_is_room",
        async {
            let mut rig = small([
                answer("one"),
                reason("I have nothing to say.").replace("<|end|><|start|>assistant", "<|return|>"),
                answer("two"),
            ])
            .start();
            rig.turn(&lines(280)).await;
            let told = rig.turn("next").await;
            assert!(
            told.iter().any(|line| line.contains("could not be compacted: the model wrote no summary")),
            "{told:?}"
        );
            assert_eq!(told.last().unwrap(), "done, answered: true", "{told:?}");
            assert!(!compacted(&told));
            assert!(rig.engine.prompts()[2].contains("line 00150"));
        },
    );
}

#[test]
fn an_interrupt_leaves_the_conversation_as_it_was() {
    check("an_interrupt_leaves_the_conversation_as_it_was", async {
        let mut rig = small([answer("one")])
            .generation(ScriptedGeneration {
                accident: Some(Accident::Hang(3)),
                ..ScriptedGeneration::new(answer("a summary that never comes"))
            })
            .start();
        rig.turn(&lines(280)).await;
        let before = items(&rig);
        rig.submit("next").await;
        rig.until(|event| {
            matches!(
                event,
                AgentEvent::History(HistoryEvent::CompactProgress { .. })
            )
        })
        .await;
        rig.send(AgentCommand::Interrupt).await;
        let told = rig.rest().await;
        assert!(told.last().unwrap().starts_with("interrupted"), "{told:?}");
        assert_eq!(items(&rig), before);
    });
}
