//! What terminals disagree about, settled on the finished frame: signs of several emoji, and text from right to left.
//!
//! A frame's cells are where the layout put them on every terminal. Where a terminal draws a joined emoji as its parts,
//! it is sent the first part, which is as wide as the whole was laid out. Where a terminal orders a row by the Unicode
//! bidirectional algorithm, two texts from right to left in one row would change places across the rule between
//! them: a left-to-right mark at the row's start and after each of our rules keeps every text in its place. A
//! terminal that orders nothing shows such text as it is stored, which is what it does everywhere. The marks are ours;
//! one in a text from outside is made visible ([`crate::text`]), so no text can move another.

use ratatui::buffer::{Buffer, CellWidth};
use unicode_width::UnicodeWidthChar;

const LEFT_TO_RIGHT: char = '\u{200e}';

/// Whether a terminal of this `TERM_PROGRAM` draws joined emoji as one sign of two columns. The others count the
/// columns of the parts, as multiplexers do, which set the variable themselves.
pub fn drawn_as_one(term_program: &str) -> bool {
    matches!(term_program, "ghostty" | "iTerm.app" | "WezTerm")
}

pub fn settle(buffer: &mut Buffer, drawn_as_one: bool) {
    let area = buffer.area;
    for y in area.top()..area.bottom() {
        let mut right_to_left = false;
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell_mut((x, y)) else {
                continue;
            };
            let symbol = cell.symbol();
            if symbol.len() == 1 {
                continue;
            }
            right_to_left |= symbol.chars().any(is_right_to_left);
            if !drawn_as_one && let Some(part) = first_part(symbol).map(str::to_owned) {
                cell.set_symbol(&part);
            }
        }
        if right_to_left {
            keep_in_place(buffer, y);
        }
    }
}

/// As much of a sign as fits its columns, where a terminal that counts its parts would take more.
fn first_part(symbol: &str) -> Option<&str> {
    // One character, whatever it is, is counted alike.
    if symbol.len() <= 4 {
        return None;
    }
    let columns = usize::from(symbol.cell_width());
    let mut used = 0;
    let end = symbol.char_indices().find_map(|(at, c)| {
        used += c.width().unwrap_or(0);
        (used > columns).then_some(at)
    })?;
    symbol
        .get(..end)
        .map(|part| part.trim_end_matches('\u{200d}'))
        .filter(|part| !part.is_empty())
}

/// Letters of the blocks from Hebrew to Arabic Extended, their presentation forms, and the right-to-left planes.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

fn keep_in_place(buffer: &mut Buffer, y: u16) {
    let area = buffer.area;
    for x in area.left()..area.right() {
        let Some(cell) = buffer.cell_mut((x, y)) else {
            continue;
        };
        let first = x == area.left();
        let rule = matches!(
            cell.symbol(),
            "\u{2502}" | "\u{2590}" | "\u{258c}" | "\u{2506}"
        );
        if !first && !rule {
            continue;
        }
        let mut symbol = String::new();
        if first {
            symbol.push(LEFT_TO_RIGHT);
        }
        symbol.push_str(cell.symbol());
        if rule {
            symbol.push(LEFT_TO_RIGHT);
        }
        cell.set_symbol(&symbol);
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
    use ratatui::layout::Rect;

    fn settled(text: &str, drawn_as_one: bool) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 24, 1));
        buffer.set_string(0, 0, text, ratatui::style::Style::default());
        let before: Vec<u16> = buffer.content().iter().map(CellWidth::cell_width).collect();
        settle(&mut buffer, drawn_as_one);
        let after: Vec<u16> = buffer.content().iter().map(CellWidth::cell_width).collect();
        assert_eq!(before, after, "{text}: nothing moves");
        buffer
            .content()
            .iter()
            .map(|cell| cell.symbol().to_owned())
            .collect()
    }

    #[test]
    fn a_sign_of_several_emoji_takes_its_columns_on_every_terminal() {
        for (sign, part) in [
            ("👨\u{200d}👩\u{200d}👧", "👨"),
            ("👩🏽\u{200d}🚀", "👩"),
            ("👍🏽", "👍"),
            ("🏳\u{fe0f}\u{200d}🌈", "🏳\u{fe0f}"),
            ("❤\u{fe0f}", "❤\u{fe0f}"),
            ("🇩🇪", "🇩🇪"),
            ("1\u{fe0f}\u{20e3}", "1\u{fe0f}\u{20e3}"),
            ("क\u{94d}\u{200d}ष", "क\u{94d}\u{200d}ष"),
            ("e\u{301}", "e\u{301}"),
            ("漢", "漢"),
        ] {
            assert_eq!(settled(sign, true)[0], sign);
            assert_eq!(settled(sign, false)[0], part, "{sign}");
        }
    }

    #[test]
    fn texts_from_right_to_left_keep_their_side_of_a_rule() {
        let row = settled("שלום │ עולם", false).concat();
        assert_eq!(row.trim_end(), "\u{200e}שלום │\u{200e} עולם");
        let row = settled("say │ hello", false).concat();
        assert_eq!(row.trim_end(), "say │ hello");
        let row = settled("▐ │ سلام", false).concat();
        assert_eq!(row.trim_end(), "\u{200e}▐\u{200e} │\u{200e} سلام");
    }
}
