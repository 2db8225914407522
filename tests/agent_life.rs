//! A model that is loaded when it is needed, let go when it is not used or memory gets short, and comes back with the
//! conversation whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{
    AgentCommand, AgentEvent, LoadWish, PullOffer, PullRun, PullState, PullStep, Rest,
};
use descant::engine::scripted::{Script, ScriptedEngine};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn resting(rig: &mut Rig) -> Rest {
    let events = rig
        .until(|event| matches!(event, AgentEvent::ModelResting { .. }))
        .await;
    match events.last() {
        Some(AgentEvent::ModelResting { name, why }) => {
            assert_eq!(name, "scripted");
            *why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_message_loads_it() {
    check("the_first_message_loads_it", async {
        let mut setup = setup::<String>([]);
        setup.first_use = true;
        setup.loads = vec![Ok(Script::of([answer("One."), answer("Two.")]))];
        let mut rig = setup.start();
        assert_eq!(resting(&mut rig).await, Rest::FirstUse);
        assert!(rig.host.asked.lock().unwrap().is_empty());
        assert_eq!(rig.turn("one?").await[1], "answer: One.");
        assert_eq!(rig.turn("two?").await[1], "answer: Two.");
        assert_eq!(*rig.host.asked.lock().unwrap(), ["scripted"], "once");
    });
}

#[test]
fn an_idle_model_is_let_go_and_comes_back_with_the_conversation() {
    check(
        "an_idle_model_is_let_go_and_comes_back_with_the_conversation",
        async {
            let mut setup = setup([answer("One.")]);
            setup.unload_after = Some(Duration::from_millis(200));
            setup.loads = vec![Ok(Script::of([answer("Two.")]))];
            let mut rig = setup.start();
            rig.turn("one?").await;
            let first = Arc::downgrade(&rig.engine);
            assert_eq!(
                resting(&mut rig).await,
                Rest::Idle(Duration::from_millis(200))
            );
            // Nobody holds it any more.
            let script = Script::of(Vec::<String>::new());
            rig.engine = Arc::new(ScriptedEngine::new(script, vocabulary()));
            while first.upgrade().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(rig.turn("two?").await[1], "answer: Two.");
            let prompt = rig.host.engines.lock().unwrap()[0].prompts().remove(0);
            assert!(
                prompt.contains("one?") && prompt.contains("One."),
                "{prompt}"
            );
            assert_eq!(rig.host.wishes.lock().unwrap()[0], LoadWish::default());
        },
    );
}

#[test]
fn short_memory_lets_it_go_and_a_load_that_finds_no_room_is_tried_again() {
    check(
        "short_memory_lets_it_go_and_a_load_that_finds_no_room_is_tried_again",
        async {
            let mut setup = setup([answer("One.")]);
            setup.loads = vec![Err(too_large("scripted")), Ok(Script::of([answer("Two.")]))];
            let mut rig = setup.start();
            rig.turn("one?").await;
            rig.host.memory_short.notify_one();
            assert_eq!(resting(&mut rig).await, Rest::MemoryShort);
            let failed = rig.turn("two?").await;
            assert!(
                failed.iter().any(|word| word.contains("does not fit")),
                "{failed:?}"
            );
            assert_eq!(rig.turn("two, again?").await[1], "answer: Two.");
        },
    );
}

#[test]
fn a_model_that_rests_can_be_exchanged() {
    check("a_model_that_rests_can_be_exchanged", async {
        let mut setup = setup::<String>([]);
        setup.first_use = true;
        setup.loads = vec![Ok(Script::of([answer("Other.")]))];
        let mut rig = setup.start();
        resting(&mut rig).await;
        rig.send(AgentCommand::SetContext(8192)).await;
        rig.send(AgentCommand::SwitchModel("other".into())).await;
        assert_eq!(
            rig.turn("hello?").await.last().unwrap(),
            "done, answered: true"
        );
        assert_eq!(*rig.host.asked.lock().unwrap(), ["other"]);
        let wish = LoadWish {
            beside: false,
            context: Some(8192),
        };
        assert_eq!(*rig.host.wishes.lock().unwrap(), [wish]);
    });
}

fn offer(words: &str, run: fn(CancellationToken) -> PullRun) -> Result<PullOffer, String> {
    Ok(PullOffer {
        words: words.into(),
        there: false,
        start: Box::new(run),
    })
}

fn waits(cancel: CancellationToken) -> PullRun {
    let (_, progress) = tokio::sync::mpsc::channel(1);
    PullRun {
        progress,
        outcome: Box::pin(async move {
            cancel.cancelled().await;
            Err("the download was stopped".into())
        }),
    }
}

fn works(_: CancellationToken) -> PullRun {
    let (_, progress) = tokio::sync::mpsc::channel(1);
    PullRun {
        progress,
        outcome: Box::pin(std::future::ready(Ok("it is ready".into()))),
    }
}

/// What is said to the user next.
async fn word(rig: &mut Rig) -> String {
    loop {
        match rig.next().await {
            AgentEvent::Notice(text) => return format!("notice: {text}"),
            AgentEvent::Problem(text) => return format!("problem: {text}"),
            AgentEvent::Pull(PullState::Offered { name, words }) => {
                return format!("offered {name}: {words}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_download_is_asked_about_and_runs_beside_the_turns() {
    check(
        "a_download_is_asked_about_and_runs_beside_the_turns",
        async {
            let setup = setup([answer("One.")]);
            let mut rig = setup.start();
            rig.host.pulls.lock().unwrap().extend([
                offer("13.8 GB", waits),
                offer("13.8 GB", works),
                Err("there is no such model".into()),
            ]);
            let step = |step| AgentCommand::Pull(step);
            rig.send(step(PullStep::Go)).await;
            assert!(word(&mut rig).await.contains("no download to agree to"));
            rig.send(step(PullStep::Ask("a/b".into()))).await;
            assert_eq!(word(&mut rig).await, "offered a/b: 13.8 GB");
            rig.send(step(PullStep::Go)).await;
            // A turn goes on meanwhile, and a second download does not begin.
            assert_eq!(rig.turn("one?").await[1], "answer: One.");
            rig.send(step(PullStep::Ask("c/d".into()))).await;
            assert!(word(&mut rig).await.contains("one at a time"));
            rig.send(step(PullStep::Cancel)).await;
            assert_eq!(word(&mut rig).await, "problem: the download was stopped");
            rig.send(step(PullStep::Ask("a/b".into()))).await;
            word(&mut rig).await;
            rig.send(step(PullStep::Go)).await;
            assert_eq!(
                word(&mut rig).await,
                "notice: it is ready\n/model a/b goes on with it"
            );
            rig.send(step(PullStep::Ask("e/f".into()))).await;
            assert_eq!(word(&mut rig).await, "problem: there is no such model");
        },
    );
}
