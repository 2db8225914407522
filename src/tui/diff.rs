//! Hunks as lines on screen: numbers, signs, colours, the changed words, and every hidden character.
//!
//! It draws what the plan says and decides nothing. Signs come before colour, so the plain theme loses
//! nothing.

use super::theme::Theme;
use super::wrap::Source;
use crate::patch::{ChangeKind, FilePlan, Hunk, HunkLine, LineKind, LocateStage};
use crate::text;
use ratatui::style::Style;
use ratatui::text::Span;
use similar::{ChangeTag, TextDiff};

/// Longer lines get no word diff; nobody compares them by eye.
const WORD_DIFF_LIMIT: usize = 1000;
/// In a longer run of changed lines, the lines rarely belong to one another.
const WORD_DIFF_LINES: usize = 200;
/// Below this width one column of line numbers has to do.
const NARROW: u16 = 60;

pub fn file_title(file: &FilePlan) -> String {
    let path = text::exact(&String::from(file.path.clone()));
    let verb = match file.kind {
        ChangeKind::Add => "add",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
        ChangeKind::Move => "move",
    };
    match &file.target {
        Some(target) => format!(
            "{verb} {path} \u{2192} {}",
            text::exact(&String::from(target.clone()))
        ),
        None => format!("{verb} {path}"),
    }
}

/// `None` where the context was found as written.
pub fn stage_note(stage: LocateStage) -> Option<&'static str> {
    match stage {
        LocateStage::Exact => None,
        LocateStage::TrailingSpace => Some("found ignoring trailing space"),
        LocateStage::Indentation => Some("found ignoring indentation"),
        LocateStage::Punctuation => Some("found with punctuation folded"),
        LocateStage::Fuzzy => Some("found by likeness"),
    }
}

pub fn hunk(hunk: &Hunk, theme: &Theme, columns: u16) -> Vec<Source> {
    let mut out = vec![Source::plain(hunk.range(), theme.diff_header)];
    let numbers = Numbers::of(hunk, columns);
    let (mut old, mut new) = (hunk.old_start, hunk.new_start);
    let mut at = 0;
    while let Some(line) = hunk.lines.get(at) {
        match line.kind {
            LineKind::Context => {
                let text = vec![Span::styled(shown(line), theme.diff_context)];
                out.push(numbers.line(Some(old), Some(new), ' ', theme.diff_context, text, theme));
                (old, new, at) = (old + 1, new + 1, at + 1);
            }
            LineKind::Removed | LineKind::Added => {
                let removed = run(&hunk.lines, at, LineKind::Removed);
                let added = run(&hunk.lines, at + removed.len(), LineKind::Added);
                let rows = removed.len().max(added.len());
                let pairs: Vec<_> = (0..rows)
                    .map(|i| {
                        changed_words(removed.get(i), added.get(i), rows <= WORD_DIFF_LINES, theme)
                    })
                    .collect();
                for (i, _) in removed.iter().enumerate() {
                    let text = pairs[i].0.clone();
                    out.push(numbers.line(
                        Some(old + i),
                        None,
                        '-',
                        theme.diff_remove,
                        text,
                        theme,
                    ));
                }
                for (i, _) in added.iter().enumerate() {
                    let text = pairs[i].1.clone();
                    out.push(numbers.line(None, Some(new + i), '+', theme.diff_add, text, theme));
                }
                old += removed.len();
                new += added.len();
                at += removed.len() + added.len();
            }
        }
    }
    out
}

fn run(lines: &[HunkLine], from: usize, kind: LineKind) -> &[HunkLine] {
    let rest = lines.get(from..).unwrap_or(&[]);
    let end = rest
        .iter()
        .position(|l| l.kind != kind)
        .unwrap_or(rest.len());
    rest.get(..end).unwrap_or(&[])
}

/// The text with everything visible; on changed lines also the spaces at the end.
fn shown(line: &HunkLine) -> String {
    let text = text::exact(&line.text);
    if line.kind == LineKind::Context {
        return text;
    }
    let kept = text.trim_end_matches(' ');
    let spaces = text.len() - kept.len();
    format!("{kept}{}", "\u{b7}".repeat(spaces))
}

type Words = Vec<Span<'static>>;

fn changed_words(
    removed: Option<&HunkLine>,
    added: Option<&HunkLine>,
    compare: bool,
    theme: &Theme,
) -> (Words, Words) {
    let whole = |line: Option<&HunkLine>, style: Style| {
        line.map(|l| vec![Span::styled(shown(l), style)])
            .unwrap_or_default()
    };
    let plain = (
        whole(removed, theme.diff_remove),
        whole(added, theme.diff_add),
    );
    let (Some(removed), Some(added)) = (removed, added) else {
        return plain;
    };
    let (old, new) = (shown(removed), shown(added));
    if !compare || old.len() > WORD_DIFF_LIMIT || new.len() > WORD_DIFF_LIMIT {
        return plain;
    }
    let diff = TextDiff::from_words(old.as_str(), new.as_str());
    // Lines that share little are two lines, not one that changed.
    if diff.ratio() < 0.4 {
        return plain;
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        let text = change.value().to_owned();
        match change.tag() {
            ChangeTag::Equal => {
                before.push(Span::styled(text.clone(), theme.diff_remove));
                after.push(Span::styled(text, theme.diff_add));
            }
            ChangeTag::Delete => before.push(Span::styled(text, theme.diff_remove_word)),
            ChangeTag::Insert => after.push(Span::styled(text, theme.diff_add_word)),
        }
    }
    (before, after)
}

/// The columns of line numbers.
struct Numbers {
    width: usize,
    both: bool,
}

impl Numbers {
    fn of(hunk: &Hunk, columns: u16) -> Numbers {
        let last = (hunk.old_start + hunk.old_lines).max(hunk.new_start + hunk.new_lines);
        Numbers {
            width: last.to_string().len(),
            both: columns >= NARROW,
        }
    }

    fn line(
        &self,
        old: Option<usize>,
        new: Option<usize>,
        sign: char,
        style: Style,
        text: Words,
        theme: &Theme,
    ) -> Source {
        let width = self.width;
        let cell =
            |n: Option<usize>| n.map_or_else(|| " ".repeat(width), |n| format!("{n:>width$}"));
        let gutter = if self.both {
            format!("{} {} ", cell(old), cell(new))
        } else {
            format!("{} ", cell(new.or(old)))
        };
        let blank = " ".repeat(gutter.chars().count() + 2);
        let mut source = Source::spans(text).verbatim();
        source.first = vec![
            Span::styled(gutter, theme.line_number),
            Span::styled(format!("{sign} "), style),
        ];
        source.rest = vec![Span::raw(blank)];
        source
    }
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
    use crate::patch::HunkId;

    fn sample(lines: &[(char, &str)]) -> Hunk {
        let lines: Vec<HunkLine> = lines
            .iter()
            .map(|(sign, text)| HunkLine {
                kind: match sign {
                    '-' => LineKind::Removed,
                    '+' => LineKind::Added,
                    _ => LineKind::Context,
                },
                text: (*text).to_owned(),
            })
            .collect();
        let count = |skip| lines.iter().filter(|l| l.kind != skip).count();
        Hunk {
            id: HunkId(0),
            old_start: 9,
            new_start: 9,
            old_lines: count(LineKind::Added),
            new_lines: count(LineKind::Removed),
            lines,
        }
    }

    fn text(sources: &[Source]) -> Vec<String> {
        sources
            .iter()
            .map(|s| {
                s.first
                    .iter()
                    .chain(&s.spans)
                    .map(|s| s.content.as_ref())
                    .collect()
            })
            .collect()
    }

    #[test]
    fn numbers_signs_and_hidden_characters() {
        let hunk_lines = sample(&[
            (' ', "a"),
            ('-', "b\tc"),
            ('+', "b    c "),
            ('+', "x\u{202e}y"),
            (' ', "z "),
        ]);
        let wide = text(&hunk(&hunk_lines, &Theme::plain(), 80));
        assert_eq!(
            wide,
            [
                "@@ -9,3 +9,4",
                " 9  9   a",
                "10    - b→  c",
                "   10 + b    c·",
                "   11 + x<U+202E>y",
                "11 12   z "
            ]
        );
        let narrow = text(&hunk(&hunk_lines, &Theme::plain(), 40));
        assert_eq!(narrow[2], "10 - b→  c");
    }

    #[test]
    fn changed_words_are_marked_in_both_lines() {
        let theme = Theme::named(super::super::theme::ThemeName::Dark).unwrap();
        let lines = hunk(
            &sample(&[
                ('-', "let total = count + 1;"),
                ('+', "let total = count + 2;"),
            ]),
            &theme,
            80,
        );
        let marked = |s: &Source, style| -> String {
            s.spans
                .iter()
                .filter(|s| s.style == style)
                .map(|s| s.content.as_ref())
                .collect()
        };
        assert_eq!(marked(&lines[1], theme.diff_remove_word), "1;");
        assert_eq!(marked(&lines[2], theme.diff_add_word), "2;");
    }

    #[test]
    fn different_lines_are_not_paired() {
        let theme = Theme::named(super::super::theme::ThemeName::Dark).unwrap();
        let lines = hunk(
            &sample(&[('-', "import os"), ('+', "return compute(x, y)")]),
            &theme,
            80,
        );
        assert!(
            lines
                .iter()
                .all(|l| l.spans.iter().all(|s| s.style != theme.diff_add_word))
        );
    }
}
