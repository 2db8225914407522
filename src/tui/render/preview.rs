//! A patch on screen while the model still writes it: the file it is in, and the last lines of its hunk.
//!
//! What is drawn is the end of the text, so that a frame costs the same however long the patch has become. Where
//! the lines belong in the file is known when the patch is complete; the review then shows it.

use crate::patch::v4a::{FileOperation, FilePatch, PatchLine, PatchLineKind, Stream};
use crate::text;
use crate::tui::render::wrap::Source;
use crate::tui::theme::Theme;
use ratatui::style::Style;
use ratatui::text::Span;

/// Lines of the hunk that are shown, and with everything unfolded.
const LINES: usize = 10;
const UNFOLDED_LINES: usize = 200;
/// Files before the one that is written.
const FILES: usize = 3;

pub fn sources(stream: &Stream, theme: &Theme, unfolded: bool) -> Vec<Source> {
    let files = stream.files();
    let Some((current, before)) = files.split_last() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let hidden = before.len().saturating_sub(FILES);
    if hidden > 0 {
        let word = if hidden == 1 { "file" } else { "files" };
        out.push(line(format!("\u{2026} {hidden} more {word}"), theme.dim));
    }
    for file in before.iter().skip(hidden).chain([current]) {
        out.push(line(title(file), theme.diff_header));
    }
    let most = if unfolded { UNFOLDED_LINES } else { LINES };
    let mut body: Vec<Source> = body(current, theme).take(most).collect();
    body.reverse();
    out.extend(body);
    out
}

fn title(file: &FilePatch) -> String {
    let path = text::exact(&file.path);
    match &file.operation {
        FileOperation::Add { .. } => format!("add {path}"),
        FileOperation::Delete { .. } => format!("delete {path}"),
        FileOperation::Update {
            move_to: Some(to), ..
        } => format!("move {path} \u{2192} {}", text::exact(to)),
        FileOperation::Update { move_to: None, .. } => format!("update {path}"),
    }
}

/// The file's lines, the last one first.
fn body<'a>(file: &'a FilePatch, theme: &'a Theme) -> Box<dyn Iterator<Item = Source> + 'a> {
    match &file.operation {
        FileOperation::Add { content, .. } => Box::new(
            content
                .lines
                .iter()
                .rev()
                .map(|text| signed('+', text, theme.diff_add)),
        ),
        FileOperation::Delete { .. } => Box::new(std::iter::empty()),
        FileOperation::Update { hunks, .. } => Box::new(hunks.iter().rev().flat_map(|hunk| {
            let head = match hunk.headers.last() {
                Some(header) => format!("@@ {}", text::exact(header)),
                None => "@@".to_owned(),
            };
            hunk.lines
                .iter()
                .rev()
                .map(|line| patch_line(line, theme))
                .chain([line(head, theme.diff_header)])
        })),
    }
}

fn patch_line(line: &PatchLine, theme: &Theme) -> Source {
    match line.kind {
        PatchLineKind::Context | PatchLineKind::Blank => {
            signed(' ', &line.text, theme.diff_context)
        }
        PatchLineKind::Removed => signed('-', &line.text, theme.diff_remove),
        PatchLineKind::Added => signed('+', &line.text, theme.diff_add),
    }
}

fn signed(sign: char, text: &str, style: Style) -> Source {
    line(format!("{sign} {}", text::exact(text)), style)
}

fn line(text: String, style: Style) -> Source {
    Source::plain(text, style)
        .gutter(Span::raw("  "), Span::raw("    "))
        .verbatim()
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

    fn shown(text: &str, unfolded: bool) -> Vec<String> {
        let mut stream = Stream::default();
        stream.push(text);
        sources(&stream, &Theme::plain(), unfolded)
            .iter()
            .flat_map(|source| &source.spans)
            .map(|span| span.content.to_string())
            .collect()
    }

    #[test]
    fn the_file_and_the_end_of_its_hunk() {
        let text = "*** Begin Patch\n*** Delete File: gone\n*** Update File: a.py\n*** Move to: b.py\n@@ def f():\n a\n-\tb\n+c\u{202e}";
        assert_eq!(
            shown(text, false),
            [
                "delete gone",
                "move a.py \u{2192} b.py",
                "@@ def f():",
                "  a",
                "- \u{2192}   b",
                "+ c<U+202E>",
            ]
        );
        assert_eq!(
            shown("*** Begin Patch\n*** Upd", false),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_long_patch_shows_its_end() {
        let mut text = "*** Begin Patch\n".to_owned();
        for n in 0..6 {
            text.push_str(&format!("*** Add File: f{n}\n"));
            for line in 0..300 {
                text.push_str(&format!("+line {line}\n"));
            }
        }
        let short = shown(&text, false);
        assert_eq!(short.len(), 1 + FILES + 1 + LINES, "{short:?}");
        assert_eq!(short[0], "\u{2026} 2 more files");
        assert_eq!(short.last().unwrap(), "+ line 299");
        assert_eq!(shown(&text, true).len(), 1 + FILES + 1 + UNFOLDED_LINES);
    }
}
