//! Keys of the composer: writing, the popups, the search through the history, sending.

use super::command;
use crate::agent::AgentCommand;
use crate::tui::composer::{Cut, FileMatch, Motion, Pending, SearchStep};
use crate::tui::keymap::{Action, Context};
use crate::tui::model::{Effect, Model, Update};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Keys that mean something else while the composer shows more than its text; `false` leaves the key to the
/// table.
pub fn first(model: &mut Model, key: KeyEvent, out: &mut Update) -> bool {
    if model.composer.search.is_some() {
        return search_key(model, key);
    }
    if std::mem::take(&mut model.composer.chord) && is_control(&key, 'e') {
        edit(model, out);
        return true;
    }
    if is_control(&key, 'x') && model.keys.lookup(Context::Composer, &key).is_none() {
        model.composer.chord = true;
        return true;
    }
    command_key(model, key, out) || mention_key(model, key, out)
}

fn is_control(key: &KeyEvent, letter: char) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers == KeyModifiers::CONTROL
}

fn search_key(model: &mut Model, key: KeyEvent) -> bool {
    let older = model.keys.lookup(Context::Composer, &key) == Some(Action::SearchHistory);
    let composer = &mut model.composer;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let plain = !control && !key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        _ if older => composer.searched(SearchStep::Older),
        KeyCode::Char('s') if control => composer.searched(SearchStep::Newer),
        KeyCode::Char('c' | 'g') if control => composer.end_search(false),
        KeyCode::Up => composer.searched(SearchStep::Older),
        KeyCode::Down => composer.searched(SearchStep::Newer),
        KeyCode::Esc => composer.end_search(false),
        KeyCode::Enter | KeyCode::Tab => composer.end_search(true),
        KeyCode::Backspace => composer.searched(SearchStep::Erased),
        KeyCode::Char(c) if plain => composer.searched(SearchStep::Typed(c)),
        _ => {
            // A key of editing edits what was found.
            composer.end_search(true);
            return false;
        }
    }
    true
}

/// How a key moves in a popup.
fn moved(key: &KeyEvent, choice: usize, last: usize) -> Option<usize> {
    let up = key.code == KeyCode::Up || is_control(key, 'p');
    let down = key.code == KeyCode::Down || is_control(key, 'n');
    if up {
        Some(choice.checked_sub(1).unwrap_or(last))
    } else if down {
        Some(if choice >= last { 0 } else { choice + 1 })
    } else {
        None
    }
}

/// Keys of the list of commands.
fn command_key(model: &mut Model, key: KeyEvent, out: &mut Update) -> bool {
    let candidates = model.composer.completions();
    let Some(last) = candidates.len().checked_sub(1) else {
        return false;
    };
    let choice = model.composer.popup_choice.min(last);
    if let Some(choice) = moved(&key, choice, last) {
        model.composer.popup_choice = choice;
        return true;
    }
    let Some(candidate) = candidates.get(choice) else {
        return false;
    };
    match key.code {
        KeyCode::Esc => model.composer.close_popup(),
        KeyCode::Tab => model.composer.set(&candidate.text),
        KeyCode::Enter if key.modifiers.is_empty() => {
            model.composer.set(&candidate.text);
            command::submit(model, out);
        }
        _ => return false,
    }
    true
}

/// Keys of the list of files.
fn mention_key(model: &mut Model, key: KeyEvent, out: &mut Update) -> bool {
    let mentions = &model.composer.mentions;
    let (count, answered) = (mentions.matches().len(), mentions.is_answered());
    if !mentions.is_open() || (answered && count == 0) {
        return false;
    }
    let choice = model.composer.popup_choice;
    if let Some(last) = count.checked_sub(1)
        && let Some(choice) = moved(&key, choice.min(last), last)
    {
        model.composer.popup_choice = choice;
        return true;
    }
    let pending = match key.code {
        KeyCode::Esc => {
            model.composer.close_popup();
            return true;
        }
        KeyCode::Tab => Pending::Take,
        KeyCode::Enter if key.modifiers.is_empty() => Pending::TakeOrSend,
        _ => return false,
    };
    if answered {
        take_mention(model, pending, out);
    } else {
        // Not what an older search found.
        model.composer.mentions.pending = Some(pending);
    }
    true
}

fn take_mention(model: &mut Model, pending: Pending, out: &mut Update) {
    let matches = model.composer.mentions.matches();
    let choice = model
        .composer
        .popup_choice
        .min(matches.len().saturating_sub(1));
    match matches.get(choice).map(|found| found.path.clone()) {
        Some(path) => model.composer.take_mention(&path),
        None => match pending {
            Pending::Take => {}
            Pending::TakeOrSend => command::submit(model, out),
        },
    }
    follow(model, out);
}

/// What a search for files found.
pub fn matched(model: &mut Model, generation: u64, matches: Vec<FileMatch>, out: &mut Update) {
    let mentions = &mut model.composer.mentions;
    if !mentions.matched(generation, matches) {
        return;
    }
    if let Some(pending) = mentions.pending.take() {
        take_mention(model, pending, out);
    }
}

/// After the text may have changed: what its `@` needs.
pub fn follow(model: &mut Model, out: &mut Update) {
    let asked = model.composer.mentioning(model.clock.now);
    if asked.list {
        out.effects.push(Effect::Agent(AgentCommand::ListFiles));
    }
    out.effects.extend(asked.search.map(Effect::MatchFiles));
}

/// An action of writing.
pub fn act(model: &mut Model, action: Action, out: &mut Update) {
    let composer = &mut model.composer;
    match action {
        Action::HistoryPrevious if composer.is_empty() && !model.queued.is_empty() => {
            out.effects.push(Effect::Agent(AgentCommand::TakeBack));
        }
        Action::TakeBack => out.effects.push(Effect::Agent(AgentCommand::TakeBack)),
        Action::HistoryPrevious => composer.up(),
        Action::HistoryNext => composer.down(),
        Action::SearchHistory => composer.searched(SearchStep::Older),
        Action::Newline => composer.newline(),
        Action::WordLeft => composer.go(Motion::WordLeft),
        Action::WordRight => composer.go(Motion::WordRight),
        Action::LineStart => composer.go(Motion::LineStart),
        Action::LineEnd => composer.go(Motion::LineEnd),
        Action::TextStart => composer.go(Motion::Start),
        Action::TextEnd => composer.go(Motion::End),
        Action::DeleteWordLeft => composer.cut(Cut::WordLeft),
        Action::DeleteToSpace => composer.cut(Cut::BlankLeft),
        Action::DeleteWordRight => composer.cut(Cut::WordRight),
        Action::DeleteToLineStart => composer.cut(Cut::LineStart),
        Action::DeleteToLineEnd => composer.cut(Cut::LineEnd),
        Action::DeleteLeft => composer.backspace(),
        Action::Yank => composer.yank(),
        Action::UndoEdit => composer.undo(),
        Action::RedoEdit => composer.redo(),
        Action::UnfoldPaste if composer.unfold() => {}
        Action::UnfoldPaste => super::act(model, Action::UnfoldCards, out),
        Action::EditMessage => edit(model, out),
        // None of the composer's.
        _ => {}
    }
}

fn edit(model: &Model, out: &mut Update) {
    out.effects.push(Effect::EditMessage(model.composer.text()));
}

/// The editor is closed.
pub fn edited(model: &mut Model, text: &str) {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text != model.composer.text() {
        model.composer.replace(text);
    }
}

/// Sends what is written: to the model, or to the user's shell.
pub fn send(model: &mut Model, out: &mut Update) {
    let shell = model.composer.is_shell();
    let text = model.composer.take();
    let command = text.strip_prefix('!').map(str::trim).unwrap_or_default();
    if shell && command.is_empty() {
        return;
    }
    out.effects.push(Effect::SaveHistory(text.clone()));
    out.effects.push(Effect::Agent(if shell {
        AgentCommand::Shell(command.to_owned())
    } else {
        AgentCommand::Submit(text)
    }));
}

/// The message of the command line. It may come from a script: it never reaches the user's shell by itself.
pub fn prompt(model: &mut Model, text: &str, out: &mut Update) {
    model.composer.paste(text);
    if !model.composer.is_shell() {
        command::submit(model, out);
    }
}

/// A queued message is the user's again.
pub fn taken_back(model: &mut Model, text: Option<String>) {
    if let Some(text) = text {
        model.queued.pop();
        model.composer.prepend(&text);
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
