//! Which key does what, where: one row each.
//!
//! The loop, the hints under a review, `/help` and `docs/keys.md` all read this table. Keys are looked up
//! by name (`Ctrl+C`, `PageUp`, `y`); what a context does not bind is text or nothing, as `update` decides.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Wherever the focus is, unless the context itself binds the key.
    Everywhere,
    Composer,
    /// A focused conversation or reasoning pane.
    Pane,
    Review,
    /// The line for a note on a rejected hunk.
    Note,
    /// A list to choose from.
    Picker,
}

impl Context {
    pub const ALL: [Context; 6] = [
        Context::Composer,
        Context::Everywhere,
        Context::Pane,
        Context::Review,
        Context::Note,
        Context::Picker,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Composer => "In the composer",
            Context::Pane => "In a pane (Tab moves there)",
            Context::Review => "In a review",
            Context::Note => "Writing a note",
            Context::Picker => "In a list to choose from (letters search it)",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Submit,
    Newline,
    HistoryPrevious,
    HistoryNext,
    DeleteToLineStart,
    ClearInterruptQuit,
    QuitWhenEmpty,
    Interrupt,
    FocusNext,
    FocusPrevious,
    FocusComposer,
    LineUp,
    LineDown,
    HalfPageUp,
    HalfPageDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    UnfoldCards,
    Help,
    Redraw,
    Suspend,
    Accept,
    Reject,
    AcceptFile,
    RejectFile,
    AcceptAll,
    Split,
    Edit,
    Back,
    NextHunk,
    PreviousHunk,
    Finish,
    Confirm,
    Cancel,
    SaveTheme,
}

#[derive(Debug)]
pub struct Binding {
    pub context: Context,
    /// The first is the one that hints show.
    pub keys: &'static [&'static str],
    pub action: Action,
    /// One or two words for hints; empty where hints leave it out.
    pub hint: &'static str,
    pub doc: &'static str,
}

const fn row(
    context: Context,
    keys: &'static [&'static str],
    action: Action,
    hint: &'static str,
    doc: &'static str,
) -> Binding {
    Binding {
        context,
        keys,
        action,
        hint,
        doc,
    }
}

#[rustfmt::skip]
pub const BINDINGS: &[Binding] = &[
    row(Context::Composer, &["Enter"], Action::Submit, "send", "send the message, or queue it behind the running turn"),
    row(Context::Composer, &["Alt+Enter", "Ctrl+J", "Shift+Enter"], Action::Newline, "newline", "new line (also a backslash at the end, then Enter)"),
    row(Context::Composer, &["Up"], Action::HistoryPrevious, "", "on the first line: the previous message of the history"),
    row(Context::Composer, &["Down"], Action::HistoryNext, "", "on the last line: the next message of the history"),
    row(Context::Composer, &["Ctrl+U"], Action::DeleteToLineStart, "", "delete to the start of the line"),
    row(Context::Composer, &["Tab"], Action::FocusNext, "", "complete a command, else move to the conversation"),
    row(Context::Composer, &["Shift+Tab"], Action::FocusPrevious, "", "move to the reasoning"),
    row(Context::Composer, &["Ctrl+D"], Action::QuitWhenEmpty, "", "quit when the composer is empty, else delete a character"),
    row(Context::Composer, &["Esc"], Action::Interrupt, "", "close the command list, else interrupt the running turn"),
    row(Context::Everywhere, &["Ctrl+C"], Action::ClearInterruptQuit, "", "clear the composer; when it is empty interrupt the running turn; twice when idle: quit"),
    row(Context::Everywhere, &["PageUp"], Action::PageUp, "", "scroll a page up"),
    row(Context::Everywhere, &["PageDown"], Action::PageDown, "", "scroll a page down"),
    row(Context::Everywhere, &["Ctrl+O"], Action::UnfoldCards, "", "unfold or fold tool cards and diffs"),
    row(Context::Everywhere, &["Ctrl+L"], Action::Redraw, "", "draw the screen again"),
    row(Context::Everywhere, &["Ctrl+Z"], Action::Suspend, "", "suspend; `fg` comes back"),
    row(Context::Everywhere, &["F1"], Action::Help, "", "help"),
    row(Context::Pane, &["Up", "k"], Action::LineUp, "", "scroll a line up"),
    row(Context::Pane, &["Down", "j"], Action::LineDown, "", "scroll a line down"),
    row(Context::Pane, &["Ctrl+U"], Action::HalfPageUp, "", "scroll half a page up"),
    row(Context::Pane, &["Ctrl+D"], Action::HalfPageDown, "", "scroll half a page down"),
    row(Context::Pane, &["Home", "g"], Action::Top, "", "to the top"),
    row(Context::Pane, &["End", "G"], Action::Bottom, "", "to the end, and follow it"),
    row(Context::Pane, &["Tab"], Action::FocusNext, "", "move to the next pane"),
    row(Context::Pane, &["Shift+Tab"], Action::FocusPrevious, "", "move to the previous pane"),
    row(Context::Pane, &["Enter", "i", "q"], Action::FocusComposer, "", "back to the composer"),
    row(Context::Pane, &["Esc"], Action::Interrupt, "", "interrupt the running turn, else back to the composer"),
    row(Context::Pane, &["?"], Action::Help, "", "help"),
    row(Context::Review, &["y"], Action::Accept, "accept", "accept this hunk"),
    row(Context::Review, &["n"], Action::Reject, "reject", "reject this hunk, with a note to the model"),
    row(Context::Review, &["a"], Action::AcceptFile, "accept file", "accept this hunk and the rest of the file"),
    row(Context::Review, &["d"], Action::RejectFile, "reject file", "reject this hunk and the rest of the file, with one note"),
    row(Context::Review, &["A"], Action::AcceptAll, "accept all", "accept everything that is undecided"),
    row(Context::Review, &["s"], Action::Split, "split", "split this hunk into smaller ones"),
    row(Context::Review, &["e"], Action::Edit, "edit", "edit this hunk in $VISUAL or $EDITOR"),
    row(Context::Review, &["r"], Action::Back, "back", "take the last decision back, else go to the previous hunk"),
    row(Context::Review, &["Down", "j"], Action::LineDown, "", "scroll down; at the end the next hunk"),
    row(Context::Review, &["Up", "k"], Action::LineUp, "", "scroll up; at the top the previous hunk"),
    row(Context::Review, &["Right", "l", "Tab"], Action::NextHunk, "", "the next hunk, without deciding"),
    row(Context::Review, &["Left", "h", "Shift+Tab"], Action::PreviousHunk, "", "the previous hunk"),
    row(Context::Review, &["Ctrl+D"], Action::HalfPageDown, "", "scroll half a page down"),
    row(Context::Review, &["Ctrl+U"], Action::HalfPageUp, "", "scroll half a page up"),
    row(Context::Review, &["q"], Action::Finish, "finish", "finish; what is undecided is rejected (asks first)"),
    row(Context::Review, &["?"], Action::Help, "help", "help"),
    row(Context::Note, &["Enter"], Action::Confirm, "reject", "reject with this note; it may be empty"),
    row(Context::Note, &["Esc"], Action::Cancel, "back", "back to the hunk, nothing decided"),
    row(Context::Picker, &["Enter"], Action::Confirm, "chooses", "take the marked line"),
    row(Context::Picker, &["Esc"], Action::Cancel, "closes", "close the list, nothing chosen"),
    row(Context::Picker, &["Up", "Ctrl+P"], Action::LineUp, "", "the line above; from the first to the last"),
    row(Context::Picker, &["Down", "Ctrl+N"], Action::LineDown, "", "the line below; from the last to the first"),
    row(Context::Picker, &["Home"], Action::Top, "", "the first line"),
    row(Context::Picker, &["End"], Action::Bottom, "", "the last line"),
    row(Context::Picker, &["Ctrl+U"], Action::DeleteToLineStart, "", "empty the search"),
    row(Context::Picker, &["w"], Action::SaveTheme, "", "in the list of themes: keep this one, and write it to config.toml"),
];

/// The table's name of a key.
pub fn name(key: &KeyEvent) -> String {
    let mut modifiers = key.modifiers;
    let code = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) => {
            // Shift is in the character already.
            modifiers.remove(KeyModifiers::SHIFT);
            if modifiers.contains(KeyModifiers::CONTROL) {
                c.to_uppercase().to_string()
            } else {
                c.to_string()
            }
        }
        KeyCode::Enter => "Enter".to_owned(),
        KeyCode::Esc => "Esc".to_owned(),
        KeyCode::Tab => "Tab".to_owned(),
        KeyCode::BackTab => {
            modifiers.insert(KeyModifiers::SHIFT);
            "Tab".to_owned()
        }
        KeyCode::Backspace => "Backspace".to_owned(),
        KeyCode::Delete => "Delete".to_owned(),
        KeyCode::Up => "Up".to_owned(),
        KeyCode::Down => "Down".to_owned(),
        KeyCode::Left => "Left".to_owned(),
        KeyCode::Right => "Right".to_owned(),
        KeyCode::Home => "Home".to_owned(),
        KeyCode::End => "End".to_owned(),
        KeyCode::PageUp => "PageUp".to_owned(),
        KeyCode::PageDown => "PageDown".to_owned(),
        KeyCode::F(n) => format!("F{n}"),
        other => format!("{other:?}"),
    };
    let mut out = String::new();
    for (modifier, label) in [
        (KeyModifiers::CONTROL, "Ctrl+"),
        (KeyModifiers::ALT, "Alt+"),
        (KeyModifiers::SHIFT, "Shift+"),
    ] {
        if modifiers.contains(modifier) {
            out.push_str(label);
        }
    }
    out + &code
}

/// What the key does in `context`, or everywhere.
pub fn lookup(context: Context, key: &KeyEvent) -> Option<Action> {
    let name = name(key);
    let find = |context: Context| {
        BINDINGS
            .iter()
            .find(|b| b.context == context && b.keys.contains(&name.as_str()))
            .map(|b| b.action)
    };
    find(context).or_else(|| find(Context::Everywhere))
}

/// The key event of a table name, for tests and key scripts.
#[cfg(test)]
pub fn parse(name: &str) -> Option<KeyEvent> {
    let mut modifiers = KeyModifiers::NONE;
    let mut rest = name;
    loop {
        if let Some(tail) = rest.strip_prefix("Ctrl+") {
            modifiers |= KeyModifiers::CONTROL;
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("Alt+") {
            modifiers |= KeyModifiers::ALT;
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("Shift+") {
            modifiers |= KeyModifiers::SHIFT;
            rest = tail;
        } else {
            break;
        }
    }
    let code = match rest {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        "Tab" => KeyCode::Tab,
        "Backspace" => KeyCode::Backspace,
        "Delete" => KeyCode::Delete,
        "Space" => KeyCode::Char(' '),
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PageUp" => KeyCode::PageUp,
        "PageDown" => KeyCode::PageDown,
        "F1" => KeyCode::F(1),
        _ => {
            let mut chars = rest.chars();
            let c = chars.next()?;
            if chars.next().is_some() {
                return None;
            }
            KeyCode::Char(if modifiers.contains(KeyModifiers::CONTROL) {
                c.to_ascii_lowercase()
            } else {
                c
            })
        }
    };
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_of_the_table_is_found_where_it_says() {
        for binding in BINDINGS {
            for key in binding.keys {
                let event = parse(key).unwrap_or_else(|| panic!("{key} is no key"));
                assert_eq!(&name(&event), key);
                assert_eq!(
                    lookup(binding.context, &event),
                    Some(binding.action),
                    "{key} in {:?}",
                    binding.context
                );
            }
        }
    }

    #[test]
    fn no_key_is_bound_twice_in_a_context() {
        let mut seen = BTreeSet::new();
        for binding in BINDINGS {
            for key in binding.keys {
                assert!(
                    seen.insert((binding.context.title(), *key)),
                    "{key} twice in {:?}",
                    binding.context
                );
            }
        }
    }

    #[test]
    fn enhanced_keyboards_say_shift_with_the_letter() {
        let event = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT);
        assert_eq!(lookup(Context::Review, &event), Some(Action::AcceptAll));
    }
}
