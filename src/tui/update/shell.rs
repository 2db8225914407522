//! The user's own commands: their cards, and their interrupt.

use crate::agent::{AgentCommand, RunId, ShellEnd, ToolStatus};
use crate::conversation::CallId;
use crate::text;
use crate::tui::model::{Effect, Model, Update};
use crate::tui::transcript::{ToolState, USER_SHELL};
use std::time::Duration;

/// Cards are found by their call; the model's calls count from 1, these from the other end.
fn card(run: RunId) -> CallId {
    CallId(u64::MAX - run.0)
}

pub fn started(model: &mut Model, run: RunId, command: &str) {
    model.shell = Some(run);
    let now = model.clock.now;
    let transcript = &mut model.conversation.transcript;
    transcript.tool(card(run), USER_SHELL, |card| {
        card.summary = format!("{USER_SHELL} {}", text::label(command));
        card.state = ToolState::running(now);
    });
    model.conversation.follow_tail();
}

pub fn output(model: &mut Model, run: RunId, text: &str) {
    let transcript = &mut model.conversation.transcript;
    transcript.tool(card(run), USER_SHELL, |card| card.append_output(text));
}

pub fn finished(model: &mut Model, run: RunId, end: ShellEnd, elapsed: Duration) {
    model.shell = None;
    model.composer.mentions.files_changed();
    let (status, exit_code) = match end {
        ShellEnd::Exited(0) => (ToolStatus::Completed, Some(0)),
        ShellEnd::Exited(code) => (ToolStatus::Failed, Some(code)),
        ShellEnd::Interrupted | ShellEnd::Failed => (ToolStatus::Failed, None),
    };
    let transcript = &mut model.conversation.transcript;
    transcript.tool(card(run), USER_SHELL, |card| {
        if end == ShellEnd::Interrupted {
            card.append_output("[interrupted]\n");
        }
        card.state = ToolState::Done {
            status,
            exit_code,
            elapsed,
        };
    });
}

/// Stops the command that runs; `false` when none does.
pub fn interrupt(model: &Model, out: &mut Update) -> bool {
    if model.shell.is_some() {
        out.effects
            .push(Effect::Agent(AgentCommand::InterruptShell));
    }
    model.shell.is_some()
}
