//! How a generation is asked for and where it stops: the sampling the user sets, the reasoning budget, a model that
//! only repeats itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent};
use descant::config::Asking;
use descant::conversation::Item;
use descant::engine::Sampling;
use descant::session;

async fn change(rig: &mut Rig, change: Option<&str>) -> String {
    rig.send(AgentCommand::Sampling(change.map(str::to_owned)))
        .await;
    let told = |event: &AgentEvent| matches!(event, AgentEvent::Notice(_) | AgentEvent::Problem(_));
    match rig.until(told).await.pop() {
        Some(AgentEvent::Notice(text) | AgentEvent::Problem(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn sampled(rig: &Rig) -> Vec<Sampling> {
    rig.engine
        .requests()
        .iter()
        .map(|request| request.sampling)
        .collect()
}

#[test]
fn what_the_user_sets_counts_from_the_next_generation_on() {
    check(
        "what_the_user_sets_counts_from_the_next_generation_on",
        async {
            let mut setup = setup([answer("1"), answer("2"), answer("3"), answer("4")]);
            setup.asking = Some(Asking::default());
            let mut rig = setup.start();
            rig.turn("one").await;
            // The listing has every key.
            let all = change(&mut rig, None).await;
            for (key, value) in Asking::default().rows() {
                let line = format!("{key:<18}{value}");
                assert!(all.contains(&line), "{line} in {all}");
            }
            let said = change(&mut rig, Some("seed=7")).await;
            assert_eq!(said, "sampling: seed = 7, from the next generation on");
            let said = change(&mut rig, Some("reasoning_budget 64")).await;
            assert_eq!(
                said,
                "sampling: reasoning_budget = 64, from the next generation on"
            );
            let said = change(&mut rig, Some("top_p=2")).await;
            assert!(said.contains("must be above 0 and at most 1"), "{said}");
            rig.turn("two").await;
            rig.turn("three").await;
            change(&mut rig, Some("seed=9")).await;
            change(&mut rig, Some("max_output_tokens=99")).await;
            rig.turn("four").await;
            let got = sampled(&rig);
            let of = |seed, reasoning_budget| Sampling {
                temperature: 1.0,
                seed,
                reasoning_budget,
                ..Sampling::GREEDY
            };
            // OpenAI's recommendation, and each generation with a seed of its own.
            assert_eq!(
                got,
                [
                    of(0, None),
                    of(7, Some(64)),
                    of(8, Some(64)),
                    of(9, Some(64))
                ]
            );
            assert_eq!(rig.engine.requests()[3].max_tokens, 99);
        },
    );
}

#[test]
fn a_reasoning_that_was_ended_is_told_and_the_turn_goes_on() {
    check(
        "a_reasoning_that_was_ended_is_told_and_the_turn_goes_on",
        async {
            let mut setup = setup([
                reason("one two three four five") + &call("read_file", r#"{"path":"a.txt"}"#),
                answer("Done."),
            ]);
            setup.record = true;
            let mut asking = Asking::default();
            asking.sampling.reasoning_budget = 2;
            setup.asking = Some(asking);
            let mut rig = setup.start();
            let told = rig.turn("go").await;
            assert!(
                told.iter()
                    .any(|line| line.contains("The reasoning was ended after 2 tokens")),
                "{told:?}"
            );
            let items = session::load(rig.session.as_ref().unwrap())
                .unwrap()
                .into_state()
                .into_items();
            let Item::Generated { tokens } = &items[1] else {
                panic!("{items:?}")
            };
            let text = String::from_utf8(vocabulary().decode_bytes(tokens)).unwrap();
            let expected = reason("one two") + &call("read_file", r#"{"path":"a.txt"}"#);
            assert_eq!(text, expected);
            // The next prompt has it as it was said.
            let next = rig.engine.prompts().pop().unwrap();
            assert!(next.contains(&expected), "{next}");
        },
    );
}

#[test]
fn a_model_that_only_repeats_itself_is_stopped() {
    check("a_model_that_only_repeats_itself_is_stopped", async {
        let round = reason(&"and again ".repeat(2_000)) + &answer("never");
        let mut setup = setup([round.clone(), round, answer("x")]);
        let mut asking = Asking::default();
        asking.sampling.repetition_guard = 300;
        setup.asking = Some(asking);
        let mut rig = setup.start();
        let told = rig.turn("go").await;
        let last = told.last().unwrap();
        assert!(last.contains("the model only repeated itself"), "{last}");
        assert!(last.contains("/rewind"), "{last}");
        // Switched off it may; the budget of tokens is what ends it then.
        change(&mut rig, Some("repetition_guard=0")).await;
        change(&mut rig, Some("max_output_tokens=1000")).await;
        let told = rig.turn("go").await;
        let last = told.last().unwrap();
        assert!(
            last.contains("cut off at the limit of 1000 tokens"),
            "{last}"
        );
    });
}

#[test]
fn the_answer_ends_at_a_text_that_the_user_named() {
    check("the_answer_ends_at_a_text_that_the_user_named", async {
        let mut setup = setup([
            // What is reasoned, or written into a call, is not the answer.
            reason("not at the end yet") + &call("search", r#"{"pattern":"the end"}"#),
            reason("now")
                + "<|channel|>final<|message|>one two the end and more<|end|><|start|>assistant"
                + &call("read_file", r#"{"path":"a.txt"}"#),
            answer("next"),
        ]);
        setup.record = true;
        let mut asking = Asking::default();
        asking.sampling.stop = vec!["never said".to_owned(), "the end".to_owned()];
        setup.asking = Some(asking);
        let mut rig = setup.start();
        let told = rig.turn("go").await;
        assert!(
            told.contains(&"answer: one two the end".to_owned()),
            "{told:?}"
        );
        assert_eq!(told.last().unwrap(), "done, answered: true", "{told:?}");
        let calls = told.iter().filter(|line| line.starts_with("call "));
        assert_eq!(
            calls.count(),
            1,
            "what it says behind the end is not heard: {told:?}"
        );
        let items = session::load(rig.session.as_ref().unwrap())
            .unwrap()
            .into_state()
            .into_items();
        let Some(Item::Generated { tokens }) = items.last() else {
            panic!("{items:?}")
        };
        let text = String::from_utf8(vocabulary().decode_bytes(tokens)).unwrap();
        assert!(text.ends_with("one two the end"), "{text}");
        // The history is valid Harmony: the answer is closed where it stopped.
        rig.turn("go on").await;
        let next = rig.engine.prompts().pop().unwrap();
        assert!(next.contains("one two the end<|end|>"), "{next}");
        let shown = change(&mut rig, Some("stop=[]")).await;
        assert_eq!(shown, "sampling: stop = none, from the next generation on");
    });
}
