//! What the terminal shows, as far as it is known.

use ratatui::buffer::Cell;
use ratatui::style::Color;

#[derive(Debug, Default)]
pub(super) struct Shown {
    /// By row and column.
    rows: Vec<Vec<Slot>>,
    /// Everything not in `rows` is blank.
    blank: bool,
}

#[derive(Debug, Clone)]
enum Slot {
    Cell(Cell),
    /// The first half of a wide character on the terminal's own background.
    Half,
    /// Not known: what becomes of one half of a wide character when the other is written over is the terminal's
    /// business.
    Unknown,
}

impl Shown {
    /// An empty screen.
    pub fn blank() -> Shown {
        Shown {
            rows: Vec::new(),
            blank: true,
        }
    }

    fn slot(&self, x: u16, y: u16) -> Option<&Slot> {
        self.rows.get(usize::from(y))?.get(usize::from(x))
    }

    /// The cell there, where it is known and not a part of a wide character.
    pub fn cell(&self, x: u16, y: u16) -> Option<&Cell> {
        match self.slot(x, y) {
            Some(Slot::Cell(cell)) => Some(cell),
            Some(Slot::Half | Slot::Unknown) => None,
            None => self.blank.then_some(&Cell::EMPTY),
        }
    }

    pub fn is_half(&self, x: u16, y: u16) -> bool {
        matches!(self.slot(x, y), Some(Slot::Half))
    }

    /// A cell of `width` columns was drawn.
    pub fn set(&mut self, x: u16, y: u16, cell: &Cell, width: u16) {
        let (x, y, width) = (usize::from(x), usize::from(y), usize::from(width));
        if self.rows.len() <= y {
            self.rows.resize_with(y + 1, Vec::new);
        }
        let unwritten = match self.blank {
            true => Slot::Cell(Cell::EMPTY),
            false => Slot::Unknown,
        };
        let Some(row) = self.rows.get_mut(y) else {
            return;
        };
        if row.len() < x + width {
            row.resize(x + width, unwritten);
        }
        for (n, slot) in row.iter_mut().skip(x).take(width).enumerate() {
            *slot = match n {
                0 if width == 1 => Slot::Cell(cell.clone()),
                0 if cell.bg == Color::Reset => Slot::Half,
                _ => Slot::Unknown,
            };
        }
    }
}
