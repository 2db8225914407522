//! How the panes share the screen: a share the user can move, side by side and stacked each their own.
//!
//! Shares are per mille, so that one at 300 columns is as good as one at 100, and are kept in a file of the
//! state folder. A file that cannot be understood is as good as none.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What no pane gets less of: columns side by side, rows stacked.
const LEAST_COLUMNS: u16 = 24;
const LEAST_ROWS: u16 = 2;
/// One press of a key, in per mille.
const STEP: i32 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Split {
    /// The conversation's share of the columns; `None`: three fifths.
    beside: Option<u16>,
    /// The reasoning's share of the rows; `None`: a quarter, and no more than a dozen rows.
    stacked: Option<u16>,
}

/// Which way the panes are divided now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Beside,
    Stacked,
}

impl Split {
    /// Columns of the conversation, of `width`.
    pub fn beside(&self, width: u16) -> u16 {
        let columns = self
            .beside
            .map_or(width * 3 / 5, |share| part(width, share));
        columns.clamp(LEAST_COLUMNS, width.saturating_sub(LEAST_COLUMNS))
    }

    /// Rows of the reasoning's text, of `height` for both panes, a title and a rule.
    pub fn stacked(&self, height: u16) -> u16 {
        let most = height.saturating_sub(2 + LEAST_ROWS).max(LEAST_ROWS);
        match self.stacked {
            None => (height / 4).clamp(LEAST_ROWS, 12),
            Some(share) => part(height, share),
        }
        .clamp(LEAST_ROWS, most)
        .min(height.saturating_sub(2))
    }

    /// The divider is dragged to `at` of `room` columns or rows.
    pub fn drag(&mut self, direction: Direction, at: u16, room: u16) {
        let share = share(at, room);
        match direction {
            Direction::Beside => self.beside = Some(share),
            Direction::Stacked => self.stacked = Some(share),
        }
    }

    /// A press of a key: the first pane on screen grows or shrinks.
    pub fn step(&mut self, direction: Direction, grow: bool, room: u16) {
        let now = match direction {
            Direction::Beside => share(self.beside(room), room),
            Direction::Stacked => share(self.stacked(room), room),
        };
        let step = if grow { STEP } else { -STEP };
        let next = u16::try_from((i32::from(now) + step).clamp(0, 1000)).unwrap_or(now);
        match direction {
            Direction::Beside => self.beside = Some(next),
            Direction::Stacked => self.stacked = Some(next),
        }
    }
}

fn part(room: u16, share: u16) -> u16 {
    let rounded = (u32::from(room) * u32::from(share.min(1000)) + 500) / 1000;
    u16::try_from(rounded).unwrap_or(room)
}

fn share(at: u16, room: u16) -> u16 {
    let share = (u32::from(at) * 1000 + u32::from(room) / 2)
        .checked_div(u32::from(room))
        .unwrap_or(500);
    u16::try_from(share.min(1000)).unwrap_or(1000)
}

/// The kept shares; the usual ones where there are none.
pub fn load(path: &Path) -> Split {
    std::fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

pub fn save(path: &Path, split: Split) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Written beside and renamed: two sessions may save at once. A temporary file is 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, &split).map_err(io::Error::from)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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

    #[test]
    fn no_pane_is_dragged_away() {
        let mut split = Split::default();
        assert_eq!((split.beside(120), split.stacked(18)), (72, 4));
        for (at, columns) in [(0, 24), (10, 24), (50, 50), (77, 77), (119, 96), (200, 96)] {
            split.drag(Direction::Beside, at, 120);
            assert_eq!(split.beside(120), columns, "{at}");
        }
        for (at, rows) in [(0, 2), (3, 3), (9, 9), (17, 14), (40, 14)] {
            split.drag(Direction::Stacked, at, 18);
            assert_eq!(split.stacked(18), rows, "{at}");
        }
    }

    #[test]
    fn a_step_there_and_back_is_no_step() {
        let mut split = Split::default();
        split.step(Direction::Beside, true, 120);
        assert_eq!(split.beside(120), 77);
        split.step(Direction::Beside, false, 120);
        assert_eq!(split.beside(120), 72);
    }

    #[test]
    fn what_is_saved_is_loaded_and_nonsense_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layout.json");
        assert_eq!(load(&path), Split::default());
        let mut split = Split::default();
        split.drag(Direction::Stacked, 5, 20);
        save(&path, split).unwrap();
        assert_eq!(load(&path), split);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
        std::fs::write(&path, "{\"beside\": \"wide\"}").unwrap();
        assert_eq!(load(&path), Split::default());
    }
}
