//! Colours and text attributes by meaning.
//!
//! A style names what a thing is (`diff_add`), never where it is drawn. [`STYLES`] is the one table of them:
//! the theme files, the sample of `/theme`, the test of contrast and `docs/themes.md` all follow it. The plain
//! theme has no colour at all, for `NO_COLOR` and dumb terminals; every meaning also has a sign or a word, so
//! nothing is lost.
//!
//! - [`file`]: a theme file as data, and what is wrong with one; [`catalogue`]: built-in and user themes, and
//!   which one is shown; [`depth`]: how many colours the terminal has; [`choice`]: `/theme`; [`store`]: the
//!   files themselves

pub mod catalogue;
pub mod choice;
#[cfg(test)]
mod contrast;
pub mod depth;
#[cfg(test)]
mod docs;
pub mod file;
pub mod store;

use ratatui::style::{Modifier, Style};

/// A row of the table.
pub struct StyleRow {
    pub name: &'static str,
    pub doc: &'static str,
    /// The styles on whose background it is drawn besides the screen's own.
    pub over: &'static [&'static str],
    pub get: fn(&Theme) -> Style,
    set: fn(&mut Theme, Style),
}

macro_rules! theme {
    ($($name:ident: $doc:literal, over $over:expr;)*) => {
        /// The styles, by meaning.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Theme {
            /// Marks that colour would carry (backticks of code) stay in the text.
            pub plain: bool,
            /// Every cell gets the colours of `screen`: the terminal's own background does not suit.
            pub painted: bool,
            $(#[doc = $doc] pub $name: Style,)*
        }

        pub const STYLES: &[StyleRow] = &[$(StyleRow {
            name: stringify!($name),
            doc: $doc,
            over: &$over,
            get: |theme| theme.$name,
            set: |theme, style| theme.$name = style,
        },)*];
    };
}

theme! {
    screen: "the colours everything else is made for; painted where the terminal's own background does not suit", over [];
    text: "ordinary text", over ["popup"];
    dim: "hints, asides and what matters less", over ["popup", "status"];
    heading: "headings and titles", over ["popup"];
    strong: "strong words", over ["popup"];
    emphasis: "emphasised words", over ["popup"];
    code: "code in an answer, and what the model runs", over ["popup"];
    link: "links", over [];
    prompt: "what you said", over [];
    reasoning: "what the model thinks", over [];
    focus: "the line and the title of the pane that has the keys", over [];
    rule: "lines between panes; a shape, not a text", over [];
    ok: "what went well", over ["popup", "status"];
    warn: "what deserves a look", over ["popup", "status"];
    error: "what failed", over ["popup", "status"];
    tool: "the name of a tool call", over [];
    output: "what a tool printed", over [];
    diff_add: "a line that comes, after its `+`", over [];
    diff_remove: "a line that goes, after its `-`", over [];
    diff_context: "a line of a diff that stays", over [];
    diff_header: "the file and the range of a diff", over [];
    diff_add_word: "the words that are new in a changed line", over [];
    diff_remove_word: "the words that are gone from a changed line", over [];
    line_number: "the line numbers of a diff", over [];
    syntax_comment: "in code: comments", over ["diff_add", "diff_remove"];
    syntax_constant: "in code: numbers and constants", over ["diff_add", "diff_remove"];
    syntax_function: "in code: names of functions", over ["diff_add", "diff_remove"];
    syntax_keyword: "in code: keywords", over ["diff_add", "diff_remove"];
    syntax_string: "in code: strings", over ["diff_add", "diff_remove"];
    syntax_type: "in code: types", over ["diff_add", "diff_remove"];
    status: "the status bar", over [];
    status_strong: "what counts most in the status bar", over [];
    key: "the name of a key in a hint", over ["popup", "status"];
    selected: "the chosen row of a list", over [];
    popup: "a list that lies over the screen", over [];
}

impl Theme {
    /// No colour. What must stand out does so by weight, which `NO_COLOR` allows.
    pub fn plain() -> Theme {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let reverse = Style::new().add_modifier(Modifier::REVERSED);
        Theme {
            plain: true,
            heading: bold,
            strong: bold,
            prompt: bold,
            focus: bold,
            error: bold,
            tool: bold,
            diff_add_word: bold,
            diff_remove_word: bold,
            diff_header: bold,
            status_strong: bold,
            key: bold,
            selected: reverse,
            ..Theme::default()
        }
    }

    /// A built-in theme in all its colours.
    pub fn named(name: &str) -> Result<Theme, file::ThemeError> {
        catalogue::Themes::fixed(name).theme(name)
    }
}

/// Gives a style of the table another look, for tests that tell styles apart.
#[cfg(test)]
pub fn set(theme: &mut Theme, name: &str, style: Style) {
    if let Some(row) = STYLES.iter().find(|row| row.name == name) {
        (row.set)(theme, style);
    }
}

/// Gives the screen's own colours to every cell that has none, where the theme says so.
pub fn paint(theme: &Theme, buffer: &mut ratatui::buffer::Buffer) {
    use ratatui::style::Color;
    let (Some(fg), Some(bg), true) = (theme.screen.fg, theme.screen.bg, theme.painted) else {
        return;
    };
    for cell in &mut buffer.content {
        if cell.fg == Color::Reset {
            cell.fg = fg;
        }
        if cell.bg == Color::Reset {
            cell.bg = bg;
        }
    }
}
