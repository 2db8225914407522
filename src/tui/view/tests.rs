#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

mod screens;

use crate::agent::{AgentEvent, ReviewId, SandboxState, ToolStatus};
use crate::agent::{ContextUse, EngineInfo, LoadProgress};
use crate::conversation::{CallId, PromptProfile, TurnId, Usage};
use crate::patch::{Applied, Decision, Decisions, HunkId};
use crate::tui::model::Msg;
use crate::tui::testing::{Session, plan};
use crate::tui::theme::Theme;
use std::time::Duration;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 12)];

/// A screen of each size.
pub(in super::super) fn snapshot(name: &str, prepare: impl Fn(&mut Session)) {
    for size in SIZES {
        snapshot_at(name, size, &prepare);
    }
}

fn ready(session: &mut Session) {
    session.agent(AgentEvent::ModelReady(EngineInfo {
        name: "gpt-oss-20b".into(),
        profile: PromptProfile::GptOss,
        context_length: 131_072,
        device: "metal".into(),
        protocol: None,
    }));
    session.agent(AgentEvent::Sandbox(SandboxState::Ready {
        description: "docker 27.1 python:3.13-slim".into(),
    }));
}

const THOUGHT: &str = "The user wants `total` to add prices. I should read the file first, because I do \
                       not know how items look.\nIf items are dicts, the change is another one.\n";

fn thinking(session: &mut Session) {
    ready(session);
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "make total add the prices".into(),
    });
    session.agent(AgentEvent::Prefill {
        done: 800,
        total: 800,
    });
    session.agent(AgentEvent::ReasoningDelta(THOUGHT.repeat(3)));
    session.now += Duration::from_secs(12);
    session.send(Msg::Tick);
}

#[test]
fn a_prompt_is_counted_while_it_is_read() {
    let mut session = Session::new(80, 24);
    ready(&mut session);
    session.agent(AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "make total add the prices".into(),
    });
    for (done, said) in [
        (0, "reading 3600 tokens"),
        (1024, "reading 1024/3600 tokens"),
    ] {
        session.agent(AgentEvent::Prefill { done, total: 3600 });
        assert!(session.screen().contains(said), "{}", session.screen());
    }
}

fn tools(session: &mut Session) {
    thinking(session);
    session.agent(AgentEvent::ReasoningDone(THOUGHT.repeat(3)));
    session.agent(AgentEvent::AnswerDone {
        text: "I read `calc.py` first.".into(),
        last: false,
    });
    let read = CallId(1);
    session.agent(AgentEvent::ToolStarted {
        call: read,
        tool: "functions.read_file".into(),
        arguments: "{\"path\":\"calc.py\"}".into(),
        summary: "read calc.py".into(),
    });
    session.agent(AgentEvent::ToolFinished {
        call: read,
        status: ToolStatus::Completed,
        output: "def total(items):\n    return sum(items)\n".into(),
        exit_code: None,
        elapsed: Duration::from_millis(4),
    });
    let run = CallId(2);
    session.agent(AgentEvent::ToolStarted {
        call: run,
        tool: "python".into(),
        arguments: "import calc\nprint(calc.total([1, 2]))".into(),
        summary: "run 2 lines of Python".into(),
    });
    for n in 0..9 {
        session.agent(AgentEvent::ToolOutput {
            call: run,
            text: format!("line {n}\n"),
        });
    }
}

fn answered(session: &mut Session) {
    tools(session);
    session.agent(AgentEvent::ToolFinished {
        call: CallId(2),
        status: ToolStatus::Failed,
        output: String::new(),
        exit_code: Some(1),
        elapsed: Duration::from_millis(1250),
    });
    let mut plan = plan();
    plan.files.truncate(1);
    let mut decisions = Decisions::default();
    decisions.hunks.insert(HunkId(0), Decision::Accept);
    decisions.hunks.insert(
        HunkId(1),
        Decision::Reject {
            note: Some("keep count".into()),
        },
    );
    decisions.hunks.insert(HunkId(2), Decision::Accept);
    session.model.decided.push((ReviewId(1), decisions));
    let applied = Applied {
        checkpoint: 3,
        changes: Vec::new(),
    };
    session.agent(AgentEvent::ReviewDone {
        review: ReviewId(1),
        plan: Box::new(plan),
        applied: Some(applied),
        declined_hunks: 1,
    });
    session.agent(AgentEvent::AnswerDone {
        text: "## Done\n\n`total` adds prices now:\n\n- one change **applied**\n- one left out"
            .into(),
        last: true,
    });
    let usage = Usage {
        generated_tokens: 240,
        reasoning_tokens: 90,
        decode_seconds: 10.0,
        ..Usage::default()
    };
    session.agent(AgentEvent::Generation(usage));
    session.agent(AgentEvent::Context(ContextUse {
        fixed: 812,
        conversation: 420,
        attached: 180,
        reserve: 16_384,
        limit: Some(131_072),
    }));
    session.agent(AgentEvent::TurnDone {
        turn: TurnId(1),
        usage,
        answered: true,
    });
}

fn review(session: &mut Session) {
    thinking(session);
    session.agent(AgentEvent::ReviewRequested {
        review: ReviewId(1),
        call: CallId(3),
        plan: Box::new(plan()),
    });
}

/// One screen of an unusual size.
fn snapshot_at(name: &str, (width, height): (u16, u16), prepare: impl Fn(&mut Session)) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let mut session = Session::new(width, height);
        prepare(&mut session);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), session.screen());
    });
}

#[test]
fn start_while_loading() {
    snapshot("start_while_loading", |session| {
        session.agent(AgentEvent::ModelLoading(LoadProgress {
            stage: "reading weights",
            bytes: Some((6 << 20, 12 << 20)),
            elapsed: Duration::from_millis(80),
        }));
        session.keys("fix the");
    });
}

#[test]
fn demo_model_without_docker() {
    snapshot("demo_model_without_docker", |session| {
        session.agent(AgentEvent::ModelReady(EngineInfo {
            name: "demo".into(),
            profile: PromptProfile::Demo,
            context_length: 4096,
            device: "cpu".into(),
            protocol: None,
        }));
        session.agent(AgentEvent::Sandbox(SandboxState::Unavailable {
            reason: "no container engine: nothing answers at /var/run/docker.sock\nstart docker"
                .into(),
        }));
    });
}

#[test]
fn streaming_with_reasoning() {
    snapshot("streaming_with_reasoning", thinking);
}

#[test]
fn tool_cards() {
    snapshot("tool_cards", tools);
}

#[test]
fn after_the_turn() {
    snapshot("after_the_turn", answered);
}

#[test]
fn review_screen() {
    snapshot("review", |session| {
        review(session);
        session.keys("y");
    });
}

#[test]
fn review_note() {
    snapshot("review_note", |session| {
        review(session);
        session.keys("nkeep this one");
    });
}

#[test]
fn review_of_a_file_without_lines() {
    snapshot("review_empty_file", |session| {
        review(session);
        session.keys("<Right><Right><Right><Right>q");
    });
}

#[test]
fn help_screen() {
    snapshot("help", |session| session.keys("/help<Enter>"));
}

#[test]
fn a_message_of_many_lines() {
    snapshot("composer_lines", |session| {
        ready(session);
        let lines: Vec<String> = (1..=10).map(|n| format!("line {n}")).collect();
        session.keys(&lines.join("<Ctrl+J>"));
    });
}

#[test]
fn command_popup() {
    snapshot("popup", |session| {
        ready(session);
        session.keys("/re<Down>");
    });
}

/// What says yes or no must not depend on colour: the plain theme draws the same characters.
#[test]
fn colour_carries_nothing_alone() {
    for prepare in [answered as fn(&mut Session), review] {
        let mut plain = Session::new(80, 24);
        prepare(&mut plain);
        let expected = plain.screen();
        for name in ["dark", "light", "colour-blind", "ansi16"] {
            let mut coloured = Session::new(80, 24);
            coloured.model.theme = Theme::named(name).unwrap();
            prepare(&mut coloured);
            // Backticks stand in for the colour of code.
            assert_eq!(
                coloured.screen().replace('`', ""),
                expected.replace('`', ""),
                "{name:?}"
            );
        }
    }
}

#[test]
fn the_changed_words_of_a_review_are_highlighted() {
    let theme = Theme::named("dark").unwrap();
    let mut session = Session::new(80, 24);
    session.model.theme = theme.clone();
    review(&mut session);
    session.keys("<Right>");
    let buffer = session.buffer();
    let marked = |style: ratatui::style::Style| -> String {
        buffer
            .content()
            .iter()
            .filter(|c| style.bg.is_some() && c.style().bg == style.bg)
            .map(|c| c.symbol())
            .collect()
    };
    assert_eq!(marked(theme.diff_remove_word), "1;go(count);");
    assert_eq!(marked(theme.diff_add_word), "2;stop(count);");
}

#[test]
fn no_size_panics() {
    for prepare in [thinking as fn(&mut Session), answered, review] {
        for width in [1, 2, 3, 5, 9, 20, 39, 99, 100, 101, 300] {
            for height in [1, 2, 3, 4, 5, 6, 9, 13, 70] {
                let mut session = Session::new(width, height);
                prepare(&mut session);
                session.keys("nx");
                session.screen();
                session.keys("<Esc>?");
                session.screen();
            }
        }
    }
}

#[test]
fn a_review_with_room_has_old_and_new_beside_each_other() {
    snapshot_at("review_beside", (160, 24), |session| {
        ready(session);
        session.agent(AgentEvent::ReviewRequested {
            review: ReviewId(1),
            call: CallId(1),
            plan: Box::new(plan()),
        });
        session.keys("y");
    });
}

#[test]
fn a_review_by_itself() {
    snapshot_at("review_alone", (80, 24), |session| {
        session.model.purpose = crate::tui::model::Purpose::Review;
        session.agent(AgentEvent::ReviewRequested {
            review: ReviewId(1),
            call: CallId(1),
            plan: Box::new(plan()),
        });
    });
}

#[test]
fn a_patch_shows_while_it_is_written() {
    snapshot("writing_patch", |session| {
        thinking(session);
        for delta in [
            "{\"input\": \"*** Begin Patch\\n*** Update File: calc",
            ".py\\n@@ def total(items):\\n-    result = 0\\n",
            "-    for item in items:\\n+    return sum(",
        ] {
            session.agent(AgentEvent::ToolCallDelta {
                call: CallId(1),
                tool: "apply_patch".into(),
                delta: delta.into(),
            });
        }
    });
}

#[test]
fn changes_screen() {
    snapshot("changes", |session| {
        let overall = crate::patch::Overall {
            files: plan()
                .files
                .into_iter()
                .map(|plan| crate::patch::OverallFile {
                    since: match plan.path.as_str() {
                        "old.txt" => crate::patch::Since::Edited,
                        _ => crate::patch::Since::AsWritten,
                    },
                    plan,
                    note: None,
                })
                .collect(),
            undone: 1,
        };
        let answer = crate::agent::Answer::Changes(Ok(overall));
        session.agent(AgentEvent::Answer(Box::new(answer)));
    });
}

#[test]
fn palette_screen() {
    snapshot("palette", |session| session.keys("<Ctrl+P>"));
}

#[test]
fn keys_screen() {
    snapshot("keys", |session| session.keys("/keys<Enter>"));
}

#[test]
fn help_search_screen() {
    snapshot("help_search", |session| session.keys("<F1>/undo"));
}

#[test]
fn approvals_screen() {
    snapshot("approvals", |session| {
        ready(session);
        session.agent(AgentEvent::Approvals(
            crate::agent::ApprovalPolicy::ApplyAll,
        ));
        session.keys("/approvals<Enter>");
    });
}
