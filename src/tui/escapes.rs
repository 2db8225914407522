//! Nothing that text from outside says acts on the terminal: the corpus through every part of the interface, on
//! the bytes that the terminal is sent (safety T1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

#[path = "../../tests/support/escapes.rs"]
mod corpus;

use crate::agent::{AgentEvent, ReviewId, SandboxState, ToolStatus};
use crate::conversation::{CallId, TurnId, Usage};
use crate::patch::{ChangeKind, LocateStage, Plan};
use crate::tui::model::{Model, Msg};
use crate::tui::terminal::wire::Wire;
use crate::tui::testing::{self, Session};
use crate::tui::view::{settle, view};
use corpus::corpus;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

const SIZE: (u16, u16) = (160, 40);

#[derive(Clone, Default)]
struct Sent(Rc<RefCell<Vec<u8>>>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn leaks(sent: &str) -> Option<String> {
    corpus::leaks(sent, &[], crate::text::is_unsafe)
}

/// What a terminal that knows links is sent for a frame of the session.
fn frame(session: &mut Session) -> String {
    let sent = Sent::default();
    let mut backend = Wire::new(sent.clone(), SIZE.0);
    backend.sends.links = true;
    let area = Rect::new(0, 0, SIZE.0, SIZE.1);
    let options = TerminalOptions {
        viewport: Viewport::Fixed(area),
    };
    let mut terminal = Terminal::with_options(backend, options).unwrap();
    settle(&mut session.model, &mut session.cache);
    terminal.backend_mut().set_links(session.cache.links());
    terminal
        .draw(|frame| view(&session.model, &mut session.cache, frame))
        .unwrap();
    String::from_utf8(sent.0.take()).unwrap()
}

/// Everything that can carry `text` to the screen of a conversation.
fn events(text: &str) -> Vec<AgentEvent> {
    let (turn, call) = (TurnId(1), CallId(1));
    let text = || text.to_owned();
    let tool = |tool: &str, call: CallId| {
        vec![
            AgentEvent::ToolCallDelta {
                call,
                tool: tool.to_owned(),
                delta: text(),
            },
            AgentEvent::ToolStarted {
                call,
                tool: tool.to_owned(),
                arguments: text(),
                summary: text(),
            },
            AgentEvent::ToolOutput { call, text: text() },
            AgentEvent::ToolFinished {
                call,
                status: ToolStatus::Failed,
                output: text(),
                exit_code: Some(1),
                elapsed: Duration::ZERO,
            },
        ]
    };
    let mut out = vec![
        AgentEvent::Sandbox(SandboxState::Unavailable { reason: text() }),
        AgentEvent::TurnStarted {
            turn,
            prompt: text(),
        },
        AgentEvent::ReasoningDelta(text()),
        AgentEvent::ReasoningDone(text()),
        AgentEvent::AnswerDone {
            text: text(),
            last: false,
        },
    ];
    // In pieces, and as Markdown that decodes entities, links and names a language.
    out.extend(
        text()
            .chars()
            .map(|c| AgentEvent::AnswerDelta(c.to_string())),
    );
    out.push(AgentEvent::AnswerDelta(format!(
        "\n\n[{0}](https://a.org/{0}) <https://a.org/{0}> `{0}`\n```{0}\n{0}\n```\n| {0} | b |\n|---|---|\n| {0} | https://a.org/{0} |\n\n&#27;[2J&#x9b;2J&#x202e;",
        text()
    )));
    out.extend(tool("python", call));
    out.extend(tool("functions.read_file", CallId(2)));
    out.extend(tool("functions.apply_patch", CallId(3)));
    out.extend(tool(&text(), CallId(4)));
    out.extend([
        AgentEvent::Notice(text()),
        AgentEvent::Problem(text()),
        AgentEvent::ToolUnavailable {
            tool: text(),
            reason: text(),
        },
        AgentEvent::Queued { text: text() },
        AgentEvent::TurnFailed {
            turn,
            usage: Usage::default(),
            error: text(),
            unavailable: false,
        },
    ]);
    out
}

fn titled(model: &mut Model, text: &str) {
    model.status.branch = Some(text.to_owned());
}

#[test]
fn a_conversation() {
    for case in corpus() {
        let mut session = Session::new(SIZE.0, SIZE.1);
        titled(&mut session.model, &case);
        let text = format!("a{case}b");
        for event in events(&text) {
            session.send(Msg::Agent(event));
        }
        session.send(Msg::Warning(text.clone()));
        session.send(Msg::Paste(text.clone()));
        session.send(Msg::History(vec![text.clone()]));
        // From the beginning, page by page.
        for _ in 0..3 {
            let sent = frame(&mut session);
            assert_eq!(leaks(&sent), None, "{case:?}");
            session.model.conversation.scroll_by(-36);
            session.model.reasoning.scroll_by(-36);
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_text_made_visible() {
    // So that a sequence that looks like one of ours does not get through as one.
    let bytes = |text: &str| {
        let mut session = Session::new(SIZE.0, SIZE.1);
        for event in [
            AgentEvent::ReasoningDelta(text.to_owned()),
            AgentEvent::AnswerDelta(text.to_owned()),
            AgentEvent::Problem(text.to_owned()),
        ] {
            session.send(Msg::Agent(event));
        }
        frame(&mut session)
    };
    for case in corpus() {
        let text = format!("a{case}b");
        assert_eq!(bytes(&text), bytes(&crate::text::prose(&text)), "{case:?}");
    }
}

#[test]
fn a_review_shows_every_character() {
    for case in corpus() {
        let line = format!("a{}b", case.replace('\n', ""));
        let lines = format!(" {line}\n-{line}-\n+{line}+\n");
        let hunk = testing::hunk(0, 1, &lines);
        let plan = Plan {
            files: vec![testing::file(
                ChangeKind::Update,
                "a.txt",
                LocateStage::Exact,
                vec![hunk],
            )],
        };
        let mut session = Session::new(SIZE.0, SIZE.1);
        session.agent(AgentEvent::ReviewRequested {
            review: ReviewId(1),
            call: CallId(1),
            plan: Box::new(plan),
        });
        let sent = frame(&mut session);
        assert_eq!(leaks(&sent), None, "{case:?}");
        let mut screen =
            vt100::Parser::new(SIZE.1.try_into().unwrap(), SIZE.0.try_into().unwrap(), 0);
        screen.process(sent.as_bytes());
        let shown = screen.screen().contents();
        // The screen of this test leaves the replacement character out.
        let expected = crate::text::exact(&line).replace('\u{fffd}', "");
        assert!(
            shown.matches(&expected).count() >= 3,
            "{case:?} as {expected:?} in\n{shown}"
        );
    }
}
