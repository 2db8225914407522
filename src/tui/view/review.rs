//! Draws a review: the file, the hunk, where one stands, and what the keys do.

use crate::agent::ReviewId;
use crate::patch::{ChangeKind, Decision, Encoding};
use crate::tui::keymap::{Action, Context, Keymap};
use crate::tui::model::Model;
use crate::tui::render::diff;
use crate::tui::render::paint;
use crate::tui::render::syntax::Grammars;
use crate::tui::render::wrap::{self, Source};
use crate::tui::review::{Item, Mode, Review};
use crate::tui::theme::Theme;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// The wrapped lines of the hunk on screen.
#[derive(Debug, Default)]
pub struct Cache {
    /// Review, item, revision, columns, and whether code is coloured.
    key: Option<(ReviewId, usize, u64, u16, bool)>,
    lines: Vec<Line<'static>>,
}

struct Parts {
    title: Rect,
    marks: Rect,
    body: Rect,
    foot: Rect,
}

fn parts(area: Rect, foot_rows: u16) -> Parts {
    let row = |y: u16, height: u16| Rect {
        y: area.y + y,
        height,
        ..area
    };
    let head = 2.min(area.height);
    let foot_rows = foot_rows.min(area.height.saturating_sub(head + 1));
    Parts {
        title: row(0, 1.min(area.height)),
        marks: row(1.min(area.height), head.saturating_sub(1)),
        body: row(head, area.height - head - foot_rows),
        foot: row(area.height - foot_rows, foot_rows),
    }
}

/// Lays the hunk out and brings the scroll position within it.
pub fn settle(model: &mut Model, cache: &mut Cache) {
    let area = super::layout::areas(model).overlay;
    let Some(review) = &mut model.review else {
        return;
    };
    model.reviewed = model.reviewed.max(review.revision);
    let grammars = model.colouring.grammars();
    let key = (
        review.id,
        review.at,
        review.revision,
        area.width,
        grammars.is_some(),
    );
    if cache.key != Some(key) {
        cache.lines = body(review, grammars, &model.theme, area.width);
        cache.key = Some(key);
    }
    let rows = foot(review, &model.keys, &model.theme, area.width).len();
    let height = parts(area, u16::try_from(rows).unwrap_or(u16::MAX))
        .body
        .height;
    review.max_scroll = cache.lines.len().saturating_sub(usize::from(height));
    review.scroll = review.scroll.min(review.max_scroll);
}

fn body(
    review: &Review,
    grammars: Option<&Grammars>,
    theme: &Theme,
    columns: u16,
) -> Vec<Line<'static>> {
    let Some(file) = review
        .items
        .get(review.at)
        .and_then(|i| review.plan.files.get(i.file))
    else {
        return Vec::new();
    };
    let sources = match review.hunk() {
        Some(hunk) => {
            let tokens = grammars.map_or_else(Vec::new, |grammars| grammars.hunk(file, hunk));
            if diff::fits_beside(hunk, columns) {
                return diff::beside(hunk, &tokens, theme, columns);
            }
            diff::hunk(hunk, &tokens, theme, columns)
        }
        None => {
            let what = match file.kind {
                _ if file.encoding == Encoding::Binary => "a binary file: taken or left as a whole",
                ChangeKind::Add => "a new file without any lines",
                ChangeKind::Delete => "an empty file is deleted",
                ChangeKind::Move if file.hunks.is_empty() => {
                    "the file moves, its lines stay as they are"
                }
                ChangeKind::Move => "the file moves; what changes in it is asked next",
                ChangeKind::Update if file.hunks.is_empty() => "no line changes",
                ChangeKind::Update => "its mode changes; what changes in it is asked next",
            };
            vec![Source::plain(format!("  {what}"), theme.dim)]
        }
    };
    let mut lines = Vec::new();
    for source in sources {
        wrap::wrap(&source, usize::from(columns), &mut lines);
    }
    lines
}

pub fn view(model: &Model, review: &Review, cache: &Cache, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let foot = foot(review, &model.keys, theme, area.width);
    let parts = parts(area, u16::try_from(foot.len()).unwrap_or(u16::MAX));
    frame.render_widget(title(review, theme, area.width), parts.title);
    frame.render_widget(marks(review, theme, area.width), parts.marks);
    let lines: Vec<Line<'_>> = cache
        .lines
        .iter()
        .skip(review.scroll)
        .take(usize::from(parts.body.height))
        .cloned()
        .collect();
    paint::rows(lines, Style::default(), parts.body, frame.buffer_mut());
    frame.render_widget(Paragraph::new(foot), parts.foot);
    if let Mode::Note { line, .. } = &review.mode
        && parts.foot.height > 0
    {
        let label = u16::try_from(NOTE.len()).unwrap_or(0);
        let field = Rect {
            x: area.x + label.min(area.width),
            width: area.width.saturating_sub(label),
            height: 1,
            ..parts.foot
        };
        frame.render_widget(&**line, field);
        let column = line
            .screen_cursor()
            .col
            .saturating_sub(usize::from(line.scroll_offset().1));
        let x = u16::try_from(column)
            .unwrap_or(u16::MAX)
            .min(field.width.saturating_sub(1));
        frame.set_cursor_position(Position::new(field.x + x, field.y));
    }
}

const NOTE: &str = "note to the model: ";

/// `update src/main.rs · hunk 2 of 3 · found ignoring indentation`
fn title(review: &Review, theme: &Theme, width: u16) -> Line<'static> {
    let Some(item) = review.items.get(review.at) else {
        return Line::default();
    };
    let Some(file) = review.plan.files.get(item.file) else {
        return Line::default();
    };
    let mut tail = format!("hunk {} of {}", review.at + 1, review.items.len());
    let notes: String = file
        .notes()
        .iter()
        .map(|note| format!(" \u{b7} {note}"))
        .collect();
    let files = review.plan.files.len();
    let mut head = diff::file_title(file);
    if files > 1 && usize::from(width) >= wrap::width(&head) + wrap::width(&tail) + 24 {
        tail = format!("{tail} \u{b7} file {} of {files}", item.file + 1);
    }
    let scrolled = if review.max_scroll > 0 {
        format!(
            " \u{b7} {}%",
            review.scroll.saturating_mul(100) / review.max_scroll.max(1)
        )
    } else {
        String::new()
    };
    let room = usize::from(width).saturating_sub(wrap::width(&tail) + 3);
    if wrap::width(&head) > room {
        head = clip_front(&head, room);
    }
    let left = usize::from(width).saturating_sub(wrap::width(&head) + wrap::width(&tail) + 3);
    Line::from(vec![
        Span::styled(head, theme.diff_header),
        Span::styled(format!(" \u{b7} {tail}"), theme.strong),
        Span::styled(wrap::clip(&format!("{notes}{scrolled}"), left), theme.warn),
    ])
}

/// The end of a path says more than its start.
fn clip_front(text: &str, columns: usize) -> String {
    let mut kept = String::new();
    for c in text.chars().rev() {
        let next = format!("{c}{kept}");
        if wrap::width(&next) + 1 > columns {
            break;
        }
        kept = next;
    }
    format!("\u{2026}{kept}")
}

/// One mark for each hunk: `[2 ·]` is the one on screen, `y` accepted, `n` rejected, `·` open.
fn marks(review: &Review, theme: &Theme, width: u16) -> Line<'static> {
    let mark = |item: &Item| match item.decision {
        None => ('\u{b7}', theme.dim),
        Some(Decision::Accept) => ('y', theme.ok),
        Some(Decision::Reject { .. }) => ('n', theme.error),
    };
    let text = |index: usize, item: &Item| {
        let (sign, _) = mark(item);
        if index == review.at {
            format!("[{} {sign}]", index + 1)
        } else {
            format!(" {} {sign} ", index + 1)
        }
    };
    let texts: Vec<String> = review
        .items
        .iter()
        .enumerate()
        .map(|(n, item)| text(n, item))
        .collect();
    // With many hunks, those around the one on screen.
    let fits = |from: usize| {
        let mut used = 0;
        texts
            .iter()
            .skip(from)
            .take_while(|t| {
                used += wrap::width(t);
                used <= usize::from(width)
            })
            .count()
    };
    let mut from = 0;
    while from < review.at && from + fits(from) <= (review.at + 1).min(texts.len() - 1) {
        from += 1;
    }
    let shown = fits(from);
    let spans = texts
        .into_iter()
        .zip(&review.items)
        .enumerate()
        .skip(from)
        .take(shown);
    Line::from_iter(spans.map(|(n, (text, item))| {
        let style = if n == review.at {
            theme.selected
        } else {
            mark(item).1
        };
        Span::styled(text, style)
    }))
}

/// What the keys do, or the question that is open.
fn foot(review: &Review, keys: &Keymap, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let mut out = Vec::new();
    match &review.mode {
        Mode::Note { rest_of_file, .. } => {
            out.push(Line::styled(NOTE, theme.strong));
            let what = if *rest_of_file {
                "reject the rest of the file"
            } else {
                "reject this hunk"
            };
            out.push(Line::styled(
                wrap::clip(
                    &format!(
                        "{}: {what}; {}: back",
                        keys.key(Context::Note, Action::Confirm),
                        keys.key(Context::Note, Action::Cancel)
                    ),
                    width,
                ),
                theme.dim,
            ));
        }
        Mode::ConfirmFinish => {
            let open = review.items.iter().filter(|i| i.decision.is_none()).count();
            let word = if open == 1 { "hunk is" } else { "hunks are" };
            let text = format!("{open} {word} undecided and will be rejected. Finish? y / n");
            wrap::wrap(&Source::plain(text, theme.warn), width, &mut out);
        }
        Mode::Browse => {
            if review.guarded {
                let text = "You are typing: this goes to your message. After a pause the keys are the review's.";
                wrap::wrap(&Source::plain(text, theme.warn), width, &mut out);
            }
            if let Some(message) = &review.message {
                wrap::wrap(&Source::plain(message.clone(), theme.warn), width, &mut out);
                out.truncate(2);
            }
            out.extend(hints(keys, theme, width));
        }
    }
    out
}

/// The key hints, in words where two lines hold them, else the keys alone.
fn hints(keys: &Keymap, theme: &Theme, width: usize) -> Vec<Line<'static>> {
    let bound: Vec<(&str, &str)> = keys
        .of_context(Context::Review)
        .filter(|row| !row.hint.is_empty())
        .filter_map(|row| Some((row.first()?, row.hint)))
        .collect();
    let mut lines: Vec<Line<'static>> = vec![Line::default()];
    let mut used = 0;
    for (key, hint) in &bound {
        let cells = wrap::width(key) + wrap::width(hint) + 3;
        if used + cells > width + 2 && used > 0 {
            lines.push(Line::default());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push_span(Span::styled((*key).to_owned(), theme.key));
            line.push_span(Span::styled(format!(" {hint}  "), theme.dim));
        }
        used += cells;
    }
    if lines.len() <= 2 {
        return lines;
    }
    let help = keys.key(Context::Review, Action::Command("help"));
    let keys: Vec<&str> = bound.iter().map(|(key, _)| *key).collect();
    vec![Line::from(vec![
        Span::styled(keys.join(" "), theme.key),
        Span::styled(
            wrap::clip(
                &format!("  ({help} explains)"),
                width.saturating_sub(keys.len() * 2),
            ),
            theme.dim,
        ),
    ])]
}
