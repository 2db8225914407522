//! Another model in the same conversation, approvals that change, and questions that are answered on the side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, Answer, ApprovalPolicy, Inquiry};
use descant::engine::EngineError;
use descant::engine::scripted::Script;
use descant::patch::{OnChanged, Since};

fn script(name: &str, generations: &[String]) -> Script {
    Script {
        name: name.into(),
        ..Script::of(generations.to_vec())
    }
}

fn missing(name: &str) -> EngineError {
    EngineError::Unavailable {
        model: name.into(),
        reason: "not found".into(),
        hint: "descant models pull it".into(),
    }
}

/// Switches, and gives what was told with the name of the model that runs then.
async fn switch(rig: &mut Rig, name: &str) -> Vec<String> {
    rig.send(AgentCommand::SwitchModel(name.into())).await;
    let events = rig
        .until(|event| {
            matches!(
                event,
                AgentEvent::ModelReady(_) | AgentEvent::ModelFailed(_)
            )
        })
        .await;
    let mut words = told(&events);
    if let Some(AgentEvent::ModelReady(info)) = events.last() {
        words.push(format!("ready: {}", info.name));
    }
    words
}

async fn ready(rig: &mut Rig) {
    rig.until(|event| matches!(event, AgentEvent::ModelReady(_)))
        .await;
}

#[test]
fn another_model_goes_on_with_the_conversation() {
    check("another_model_goes_on_with_the_conversation", async {
        let mut setup = setup([answer("One.")]);
        setup.loads = vec![Ok(script("second", &[answer("Two.")]))];
        let mut rig = setup.start();
        rig.turn("first?").await;
        assert_eq!(
            switch(&mut rig, "second").await,
            ["switching to second", "ready: second"]
        );
        let words = rig.turn("and then?").await;
        assert_eq!(words[1..], ["answer: Two.", "done, answered: true"]);
        // The first engine was asked once; the second has seen all of it.
        assert_eq!(rig.engine.requests().len(), 1);
        assert_eq!(*rig.host.asked.lock().unwrap(), ["second"]);
        let engines = rig.host.engines.lock().unwrap();
        let prompt = engines[0].prompts().pop().unwrap();
        let history = prompt.split_once("<|start|>user").unwrap().1;
        assert!(
            history.contains("first?") && history.contains("One.") && history.contains("and then?"),
            "{history}"
        );
    });
}

#[test]
fn a_model_that_cannot_be_loaded_leaves_the_old_one() {
    check("a_model_that_cannot_be_loaded_leaves_the_old_one", async {
        let mut setup = setup([answer("One."), answer("Two.")]);
        setup.loads = vec![Err(missing("nowhere"))];
        let mut rig = setup.start();
        rig.turn("first?").await;
        assert_eq!(
            switch(&mut rig, "nowhere").await,
            [
                "switching to nowhere",
                "problem: nowhere is not loaded, scripted goes on: nowhere: not found\n  descant models pull it",
                "ready: scripted",
            ]
        );
        let words = rig.turn("again?").await;
        assert_eq!(words[1], "answer: Two.");
    });
}

#[test]
fn memory_that_does_not_hold_both_lets_the_old_one_go_and_come_back() {
    check(
        "memory_that_does_not_hold_both_lets_the_old_one_go_and_come_back",
        async {
            let mut setup = setup([answer("One.")]);
            setup.loads = vec![
                Err(too_large("huge")),
                Ok(script("huge", &[])),
                Err(too_large("huger")),
                Err(too_large("huger")),
                Ok(script("huge", &[answer("Back.")])),
            ];
            let mut rig = setup.start();
            ready(&mut rig).await;
            let first = |name: &str, kept: &str| {
                format!(
                    "notice: {name} needs 2 MiB of memory and 1 MiB are free beside {kept}, which is let go first"
                )
            };
            assert_eq!(
                switch(&mut rig, "huge").await,
                [
                    "switching to huge".to_owned(),
                    first("huge", "scripted"),
                    "ready: huge".to_owned(),
                ]
            );
            assert_eq!(
                switch(&mut rig, "huger").await,
                [
                    "switching to huger".to_owned(),
                    first("huger", "huge"),
                    format!(
                        "problem: huger is not loaded, huge goes on: {}",
                        too_large("huger")
                    ),
                    "ready: huge".to_owned(),
                ]
            );
            assert_eq!(
                *rig.host.asked.lock().unwrap(),
                ["huge", "huge", "huger", "huger", "huge"]
            );
            let words = rig.turn("there?").await;
            assert_eq!(words[1], "answer: Back.");
        },
    );
}

#[test]
fn a_switch_during_a_turn_waits_for_its_end() {
    check("a_switch_during_a_turn_waits_for_its_end", async {
        let mut setup = setup([patch(), answer("Done.")]).review();
        setup.loads = vec![Ok(script("second", &[]))];
        let mut rig = setup.start();
        rig.submit("edit").await;
        let (review, plan) = rig.review().await;
        rig.send(AgentCommand::SwitchModel("second".into())).await;
        let told_now = told(&[rig.next().await]);
        assert_eq!(told_now, ["notice: second is loaded when the turn is over"]);
        let decisions = descant::patch::Decisions::accept_all(&plan);
        rig.decide(review, plan, decisions).await;
        assert_eq!(rig.rest().await.last().unwrap(), "done, answered: true");
        let events = rig
            .until(|event| matches!(event, AgentEvent::ModelReady(_)))
            .await;
        assert_eq!(told(&events), ["switching to second"]);
    });
}

fn patch() -> String {
    call(
        "apply_patch",
        "*** Begin Patch\n*** Update File: a.txt\n@@\n one\n-two\n+TWO\n three\n*** End Patch",
    )
}

#[test]
fn approvals_change_between_and_within_turns() {
    check("approvals_change_between_and_within_turns", async {
        let mut rig = setup([patch(), answer("Proposed."), patch(), answer("Written.")])
            .review()
            .start();
        ready(&mut rig).await;
        rig.send(AgentCommand::SetApprovals(ApprovalPolicy::ProposeOnly))
            .await;
        let words = rig.turn("edit").await;
        assert!(
            words.contains(&"approvals: ProposeOnly".to_owned()),
            "{words:?}"
        );
        assert_eq!(rig.file("a.txt"), "one\ntwo\nthree\n");
        rig.send(AgentCommand::SetApprovals(ApprovalPolicy::ApplyAll))
            .await;
        let words = rig.turn("edit").await;
        assert!(
            words.contains(&"reviewed 2: 1 files written, 0 declined".to_owned()),
            "{words:?}"
        );
        assert_eq!(rig.file("a.txt"), "one\nTWO\nthree\n");
        // Unreviewed, and undoable all the same.
        rig.send(AgentCommand::Undo(OnChanged::Refuse)).await;
        let undone = rig
            .until(|event| matches!(event, AgentEvent::Notice(_)))
            .await;
        assert_eq!(
            told(&undone).last().unwrap(),
            "notice: Undone: 1 file: a.txt"
        );
        assert_eq!(rig.file("a.txt"), "one\ntwo\nthree\n");
    });
}

#[test]
fn questions_are_answered_while_a_turn_runs() {
    check("questions_are_answered_while_a_turn_runs", async {
        let mut setup = setup([patch(), answer("Done."), patch()]);
        setup.record = true;
        let mut rig = setup.start();
        rig.turn("edit").await;
        rig.write("a.txt", "one\nTWO\nthree\nfour\n");
        rig.send(AgentCommand::SetApprovals(ApprovalPolicy::Review))
            .await;
        rig.write("b.txt", "mine\n");
        // The file has no line `two` any more: the call fails; a slow model would do as well.
        rig.submit("again").await;
        let ask = async |rig: &mut Rig, inquiry| {
            rig.send(AgentCommand::Inquire(inquiry)).await;
            let events = rig
                .until(|event| matches!(event, AgentEvent::Answer(_)))
                .await;
            match events.into_iter().last() {
                Some(AgentEvent::Answer(answer)) => *answer,
                other => panic!("{other:?}"),
            }
        };
        match ask(&mut rig, Inquiry::Changes).await {
            Answer::Changes(Ok(overall)) => {
                assert_eq!(overall.files.len(), 1);
                let file = &overall.files[0];
                assert_eq!(file.plan.path.as_str(), "a.txt");
                assert_eq!(file.since, Since::Edited);
                assert!(
                    file.plan
                        .unified_diff()
                        .ends_with("@@ -1,3 +1,4 @@\n one\n-two\n+TWO\n three\n+four\n")
                );
            }
            other => panic!("{other:?}"),
        }
        match ask(&mut rig, Inquiry::Facts).await {
            Answer::Facts(facts) => {
                assert_eq!(facts.session.map(|file| file.path), rig.session);
                assert_eq!(facts.patches, 1);
                assert!(facts.journal.unwrap().1 > 0);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(ask(&mut rig, Inquiry::Models).await, Answer::Models(m) if m.len() == 1));
        assert!(
            matches!(ask(&mut rig, Inquiry::Checkup).await, Answer::Checkup(c) if c.len() == 1)
        );
    });
}
