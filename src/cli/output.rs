//! Where lines go and how they look: colour, and what a terminal may be sent.

use super::ColorChoice;
use std::io::{IsTerminal, Write};

/// What the two streams are, decided once at start-up.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    pub stdout_color: bool,
    pub stderr_color: bool,
    pub stdout_terminal: bool,
    pub stderr_terminal: bool,
    /// A terminal that cannot place the cursor or colour: no progress there.
    pub dumb: bool,
    pub stdin_terminal: bool,
}

impl Streams {
    /// `no_color` and `term` are the variables `NO_COLOR` and `TERM`.
    pub fn new(choice: ColorChoice, no_color: bool, term: Option<&str>) -> Self {
        let plain = no_color || term == Some("dumb");
        let color = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !plain,
        };
        let (out, err) = (
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
        );
        Streams {
            stdout_color: color(out),
            stderr_color: color(err),
            stdout_terminal: out,
            stderr_terminal: err,
            dumb: term == Some("dumb"),
            stdin_terminal: std::io::stdin().is_terminal(),
        }
    }
}

/// The few styles of line output, as SGR parameters.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    Dim,
    Bold,
    Red,
    Green,
    Cyan,
    Yellow,
}

/// `text` in `style`, or as it is.
pub fn paint(color: bool, style: Style, text: &str) -> String {
    if !color {
        return text.to_owned();
    }
    let code = match style {
        Style::Dim => "2",
        Style::Bold => "1",
        Style::Red => "31",
        Style::Green => "32",
        Style::Cyan => "36",
        Style::Yellow => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A unified diff with its lines coloured.
pub fn paint_diff(color: bool, diff: &str) -> String {
    if !color {
        return diff.to_owned();
    }
    diff.split_inclusive('\n')
        .map(|line| {
            let body = line.strip_suffix('\n').unwrap_or(line);
            let style = match body.as_bytes().first() {
                _ if body.starts_with("+++")
                    || body.starts_with("---")
                    || body.starts_with("diff ") =>
                {
                    Style::Bold
                }
                Some(b'+') => Style::Green,
                Some(b'-') => Style::Red,
                Some(b'@') => Style::Cyan,
                _ => return line.to_owned(),
            };
            format!(
                "{}{}",
                paint(true, style, body),
                if body.len() < line.len() { "\n" } else { "" }
            )
        })
        .collect()
}

/// A line on stderr; a closed stderr is nobody's loss.
pub fn stderr_line(line: &str) {
    stderr_text(&format!("{line}\n"));
}

/// Text on stderr without a line end.
pub fn stderr_text(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Text on stdout. A reader that has gone away ends the program quietly, as `SIGPIPE` would.
///
/// # Errors
/// Any other write error.
pub fn stdout_text(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(141),
        other => other,
    }
}
