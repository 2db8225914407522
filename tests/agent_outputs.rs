//! Long answers of tools: what the model is told, what is kept on disk, and how it is read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod agent_support;

use agent_support::*;
use descant::agent::{AgentCommand, AgentEvent};
use descant::conversation::Item;
use descant::sandbox::CellExit;
use descant::session;

fn flood() -> &'static str {
    let lines: Vec<String> = (1..=4_000).map(|n| format!("line number {n}")).collect();
    Box::leak(lines.join("\n").into_boxed_str())
}

fn results(rig: &Rig) -> Vec<String> {
    let items = session::load(rig.session.as_ref().unwrap())
        .unwrap()
        .into_state()
        .into_items();
    items
        .into_iter()
        .filter_map(|item| match item {
            Item::ToolResult { text, .. } => Some(text),
            _ => None,
        })
        .collect()
}

fn page(name: &str, offset: usize) -> String {
    let arguments = serde_json::json!({"path": name, "offset": offset, "limit": 2});
    call("read_file", &arguments.to_string())
}

#[test]
fn a_long_answer_is_cut_and_all_of_it_can_be_read() {
    check("a_long_answer_is_cut_and_all_of_it_can_be_read", async {
        let mut first = setup([
            python("flood()"),
            page("tool-output:1", 2_000),
            answer("seen"),
        ]);
        first.record = true;
        first.python = Ok(vec![Cell::Ends(flood(), CellExit::Ok)]);
        let mut rig = first.start();
        rig.turn("go").await;
        let told = results(&rig);
        assert!(told[0].len() < 17_000, "{}", told[0].len());
        assert!(told[0].starts_with("line number 1\n") && told[0].ends_with("line number 4000"));
        assert!(
            told[0].contains("lines left out; read_file has all of it as tool-output:1]"),
            "{}",
            told[0]
        );
        assert_eq!(
            told[1],
            "line number 2000\nline number 2001\n[lines 2000-2001 of 4000; continue with offset=2002]"
        );
        let path = rig.session.clone().unwrap();
        let kept = session::outputs_of(&path).join("1.txt");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), flood());
        let (dir, home) = rig.end().await;

        // In a later process, and in a fork of it.
        let mut again = setup([
            page("tool-output:1", 4_000),
            answer("again"),
            page("tool-output:1", 1),
            answer("and in the fork"),
            page("tool-output:9", 1),
            answer("none"),
        ]);
        again.record = true;
        (again.dir, again.home) = (Some(dir), Some(home));
        let mut rig = again.start();
        rig.send(AgentCommand::Resume(path.clone())).await;
        rig.turn("again").await;
        rig.session = Some(path.clone());
        assert_eq!(
            results(&rig)[2],
            "line number 4000\n[lines 4000-4000 of 4000]"
        );
        rig.send(AgentCommand::Fork).await;
        rig.until(
            |event| matches!(event, AgentEvent::Notice(text) if text.starts_with("This is a fork")),
        )
        .await;
        std::fs::remove_file(&kept).unwrap();
        rig.turn("fork").await;
        let fork = session::recent(rig.home.path()).unwrap();
        let (_, fork) = fork.iter().find(|(head, _)| head.parent.is_some()).unwrap();
        rig.session = Some(fork.clone());
        let told = results(&rig);
        assert!(
            told[3].starts_with("line number 1\nline number 2\n["),
            "{}",
            told[3]
        );
        rig.turn("none").await;
        let told = results(&rig);
        assert!(
            told[4].starts_with("Error: tool-output:9: there is no such output"),
            "{}",
            told[4]
        );
    });
}

#[test]
fn without_a_record_it_is_cut_and_says_so() {
    check("without_a_record_it_is_cut_and_says_so", async {
        let mut setup = setup([python("flood()"), answer("seen")]);
        setup.python = Ok(vec![Cell::Ends(flood(), CellExit::Ok)]);
        let mut rig = setup.start();
        rig.turn("go").await;
        let prompt = rig.engine.prompts().pop().unwrap();
        assert!(prompt.contains("lines left out]\n"), "{prompt}");
        assert!(!prompt.contains("tool-output"), "{prompt}");
    });
}
