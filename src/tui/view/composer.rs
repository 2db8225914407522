//! Draws the composer: the text in its rows, the rule above it with what helps now, and the popups.

use super::panes;
use crate::text;
use crate::tui::command::Candidate;
use crate::tui::composer::{Buffer as Written, TAB, is_mark};
use crate::tui::keymap::{Action, Context};
use crate::tui::layout::{Areas, PROMPT_WIDTH};
use crate::tui::model::{Focus, Model};
use crate::tui::render::wrap;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Lines of a popup.
const POPUP_ROWS: usize = 8;

pub fn view(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let composer = &model.composer;
    let focused = model.look.focus == Focus::Composer;
    let search_at = rule(model, areas, focused, frame);
    if areas.composer.height == 0 {
        return;
    }
    let sign = Rect {
        width: PROMPT_WIDTH.min(areas.composer.width),
        height: 1,
        ..areas.composer
    };
    let shell = composer.is_shell() && composer.search.is_none();
    let (mark, style) = match (shell, focused) {
        (true, _) => ("\u{203a} ", theme.warn),
        (false, true) => ("\u{203a} ", theme.prompt),
        (false, false) => ("\u{203a} ", theme.dim),
    };
    frame.render_widget(Span::styled(mark, style), sign);
    let area = Rect {
        x: areas.composer.x + sign.width,
        width: areas.composer.width - sign.width,
        ..areas.composer
    };
    if area.width == 0 {
        return;
    }
    let (written, hit) = composer.drawn();
    let (rows, (row, column)) = composer.visible(area.height);
    for (line, range) in (area.y..).zip(&rows) {
        let place = Rect {
            y: line,
            height: 1,
            ..area
        };
        draw_row(
            model,
            written,
            range.clone(),
            hit.as_ref(),
            place,
            frame.buffer_mut(),
        );
    }
    if written.is_empty() {
        let hint = wrap::clip(&hint(model, area.width), usize::from(area.width));
        frame.render_widget(Span::styled(hint, theme.dim), area);
    }
    if focused {
        frame.set_cursor_position(search_at.unwrap_or(Position::new(
            area.x + column.min(area.width - 1),
            area.y + row.min(area.height - 1),
        )));
    }
}

fn draw_row(
    model: &Model,
    written: &Written,
    row: Range<usize>,
    hit: Option<&Range<usize>>,
    place: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let text = written.marked().get(row.clone()).unwrap_or_default();
    let mut x = place.x;
    for (offset, grapheme) in text.grapheme_indices(true) {
        let room = usize::from(place.right().saturating_sub(x));
        let at = row.start + offset;
        let style = match hit {
            Some(hit) if hit.contains(&at) => theme.selected,
            Some(_) | None => Style::default(),
        };
        let label = grapheme
            .chars()
            .next()
            .filter(|c| is_mark(*c))
            .and_then(|c| written.pastes.label(c));
        (x, _) = match (grapheme, label) {
            (_, Some(label)) => {
                let label = wrap::clip(label, room);
                buffer.set_stringn(x, place.y, label, room, theme.tool)
            }
            ("\t", None) => buffer.set_stringn(x, place.y, " ".repeat(TAB), room, style),
            (grapheme, None) => buffer.set_stringn(x, place.y, grapheme, room, style),
        };
    }
}

/// Shift+Enter where the terminal can tell it, else the shortest of the others.
fn newline_key(model: &Model) -> &str {
    const SHIFT: &str = "Shift+Enter";
    let keys = model.keys.keys(Context::Composer, Action::Newline);
    if model.composer.shift_enter && keys.contains(&SHIFT) {
        return SHIFT;
    }
    let others = keys.into_iter().filter(|key| *key != SHIFT);
    others.min_by_key(|key| key.len()).unwrap_or("\\ Enter")
}

/// What an empty composer says.
fn hint(model: &Model, width: u16) -> String {
    if model.clock.quit_armed {
        return "Ctrl+C again quits".to_owned();
    }
    let interrupts = model.keys.key(Context::Composer, Action::Interrupt);
    if model.clock.escaped.is_some() {
        return format!("{interrupts} again goes back to an earlier message");
    }
    if model.shell.is_some() {
        return format!("Your command runs; {interrupts} interrupts it");
    }
    if model.running.is_some() {
        return format!("Type the next message; {interrupts} interrupts");
    }
    let short = "Ask for a change, or / for commands".to_owned();
    let long = format!(
        "Ask for a change; / commands, @ files, ! your shell, {} new line",
        newline_key(model)
    );
    if wrap::width(&long) <= usize::from(width) {
        long
    } else {
        short
    }
}

/// The line above the text. Gives the cursor's place while a search has it.
fn rule(model: &Model, areas: &Areas, focused: bool, frame: &mut Frame<'_>) -> Option<Position> {
    let area = areas.composer_rule;
    let theme = &model.theme;
    let composer = &model.composer;
    let style = if focused { theme.focus } else { theme.rule };
    let width = usize::from(area.width);
    let dashes = |count| Span::styled("\u{2500}".repeat(count), style);
    if let Some(search) = &composer.search {
        let query = wrap::clip(&text::label(&search.query), width.saturating_sub(18));
        let state = match (search.query.is_empty(), search.failed) {
            (true, _) => "",
            (false, true) => " (nothing older)",
            (false, false) => "",
        };
        let lead = format!("\u{2500} search: {query}");
        let at = wrap::width(&lead);
        let older = model.keys.key(Context::Composer, Action::SearchHistory);
        let help = format!("{older} older \u{b7} Enter takes it \u{b7} Esc leaves ");
        let used = at + wrap::width(state) + 1;
        let room = width.saturating_sub(used + 1);
        let help = if wrap::width(&help) < room {
            help
        } else {
            String::new()
        };
        let fill = width.saturating_sub(used + wrap::width(&help) + usize::from(!help.is_empty()));
        let mut spans = vec![
            Span::styled(lead, theme.prompt),
            Span::styled(state, theme.warn),
            Span::raw(" "),
            dashes(fill),
        ];
        if !help.is_empty() {
            spans.push(Span::styled(format!(" {help}"), theme.dim));
        }
        frame.render_widget(Line::from(spans), area);
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        let x = area
            .x
            .saturating_add(at)
            .min(area.right().saturating_sub(1));
        return focused.then_some(Position::new(x, area.y));
    }
    let (written, _) = composer.drawn();
    let help = if !focused || written.is_empty() {
        String::new()
    } else if composer.is_shell() {
        " runs in your shell; the model reads what it prints ".to_owned()
    } else if written.mark_at_cursor().is_some() {
        let unfolds = model.keys.key(Context::Composer, Action::UnfoldPaste);
        format!(" {unfolds} unfolds the paste \u{b7} Backspace removes it ")
    } else {
        let sends = model.keys.key(Context::Composer, Action::Submit);
        format!(" {sends} sends \u{b7} {} new line ", newline_key(model))
    };
    frame.render_widget(panes::composer_rule(model, areas), area);
    let used = u16::try_from(wrap::width(&help)).unwrap_or(u16::MAX);
    // Not where it would be most of the line, nor over what the conversation says there.
    if used == 0 || used.saturating_add(12) > area.width {
        return None;
    }
    let place = Rect {
        x: area.right() - used - 1,
        width: used,
        ..area
    };
    let buffer = frame.buffer_mut();
    let free = (place.left()..place.right()).all(|x| {
        buffer
            .cell((x, area.y))
            .is_some_and(|c| c.symbol() == "\u{2500}")
    });
    if free {
        frame.render_widget(Span::styled(help, theme.dim), place);
    }
    None
}

/// The commands or files that fit what is typed, above the composer.
pub fn popup(model: &Model, areas: &Areas, frame: &mut Frame<'_>) {
    let room = usize::from(areas.composer_rule.y).min(POPUP_ROWS);
    if model.look.focus != Focus::Composer || room == 0 || model.composer.search.is_some() {
        return;
    }
    let width = usize::from(areas.composer_rule.width);
    let commands = model.composer.completions();
    let lines = if commands.is_empty() {
        files(model, width)
    } else {
        command_lines(model, &commands, width)
    };
    let Some(last) = lines.len().checked_sub(1) else {
        return;
    };
    let choice = model.composer.popup_choice.min(last);
    let from = (choice + 1).saturating_sub(room);
    let shown: Vec<Line<'_>> = lines.into_iter().skip(from).take(room).collect();
    let wide = shown.iter().map(Line::width).max().unwrap_or(0).min(width);
    let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let rows = cell(shown.len());
    let area = Rect {
        x: 0,
        y: areas.composer_rule.y - rows,
        width: cell(wide).min(areas.composer_rule.width),
        height: rows,
    };
    frame.render_widget(Clear, area);
    for (y, line) in (area.y..).zip(shown) {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        // To the popup's edge in the row's own style.
        frame.buffer_mut().set_style(row, line.style);
        frame.render_widget(line, row);
    }
}

fn command_lines(model: &Model, candidates: &[Candidate], width: usize) -> Vec<Line<'static>> {
    let names = candidates.iter().map(|c| wrap::width(&c.text)).max();
    let names = names.unwrap_or(0);
    let choice = model.composer.popup_choice.min(candidates.len() - 1);
    let line = |(n, c): (usize, &Candidate)| {
        let mark = if n == choice { '\u{203a}' } else { ' ' };
        let text = format!("{mark}{:<names$}  {} ", c.text, c.doc);
        Line::styled(wrap::clip(&text, width), row_style(model, n == choice))
    };
    candidates.iter().enumerate().map(line).collect()
}

fn row_style(model: &Model, chosen: bool) -> Style {
    if chosen {
        model.theme.selected
    } else {
        model.theme.popup
    }
}

fn files(model: &Model, width: usize) -> Vec<Line<'static>> {
    let mentions = &model.composer.mentions;
    if mentions.is_waiting() {
        let text = wrap::clip("  reading the names of the files\u{2026} ", width);
        return vec![Line::styled(text, model.theme.popup)];
    }
    let matches = mentions.matches();
    let choice = model
        .composer
        .popup_choice
        .min(matches.len().saturating_sub(1));
    let mut lines: Vec<Line<'static>> = matches
        .iter()
        .enumerate()
        .map(|(n, found)| {
            let style = row_style(model, n == choice);
            let mark = if n == choice { "\u{203a} " } else { "  " };
            let mut spans = vec![Span::raw(mark)];
            spans.extend(name(&found.path, &found.hits, width.saturating_sub(3)));
            spans.push(Span::raw(" "));
            Line::from(spans).style(style)
        })
        .collect();
    if mentions.is_partial() && !lines.is_empty() {
        let text = wrap::clip("  not all files of this folder are in the list ", width);
        lines.push(Line::styled(text, model.theme.popup));
    }
    lines
}

/// A file's name with the letters that match marked; of a long one the end, which tells it apart.
fn name(path: &str, hits: &[u32], width: usize) -> Vec<Span<'static>> {
    let mut pieces: Vec<(String, bool)> = path
        .graphemes(true)
        .zip(0u32..)
        .map(|(g, n)| (text::exact(g), hits.binary_search(&n).is_ok()))
        .collect();
    let cells =
        |pieces: &[(String, bool)]| -> usize { pieces.iter().map(|(p, _)| wrap::width(p)).sum() };
    let mut total = cells(&pieces);
    if total > width {
        let mut cut = 0;
        while total + 1 > width && cut < pieces.len() {
            total -= pieces.get(cut).map_or(0, |(p, _)| wrap::width(p));
            cut += 1;
        }
        pieces.drain(..cut);
        pieces.insert(0, ("\u{2026}".to_owned(), false));
    }
    let marked = Style::default().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
    pieces
        .into_iter()
        .map(|(piece, hit)| Span::styled(piece, if hit { marked } else { Style::default() }))
        .collect()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
