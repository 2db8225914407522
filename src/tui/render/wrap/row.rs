//! Where a row ends: graphemes with their cells, and the places at which a line may break.

use super::grapheme_width;
use crate::text;
use ratatui::style::Style;
use ratatui::text::Span;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;

/// Columns of a tab, as in Markdown, the composer and a review; a program's output has a terminal's eight.
pub(super) const TAB: usize = 4;

/// A grapheme.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    text: Cow<'a, str>,
    pub(super) cells: usize,
    style: Style,
}

impl Piece<'_> {
    pub(super) fn owned(self) -> Piece<'static> {
        Piece {
            text: Cow::Owned(self.text.into_owned()),
            cells: self.cells,
            style: self.style,
        }
    }

    fn is_space(&self) -> bool {
        self.text == " "
    }
}

/// The graphemes of a line from `column` on; tabs become spaces up to their stop, and a mark that has no letter to
/// stand on gets a dotted circle, because ratatui draws nothing that takes no cell. Emoji that are not `joined` are
/// pieces of their own.
pub(super) fn pieces<'a>(spans: &'a [Span<'_>], column: usize, joined: bool) -> Vec<Piece<'a>> {
    let mut out: Vec<Piece<'a>> = Vec::new();
    let mut column = column;
    for span in spans {
        for grapheme in span.content.graphemes(true) {
            let stop = TAB - column % TAB;
            let mut push = |text: Cow<'a, str>, cells: usize| {
                column += cells;
                out.push(Piece {
                    text,
                    cells,
                    style: span.style,
                });
            };
            match (grapheme, grapheme_width(grapheme)) {
                ("\t", _) => {
                    for _ in 0..stop {
                        push(Cow::Borrowed(" "), 1);
                    }
                }
                (_, 0) => {
                    let shown = format!("\u{25cc}{grapheme}");
                    let cells = grapheme_width(&shown);
                    push(Cow::Owned(shown), cells);
                }
                _ if !joined && text::is_joined_emoji(grapheme) => {
                    for part in grapheme.split(text::JOINER) {
                        push(Cow::Borrowed(part), grapheme_width(part));
                    }
                }
                (_, cells) => push(Cow::Borrowed(grapheme), cells),
            }
        }
    }
    out
}

/// Where the row that begins at `start` ends, and where the next one begins.
pub(super) fn row_end(
    pieces: &[Piece<'_>],
    start: usize,
    room: usize,
    verbatim: bool,
) -> (usize, usize) {
    let mut used = 0;
    let mut candidate: Option<(usize, usize)> = None;
    for (at, piece) in pieces.iter().enumerate().skip(start) {
        let before = at.checked_sub(1).filter(|_| at > start);
        let before = before.and_then(|before| pieces.get(before));
        let overflows = used + piece.cells > room && at > start;
        if let (false, Some(before)) = (verbatim, before) {
            // Leading spaces are indentation, not a place to break.
            if piece.is_space() && !before.is_space() {
                candidate = Some((at, skip_spaces(pieces, at)));
            } else if breaks_between(before, piece) {
                candidate = Some((at, at));
            }
        }
        if overflows {
            if verbatim {
                return (at, at);
            }
            if piece.is_space() {
                let row = pieces.get(start..at).unwrap_or_default();
                let trailing = row
                    .iter()
                    .rev()
                    .take_while(|piece| piece.is_space())
                    .count();
                // A row of nothing but spaces keeps them.
                let end = if start + trailing == at {
                    at
                } else {
                    at - trailing
                };
                return (end, skip_spaces(pieces, at));
            }
            return candidate.unwrap_or((at, at));
        }
        used += piece.cells;
    }
    (pieces.len(), pieces.len())
}

/// Around wide characters (CJK, emoji) a line may break, but not before what closes or after what opens.
fn breaks_between(before: &Piece<'_>, after: &Piece<'_>) -> bool {
    const CLOSES: &str = "\u{3001}\u{3002}\u{ff0c}\u{ff0e}\u{ff01}\u{ff1f}\u{ff1a}\u{ff1b}\u{300d}\u{300f}\u{3011}\u{3015}\u{ff09}\u{ff3d}\u{ff5d}\u{30fb}\u{30fc}\u{3005}\u{2026},.!?:;)]}%\u{201d}\u{2019}'\"*_`";
    const OPENS: &str =
        "\u{300c}\u{300e}\u{3010}\u{3014}\u{ff08}\u{ff3b}\u{ff5b}([{\u{201c}\u{2018}$#'\"*_`";
    let is_in = |set: &str, piece: &Piece<'_>| {
        let first = piece.text.chars().next();
        first.is_some_and(|c| set.contains(c))
    };
    (before.cells == 2 || after.cells == 2)
        && !after.is_space()
        && !before.is_space()
        && !is_in(CLOSES, after)
        && !is_in(OPENS, before)
}

fn skip_spaces(pieces: &[Piece<'_>], from: usize) -> usize {
    let rest = pieces.get(from..).unwrap_or_default();
    rest.iter()
        .position(|piece| !piece.is_space())
        .map_or(pieces.len(), |n| from + n)
}

pub(super) fn push_pieces(
    pieces: &[Piece<'_>],
    start: usize,
    end: usize,
    spans: &mut Vec<Span<'static>>,
) {
    let mut text = String::new();
    let mut style = Style::default();
    for piece in pieces.get(start..end).unwrap_or_default() {
        if piece.style != style && !text.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut text), style));
        }
        style = piece.style;
        text.push_str(&piece.text);
    }
    if !text.is_empty() {
        spans.push(Span::styled(text, style));
    }
}
