//! The `python` tool: its output, its failures, and a machine without a container engine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent, SandboxState};
use descant::sandbox::CellExit;
use std::time::Duration;

#[test]
fn output_is_live_and_reaches_the_model() {
    check("output_is_live_and_reaches_the_model", async {
        let mut setup = setup([python("print(1234 * 77)"), answer("95018")]);
        setup.python = Ok(vec![Cell::Ends("95018\n", CellExit::Ok)]);
        let mut rig = setup.start();
        assert_eq!(
            rig.turn("What is 1234 * 77?").await,
            [
                "turn 1: What is 1234 * 77?",
                "call 1: python print(1234 * 77)",
                "output 1: 95018\n",
                "Completed 1 exit 0: 95018",
                "answer: 95018",
                "done, answered: true",
            ]
        );
        assert_eq!(*rig.python.ran.lock().unwrap(), ["print(1234 * 77)"]);
        assert!(
            rig.last_prompt()
                .contains("<|start|>python to=assistant<|channel|>analysis<|message|>95018<|end|>")
        );
    });
}

#[test]
fn code_may_come_in_json() {
    check("code_may_come_in_json", async {
        let mut setup = setup([
            call("python", r#"{"code":"print(1)\nprint(2)"}"#),
            python("{'a': 1}"),
            python("```python\nprint(3)\n```"),
            answer("ok"),
        ]);
        setup.python = Ok((0..3).map(|_| Cell::Ends("", CellExit::Ok)).collect());
        let mut rig = setup.start();
        let told = rig.turn("go").await;
        assert_eq!(
            *rig.python.ran.lock().unwrap(),
            ["print(1)\nprint(2)", "{'a': 1}", "print(3)"]
        );
        assert_eq!(told[1], "call 1: python, 2 lines");
        assert_eq!(told[2], "Completed 1 exit 0: (no output)");
    });
}

#[test]
fn a_cell_that_fails_says_so() {
    check("a_cell_that_fails_says_so", async {
        let mut setup = setup([python("1/0"), python("sleep"), python("die"), answer("ok")]);
        setup.python = Ok(vec![
            Cell::Ends(
                "Traceback\nZeroDivisionError: division by zero\n",
                CellExit::Error,
            ),
            Cell::Ends("tick\n", CellExit::Timeout),
            Cell::Ends("", CellExit::Died),
        ]);
        let mut rig = setup.start();
        let told = rig.turn("go").await;
        let finished: Vec<&str> = told
            .iter()
            .filter_map(|line| line.strip_prefix("Failed "))
            .collect();
        assert_eq!(
            finished,
            [
                "1 exit 1: Traceback\nZeroDivisionError: division by zero",
                "2 exit 124: tick\n[stopped: the time limit was reached]",
                "3 exit 137: [the interpreter died; its variables are lost]",
            ]
        );
    });
}

#[test]
fn without_an_engine_it_is_neither_offered_nor_run() {
    check("without_an_engine_it_is_neither_offered_nor_run", async {
        let mut setup = setup([python("print(1)"), answer("I could not calculate.")]);
        setup.python = Err("no docker socket");
        let mut rig = setup.start();
        assert_eq!(
            rig.turn("What is 1234 * 77?").await[1..],
            [
                "call 1: python print(1)",
                "unavailable python: no container engine: no docker socket\n  install docker",
                "Failed 1: Error: python is not available: no container engine: no docker socket",
                "answer: I could not calculate.",
                "done, answered: true",
            ]
        );
        let prompt = rig.engine.prompts().remove(0);
        let (fixed, _) = prompt.split_once("<|start|>user").unwrap();
        assert!(!fixed.contains("## python"), "{fixed}");
        assert_eq!(rig.python.ran.lock().unwrap().len(), 0);
    });
}

#[test]
fn a_container_that_breaks_is_an_error_and_the_session_goes_on() {
    check(
        "a_container_that_breaks_is_an_error_and_the_session_goes_on",
        async {
            let mut setup = setup([python("1"), python("2"), answer("ok")]);
            setup.python = Ok(vec![Cell::Breaks, Cell::Ends("2\n", CellExit::Ok)]);
            let mut rig = setup.start();
            let told = rig.turn("go").await;
            assert_eq!(
                told[3],
                "Failed 1: Error: python is not available: the Python kernel broke off: the pipe closed"
            );
            assert_eq!(told[6], "Completed 2 exit 0: 2");
        },
    );
}

#[test]
fn the_first_turn_waits_for_the_container_but_not_for_ever() {
    check(
        "the_first_turn_waits_for_the_container_but_not_for_ever",
        async {
            for (delay, wait, offered) in [(300, 20_000, true), (1_500, 200, false)] {
                let mut late = setup([answer("1"), answer("2"), answer("3")]);
                late.python_delay = Duration::from_millis(delay);
                late.limits.sandbox_wait = Duration::from_millis(wait);
                let mut rig = late.start();
                rig.turn("one").await;
                if !offered {
                    rig.until(|event| {
                        matches!(event, AgentEvent::Sandbox(SandboxState::Ready { .. }))
                    })
                    .await;
                }
                rig.turn("two").await;
                let prompts = rig.engine.prompts();
                let fixed: Vec<&str> = prompts
                    .iter()
                    .map(|p| p.split_once("<|start|>user").unwrap().0)
                    .collect();
                assert_eq!(fixed[0].contains("## python"), offered);
                // The same to the byte until the conversation begins anew.
                assert_eq!(fixed[0], fixed[1]);
                rig.send(AgentCommand::NewConversation).await;
                rig.turn("three").await;
                assert!(rig.engine.prompts().pop().unwrap().contains("## python"));
            }
        },
    );
}

#[test]
fn endless_output_is_capped() {
    check("endless_output_is_capped", async {
        let long: &'static str = Box::leak(
            (0..20_000)
                .map(|n| format!("line {n}\n"))
                .collect::<String>()
                .into_boxed_str(),
        );
        let mut setup = setup([python("loop"), answer("ok")]);
        setup.python = Ok(vec![Cell::Ends(long, CellExit::Ok)]);
        let mut rig = setup.start();
        rig.submit("go").await;
        let events = rig.until(is_end).await;
        let shown: usize = events
            .iter()
            .map(|event| {
                if let AgentEvent::ToolOutput { text, .. } = event {
                    text.len()
                } else {
                    0
                }
            })
            .sum();
        assert!(shown <= 64 * 1024, "{shown}");
        let told = told(&events);
        let output = told
            .iter()
            .find_map(|line| line.strip_prefix("Completed 1 exit 0: "))
            .unwrap();
        assert!(output.len() < 17 * 1024, "{}", output.len());
        assert!(output.starts_with("line 0\n") && output.ends_with("line 19999"));
        assert!(output.contains(" lines left out]\n"));
    });
}
