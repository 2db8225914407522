//! `/sandbox`: another image in the background, cancelled or not, and a network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use std::path::PathBuf;
use std::sync::Arc;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, ImageWish, SandboxChange, SandboxState};
use descant::sandbox::CellExit;

/// The next event of this kind.
async fn one(rig: &mut Rig, wanted: impl Fn(&AgentEvent) -> bool) -> AgentEvent {
    rig.until(wanted).await.pop().unwrap()
}

async fn state(rig: &mut Rig) -> SandboxState {
    let settled = |event: &AgentEvent| {
        matches!(
            event,
            AgentEvent::Sandbox(SandboxState::Ready { .. } | SandboxState::Unavailable { .. })
        )
    };
    match one(rig, settled).await {
        AgentEvent::Sandbox(state) => state,
        other => panic!("{other:?}"),
    }
}

fn change(change: SandboxChange) -> AgentCommand {
    AgentCommand::Sandbox(change)
}

#[test]
fn an_image_is_fetched_while_the_user_waits_and_python_is_offered_then() {
    check(
        "an_image_is_fetched_while_the_user_waits_and_python_is_offered_then",
        async {
            let mut setup = setup([answer("1"), python("2 + 2"), answer("4")]);
            setup.python = Err("no image");
            let mut rig = setup.start();
            rig.turn("one").await;
            let fetched = Arc::new(FakePython::with([Cell::Ends("4\n", CellExit::Ok)]));
            *rig.host.fetches.lock().unwrap() = [Fetch::Works(fetched.clone())].into();
            rig.send(change(SandboxChange::Image(ImageWish::Pull)))
                .await;
            let progress = one(&mut rig, |event| {
                matches!(event, AgentEvent::Sandbox(SandboxState::Fetching(_)))
            })
            .await;
            let AgentEvent::Sandbox(SandboxState::Fetching(progress)) = progress else {
                panic!("{progress:?}")
            };
            assert_eq!(
                progress.to_string(),
                "pulling python: 1 of 3 layers, 10/40 MB (25%)"
            );
            assert!(matches!(state(&mut rig).await, SandboxState::Ready { .. }));
            assert_eq!(*rig.host.asked.lock().unwrap(), ["Pull"]);
            rig.turn("two").await;
            assert_eq!(*fetched.ran.lock().unwrap(), ["2 + 2"]);
            let offered = |prompt: &str| prompt.contains("## python");
            let prompts = rig.engine.prompts();
            assert!(!offered(&prompts[0]) && offered(&prompts[1]));
        },
    );
}

#[test]
fn one_that_cannot_be_had_leaves_the_container_that_is_there() {
    check(
        "one_that_cannot_be_had_leaves_the_container_that_is_there",
        async {
            for cancelled in [false, true] {
                let mut setup = setup([python("1"), answer("1")]);
                setup.python = Ok(vec![Cell::Ends("1\n", CellExit::Ok)]);
                let mut rig = setup.start();
                state(&mut rig).await;
                let fetch = if cancelled {
                    Fetch::Hangs
                } else {
                    Fetch::Fails
                };
                *rig.host.fetches.lock().unwrap() = [fetch].into();
                let file = ImageWish::Import(PathBuf::from("image.tar"));
                rig.send(change(SandboxChange::Image(file))).await;
                if cancelled {
                    rig.until(|event| {
                        matches!(event, AgentEvent::Sandbox(SandboxState::Fetching(_)))
                    })
                    .await;
                    rig.send(change(SandboxChange::Cancel)).await;
                }
                let told = one(&mut rig, |event| matches!(event, AgentEvent::Problem(_))).await;
                let AgentEvent::Problem(told) = told else {
                    panic!("{told:?}")
                };
                let why = if cancelled {
                    "was cancelled"
                } else {
                    "the engine left"
                };
                assert!(told.contains(why) && told.contains("goes on"), "{told}");
                rig.turn("go").await;
                assert_eq!(*rig.python.ran.lock().unwrap(), ["1"]);
                assert!(!*rig.python.stopped.lock().unwrap());
            }
        },
    );
}

#[test]
fn the_network_is_switched_for_the_session_and_shown() {
    check("the_network_is_switched_for_the_session_and_shown", async {
        let mut setup = setup([answer("1")]);
        setup.python = Ok(Vec::new());
        let mut rig = setup.start();
        state(&mut rig).await;
        for on in [true, false] {
            rig.send(change(SandboxChange::Network(on))).await;
            let SandboxState::Ready { description } = state(&mut rig).await else {
                panic!("it is gone")
            };
            assert_eq!(description.starts_with("network on: "), on, "{description}");
            let told = one(&mut rig, |event| matches!(event, AgentEvent::Notice(_))).await;
            assert!(matches!(told, AgentEvent::Notice(text) if text.contains("network")));
        }
        assert_eq!(*rig.python.network.lock().unwrap(), [true, false]);
        // One that goes on because no other could be had still has its network, and is said to.
        rig.send(change(SandboxChange::Network(true))).await;
        state(&mut rig).await;
        *rig.host.fetches.lock().unwrap() = [Fetch::Fails].into();
        rig.send(change(SandboxChange::Image(ImageWish::Pull)))
            .await;
        let after = loop {
            if let SandboxState::Ready { description } = state(&mut rig).await {
                break description;
            }
        };
        assert!(after.starts_with("network on: "), "{after}");
    });
}

#[test]
fn without_a_container_there_is_nothing_to_switch() {
    check("without_a_container_there_is_nothing_to_switch", async {
        let mut setup = setup([answer("1")]);
        setup.python = Err("no docker socket");
        let mut rig = setup.start();
        state(&mut rig).await;
        rig.send(change(SandboxChange::Network(true))).await;
        let told = one(&mut rig, |event| matches!(event, AgentEvent::Problem(_))).await;
        assert!(matches!(told, AgentEvent::Problem(text) if text.contains("no docker socket")));
    });
}
