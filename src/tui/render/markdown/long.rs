//! Lines that are too long to wait for their end: read in parts, as a paragraph or as code.

use super::container::Container;
use super::{LONG, Leaf, Look, Markdown, block, code};
use crate::tui::render::wrap::Source;

impl Markdown {
    /// Takes what it can of a line whose end is still to come.
    pub(super) fn part(&mut self, line: &str, look: Look<'_>, out: &mut Vec<Source>) -> usize {
        if self.within {
            self.more(line, look, out)
        } else if line.len() > LONG {
            let taken = self.begin_long(line, look, out);
            taken + self.more(line.get(taken..).unwrap_or(""), look, out)
        } else {
            0
        }
    }

    /// Begins a line that is too long to wait for its end; what was taken of it.
    pub(super) fn begin_long(
        &mut self,
        line: &str,
        look: Look<'_>,
        out: &mut Vec<Source>,
    ) -> usize {
        self.within = true;
        let (matched, mut rest) = self.matched(line);
        let all = matched == self.containers.len();
        if let (Leaf::Fence { fence, .. }, true) = (&self.leaf, all) {
            rest = fence.inside(rest);
            self.emit_code(code::plain("", look.theme), look, out);
            return line.len() - rest.len();
        }
        let paragraph = matches!(self.leaf, Leaf::Paragraph { .. });
        let mut container = block::container(rest, paragraph && all);
        if !paragraph || container.is_some() {
            self.close(look, out);
            let mut sibling = self.containers.get(matched).cloned();
            self.leave_containers(matched, look, out);
            while let Some((item, inner)) = container {
                self.containers.push(match item {
                    Some(item) => Container::item(item, sibling),
                    None => Container::Quote,
                });
                sibling = None;
                rest = inner;
                container = block::container(rest, false);
            }
        }
        rest = rest.trim_start();
        self.paragraph("", look, out);
        line.len() - rest.len()
    }

    /// A further part of a long line.
    pub(super) fn more(&mut self, part: &str, look: Look<'_>, out: &mut Vec<Source>) -> usize {
        if let Leaf::Paragraph { text, .. } = &mut self.leaf {
            text.push_str(part);
            self.cut(look, out);
            return part.len();
        }
        let mut taken = 0;
        while let Some(length) = part.get(taken..).and_then(code::piece) {
            self.code_piece(part.get(taken..taken + length).unwrap_or(""), look, out);
            taken += length;
        }
        taken
    }

    pub(super) fn end_long(&mut self, rest: &str, look: Look<'_>, out: &mut Vec<Source>) {
        if !rest.is_empty() {
            self.code_piece(rest, look, out);
        }
    }

    pub(super) fn code_piece(&mut self, piece: &str, look: Look<'_>, out: &mut Vec<Source>) {
        let mut source = code::plain(piece, look.theme);
        source.continues = true;
        self.emit_code(source, look, out);
    }
}
