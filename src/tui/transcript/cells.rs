//! How a finished or changing cell looks: its logical lines, before wrapping.
//!
//! Streams (answers, reasoning) are laid out incrementally in [`crate::tui::pane`]; this is for the rest.
//! States are words, not colours or glyphs alone.

use crate::agent::ToolStatus;
use crate::patch::{Decision, FilePlan};
use crate::text;
use crate::tui::pane::Style;
use crate::tui::render::diff;
use crate::tui::render::preview;
use crate::tui::render::wrap::Source;
use crate::tui::theme::Theme;
use crate::tui::transcript::{Body, DiffCard, ToolCard, ToolState};
use ratatui::style::Style as TextStyle;
use ratatui::text::Span;
use std::ops::Range;
use std::time::Duration;

/// Lines of a card before it is folded.
const FOLDED_OUTPUT: usize = 5;
const FOLDED_DIFF: usize = 24;

pub fn sources(body: &Body, style: Style<'_>) -> Vec<Source> {
    let Style {
        theme, unfolded, ..
    } = style;
    match body {
        Body::Prompt(text) => prompt(text, theme),
        Body::Answer { .. } | Body::Reasoning { .. } => Vec::new(),
        Body::Thought(thought) => vec![crate::tui::transcript::thought::head(
            thought,
            theme,
            style.columns,
            unfolded,
        )],
        Body::Tool(card) => tool(card, style),
        Body::Diff(card) => diff_card(card, style),
        Body::Notice(text) => marked(text, "\u{2022} ", theme.warn, theme.dim),
        Body::Problem(text) => marked(text, "! ", theme.error, theme.error),
        Body::Aside(text) => vec![Source::plain(text.clone(), theme.dim)],
    }
}

fn prompt(text: &str, theme: &Theme) -> Vec<Source> {
    const SHOWN: usize = 30;
    let mut out: Vec<Source> = text
        .lines()
        .take(SHOWN)
        .enumerate()
        .map(|(n, line)| {
            let first = if n == 0 { "\u{203a} " } else { "  " };
            Source::plain(line.to_owned(), theme.prompt).gutter(
                Span::styled(first, theme.prompt),
                Span::styled("  ", theme.prompt),
            )
        })
        .collect();
    let more = text.lines().count().saturating_sub(SHOWN);
    if more > 0 {
        out.push(Source::plain(
            format!("  \u{2026} {more} more lines"),
            theme.dim,
        ));
    }
    out
}

fn marked(text: &str, mark: &'static str, mark_style: TextStyle, style: TextStyle) -> Vec<Source> {
    text.lines()
        .enumerate()
        .map(|(n, line)| {
            let first = if n == 0 { mark } else { "  " };
            Source::plain(line.to_owned(), style)
                .gutter(Span::styled(first, mark_style), Span::raw("  "))
        })
        .collect()
}

fn tool(card: &ToolCard, style: Style<'_>) -> Vec<Source> {
    let Style {
        theme, unfolded, ..
    } = style;
    let (state, state_style) = match &card.state {
        ToolState::Writing => ("writing".to_owned(), theme.dim),
        ToolState::Running { seconds: 0, .. } => ("running".to_owned(), theme.warn),
        ToolState::Running { seconds: took, .. } => {
            let took = seconds(Duration::from_secs(*took));
            (format!("running  {took}"), theme.warn)
        }
        ToolState::Done {
            status,
            exit_code,
            elapsed,
        } => {
            let (word, style) = match status {
                ToolStatus::Completed => ("ok", theme.ok),
                ToolStatus::Failed => ("failed", theme.error),
                ToolStatus::Declined => ("declined", theme.warn),
            };
            let exit = exit_code
                .filter(|c| *c != 0)
                .map_or_else(String::new, |c| format!(" (exit {c})"));
            // What took no time needs no time.
            let took = if elapsed.as_millis() < 100 {
                String::new()
            } else {
                format!("  {}", duration(*elapsed))
            };
            (format!("{word}{exit}{took}"), style)
        }
    };
    let name = card.tool.strip_prefix("functions.").unwrap_or(&card.tool);
    let (sign, sign_style) = match &card.state {
        ToolState::Writing | ToolState::Running { .. } => ("\u{25b8} ", theme.tool),
        ToolState::Done { status, .. } => match status {
            ToolStatus::Completed => ("\u{2713} ", state_style),
            ToolStatus::Failed => ("\u{2717} ", state_style),
            ToolStatus::Declined => ("\u{2013} ", state_style),
        },
    };
    let mut head = vec![Span::styled(sign, sign_style)];
    if card.summary.is_empty() {
        head.push(Span::styled(name.to_owned(), theme.tool));
    } else if card.summary.starts_with(name) {
        head.push(Span::styled(card.summary.clone(), theme.tool));
    } else {
        head.push(Span::styled(name.to_owned(), theme.tool));
        head.push(Span::styled(format!("  {}", card.summary), theme.text));
    }
    head.push(Span::styled(format!("  {state}"), state_style));
    let mut out = vec![Source::spans(head).gutter(Span::raw(""), Span::raw("  "))];
    match card.state {
        // What is being written: the latest lines, as it grows.
        ToolState::Writing => match &card.preview {
            Some(patch) => out.extend(preview::sources(patch, theme, unfolded)),
            None => {
                let line = |line: Range<usize>| {
                    let text = card.arguments.get(line).unwrap_or_default();
                    vec![Span::styled(text.to_owned(), theme.output)]
                };
                out.extend(folded(&card.arguments, 0, false, style, line));
            }
        },
        ToolState::Running { .. } | ToolState::Done { .. } => {
            // Code is worth seeing next to what it printed; a patch has its review, the rest its summary.
            if matches!(name, "python" | "shell") && !card.summary.contains(card.arguments.trim()) {
                out.extend(code(&card.arguments, unfolded, theme));
            }
            let reads = matches!(name, "read_file" | "list_files" | "search" | "apply_patch");
            let failed = matches!(
                card.state,
                ToolState::Done {
                    status: ToolStatus::Failed,
                    ..
                }
            );
            if reads && !unfolded && !failed {
                let lines = card.output.lines().count() + card.dropped;
                if lines > 0 && name != "apply_patch" {
                    let word = if lines == 1 { "line" } else { "lines" };
                    out.push(bar(format!("{lines} {word}"), theme.dim, theme));
                }
            } else {
                let line = |line| card.output.spans(line, theme.output, theme);
                let dropped = card.dropped;
                out.extend(folded(&card.output, dropped, true, style, line));
            }
        }
    }
    out
}

fn bar(text: String, style: TextStyle, theme: &Theme) -> Source {
    Source::plain(text, style)
        .gutter(
            Span::styled("  \u{2502} ", theme.rule),
            Span::styled("  \u{2502} ", theme.rule),
        )
        .verbatim()
}

fn code(text: &str, unfolded: bool, theme: &Theme) -> Vec<Source> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let shown = if unfolded {
        lines.len()
    } else {
        lines.len().min(FOLDED_OUTPUT + 3)
    };
    let mut out: Vec<Source> = lines
        .iter()
        .take(shown)
        .map(|l| bar((*l).to_owned(), theme.code, theme))
        .collect();
    if shown < lines.len() {
        out.push(bar(
            format!("\u{2026} {} more lines", lines.len() - shown),
            theme.dim,
            theme,
        ));
    }
    out
}

/// The last lines of `text`, drawn by `line`, and how many are above them.
fn folded(
    text: &str,
    dropped: usize,
    hint: bool,
    style: Style<'_>,
    line: impl Fn(Range<usize>) -> Vec<Span<'static>>,
) -> Vec<Source> {
    let Style {
        theme, unfolded, ..
    } = style;
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for text in text.trim_end().split_inclusive('\n') {
        lines.push(at..at + text.trim_end_matches('\n').len());
        at += text.len();
    }
    let from = if unfolded {
        0
    } else {
        lines.len().saturating_sub(FOLDED_OUTPUT)
    };
    let mut out = Vec::new();
    if from + dropped > 0 {
        let hint = if hint && !unfolded {
            unfolds(style.unfold_key)
        } else {
            String::new()
        };
        out.push(bar(
            format!("\u{2026} {} lines above{hint}", from + dropped),
            theme.dim,
            theme,
        ));
    }
    out.extend(lines.into_iter().skip(from).map(|range| {
        let mut source = bar(String::new(), theme.output, theme);
        source.spans = line(range);
        source
    }));
    out
}

/// ` (Ctrl+O unfolds)`
fn unfolds(key: &str) -> String {
    match key {
        "" => String::new(),
        key => format!(" ({key} unfolds)"),
    }
}

fn diff_card(card: &DiffCard, style: Style<'_>) -> Vec<Source> {
    let theme = style.theme;
    let mut head = vec![match card.checkpoint {
        Some(number) => Span::styled(
            format!("\u{2713} applied (checkpoint {number}; /undo takes it back)"),
            theme.ok,
        ),
        None => Span::styled("\u{2013} nothing was changed", theme.warn),
    }];
    if card.declined > 0 {
        let word = if card.declined == 1 { "hunk" } else { "hunks" };
        head.push(Span::styled(
            format!("  {} {word} declined", card.declined),
            theme.warn,
        ));
    }
    let mut out = vec![Source::spans(head)];
    for (index, file) in card.plan.files.iter().enumerate() {
        out.extend(file_lines(card, index, file, style));
    }
    if !style.unfolded && out.len() > FOLDED_DIFF {
        let more = out.len() - FOLDED_DIFF;
        out.truncate(FOLDED_DIFF);
        out.push(bar(
            format!("\u{2026} {more} more lines{}", unfolds(style.unfold_key)),
            theme.dim,
            theme,
        ));
    }
    out
}

fn file_lines(card: &DiffCard, index: usize, file: &FilePlan, style: Style<'_>) -> Vec<Source> {
    let theme = style.theme;
    let mut out = vec![indented(Source::plain(
        diff::file_title(file),
        theme.diff_header,
    ))];
    let note = |decision: Option<&Decision>| -> Option<Source> {
        match (card.decisions.as_ref(), decision) {
            (None, _) | (Some(_), Some(Decision::Accept)) => None,
            (Some(_), Some(Decision::Reject { note: Some(note) })) => Some(indented(
                Source::plain(format!("declined: {}", text::label(note)), theme.warn),
            )),
            (Some(_), Some(Decision::Reject { note: None }) | None) => {
                Some(indented(Source::plain("declined", theme.warn)))
            }
        }
    };
    if file.is_decided_whole() {
        out.extend(note(
            card.decisions.as_ref().and_then(|d| d.files.get(&index)),
        ));
    }
    for hunk in &file.hunks {
        match note(card.decisions.as_ref().and_then(|d| d.hunks.get(&hunk.id))) {
            Some(declined) => {
                out.push(indented(Source::plain(hunk.range(), theme.dim)));
                out.push(declined);
            }
            None => {
                let tokens = style
                    .grammars
                    .map_or_else(Vec::new, |grammars| grammars.hunk(file, hunk));
                let lines = diff::hunk(hunk, &tokens, theme, style.columns);
                out.extend(lines.into_iter().map(indented));
            }
        }
    }
    out
}

fn indented(source: Source) -> Source {
    source.gutter(Span::raw("  "), Span::raw("  "))
}

/// `0.3s`, `12s`, `2m05s`.
pub fn duration(elapsed: Duration) -> String {
    if elapsed.as_secs() >= 10 {
        seconds(elapsed)
    } else {
        format!("{:.1}s", elapsed.as_secs_f64())
    }
}

/// A clock that ticks by seconds: `3s`, `2m05s`.
pub fn seconds(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds >= 60 {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{seconds}s")
    }
}
