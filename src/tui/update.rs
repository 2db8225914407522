//! From a message to the next state: `update(model, message, now)`.
//!
//! It neither awaits nor does I/O: what must happen outside is returned as [`Effect`]s. Keys go to the
//! topmost thing that is open (help, list, review, completion popup), else to the focus; what a key means is in
//! [`crate::tui::keymap`]. What the agent says is taken in by [`agent`].

pub mod agent;
pub(super) mod answers;
pub(super) mod choices;
mod command;
mod composer;
mod mouse;
mod overlay;
mod panes;
pub(super) mod past;
pub mod picker;
pub mod pull;
mod review;
pub(super) mod sandbox;
mod search;
mod shell;

use crate::agent::AgentCommand;
use crate::text;
use crate::tui::keymap::{self, Action, Context};
use crate::tui::layout;
use crate::tui::model::{Colouring, Dirty, Effect, Focus, Model, Msg, Update};
use crate::tui::pane::Pane;
use crate::tui::theme::choice;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use std::time::Duration;

/// A review that opens while the user types leaves the keys of this long to the composer.
const REVIEW_GUARD: Duration = Duration::from_millis(800);
/// Typing counts as going on for this long after a key.
const TYPING: Duration = Duration::from_millis(1500);

pub fn update(model: &mut Model, msg: Msg, now: Duration) -> Update {
    model.clock.now = now;
    let mut out = Update {
        dirty: Dirty::Now,
        effects: Vec::new(),
    };
    match msg {
        Msg::Key(key) if key.kind == KeyEventKind::Release => out.dirty = Dirty::No,
        Msg::Key(key) => {
            self::key(model, key, &mut out);
            composer::follow(model, &mut out);
            layout::measure_composer(model);
        }
        Msg::Paste(text) => {
            paste(model, &text, &mut out);
            composer::follow(model, &mut out);
            layout::measure_composer(model);
        }
        Msg::Prompt(text) => {
            composer::prompt(model, &text, &mut out);
            layout::measure_composer(model);
        }
        Msg::Resize(width, height) => {
            model.size = (width, height);
            layout::measure_composer(model);
        }
        Msg::Mouse(event) => mouse::event(model, event, &mut out),
        Msg::Agent(event) => {
            out.dirty = Dirty::Stream;
            agent::event(model, event, &mut out);
            layout::measure_composer(model);
        }
        Msg::AgentGone => {
            model.running = None;
            model.conversation.transcript.close_open();
            model.reasoning.transcript.close_open();
            model
                .conversation
                .transcript
                .problem("the agent stopped; this is a bug in Descant\nwhat was said is on record: /quit and `descant resume --last`");
        }
        Msg::Tick => {
            out.dirty = if model.animates() {
                let own = model.shell.is_some();
                model.conversation.transcript.tick(now, own);
                Dirty::Stream
            } else {
                Dirty::No
            }
        }
        Msg::History(older) => {
            out.dirty = Dirty::No;
            model.composer.load_history(older);
        }
        Msg::Edited(Ok(text)) => match &mut model.review {
            Some(review) => review.edited(&text),
            None => {
                composer::edited(model, &text);
                layout::measure_composer(model);
            }
        },
        Msg::Edited(Err(problem)) => match &mut model.review {
            Some(review) => review.message = Some(text::label(&problem)),
            None => model.conversation.transcript.problem(&problem),
        },
        Msg::Matched(generation, matches) => {
            composer::matched(model, generation, matches, &mut out);
            layout::measure_composer(model);
        }
        Msg::Keyboard => model.composer.shift_enter = true,
        Msg::Grammars(grammars) => model.colouring = Colouring::Ready(grammars),
        Msg::Themes(event) => choice::event(model, event),
        Msg::Focus(focused) => {
            out.dirty = Dirty::No;
            model.look.unfocused = !focused;
            if focused {
                out.effects.push(Effect::LookAtGit);
            }
        }
        Msg::Git(state) => {
            out.dirty = Dirty::Stream;
            (model.status.branch, model.status.dirty) = (state.branch, state.dirty);
        }
        Msg::TakenByTmux(copied, taken) => {
            out.dirty = Dirty::No;
            out.effects.push(Effect::EndCopy(copied, taken));
        }
        Msg::Copied {
            said,
            lasting: true,
        } => model.conversation.transcript.notice(&said),
        Msg::Copied {
            said,
            lasting: false,
        } => model.look.said = Some(text::label(&said)),
        Msg::Warning(text) => model.conversation.transcript.problem(&text),
    }
    out
}

fn key(model: &mut Model, key: KeyEvent, out: &mut Update) {
    let armed = std::mem::take(&mut model.clock.quit_armed);
    model.look.said = None;
    if key.code != KeyCode::Esc {
        model.clock.escaped = None;
    }
    if model.overlay.is_some() {
        return overlay::key(model, key, out);
    }
    if model.picker.is_some() {
        return picker::key(model, key, out);
    }
    if let Some(review) = &mut model.review {
        let typing = model.clock.now < review.opened + REVIEW_GUARD;
        if review.guarded && typing && is_typed(&key) {
            // The pause must be a pause.
            review.opened = model.clock.now;
            model.composer.key(key);
        } else {
            review.guarded = false;
            review::key(model, key, out);
        }
        return;
    }
    if search::key(model, &key) {
        return;
    }
    let context = match model.look.focus {
        Focus::Composer => Context::Composer,
        Focus::Conversation | Focus::Reasoning => Context::Pane,
    };
    if context == Context::Composer && composer::first(model, key, out) {
        return;
    }
    match model.keys.lookup(context, &key) {
        Some(Action::ClearInterruptQuit) => ctrl_c(model, armed, out),
        Some(action) => act(model, action, out),
        None if context == Context::Composer => {
            model.composer.key(key);
            model.clock.typed = is_typed(&key).then_some(model.clock.now);
        }
        None => {}
    }
}

/// A key of writing, as far as it can be told.
fn is_typed(key: &KeyEvent) -> bool {
    keymap::is_text(key) || key.code == KeyCode::Backspace
}

fn act(model: &mut Model, action: Action, out: &mut Update) {
    let in_pane = model.look.focus != Focus::Composer;
    let page = i64::from(focused_height(model).saturating_sub(1).max(1));
    match action {
        Action::Submit => {
            if !model.composer.take_continuation() {
                command::submit(model, out);
            }
        }
        Action::Newline
        | Action::HistoryPrevious
        | Action::HistoryNext
        | Action::TakeBack
        | Action::SearchHistory
        | Action::WordLeft
        | Action::WordRight
        | Action::LineStart
        | Action::LineEnd
        | Action::TextStart
        | Action::TextEnd
        | Action::DeleteLeft
        | Action::DeleteWordLeft
        | Action::DeleteWordRight
        | Action::DeleteToSpace
        | Action::DeleteToLineStart
        | Action::DeleteToLineEnd
        | Action::Yank
        | Action::UndoEdit
        | Action::RedoEdit
        | Action::UnfoldPaste
        | Action::EditMessage => composer::act(model, action, out),
        Action::QuitWhenEmpty if model.composer.is_empty() => quit(out),
        Action::QuitWhenEmpty => model.composer.delete(),
        Action::Interrupt if in_pane && (search::close(model) || panes::unselect(model)) => {}
        Action::Interrupt if shell::interrupt(model, out) => {}
        Action::Interrupt if model.running.is_some() => interrupt(model, out),
        Action::Interrupt if model.look.focus == Focus::Composer => past::escape(model, out),
        Action::Interrupt | Action::FocusComposer => model.look.focus = Focus::Composer,
        Action::FocusNext => focus(model, 1),
        Action::FocusPrevious => focus(model, 2),
        Action::LineUp => focused(model).scroll_by(-1),
        Action::LineDown => focused(model).scroll_by(1),
        Action::HalfPageUp => focused(model).scroll_by(-(page / 2).max(1)),
        Action::HalfPageDown => focused(model).scroll_by((page / 2).max(1)),
        Action::PageUp => focused(model).scroll_by(-page),
        Action::PageDown => focused(model).scroll_by(page),
        Action::Top => focused(model).go_to_top(),
        Action::Bottom => focused(model).go_to_end(),
        Action::Command(name) => overlay::run_named(model, name, out),
        Action::Palette => choices::open_palette(model),
        Action::UnfoldCards => panes::unfold_all(model),
        Action::Search => search::begin(model),
        Action::NextMatch => search::step(model, true),
        Action::PreviousMatch => search::step(model, false),
        Action::NextItem => panes::step(model, 1),
        Action::PreviousItem => panes::step(model, -1),
        Action::Open => panes::open(model),
        Action::CopyCode => panes::copy_code(model, out),
        Action::CopyItem => panes::copy_item(model, out),
        Action::Widen => panes::resize(model, true, out),
        Action::Narrow => panes::resize(model, false, out),
        Action::ResetSplit => panes::reset_split(model, out),
        Action::Redraw => out.effects.push(Effect::Redraw),
        Action::Suspend => out.effects.push(Effect::Suspend),
        // Handled where they are bound: Ctrl+C above, the rest in reviews, lists and the help.
        Action::ClearInterruptQuit
        | Action::Accept
        | Action::Reject
        | Action::AcceptFile
        | Action::RejectFile
        | Action::AcceptAll
        | Action::Split
        | Action::Edit
        | Action::Back
        | Action::NextHunk
        | Action::PreviousHunk
        | Action::Finish
        | Action::NextFile
        | Action::PreviousFile
        | Action::Refresh
        | Action::Close
        | Action::Confirm
        | Action::SaveTheme
        | Action::SwitchList
        | Action::FilesToo
        | Action::Cancel => out.dirty = Dirty::No,
    }
}

fn quit(out: &mut Update) {
    out.effects.push(Effect::Agent(AgentCommand::Shutdown));
    out.effects.push(Effect::Quit);
}

fn interrupt(model: &mut Model, out: &mut Update) {
    if let Some(running) = &mut model.running {
        running.interrupting = true;
        out.effects.push(Effect::Agent(AgentCommand::Interrupt));
    }
}

fn ctrl_c(model: &mut Model, armed: bool, out: &mut Update) {
    if !model.composer.is_empty() {
        model.composer.clear();
    } else if shell::interrupt(model, out) {
        // An interrupt of its own; the turn goes on.
    } else if armed {
        quit(out);
    } else {
        // An agent that does not answer to the first interrupt must not hold the user either.
        model.clock.quit_armed = model.running.as_ref().is_none_or(|r| r.interrupting);
        interrupt(model, out);
    }
}

/// The panes in the order of Tab; the reasoning is passed over while it is hidden.
fn focus(model: &mut Model, steps: usize) {
    let mut order = vec![Focus::Composer, Focus::Conversation];
    if !model.look.hide_reasoning && layout::areas(model).reasoning_title.height > 0 {
        order.push(Focus::Reasoning);
    }
    let at = order
        .iter()
        .position(|f| *f == model.look.focus)
        .unwrap_or(0);
    let step = if steps == 1 { 1 } else { order.len() - 1 };
    model.look.focus = order[(at + step) % order.len()];
}

fn focused(model: &mut Model) -> &mut Pane {
    match model.look.focus {
        Focus::Composer | Focus::Conversation => &mut model.conversation,
        Focus::Reasoning => &mut model.reasoning,
    }
}

fn focused_height(model: &Model) -> u16 {
    let areas = layout::areas(model);
    match model.look.focus {
        Focus::Composer | Focus::Conversation => areas.conversation.height,
        Focus::Reasoning => areas.reasoning.height,
    }
}

fn paste(model: &mut Model, text: &str, out: &mut Update) {
    if model.picker.is_some() {
        return picker::paste(model, text, out);
    }
    match &mut model.review {
        Some(review) => review.paste(text),
        None => {
            model.look.focus = Focus::Composer;
            model.composer.paste(text);
        }
    }
}

/// Whether a review that opens now would catch keys meant for a message.
fn is_typing(model: &Model) -> bool {
    model
        .clock
        .typed
        .is_some_and(|typed| model.clock.now.saturating_sub(typed) < TYPING)
}

#[cfg(test)]
mod tests;
