//! Earlier conversations and earlier messages: shown again, listed, chosen from.

use super::agent;
use crate::agent::{AgentCommand, HistoryEvent, Listed, Message, Past, Restored, TurnEnd};
use crate::conversation::{TurnId, Usage};
use crate::tui::keymap::{Action, Context, Keymap};
use crate::tui::model::{Activity, Dirty, Effect, Model, Running, Update};
use crate::tui::pane::Side;
use crate::tui::picker::{Picked, Picker, Row, Subject};
use crate::tui::transcript::{Body, DiffCard};
use std::time::Duration;

/// Two presses of Esc within this time go back.
const TWICE: Duration = Duration::from_millis(1500);

pub fn event(model: &mut Model, event: HistoryEvent, out: &mut Update) {
    match event {
        HistoryEvent::Sessions(listed) => choose_session(model, listed),
        HistoryEvent::Messages(messages) => choose_message(model, messages),
        HistoryEvent::Restored(restored) => {
            // The user waits for it.
            out.dirty = Dirty::Now;
            restore(model, *restored, out);
        }
        HistoryEvent::Earlier(past) => earlier(model, past, out),
        HistoryEvent::Rewound { message } => {
            model.composer.set(&message);
            super::layout::measure_composer(model);
        }
        HistoryEvent::Compacting => {
            let activity = Activity::Tool("compacting".into());
            match &mut model.running {
                // By itself, in the middle of a turn.
                Some(running) => running.activity = activity,
                None => {
                    model.running = Some(Running {
                        turn: TurnId(0),
                        since: model.clock.now,
                        activity,
                        interrupting: false,
                    });
                }
            }
        }
        HistoryEvent::CompactProgress { tokens } => {
            if let Some(running) = &mut model.running {
                running.activity = Activity::Tool(format!("compacting, {tokens} tokens"));
            }
        }
        HistoryEvent::CompactDone => match &mut model.running {
            Some(running) if running.turn != TurnId(0) => running.activity = Activity::Waiting,
            Some(_) | None => model.running = None,
        },
    }
}

/// What came before what is shown already. It goes through the same hands as what is said now, beside it.
fn earlier(model: &mut Model, past: Vec<Past>, out: &mut Update) {
    let conversation = std::mem::take(&mut model.conversation);
    let reasoning = std::mem::take(&mut model.reasoning);
    let running = model.running.take();
    let queued = std::mem::take(&mut model.queued);
    tell(model, past, out);
    (model.running, model.queued) = (running, queued);
    let said = std::mem::replace(&mut model.conversation, conversation).transcript;
    let thought = std::mem::replace(&mut model.reasoning, reasoning).transcript;
    let turns = said.now.turn;
    let above = model.conversation.prepend(said, turns);
    let beside = model.reasoning.prepend(thought, turns);
    if let Some(selection) = &mut model.look.selection {
        selection.moved(match selection.side {
            Side::Conversation => above,
            Side::Reasoning => beside,
        });
    }
}

/// The conversation, or its end, as it was on screen.
fn restore(model: &mut Model, restored: Restored, out: &mut Update) {
    model.clear_panes();
    model.queued.clear();
    model.review = None;
    model.status.effort = restored.effort;
    tell(model, restored.past, out);
    for pane in [&mut model.conversation, &mut model.reasoning] {
        pane.from_below = restored.more;
    }
}

/// Takes in what was said and done, until the end of it.
fn tell(model: &mut Model, past: Vec<Past>, out: &mut Update) {
    // One that runs now is not one of those told of.
    let shell = model.shell;
    for past in past {
        match past {
            Past::Event(event) => agent::event(model, event, out),
            Past::Reviewed {
                plan,
                decisions,
                checkpoint,
                declined,
            } => model.conversation.transcript.push(Body::Diff(DiffCard {
                plan,
                decisions: Some(decisions),
                checkpoint,
                declined,
            })),
            Past::Ended {
                end,
                usage,
                elapsed,
            } => ended(model, &end, usage, elapsed),
        }
    }
    model.running = None;
    model.shell = shell;
    model.conversation.transcript.close_open();
    model.reasoning.transcript.close_open();
}

fn ended(model: &mut Model, end: &TurnEnd, usage: Usage, elapsed: Duration) {
    let said = &mut model.conversation.transcript;
    let how = match end {
        TurnEnd::Answered => "",
        TurnEnd::NoAnswer => {
            said.problem(agent::NO_ANSWER);
            ""
        }
        TurnEnd::Failed { error } => {
            said.problem(error);
            "failed after "
        }
        TurnEnd::Interrupted => "interrupted after ",
    };
    model.conversation.transcript.close_open();
    model.reasoning.transcript.close_open();
    model.running = None;
    let reasoning = &mut model.reasoning.transcript;
    // Who stopped in the middle of a thought wants to see how far it had come.
    let fold = *end != TurnEnd::Interrupted;
    reasoning.end_thought(elapsed, usage.reasoning_tokens, fold);
    // A killed process knew no more of it.
    let aside = if elapsed.is_zero() && *end == TurnEnd::Interrupted {
        "interrupted when Descant ended".to_owned()
    } else {
        agent::cost(how, elapsed, usage)
    };
    model.conversation.transcript.push(Body::Aside(aside));
}

fn choose_session(model: &mut Model, listed: Vec<Listed>) {
    // One that has none of its own shows what there is.
    let all = !listed.iter().any(|one| one.here);
    let rows = session_rows(&listed, all);
    let subject = Subject::Sessions { all, listed };
    let picker = Picker::new(subject, &session_title(&model.keys, all), rows);
    model.picker = Some(picker.saying_when_empty("there is no earlier conversation"));
}

fn session_title(keys: &Keymap, all: bool) -> String {
    let key = keys.key(Context::Picker, Action::SwitchList);
    if all {
        format!("Go on with a conversation, of any folder ({key}: of this one)")
    } else {
        format!("Go on with a conversation of this folder ({key}: of any)")
    }
}

fn session_rows(listed: &[Listed], all: bool) -> Vec<Row> {
    let shown = listed.iter().filter(|one| all || one.here);
    shown
        .map(|one| {
            let mut detail = format!(
                "{} \u{b7} {}",
                ago(one.age),
                counted(one.messages, "message")
            );
            if let Some(branch) = &one.branch {
                detail.push_str(&format!(" \u{b7} {branch}"));
            }
            if all {
                let folder = one.folder.file_name().unwrap_or(one.folder.as_os_str());
                detail.push_str(&format!(" \u{b7} {}", folder.to_string_lossy()));
            }
            Row::new(one.id.clone(), &one.title, &detail)
        })
        .collect()
}

pub(in crate::tui) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// How long ago, in one unit.
pub(in crate::tui) fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..172_800 => "yesterday".to_owned(),
        172_800..63_072_000 => format!("{} days ago", seconds / 86_400),
        _ => format!("{} years ago", seconds / 31_536_000),
    }
}

fn choose_message(model: &mut Model, messages: Vec<Message>) {
    let rows = messages.iter().rev().map(|message| {
        let first = message.text.lines().find(|line| !line.trim().is_empty());
        let detail = match message.patches {
            0 => String::new(),
            count => format!(
                "{} since",
                counted(count, "patch").replace("patchs", "patches")
            ),
        };
        let number = message.turn.0.to_string();
        Row::new(number, first.map_or("(empty)", str::trim), &detail)
    });
    let rows = rows.collect();
    let keys = model.keys.keys(Context::Picker, Action::FilesToo);
    // A letter is at hand until something is searched.
    let key = keys
        .into_iter()
        .min_by_key(|key| key.len())
        .unwrap_or_default();
    let title = format!("Go back to a message ({key}: take the patches since back too)");
    let picker = Picker::new(Subject::Rewind, &title, rows)
        .with_letter_keys()
        .saying_when_empty("there is no message to go back to");
    model.picker = Some(picker);
}

/// A key of the list of conversations.
pub fn session_picked(model: &mut Model, picked: Picked, out: &mut Update) {
    let Some(picker) = &mut model.picker else {
        return;
    };
    let Subject::Sessions { all, listed } = &mut picker.subject else {
        return;
    };
    match picked {
        Picked::Chosen(id) => {
            let Some(one) = listed.iter().find(|one| one.id == id).cloned() else {
                return;
            };
            model.picker = None;
            if one.here {
                out.effects
                    .push(Effect::Agent(AgentCommand::Resume(one.path)));
            } else {
                let place = one.folder.display();
                model.conversation.transcript.problem(&format!(
                    "that conversation is about {place}\ngo on with it by: descant -C {place} resume {}",
                    one.id
                ));
            }
        }
        Picked::Other(Action::SwitchList) => {
            *all = !*all;
            let (title, rows) = (session_title(&model.keys, *all), session_rows(listed, *all));
            picker.title = title;
            picker.set_rows(rows);
        }
        Picked::Closed => model.picker = None,
        Picked::Nothing | Picked::Moved | Picked::Other(_) => {}
    }
}

/// A key of the list of messages.
pub fn message_picked(model: &mut Model, picked: Picked, out: &mut Update) {
    let (id, files) = match picked {
        Picked::Chosen(id) => (Some(id), false),
        Picked::Other(Action::FilesToo) => {
            let chosen = model.picker.as_ref().and_then(Picker::chosen);
            (chosen.map(|row| row.id.clone()), true)
        }
        Picked::Closed => {
            model.picker = None;
            return;
        }
        Picked::Nothing | Picked::Moved | Picked::Other(_) => return,
    };
    if let Some(turn) = id.and_then(|id| id.parse().ok()) {
        model.picker = None;
        let turn = TurnId(turn);
        out.effects
            .push(Effect::Agent(AgentCommand::Rewind { turn, files }));
    }
}

/// Esc with nothing to interrupt and nothing typed: the second in a row goes back.
pub fn escape(model: &mut Model, out: &mut Update) {
    if model.running.is_some() || !model.composer.is_empty() {
        return;
    }
    let soon = |at: Duration| model.clock.now.saturating_sub(at) < TWICE;
    if model.clock.escaped.is_some_and(soon) {
        model.clock.escaped = None;
        out.effects.push(Effect::Agent(AgentCommand::ListMessages));
    } else {
        model.clock.escaped = Some(model.clock.now);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
