//! The ratatui backend: what a frame is on its way to the terminal, in few bytes and one piece.
//!
//! ratatui hands over the cells that changed. It is known here what the terminal shows ([`shown`]) and how it draws
//! ([`pen`]), so a short gap between two changes is written over instead of jumped, a blank rest is erased, and no
//! style is said twice. Only sequences that every terminal and multiplexer has are used: the cursor is placed by row
//! and column or by column alone, and blanks are erased on the terminal's own background only, since terminals do not
//! agree on which colour an erased cell gets.
//!
//! A frame is kept until [`Backend::flush`] and written at once, inside a synchronized update; a frame that changes
//! nothing writes nothing. After it the cursor stands where it is seen, the style is the terminal's own and no link
//! is open. Links are a matter of the pen too: a link never reaches beyond its cells, whatever else is on the row.

mod pen;
mod shown;

use super::links::Links;
pub use pen::Sends;
use pen::{Look, Pen, is_blank};
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Cell, CellWidth};
use ratatui::layout::{Position, Size};
use shown::Shown;
use std::io::{self, Write};

/// Longer gaps between two changes of a row are never cheaper to write over than to jump.
const GAP: u16 = 6;

#[derive(Debug)]
pub struct Wire<W> {
    out: W,
    /// The frame so far.
    frame: Vec<u8>,
    /// Cells were drawn or erased in it.
    drawn: bool,
    /// Columns of the terminal, when it was asked last.
    columns: std::cell::Cell<u16>,
    shown: Shown,
    pen: Pen,
    /// The cursor's column and row while a frame is drawn; `None` where terminals may disagree.
    at: Option<(u16, u16)>,
    cursor: Cursor,
    links: Links,
    /// What the terminal can be sent.
    pub sends: Sends,
}

/// The cursor as it is to be seen, and as it was after the last frame.
#[derive(Debug, Default)]
struct Cursor {
    visible: bool,
    position: Position,
    was: Option<(bool, Position)>,
}

impl<W: Write> Wire<W> {
    /// `columns`: of the terminal.
    pub fn new(out: W, columns: u16) -> Wire<W> {
        Wire {
            out,
            frame: Vec::new(),
            drawn: false,
            columns: std::cell::Cell::new(columns),
            shown: Shown::default(),
            pen: Pen::default(),
            at: None,
            cursor: Cursor::default(),
            links: Links::default(),
            sends: Sends {
                links: false,
                colours: true,
            },
        }
    }

    /// The addresses of what is drawn next.
    pub fn set_links(&mut self, links: &Links) {
        self.links = links.clone();
    }

    fn look(&self, cell: &Cell) -> Look {
        Look::of(cell, self.sends)
    }

    fn dip(&mut self, look: Look) {
        self.pen.change(look, &self.links, &mut self.frame);
    }

    /// Puts the cursor at a cell, over a short gap by writing what stands there.
    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        if let Some((from, row)) = self.at
            && row == y
            && from < x
            && x - from <= GAP
            && let Some(text) = self.gap(from, x, y)
        {
            self.frame.extend_from_slice(text.as_bytes());
        } else {
            self.place(x, y);
        }
        self.at = Some((x, y));
    }

    /// What stands in the columns from `from` to `to`, where it can be written as the pen is now.
    fn gap(&self, from: u16, to: u16, y: u16) -> Option<String> {
        let mut text = String::new();
        for x in from..to {
            let cell = self.shown.cell(x, y)?;
            let now = self.pen.look();
            let as_it_is = self.look(cell).over(cell, now) == now;
            // ASCII alone is as wide everywhere.
            match cell.symbol().as_bytes() {
                [byte @ b' '..=b'~'] if as_it_is => text.push(char::from(*byte)),
                _ => return None,
            }
        }
        Some(text)
    }

    /// The shortest sequence that puts the cursor at a cell.
    fn place(&mut self, x: u16, y: u16) {
        let sequence = match self.at {
            Some((_, row)) if row == y => format!("\x1b[{}G", x + 1),
            _ if x == 0 => format!("\x1b[{}H", y + 1),
            _ => format!("\x1b[{};{}H", y + 1, x + 1),
        };
        self.frame.extend_from_slice(sequence.as_bytes());
        self.at = Some((x, y));
    }

    /// One cell; gives the column after it.
    fn put(&mut self, x: u16, y: u16, cell: &Cell) -> u16 {
        let symbol = cell.symbol();
        let width = cell.cell_width().max(1);
        let certain = pen::is_certain(symbol, width);
        if !certain {
            // Where it turns out narrower, nothing old is left beside it.
            self.go(x, y);
            self.dip(self.look(cell));
            let blank = " ".repeat(usize::from(width));
            self.frame.extend_from_slice(blank.as_bytes());
            self.at = None;
        }
        self.go(x, y);
        let look = self.look(cell).over(cell, self.pen.look());
        self.dip(look);
        self.frame.extend_from_slice(symbol.as_bytes());
        self.shown.set(x, y, cell, width);
        let after = x.saturating_add(width);
        // In the last column a terminal waits for the next character before it moves on.
        self.at = (certain && after < self.columns.get()).then_some((after, y));
        after
    }

    /// Erases the blanks that `cells` begin with, where that is shorter than to write them; how many cells that were.
    fn erase(&mut self, cells: &[(u16, u16, &Cell)]) -> usize {
        let Some(&(x, y, first)) = cells.first() else {
            return 0;
        };
        if !is_blank(first, self.sends) {
            return 0;
        }
        let columns = self.columns.get();
        // Blanks that did not change are no end of it.
        let (mut column, mut end, mut count) = (x, x, 0);
        while column < columns {
            match cells.get(count) {
                Some(&(at, row, cell)) if (at, row) == (column, y) => {
                    if !is_blank(cell, self.sends) {
                        break;
                    }
                    (count, end) = (count + 1, column + 1);
                }
                _ => match self.shown.cell(column, y) {
                    Some(cell) if is_blank(cell, self.sends) => {}
                    _ => break,
                },
            }
            column += 1;
        }
        let length = end - x;
        let more = cells.get(count).is_some_and(|(_, row, _)| *row == y);
        let (sequence, cost) = if column == columns {
            ("\x1b[K".to_owned(), 3)
        } else {
            let sequence = format!("\x1b[{length}X");
            // The cursor stays: what follows on the row needs a jump.
            let cost = sequence.len() + if more { 6 } else { 0 };
            (sequence, cost)
        };
        // Half of a wide character is not erased everywhere; it can be written over.
        let known = (x..end).all(|column| self.shown.cell(column, y).is_some());
        if usize::from(length) <= cost || !known {
            return 0;
        }
        self.go(x, y);
        self.dip(self.look(first).over(first, self.pen.look()));
        self.frame.extend_from_slice(sequence.as_bytes());
        for column in x..end {
            self.shown.set(column, y, &Cell::EMPTY, 1);
        }
        count
    }

    /// Nothing is known any more of what the terminal shows or how it draws.
    fn forget(&mut self) {
        self.pen = Pen::default();
        self.frame.extend_from_slice(b"\x1b[m");
        self.at = None;
        self.cursor.was = None;
        self.drawn = true;
    }
}

impl<W: Write> Write for Wire<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Backend for Wire<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let cells: Vec<_> = content.collect();
        // The columns that the last wide character covers.
        let mut covered = (0, 0);
        let mut n = 0;
        while let Some(&(x, y, cell)) = cells.get(n) {
            self.drawn = true;
            if (y == covered.1 && x < covered.0) || cell.symbol().is_empty() {
                n += 1;
                continue;
            }
            let erased = self.erase(cells.get(n..).unwrap_or_default());
            if erased > 0 {
                n += erased;
            } else {
                let after = x.saturating_add(cell.cell_width().max(1));
                let halved = self.shown.is_half(after - 1, y);
                covered = (self.put(x, y, cell), y);
                n += 1;
                let next = cells
                    .get(n)
                    .is_some_and(|(x, row, _)| (*x, *row) == (after, y));
                if halved && !next && after < self.columns.get() {
                    // What is left of a wide character is blank for ratatui, which says nothing of it; terminals
                    // give it the style of what took the other half. (On a background of its own ratatui does.)
                    self.put(after, y, &Cell::EMPTY);
                }
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.cursor.visible = false;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor.visible = true;
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        let (x, y) = crossterm::cursor::position()?;
        Ok(Position { x, y })
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor.position = position.into();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.forget();
        let Position { x, y } = self.cursor.position;
        let sequence: &[u8] = match clear_type {
            ClearType::All => b"\x1b[2J",
            ClearType::AfterCursor => b"\x1b[J",
            ClearType::BeforeCursor => b"\x1b[1J",
            ClearType::CurrentLine => b"\x1b[2K",
            ClearType::UntilNewLine => b"\x1b[K",
        };
        if clear_type == ClearType::All {
            self.shown = Shown::blank();
        } else {
            self.shown = Shown::default();
            self.place(x, y);
        }
        self.frame.extend_from_slice(sequence);
        Ok(())
    }

    fn append_lines(&mut self, n: u16) -> io::Result<()> {
        self.forget();
        self.shown = Shown::default();
        self.frame.extend(std::iter::repeat_n(b'\n', n.into()));
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        let (width, height) = crossterm::terminal::size()?;
        self.columns.set(width);
        Ok(Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = crossterm::terminal::window_size()?;
        Ok(WindowSize {
            columns_rows: Size::new(size.columns, size.rows),
            pixels: Size::new(size.width, size.height),
        })
    }

    /// Writes the frame, if there is one.
    fn flush(&mut self) -> io::Result<()> {
        let Cursor {
            visible,
            position,
            was,
        } = self.cursor;
        let drawn = std::mem::take(&mut self.drawn);
        if !drawn && was == Some((visible, position)) {
            return Ok(());
        }
        self.dip(Look::default());
        if visible && (drawn || was != Some((true, position))) {
            self.go(position.x, position.y);
        }
        if was.map(|(shown, _)| shown) != Some(visible) {
            let sequence = if visible { b"\x1b[?25h" } else { b"\x1b[?25l" };
            self.frame.extend_from_slice(sequence);
        }
        self.cursor.was = Some((visible, position));
        // Whatever else writes to the terminal between two frames: the next one begins with a place of its own.
        self.at = None;
        let mut frame = std::mem::take(&mut self.frame);
        if drawn {
            self.out.write_all(b"\x1b[?2026h")?;
            frame.extend_from_slice(b"\x1b[?2026l");
        }
        self.out.write_all(&frame)?;
        frame.clear();
        self.frame = frame;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
