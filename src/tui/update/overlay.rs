//! Keys of what lies over the panes, and opening it.

use super::command as commands;
use crate::agent::{AgentCommand, Inquiry};
use crate::text;
use crate::tui::command;
use crate::tui::keymap::{Action, Context, is_text};
use crate::tui::model::{Effect, Model, Update};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::changes::{Changes, Search};
use crate::tui::overlay::help::{Help, Topic};
use crossterm::event::{KeyCode, KeyEvent};
use std::sync::Arc;

pub(super) fn key(model: &mut Model, key: KeyEvent, out: &mut Update) {
    let keys = Arc::clone(&model.keys);
    let page = i64::from(model.size.1.saturating_sub(3).max(2));
    let context = match &model.overlay {
        None => return,
        Some(Overlay::Help(_)) => Context::Help,
        Some(Overlay::Changes(_)) => Context::Changes,
    };
    let action = keys.lookup(context, &key);
    match action {
        Some(Action::Suspend) => return out.effects.push(Effect::Suspend),
        Some(Action::Redraw) => return out.effects.push(Effect::Redraw),
        Some(Action::ClearInterruptQuit) => {
            model.overlay = None;
            return;
        }
        _ => {}
    }
    let closed = match &mut model.overlay {
        None => false,
        Some(Overlay::Help(help)) => help_key(help, action, key, page),
        Some(Overlay::Changes(changes)) => match action {
            Some(Action::Command("help")) if !changes.search.typing => return open_help(model),
            Some(Action::Refresh) if !changes.search.typing => {
                let again = AgentCommand::Inquire(Inquiry::Changes);
                out.effects.push(Effect::Agent(again));
                false
            }
            _ => changes_key(changes, action, key),
        },
    };
    if closed {
        model.overlay = None;
    }
}

/// Whether the screen is closed by it.
fn changes_key(changes: &mut Changes, action: Option<Action>, key: KeyEvent) -> bool {
    let search = &mut changes.search;
    if search.typing {
        match key.code {
            KeyCode::Enter => {
                search.typing = false;
                changes.find(true, true);
            }
            KeyCode::Esc => *search = Search::default(),
            KeyCode::Backspace => {
                search.query.pop();
            }
            KeyCode::Char(c) if is_text(&key) && !text::is_unsafe(c) => search.query.push(c),
            _ => {}
        }
        return false;
    }
    let page = i64::try_from(changes.laid.height.max(2)).unwrap_or(2);
    match action {
        Some(Action::LineUp) => changes.scroll_by(-1),
        Some(Action::LineDown) => changes.scroll_by(1),
        Some(Action::HalfPageUp) => changes.scroll_by(-page / 2),
        Some(Action::HalfPageDown) => changes.scroll_by(page / 2),
        Some(Action::PageUp) => changes.scroll_by(1 - page),
        Some(Action::PageDown) => changes.scroll_by(page - 1),
        Some(Action::Top) => changes.scroll = 0,
        Some(Action::Bottom) => changes.scroll = changes.max_scroll(),
        Some(Action::NextFile) => changes.go_to_file(true),
        Some(Action::PreviousFile) => changes.go_to_file(false),
        Some(Action::Search) => {
            changes.search = Search {
                typing: true,
                ..Search::default()
            }
        }
        Some(Action::NextMatch) => changes.find(true, false),
        Some(Action::PreviousMatch) => changes.find(false, false),
        Some(Action::Close) if changes.search.query.is_empty() => return true,
        Some(Action::Close) => changes.search = Search::default(),
        _ => {}
    }
    false
}

/// Whether the help is closed by it.
fn help_key(help: &mut Help, action: Option<Action>, key: KeyEvent, page: i64) -> bool {
    if help.typing {
        match key.code {
            KeyCode::Enter => help.typing = false,
            KeyCode::Esc => {
                help.typing = false;
                help.edit_filter(String::clear);
            }
            KeyCode::Backspace => help.edit_filter(|filter| {
                filter.pop();
            }),
            KeyCode::Char(c) if is_text(&key) && !text::is_unsafe(c) => {
                help.edit_filter(|filter| filter.push(c));
            }
            _ => {}
        }
        return false;
    }
    match action {
        Some(Action::LineUp) => help.scroll_by(-1),
        Some(Action::LineDown) => help.scroll_by(1),
        Some(Action::HalfPageUp) => help.scroll_by(-page / 2),
        Some(Action::HalfPageDown) => help.scroll_by(page / 2),
        Some(Action::PageUp) => help.scroll_by(-page),
        Some(Action::PageDown) => help.scroll_by(page),
        Some(Action::Top) => help.scroll = 0,
        Some(Action::Bottom) => help.scroll = help.max_scroll,
        Some(Action::Search) => help.typing = true,
        Some(Action::Close) if help.filter.is_empty() => return true,
        Some(Action::Close) => help.edit_filter(String::clear),
        _ => {}
    }
    false
}

/// Runs a command without an argument, from a key or the palette.
pub(super) fn run_named(model: &mut Model, name: &str, out: &mut Update) {
    match command::parse(&format!("/{name}")) {
        Some(Ok(command)) => commands::run(model, command, out),
        Some(Err(problem)) => model.conversation.transcript.problem(&problem),
        None => {}
    }
}

pub(super) fn open_help(model: &mut Model) {
    model.overlay = Some(Overlay::Help(Help::about(Topic::Everything)));
}

pub(super) fn open_keys(model: &mut Model) {
    model.overlay = Some(Overlay::Help(Help::about(Topic::Keys)));
}
