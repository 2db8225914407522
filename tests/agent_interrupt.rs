//! Interrupts, wherever a turn stands, and what is left in the record.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent};
use descant::engine::scripted::{Accident, ScriptedGeneration};
use std::time::Duration;

/// From the command to the turn's end, outside a prefill chunk; the median of many.
const PROMPT_ENOUGH: Duration = Duration::from_millis(100);
/// The same for a single one, on a machine that does other things too.
const AT_MOST: Duration = Duration::from_millis(1_000);

fn slow(text: String) -> ScriptedGeneration {
    ScriptedGeneration {
        text,
        token_ms: 30,
        ..Default::default()
    }
}

async fn interrupt(rig: &mut Rig) -> Vec<String> {
    let (told, took) = timed(async {
        rig.send(AgentCommand::Interrupt).await;
        rig.rest().await
    })
    .await;
    assert!(took < AT_MOST, "{took:?}");
    assert_eq!(told.last().unwrap(), "interrupted", "{told:?}");
    told
}

async fn next_turn_works(rig: &mut Rig) {
    let told = rig.turn("next").await;
    assert_eq!(
        told[1..],
        ["answer: fine", "done, answered: true"],
        "{told:?}"
    );
}

#[test]
fn while_the_model_loads() {
    check("while_the_model_loads", async {
        let mut loading = setup([answer("fine")]);
        loading.script.load_ms = 3_000;
        let mut rig = loading.start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::TurnStarted { .. }))
            .await;
        interrupt(&mut rig).await;
        next_turn_works(&mut rig).await;
        assert_eq!(
            rig.last_prompt(),
            "<|start|>user<|message|>next<|end|><|start|>assistant"
        );
    });
}

#[test]
fn while_the_container_starts() {
    check("while_the_container_starts", async {
        let mut starting = setup([answer("fine")]);
        starting.python_delay = Duration::from_millis(3_000);
        let mut rig = starting.start();
        rig.until(|event| matches!(event, AgentEvent::ModelReady(_)))
            .await;
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::TurnStarted { .. }))
            .await;
        interrupt(&mut rig).await;
        next_turn_works(&mut rig).await;
    });
}

#[test]
fn while_the_prompt_is_computed() {
    check("while_the_prompt_is_computed", async {
        // A prefill chunk does not end early: the turn does not wait for it.
        let prefill = ScriptedGeneration {
            text: answer("late"),
            prefill_ms: 5_000,
            accident: Some(Accident::Hang(0)),
            ..Default::default()
        };
        let mut rig = setup([""; 0])
            .generation(prefill)
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::Prefill { .. }))
            .await;
        interrupt(&mut rig).await;
        next_turn_works(&mut rig).await;
        assert_eq!(
            rig.last_prompt(),
            "<|start|>user<|message|>one<|end|><|start|>user<|message|>next<|end|><|start|>assistant"
        );
    });
}

#[test]
fn while_it_reasons() {
    check("while_it_reasons", async {
        let text = reason("one two three four five six seven eight nine ten eleven twelve")
            + &answer("never");
        let mut rig = setup([""; 0])
            .generation(slow(text))
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.submit("one").await;
        rig.until(
            |event| matches!(event, AgentEvent::ReasoningDelta(text) if text.contains("three")),
        )
        .await;
        let told = interrupt(&mut rig).await;
        let reasoned = told
            .iter()
            .find_map(|line| line.strip_prefix("reasoning: "))
            .unwrap();
        assert!(
            reasoned.starts_with("one two three") && !reasoned.contains("twelve"),
            "{reasoned}"
        );
        next_turn_works(&mut rig).await;
    });
}

#[test]
fn the_stream_stops_within_100_ms() {
    check("the_stream_stops_within_100_ms", async {
        let mut setup = setup([""; 0]);
        for _ in 0..21 {
            setup = setup.generation(slow(reason("so") + &answer(&"word ".repeat(500))));
        }
        let mut rig = setup.start();
        let mut times = Vec::new();
        for _ in 0..21 {
            rig.submit("go").await;
            rig.until(|event| matches!(event, AgentEvent::AnswerDelta(_)))
                .await;
            let ((), took) = timed(async {
                rig.send(AgentCommand::Interrupt).await;
                rig.until(|event| matches!(event, AgentEvent::TurnInterrupted { .. }))
                    .await;
            })
            .await;
            times.push(took);
        }
        times.sort();
        assert!(times[10] < PROMPT_ENOUGH, "{times:?}");
    });
}

#[test]
fn while_it_answers() {
    check("while_it_answers", async {
        let text = answer("one two three four five six seven eight nine ten eleven twelve");
        let mut rig = setup([""; 0])
            .generation(slow(text))
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::AnswerDelta(text) if text.contains("three")))
            .await;
        let told = interrupt(&mut rig).await;
        let said = told
            .iter()
            .find_map(|line| line.strip_prefix("preamble: "))
            .unwrap();
        next_turn_works(&mut rig).await;
        // What the user saw is what the model sees that it said.
        assert_eq!(
            rig.last_prompt(),
            format!(
                "<|start|>user<|message|>one<|end|><|start|>assistant<|channel|>final<|message|>{said}<|end|>\
                 <|start|>user<|message|>next<|end|><|start|>assistant"
            )
        );
    });
}

#[test]
fn while_it_writes_a_call() {
    check("while_it_writes_a_call", async {
        let text = call(
            "apply_patch",
            &patch("a.txt", "two", "one two three four five six seven"),
        );
        let mut rig = setup([""; 0])
            .generation(slow(text))
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::ToolCallDelta { delta, .. } if delta.contains("Update"))).await;
        interrupt(&mut rig).await;
        next_turn_works(&mut rig).await;
        assert_eq!(rig.file("a.txt"), "one\ntwo\nthree\n");
    });
}

#[test]
fn while_python_runs() {
    check("while_python_runs", async {
        let mut running = setup([python("while True: pass"), answer("fine")]);
        running.python = Ok(vec![Cell::Hangs("tick\n")]);
        let mut rig = running.start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::ToolOutput { .. }))
            .await;
        let told = interrupt(&mut rig).await;
        assert_eq!(
            told,
            [
                "Failed 1 exit 130: tick\n[interrupted by the user]",
                "interrupted"
            ]
        );
        next_turn_works(&mut rig).await;
        // The call that was made has an answer.
        assert!(
            rig.last_prompt().contains(
                "<|call|><|start|>python to=assistant<|channel|>analysis<|message|>tick\n[interrupted by the user]<|end|>\
                 <|start|>user<|message|>next"
            ),
            "{}",
            rig.last_prompt()
        );
    });
}

#[test]
fn while_a_review_is_open() {
    check("while_a_review_is_open", async {
        let mut rig = setup([
            call("apply_patch", &patch("a.txt", "two", "TWO")),
            answer("fine"),
        ])
        .review()
        .start();
        rig.submit("one").await;
        let (review, plan) = rig.review().await;
        let told = interrupt(&mut rig).await;
        assert_eq!(
            told,
            [
                "reviewed 1: 0 files written, 1 declined",
                "Failed 1: Error: interrupted by the user",
                "interrupted"
            ]
        );
        // A word that comes too late decides nothing.
        let accept = descant::patch::Decisions::accept_all(&plan);
        rig.decide(review, plan, accept).await;
        next_turn_works(&mut rig).await;
        assert_eq!(rig.file("a.txt"), "one\ntwo\nthree\n");
    });
}

#[test]
fn a_queued_message_follows_an_interrupt() {
    check("a_queued_message_follows_an_interrupt", async {
        let mut rig = setup([""; 0])
            .generation(slow(answer(
                "one two three four five six seven eight nine ten",
            )))
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::AnswerDelta(_)))
            .await;
        rig.submit("rather this").await;
        interrupt(&mut rig).await;
        assert_eq!(
            rig.rest().await,
            [
                "turn 2: rather this",
                "answer: fine",
                "done, answered: true"
            ]
        );
    });
}

#[test]
fn an_interrupt_between_turns_does_nothing() {
    check("an_interrupt_between_turns_does_nothing", async {
        let mut rig = setup([answer("fine")]).start();
        rig.send(AgentCommand::Interrupt).await;
        next_turn_works(&mut rig).await;
    });
}

#[test]
fn a_new_conversation_ends_the_turn_and_forgets() {
    check("a_new_conversation_ends_the_turn_and_forgets", async {
        let mut rig = setup([answer("old")])
            .generation(slow(answer("one two three four five six seven eight")))
            .generation(ScriptedGeneration::new(answer("fine")))
            .start();
        rig.turn("old").await;
        rig.submit("more").await;
        rig.until(|event| matches!(event, AgentEvent::AnswerDelta(_)))
            .await;
        rig.send(AgentCommand::NewConversation).await;
        assert_eq!(rig.rest().await.last().unwrap(), "interrupted");
        rig.until(|event| matches!(event, AgentEvent::Notice(_)))
            .await;
        next_turn_works(&mut rig).await;
        assert_eq!(
            rig.last_prompt(),
            "<|start|>user<|message|>next<|end|><|start|>assistant"
        );
    });
}

#[test]
fn shutdown_stops_the_turn_and_the_container() {
    check("shutdown_stops_the_turn_and_the_container", async {
        let mut rig = setup([""; 0])
            .generation(slow(answer(&"word ".repeat(1_000))))
            .start();
        rig.submit("one").await;
        rig.until(|event| matches!(event, AgentEvent::AnswerDelta(_)))
            .await;
        let python = rig.python.clone();
        let ((), took) = timed(rig.shut_down()).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(*python.stopped.lock().unwrap());
    });
}

#[test]
fn a_consumer_that_leaves_ends_the_agent() {
    check("a_consumer_that_leaves_ends_the_agent", async {
        let mut starting = setup([answer("fine")]);
        starting.python_delay = Duration::from_millis(200);
        let rig = starting.start();
        let python = rig.python.clone();
        let Rig { handle, .. } = rig;
        drop(handle.commands);
        drop(handle.events);
        tokio::time::timeout(Duration::from_secs(20), handle.task)
            .await
            .unwrap()
            .unwrap();
        assert!(*python.stopped.lock().unwrap());
    });
}

#[test]
fn every_moment_of_a_stream_leaves_a_valid_history() {
    check("every_moment_of_a_stream_leaves_a_valid_history", async {
        let text = reason("Look at it.")
            + "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant"
            + &call("read_file", r#"{"path":"a.txt"}"#);
        let tokens = descant::engine::scripted::encode_spelled(&text, &vocabulary()).len();
        for moment in 0..=tokens {
            let hanging = ScriptedGeneration {
                text: text.clone(),
                accident: Some(Accident::Hang(moment)),
                ..Default::default()
            };
            let mut rig = setup([""; 0])
                .generation(hanging)
                .generation(slow(answer("x")))
                .generation(ScriptedGeneration::new(answer("y")))
                .start();
            rig.submit("one").await;
            if moment == tokens {
                // The call is complete: the engine stopped there and the tool ran.
                rig.until(|event| matches!(event, AgentEvent::ToolFinished { .. }))
                    .await;
            } else {
                rig.until(|event| matches!(event, AgentEvent::Prefill { .. }))
                    .await;
                tokio::time::sleep(Duration::from_millis(5 * moment as u64 / 2)).await;
            }
            rig.send(AgentCommand::Interrupt).await;
            rig.until(is_end).await;
            rig.submit("next").await;
            rig.until(is_end).await;
            let prompt = rig.last_prompt();
            // Every message that was begun is ended before the next begins.
            for message in prompt
                .split("<|start|>")
                .skip(1)
                .filter(|message| *message != "assistant")
            {
                let ends = message.matches("<|end|>").count() + message.matches("<|call|>").count();
                assert_eq!(ends, 1, "{moment}: {prompt}");
                assert!(
                    message.ends_with("<|end|>") || message.ends_with("<|call|>"),
                    "{moment}: {prompt}"
                );
                assert_eq!(
                    message.matches("<|message|>").count(),
                    1,
                    "{moment}: {prompt}"
                );
            }
            let calls = prompt.matches("<|call|>").count();
            let answers = prompt.matches("<|start|>functions.read_file").count();
            assert_eq!(calls, answers, "{moment}: {prompt}");
        }
    });
}
