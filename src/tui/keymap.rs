//! Which key does what, where: one row each.
//!
//! The loop, the hints under a review, `/help`, `/keys` and `docs/keys.md` all read this table, through the
//! [`Keymap`] of the run, in which the configuration may have moved keys. Keys are looked up by
//! name (`Ctrl+C`, `PageUp`, `y`); what a context does not bind is text or nothing, as `update` decides. An
//! action without a key of its own has a row without keys, so that one can be given to it.

mod bound;
mod key;
mod rebind;

pub use bound::{Bound, Keymap};
pub use key::is_text;
#[cfg(test)]
pub use key::parse;
pub use rebind::RebindError;

/// Where keys mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The screen of `/diff`.
    Changes,
    Help,
}

impl Context {
    pub const ALL: [Context; 8] = [
        Context::Composer,
        Context::Everywhere,
        Context::Pane,
        Context::Review,
        Context::Note,
        Context::Picker,
        Context::Changes,
        Context::Help,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Context::Everywhere => "Everywhere",
            Context::Composer => "In the composer",
            Context::Pane => "In a pane (Tab moves there)",
            Context::Review => "In a review",
            Context::Note => "Writing a note",
            Context::Picker => "In a list to choose from (letters search it)",
            Context::Changes => "In the changes of /diff",
            Context::Help => "In the help",
        }
    }

    /// As in `[keys.NAME]`.
    pub fn name(self) -> &'static str {
        match self {
            Context::Everywhere => "everywhere",
            Context::Composer => "composer",
            Context::Pane => "pane",
            Context::Review => "review",
            Context::Note => "note",
            Context::Picker => "list",
            Context::Changes => "diff",
            Context::Help => "help",
        }
    }

    /// Keys that type a character are text here.
    pub fn takes_text(self) -> bool {
        match self {
            Context::Composer | Context::Note => true,
            // A bound character would be text in the composer all the same.
            Context::Everywhere => true,
            Context::Pane
            | Context::Review
            | Context::Picker
            | Context::Changes
            | Context::Help => false,
        }
    }

    /// What is bound everywhere works here too, and any command can be given a key.
    pub fn commands(self) -> bool {
        match self {
            Context::Everywhere | Context::Composer | Context::Pane => true,
            Context::Review
            | Context::Note
            | Context::Picker
            | Context::Changes
            | Context::Help => false,
        }
    }
}

macro_rules! actions {
    ($($variant:ident $name:literal,)*) => {
        /// What a key can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $($variant,)*
            /// Runs the slash command of this name, without an argument.
            Command(&'static str),
        }

        impl Action {
            /// As in the configuration; a command has its slash.
            pub fn name(self) -> String {
                match self {
                    $(Action::$variant => $name.to_owned(),)*
                    Action::Command(name) => format!("/{name}"),
                }
            }
        }
    };
}

actions! {
    Submit "submit",
    Newline "newline",
    HistoryPrevious "history-previous",
    HistoryNext "history-next",
    DeleteToLineStart "delete-to-line-start",
    DeleteToLineEnd "delete-to-line-end",
    DeleteWordLeft "delete-word-left",
    DeleteWordRight "delete-word-right",
    DeleteToSpace "delete-to-space",
    DeleteLeft "delete-left",
    Yank "yank",
    UndoEdit "undo-edit",
    RedoEdit "redo-edit",
    WordLeft "word-left",
    WordRight "word-right",
    LineStart "line-start",
    LineEnd "line-end",
    TextStart "text-start",
    TextEnd "text-end",
    SearchHistory "search-history",
    TakeBack "take-back",
    UnfoldPaste "unfold-paste",
    EditMessage "edit-message",
    ClearInterruptQuit "clear-interrupt-quit",
    QuitWhenEmpty "quit-when-empty",
    Interrupt "interrupt",
    FocusNext "focus-next",
    FocusPrevious "focus-previous",
    FocusComposer "focus-composer",
    LineUp "line-up",
    LineDown "line-down",
    HalfPageUp "half-page-up",
    HalfPageDown "half-page-down",
    PageUp "page-up",
    PageDown "page-down",
    Top "top",
    Bottom "bottom",
    UnfoldCards "unfold-cards",
    NextItem "next-item",
    PreviousItem "previous-item",
    Open "open",
    CopyItem "copy-item",
    CopyCode "copy-code",
    Widen "widen",
    ResetSplit "reset-split",
    Narrow "narrow",
    Palette "palette",
    Redraw "redraw",
    Suspend "suspend",
    Accept "accept",
    Reject "reject",
    AcceptFile "accept-file",
    RejectFile "reject-file",
    AcceptAll "accept-all",
    Split "split",
    Edit "edit",
    Back "back",
    NextHunk "next-hunk",
    PreviousHunk "previous-hunk",
    Finish "finish",
    NextFile "next-file",
    PreviousFile "previous-file",
    Search "search",
    NextMatch "next-match",
    PreviousMatch "previous-match",
    Refresh "refresh",
    Close "close",
    Confirm "confirm",
    Cancel "cancel",
    SaveTheme "save-theme",
    SwitchList "switch-list",
    FilesToo "files-too",
}

impl Action {
    pub fn command(self) -> Option<&'static str> {
        match self {
            Action::Command(name) => Some(name),
            _ => None,
        }
    }
}

/// A row of the table.
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
    row(Context::Composer, &["Up"], Action::HistoryPrevious, "", "on the first line: the previous message of the history; in an empty composer: the last queued message back"),
    row(Context::Composer, &["Down"], Action::HistoryNext, "", "on the last line: the next message of the history"),
    row(Context::Composer, &["Alt+Up"], Action::TakeBack, "", "take the last queued message back, to change it"),
    row(Context::Composer, &["Ctrl+R"], Action::SearchHistory, "", "search the history; again: older"),
    row(Context::Composer, &["Ctrl+Left", "Alt+Left", "Alt+b"], Action::WordLeft, "", "a word to the left"),
    row(Context::Composer, &["Ctrl+Right", "Alt+Right", "Alt+f"], Action::WordRight, "", "a word to the right"),
    row(Context::Composer, &["Home", "Ctrl+A"], Action::LineStart, "", "to the start of the line"),
    row(Context::Composer, &["End", "Ctrl+E"], Action::LineEnd, "", "to the end of the line"),
    row(Context::Composer, &["Ctrl+Home"], Action::TextStart, "", "to the start of the text"),
    row(Context::Composer, &["Ctrl+End"], Action::TextEnd, "", "to the end of the text"),
    row(Context::Composer, &["Ctrl+H"], Action::DeleteLeft, "", "delete a character to the left, as Backspace does"),
    row(Context::Composer, &["Ctrl+W"], Action::DeleteToSpace, "", "delete to the white space on the left"),
    row(Context::Composer, &["Alt+Backspace", "Ctrl+Backspace"], Action::DeleteWordLeft, "", "delete a word to the left"),
    row(Context::Composer, &["Alt+d", "Ctrl+Delete", "Alt+Delete"], Action::DeleteWordRight, "", "delete a word to the right"),
    row(Context::Composer, &["Ctrl+U"], Action::DeleteToLineStart, "", "delete to the start of the line"),
    row(Context::Composer, &["Ctrl+K"], Action::DeleteToLineEnd, "", "delete to the end of the line"),
    row(Context::Composer, &["Ctrl+Y"], Action::Yank, "", "insert what was deleted last by word or line"),
    row(Context::Composer, &["Ctrl+_", "Ctrl+/", "Ctrl+7", "Alt+z"], Action::UndoEdit, "", "undo: a word typed, a deletion, a paste, a cleared message"),
    row(Context::Composer, &["Alt+Z"], Action::RedoEdit, "", "redo"),
    row(Context::Composer, &["Ctrl+O"], Action::UnfoldPaste, "", "unfold the paste beside the cursor, else tool cards and diffs"),
    row(Context::Composer, &["Ctrl+G"], Action::EditMessage, "", "write the message in $VISUAL or $EDITOR (also Ctrl+X Ctrl+E)"),
    row(Context::Composer, &["Tab"], Action::FocusNext, "", "take a command or file from the list, else move to the conversation"),
    row(Context::Composer, &["Shift+Tab"], Action::FocusPrevious, "", "move to the reasoning"),
    row(Context::Composer, &["Ctrl+D"], Action::QuitWhenEmpty, "", "quit when the composer is empty, else delete a character"),
    row(Context::Composer, &["Esc"], Action::Interrupt, "", "close the list, else interrupt your command, else the running turn; twice when idle: back to an earlier message"),
    row(Context::Everywhere, &["Ctrl+C"], Action::ClearInterruptQuit, "", "clear the composer; when it is empty interrupt the running turn; twice when idle: quit"),
    row(Context::Everywhere, &["PageUp"], Action::PageUp, "", "scroll a page up"),
    row(Context::Everywhere, &["PageDown"], Action::PageDown, "", "scroll a page down"),
    row(Context::Everywhere, &["Ctrl+O"], Action::UnfoldCards, "", "unfold or fold tool cards and diffs"),
    row(Context::Everywhere, &["Ctrl+L"], Action::Redraw, "", "draw the screen again"),
    row(Context::Everywhere, &["Ctrl+Z"], Action::Suspend, "", "suspend; `fg` comes back"),
    row(Context::Everywhere, &["F1"], Action::Command("help"), "", "help"),
    row(Context::Everywhere, &["Ctrl+P"], Action::Palette, "", "find a command by its name or what it does, and run it"),
    row(Context::Pane, &["Up", "k"], Action::LineUp, "", "scroll a line up"),
    row(Context::Pane, &["Down", "j"], Action::LineDown, "", "scroll a line down"),
    row(Context::Pane, &["Ctrl+U"], Action::HalfPageUp, "", "scroll half a page up"),
    row(Context::Pane, &["Ctrl+D"], Action::HalfPageDown, "", "scroll half a page down"),
    row(Context::Pane, &["Home", "g"], Action::Top, "", "to the top"),
    row(Context::Pane, &["End", "G"], Action::Bottom, "", "to the end, and follow it"),
    row(Context::Pane, &["Tab"], Action::FocusNext, "", "move to the next pane"),
    row(Context::Pane, &["Shift+Tab"], Action::FocusPrevious, "", "move to the previous pane"),
    row(Context::Pane, &["]", "J"], Action::NextItem, "", "select the next item; the other pane shows what belongs to it"),
    row(Context::Pane, &["[", "K"], Action::PreviousItem, "", "select the previous item"),
    row(Context::Pane, &["Enter"], Action::Open, "", "unfold or fold the selected item, in the reasoning the turn; else back to the composer"),
    row(Context::Pane, &["y"], Action::CopyItem, "", "copy the selected item, else the last one"),
    row(Context::Pane, &["Y"], Action::CopyCode, "", "copy code of the selected answer, else of the last one"),
    row(Context::Pane, &["/"], Action::Search, "", "search: small letters find both, a capital only itself; Enter keeps the matches, Esc goes back"),
    row(Context::Pane, &["n"], Action::NextMatch, "", "the next match"),
    row(Context::Pane, &["N"], Action::PreviousMatch, "", "the previous match"),
    row(Context::Pane, &[">"], Action::Widen, "", "more room for the pane on the left, or above"),
    row(Context::Pane, &["<"], Action::Narrow, "", "less room for it"),
    row(Context::Pane, &["="], Action::ResetSplit, "", "the room they have by default"),
    row(Context::Pane, &["v"], Action::Command("raw"), "", "print this pane to the normal screen, for the terminal's own scrolling and copying"),
    row(Context::Pane, &["m"], Action::Command("mouse"), "", "leave the mouse to the terminal, or take it back"),
    row(Context::Pane, &["i", "q"], Action::FocusComposer, "", "back to the composer"),
    row(Context::Pane, &["Esc"], Action::Interrupt, "", "interrupt the running turn, else back to the composer"),
    row(Context::Pane, &["?"], Action::Command("help"), "", "help"),
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
    row(Context::Review, &["?"], Action::Command("help"), "help", "help"),
    row(Context::Note, &["Enter"], Action::Confirm, "reject", "reject with this note; it may be empty"),
    row(Context::Note, &["Esc"], Action::Cancel, "back", "back to the hunk, nothing decided"),
    row(Context::Picker, &["Enter"], Action::Confirm, "chooses", "take the marked line"),
    row(Context::Picker, &["Esc"], Action::Cancel, "closes", "close the list, nothing chosen"),
    row(Context::Picker, &["Up", "Ctrl+P"], Action::LineUp, "", "the line above; from the first to the last"),
    row(Context::Picker, &["Down", "Ctrl+N"], Action::LineDown, "", "the line below; from the last to the first"),
    row(Context::Picker, &["Tab"], Action::SwitchList, "", "in the list of conversations: those of this folder, or of any"),
    row(Context::Picker, &["Ctrl+F", "f"], Action::FilesToo, "", "in the list of messages: go back, and take the patches since back too (`f` while not searching)"),
    row(Context::Picker, &["Home"], Action::Top, "", "the first line"),
    row(Context::Picker, &["End"], Action::Bottom, "", "the last line"),
    row(Context::Picker, &["Ctrl+U"], Action::DeleteToLineStart, "", "empty the search"),
    row(Context::Picker, &["w"], Action::SaveTheme, "", "in the list of themes: keep this one, and write it to config.toml"),
    row(Context::Changes, &["Down", "j"], Action::LineDown, "", "scroll a line down"),
    row(Context::Changes, &["Up", "k"], Action::LineUp, "", "scroll a line up"),
    row(Context::Changes, &["Ctrl+D"], Action::HalfPageDown, "", "scroll half a page down"),
    row(Context::Changes, &["Ctrl+U"], Action::HalfPageUp, "", "scroll half a page up"),
    row(Context::Changes, &["PageDown", "Space"], Action::PageDown, "", "scroll a page down"),
    row(Context::Changes, &["PageUp"], Action::PageUp, "", "scroll a page up"),
    row(Context::Changes, &["Home", "g"], Action::Top, "", "to the top"),
    row(Context::Changes, &["End", "G"], Action::Bottom, "", "to the end"),
    row(Context::Changes, &["Tab", "l", "Right"], Action::NextFile, "file", "the next file"),
    row(Context::Changes, &["Shift+Tab", "h", "Left"], Action::PreviousFile, "", "the previous file"),
    row(Context::Changes, &["/"], Action::Search, "search", "search in the changes"),
    row(Context::Changes, &["n"], Action::NextMatch, "", "the next match"),
    row(Context::Changes, &["N"], Action::PreviousMatch, "", "the previous match"),
    row(Context::Changes, &["r"], Action::Refresh, "look again", "compare with the files as they are now"),
    row(Context::Changes, &["?"], Action::Command("help"), "help", "help"),
    row(Context::Changes, &["q", "Esc"], Action::Close, "close", "back to the conversation"),
    row(Context::Help, &["Down", "j"], Action::LineDown, "", "scroll a line down"),
    row(Context::Help, &["Up", "k"], Action::LineUp, "", "scroll a line up"),
    row(Context::Help, &["Ctrl+D"], Action::HalfPageDown, "", "scroll half a page down"),
    row(Context::Help, &["Ctrl+U"], Action::HalfPageUp, "", "scroll half a page up"),
    row(Context::Help, &["PageDown", "Space"], Action::PageDown, "", "scroll a page down"),
    row(Context::Help, &["PageUp"], Action::PageUp, "", "scroll a page up"),
    row(Context::Help, &["Home", "g"], Action::Top, "", "to the top"),
    row(Context::Help, &["End", "G"], Action::Bottom, "", "to the end"),
    row(Context::Help, &["/"], Action::Search, "search", "show only what has these words in it"),
    row(Context::Help, &["q", "Esc", "?", "F1", "Enter"], Action::Close, "close", "take the search back, else close the help"),
];

#[cfg(test)]
mod tests;
