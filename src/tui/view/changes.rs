//! Draws `/diff`: file after file, hunk after hunk, read-only.

use crate::patch::{ChangeKind, LineKind, OverallFile, Since};
use crate::text;
use crate::tui::keymap::Context;
use crate::tui::model::Model;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::changes::{Changes, Laid, matches};
use crate::tui::render::diff;
use crate::tui::render::paint;
use crate::tui::render::syntax::Grammars;
use crate::tui::render::wrap::{self, Source};
use crate::tui::theme::Theme;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// The title and the keys.
const AROUND: u16 = 2;

pub fn settle(model: &mut Model, area: Rect) {
    let Some(Overlay::Changes(changes)) = &mut model.overlay else {
        return;
    };
    let grammars = model.colouring.grammars();
    let laid = &changes.laid;
    let same = laid.columns == area.width
        && laid.coloured == grammars.is_some()
        && laid.theme.as_ref() == Some(&model.theme);
    if !same {
        changes.laid = lay_out(changes, grammars, &model.theme, area.width);
    }
    changes.laid.height = usize::from(area.height.saturating_sub(AROUND));
    changes.scroll = changes.scroll.min(changes.max_scroll());
}

fn lay_out(changes: &Changes, grammars: Option<&Grammars>, theme: &Theme, columns: u16) -> Laid {
    let mut lines = Vec::new();
    let mut files = Vec::new();
    for (at, file) in changes.overall.files.iter().enumerate() {
        if at > 0 {
            lines.push(Line::default());
        }
        files.push(lines.len());
        of_file(file, grammars, theme, columns, &mut lines);
    }
    if changes.overall.files.is_empty() {
        lines.push(Line::styled(
            "This conversation has changed no files.",
            theme.dim,
        ));
    }
    if changes.overall.undone > 0 {
        let word = match changes.overall.undone {
            1 => "patch was",
            _ => "patches were",
        };
        let text = format!("{} {word} taken back by /undo.", changes.overall.undone);
        lines.push(Line::default());
        lines.push(Line::styled(text, theme.dim));
    }
    Laid {
        columns,
        coloured: grammars.is_some(),
        theme: Some(theme.clone()),
        lines,
        files,
        height: 0,
    }
}

fn of_file(
    file: &OverallFile,
    grammars: Option<&Grammars>,
    theme: &Theme,
    columns: u16,
    out: &mut Vec<Line<'static>>,
) {
    let width = usize::from(columns);
    let count = |kind| {
        let lines = file.plan.hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(|line| line.kind == kind).count()
    };
    let title = format!(
        "{}  +{} -{}",
        diff::file_title(&file.plan),
        count(LineKind::Added),
        count(LineKind::Removed)
    );
    wrap::wrap(&Source::plain(title, theme.heading), width, out);
    let since = match file.since {
        Since::AsWritten => None,
        Since::Edited => Some("changed by somebody else too; shown as it is now"),
        Since::Back => Some("as it was before this conversation"),
    };
    let mode = file.plan.notes();
    let notes = since
        .map(str::to_owned)
        .into_iter()
        .chain(
            file.note
                .as_deref()
                .map(|note| text::prose(note).into_owned()),
        )
        .chain(mode);
    for note in notes {
        wrap::wrap(&Source::plain(format!("  {note}"), theme.warn), width, out);
    }
    let empty = file.plan.hunks.is_empty() && file.note.is_none();
    if empty && file.since != Since::Back {
        let what = match file.plan.kind {
            ChangeKind::Add => "  a file without lines",
            ChangeKind::Delete => "  an empty file is gone",
            ChangeKind::Update | ChangeKind::Move => "  no line differs",
        };
        out.push(Line::styled(what, theme.dim));
    }
    for hunk in &file.plan.hunks {
        let tokens = grammars.map_or_else(Vec::new, |g| g.hunk(&file.plan, hunk));
        if diff::fits_beside(hunk, columns) {
            out.extend(diff::beside(hunk, &tokens, theme, columns));
        } else {
            for source in diff::hunk(hunk, &tokens, theme, columns) {
                wrap::wrap(&source, width, out);
            }
        }
    }
}

pub fn view(model: &Model, changes: &Changes, area: Rect, frame: &mut Frame<'_>) {
    let theme = &model.theme;
    let width = usize::from(area.width);
    let row = |y: u16, height: u16| Rect {
        y: area.y + y,
        height,
        ..area
    };
    frame.render_widget(
        Line::styled(wrap::clip(&title(changes), width), theme.heading),
        row(0, 1.min(area.height)),
    );
    if area.height < AROUND {
        return;
    }
    let shown: Vec<Line<'_>> = changes
        .laid
        .lines
        .iter()
        .skip(changes.scroll)
        .take(changes.laid.height)
        .map(|line| {
            let found = matches(line, &changes.search.query);
            found.iter().fold(line.clone(), |line, columns| {
                paint::over(&line, columns, theme.selected)
            })
        })
        .collect();
    let body = row(1, area.height - AROUND);
    paint::rows(shown, Style::default(), body, frame.buffer_mut());
    let foot = row(area.height - 1, 1);
    if changes.search.typing {
        let typed = wrap::clip(
            &format!("/{}", changes.search.query),
            width.saturating_sub(1),
        );
        let x = u16::try_from(wrap::width(&typed)).unwrap_or(0);
        frame.render_widget(Line::styled(typed, theme.prompt), foot);
        frame.set_cursor_position(Position::new(foot.x + x, foot.y));
        return;
    }
    frame.render_widget(hints(model, changes, width), foot);
}

/// `Changes of this conversation · file 2 of 3 · 40%`
fn title(changes: &Changes) -> String {
    let files = changes.overall.files.len();
    let mut out = "Changes of this conversation".to_owned();
    if files > 0 {
        out.push_str(&format!(" \u{b7} file {} of {files}", changes.file() + 1));
    }
    if changes.max_scroll() > 0 {
        let percent = changes.scroll * 100 / changes.max_scroll();
        out.push_str(&format!(" \u{b7} {percent}%"));
    }
    out
}

fn hints(model: &Model, changes: &Changes, width: usize) -> Line<'static> {
    let theme = &model.theme;
    if changes.search.failed {
        let text = format!("nothing here has {}", changes.search.query);
        return Line::styled(wrap::clip(&text, width), theme.warn);
    }
    let mut line = Line::default();
    let mut used = 0;
    for bound in model.keys.of_context(Context::Changes) {
        let Some(key) = bound.first().filter(|_| !bound.hint.is_empty()) else {
            continue;
        };
        used += wrap::width(key) + wrap::width(bound.hint) + 3;
        if used > width + 2 {
            break;
        }
        line.push_span(Span::styled(key.to_owned(), theme.key));
        line.push_span(Span::styled(format!(" {}  ", bound.hint), theme.dim));
    }
    line
}
