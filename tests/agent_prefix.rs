//! What the engine has computed of a prompt stays good: prompts only grow at their end, but where docs/context.md says
//! otherwise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, ApprovalPolicy, HistoryEvent, SandboxState};
use descant::conversation::{Effort, TokenId};
use descant::engine::scripted::Script;
use std::time::Duration;

/// What each generation was prompted with, and with what it continued that.
struct Step {
    prompt: Vec<TokenId>,
    said: Vec<TokenId>,
}

/// How many ids of a prompt are not those of what the engine computed for the steps before, at its best one.
fn lost(before: &[Step], prompt: &[TokenId]) -> usize {
    let known = |step: &Step| {
        let computed = step.prompt.iter().chain(&step.said);
        computed.zip(prompt).take_while(|(a, b)| a == b).count()
    };
    let best = before.iter().max_by_key(|step| known(step)).unwrap();
    // Its last id is never in the engine's cache.
    let computed = (best.prompt.len() + best.said.len()).saturating_sub(1);
    computed.saturating_sub(known(best))
}

/// The text that a prompt and what was computed for a step begin with alike.
fn known(step: &Step, prompt: &[TokenId]) -> String {
    let computed = step.prompt.iter().chain(&step.said).zip(prompt);
    let alike = computed.take_while(|(a, b)| a == b).map(|(a, _)| *a);
    let ids: Vec<TokenId> = alike.collect();
    String::from_utf8_lossy(&vocabulary().decode_bytes(&ids)).into_owned()
}

fn steps(rig: &Rig, texts: &[String]) -> Vec<Step> {
    let words = vocabulary();
    rig.engine
        .requests()
        .into_iter()
        .zip(texts)
        .map(|(request, text)| Step {
            prompt: request.prompt,
            said: descant::engine::scripted::encode_spelled(text, &words),
        })
        .collect()
}

fn read(n: usize) -> String {
    reason(&format!("Step {n}."))
        + &call(
            "read_file",
            &format!(r#"{{"path":"a.txt","offset":{}}}"#, n % 3 + 1),
        )
}

#[test]
fn a_turn_of_twenty_calls_only_grows() {
    check("a_turn_of_twenty_calls_only_grows", async {
        let mut texts: Vec<String> = (0..20).map(read).collect();
        texts.push(reason("Enough.") + &answer("done"));
        let mut rig = setup(texts.clone()).start();
        rig.turn("Read it again and again.").await;
        let steps = steps(&rig, &texts);
        assert_eq!(steps.len(), 21);
        for at in 1..steps.len() {
            let (before, rest) = steps.split_at(at);
            assert_eq!(lost(before, &rest[0].prompt), 0, "at step {at}");
        }
    });
}

/// Two turns with something between them; how much of what was computed the second one's first prompt loses, of
/// how many ids.
async fn between(change: impl AsyncFnOnce(&mut Rig)) -> (usize, usize) {
    let texts = [
        reason("I think of it at some length.") + &read_last(),
        reason("And once more.") + &answer("one"),
        answer("two"),
    ];
    let mut setup = setup(texts.clone());
    setup.record = true;
    setup.loads = vec![Ok(Script::of([answer("three")]))];
    let mut rig = setup.start();
    rig.turn("first").await;
    change(&mut rig).await;
    rig.turn("second").await;
    let steps = steps(&rig, &texts);
    let (before, rest) = steps.split_at(2);
    let computed = before[1].prompt.len() + before[1].said.len();
    (lost(before, &rest[0].prompt), computed)
}

fn read_last() -> String {
    call("read_file", r#"{"path":"a.txt"}"#)
}

/// Ids from where the reasoning of the first turn begins, in which nothing of the fixed prompt is.
async fn after_the_drop() -> usize {
    between(async |_| {}).await.0
}

#[test]
fn a_new_message_loses_what_follows_the_first_dropped_reasoning_and_no_more() {
    check(
        "a_new_message_loses_what_follows_the_first_dropped_reasoning_and_no_more",
        async {
            let (lost, computed) = between(async |_| {}).await;
            let words = vocabulary();
            let turn = [
            reason("I think of it at some length.") + &read_last(),
            "<|start|>functions.read_file to=assistant<|channel|>commentary<|message|>one\ntwo\nthree<|end|><|start|>assistant".to_owned(),
            reason("And once more.") + &answer("one"),
        ];
            let whole: usize = turn
                .iter()
                .map(|text| descant::engine::scripted::encode_spelled(text, &words).len())
                .sum();
            // The turn's own ids behind `<|start|>assistant<|channel|>`, which the history still begins with.
            assert!(lost < whole, "{lost} of a turn of {whole}");
            assert!(lost > 0 && computed > 4 * lost, "{lost} of {computed}");
        },
    );
}

#[test]
fn what_the_user_does_between_turns_costs_nothing_more() {
    check(
        "what_the_user_does_between_turns_costs_nothing_more",
        async {
            let usual = after_the_drop().await;
            let told = |event: &AgentEvent| matches!(event, AgentEvent::Notice(_));
            let (now, _) = between(async |rig| {
                rig.send(AgentCommand::Sampling(Some("temperature=0.5".into())))
                    .await;
                rig.until(told).await;
                rig.send(AgentCommand::SetApprovals(ApprovalPolicy::ProposeOnly))
                    .await;
                rig.until(|event| matches!(event, AgentEvent::Approvals(_)))
                    .await;
            })
            .await;
            assert_eq!(now, usual, "sampling and approvals");
            let (now, _) = between(async |rig| rig.write("AGENTS.md", "Other notes.\n")).await;
            assert_eq!(now, usual, "another AGENTS.md");
            let (now, _) = between(async |rig| {
                rig.send(AgentCommand::Fork).await;
                rig.until(told).await;
            })
            .await;
            assert_eq!(now, usual, "a fork");
            let (now, _) = between(async |rig| {
                let path = rig.session.clone().unwrap();
                rig.send(AgentCommand::NewConversation).await;
                rig.until(told).await;
                rig.send(AgentCommand::Resume(path)).await;
                rig.until(|event| matches!(event, AgentEvent::Context(_)))
                    .await;
            })
            .await;
            assert_eq!(now, usual, "resumed");
        },
    );
}

#[test]
fn a_new_conversation_keeps_the_fixed_prompt() {
    check("a_new_conversation_keeps_the_fixed_prompt", async {
        let texts = [reason("Hm.") + &answer("one"), answer("two")];
        let mut rig = setup(texts.clone()).start();
        rig.turn("first").await;
        rig.send(AgentCommand::NewConversation).await;
        rig.turn("other words").await;
        let steps = steps(&rig, &texts);
        let known = known(&steps[0], &steps[1].prompt);
        assert!(known.ends_with("<|start|>user<|message|>"), "{known}");
    });
}

/// What is said of the container is another prompt; it waits for the next conversation.
#[test]
fn a_container_that_came_late_costs_nothing_in_this_conversation() {
    check(
        "a_container_that_came_late_costs_nothing_in_this_conversation",
        async {
            let texts = [
                reason("Hm.") + &read_last(),
                answer("one"),
                answer("two"),
                answer("three"),
            ];
            let mut late = setup(texts.clone());
            late.python_delay = Duration::from_millis(1_500);
            late.limits.sandbox_wait = Duration::from_millis(200);
            let mut rig = late.start();
            rig.turn("first").await;
            rig.until(|event| matches!(event, AgentEvent::Sandbox(SandboxState::Ready { .. })))
                .await;
            rig.turn("second").await;
            rig.send(AgentCommand::NewConversation).await;
            rig.turn("third").await;
            let steps = steps(&rig, &texts);
            // All but what the message makes Harmony drop.
            let (before, rest) = steps.split_at(2);
            let turn = steps[1].prompt.len() + steps[1].said.len();
            assert!(lost(before, &rest[0].prompt) * 4 < turn);
            // The system message says python, some sixty ids from the front.
            let fixed = known(&steps[2], &steps[3].prompt);
            assert!(!fixed.contains("<|start|>developer"), "{fixed}");
        },
    );
}

/// Where the other engine has computed nothing yet, it is at least the same text: going back and forth is free.
#[test]
fn another_model_is_prompted_with_the_same_ids() {
    check("another_model_is_prompted_with_the_same_ids", async {
        let texts = [reason("Hm.") + &answer("one")];
        let mut setup = setup(texts.clone());
        setup.loads = vec![Ok(Script::of([answer("two")]))];
        let mut rig = setup.start();
        rig.turn("first").await;
        rig.send(AgentCommand::SwitchModel("other".into())).await;
        rig.until(|event| matches!(event, AgentEvent::ModelReady(_)))
            .await;
        rig.turn("second").await;
        let steps = steps(&rig, &texts);
        let other = rig.host.engines.lock().unwrap()[0].requests();
        let known = known(&steps[0], &other[0].prompt);
        assert!(known.contains("<|start|>user<|message|>first"), "{known}");
    });
}

#[test]
fn another_effort_costs_all_and_going_back_nothing() {
    check("another_effort_costs_all_and_going_back_nothing", async {
        let (lost, computed) = between(async |rig| {
            rig.send(AgentCommand::SetEffort(Effort::High)).await;
        })
        .await;
        // The system message says it, some thirty ids from the front.
        assert!(lost + 60 > computed, "{lost} of {computed}");

        let texts = [answer("one"), answer("two"), answer("three")];
        let mut setup = setup(texts.clone());
        setup.record = true;
        let mut rig = setup.start();
        rig.turn("first").await;
        rig.turn("second").await;
        let turn = descant::conversation::TurnId(2);
        rig.send(AgentCommand::Rewind { turn, files: false }).await;
        rig.until(|event| matches!(event, AgentEvent::History(HistoryEvent::Rewound { .. })))
            .await;
        rig.turn("other").await;
        let steps = steps(&rig, &texts);
        assert_eq!(lost_from(&steps, 2, 0), 0);
    });
}

/// What prompt `of` loses of all that was computed for step `to`.
fn lost_from(steps: &[Step], of: usize, to: usize) -> usize {
    lost(&steps[to..=to], &steps[of].prompt)
}
