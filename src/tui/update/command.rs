//! Sending what the composer holds, and running the slash commands.

use super::{choices, composer, overlay, panes, pull, quit, sandbox};
use crate::agent::{AgentCommand, Inquiry};
use crate::text;
use crate::tui::command::{self, Command};
use crate::tui::model::{Effect, Focus, Model, Update};
use crate::tui::theme::choice;

pub(super) fn submit(model: &mut Model, out: &mut Update) {
    let shown = model.composer.shown();
    if shown.trim().is_empty() {
        return;
    }
    model.clock.typed = None;
    match command::parse(&shown) {
        Some(Ok(command)) => {
            model.composer.take();
            run(model, command, out);
        }
        Some(Err(problem)) => model
            .conversation
            .transcript
            .problem(&text::prose(&problem)),
        None => composer::send(model, out),
    }
    model.conversation.follow_tail();
}

pub(super) fn run(model: &mut Model, command: Command, out: &mut Update) {
    let mut send = |command| out.effects.push(Effect::Agent(command));
    match command {
        Command::Help => overlay::open_help(model),
        Command::Keys => overlay::open_keys(model),
        Command::Undo(on_changed) => send(AgentCommand::Undo(on_changed)),
        Command::Redo(on_changed) => send(AgentCommand::Redo(on_changed)),
        Command::New => {
            send(AgentCommand::NewConversation);
            model.clear_panes();
            model.status.context.empty();
        }
        Command::Effort(None) => choices::open_efforts(model),
        Command::Effort(Some(effort)) => {
            send(AgentCommand::SetEffort(effort));
            model.status.effort = effort;
            let told = format!("reasoning effort: {}", effort.as_str());
            model.conversation.transcript.notice(&told);
        }
        Command::Reasoning => {
            model.look.hide_reasoning = !model.look.hide_reasoning;
            if model.look.focus == Focus::Reasoning {
                model.look.focus = Focus::Composer;
            }
        }
        Command::Theme(Some(name)) => choice::choose(model, &name),
        Command::Theme(None) => choice::open(model, out),
        Command::Resume(None) => send(AgentCommand::ListSessions),
        Command::Resume(Some(id)) => send(AgentCommand::ResumeNamed(id)),
        Command::Fork => send(AgentCommand::Fork),
        Command::Rewind => send(AgentCommand::ListMessages),
        Command::Compact(said) => send(AgentCommand::Compact {
            instructions: said.unwrap_or_default(),
        }),
        Command::Export(file) => send(AgentCommand::Export {
            file: file.map(Into::into),
        }),
        Command::Pull(None) => pull::open(model),
        Command::Pull(Some(words)) => send(AgentCommand::Pull(pull::meant(&words))),
        Command::Model(None) => send(AgentCommand::Inquire(Inquiry::Models)),
        Command::Model(Some(name)) => send(AgentCommand::SwitchModel(name)),
        Command::Sampling(change) => send(AgentCommand::Sampling(change)),
        Command::Approvals(None) => choices::open_approvals(model),
        Command::Approvals(Some(policy)) => send(AgentCommand::SetApprovals(policy)),
        Command::Trust(uses) => send(AgentCommand::Trust(uses)),
        Command::Diff => send(AgentCommand::Inquire(Inquiry::Changes)),
        Command::Status => send(AgentCommand::Inquire(Inquiry::Facts)),
        Command::Doctor => {
            send(AgentCommand::Inquire(Inquiry::Checkup));
            let told = "checking what works here; a container may be started for it";
            model.conversation.transcript.notice(told);
        }
        Command::Sandbox(None) => sandbox::open(model),
        Command::Sandbox(Some(change)) => sandbox::change(model, &change, out),
        Command::Copy(what) => panes::copy_answer(model, what.as_deref(), out),
        Command::Raw => out.effects.push(Effect::RawView(panes::side(model))),
        Command::Mouse => panes::toggle_mouse(model, out),
        Command::Quit => quit(out),
    }
}
