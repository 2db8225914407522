//! A ratatui backend that writes OSC 8 around the cells of a link.
//!
//! Runs of cells with one link go to the backend below by themselves, between the sequence that opens the link
//! and the one that closes it, so a link never reaches beyond its cells, whatever else is on the row.

use super::{Links, number};
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::Color;
use std::io::{self, Write};

#[derive(Debug)]
pub struct Linked<B> {
    inner: B,
    links: Links,
    /// The terminal can be sent links.
    pub supported: bool,
}

impl<B> Linked<B> {
    pub fn new(inner: B) -> Linked<B> {
        Linked {
            inner,
            links: Links::default(),
            supported: false,
        }
    }

    /// The addresses of what is drawn next.
    pub fn set_links(&mut self, links: &Links) {
        self.links = links.clone();
    }
}

impl<B: Write> Write for Linked<B> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A cell without the number it carried.
fn plain(cell: &Cell) -> Cell {
    let mut cell = cell.clone();
    cell.underline_color = Color::Reset;
    cell
}

impl<B: Backend<Error = io::Error> + Write> Linked<B> {
    fn run(&mut self, link: Option<u32>, cells: &[(u16, u16, Cell)]) -> io::Result<()> {
        let address = link.and_then(|number| self.links.at(number));
        let address = address.filter(|_| self.supported);
        if let (Some(address), Some(number)) = (&address, link) {
            // The id joins the rows of one link, so that the terminal underlines them together.
            write!(self.inner, "\x1b]8;id={number};{address}\x1b\\")?;
        }
        let drawn = self
            .inner
            .draw(cells.iter().map(|(x, y, cell)| (*x, *y, cell)));
        if address.is_some() {
            self.inner.write_all(b"\x1b]8;;\x1b\\")?;
        }
        drawn
    }
}

impl<B: Backend<Error = io::Error> + Write> Backend for Linked<B> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        let link = |cell: &Cell| number(cell.underline_color);
        while let Some(current) = content.peek().map(|(_, _, cell)| link(cell)) {
            let cells =
                std::iter::from_fn(|| content.next_if(|(_, _, cell)| link(cell) == current));
            if current.is_none() {
                self.inner.draw(cells)?;
            } else {
                let run: Vec<_> = cells.map(|(x, y, cell)| (x, y, plain(cell))).collect();
                self.run(current, &run)?;
            }
        }
        Ok(())
    }

    fn append_lines(&mut self, n: u16) -> io::Result<()> {
        self.inner.append_lines(n)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
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
    use ratatui::backend::CrosstermBackend;
    use ratatui::buffer::Buffer;
    use ratatui::style::Style;
    use ratatui::text::{Line, Span};
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bytes(supported: bool, line: &Line<'_>, links: &Links) -> String {
        let sent = Shared::default();
        let mut backend = Linked::new(CrosstermBackend::new(sent.clone()));
        backend.supported = supported;
        backend.set_links(links);
        let area = ratatui::layout::Rect::new(0, 0, 20, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_line(0, 0, line, 20);
        backend
            .draw(
                buffer
                    .content()
                    .iter()
                    .enumerate()
                    .map(|(x, cell)| (u16::try_from(x).unwrap(), 0, cell)),
            )
            .unwrap();
        String::from_utf8(sent.0.take()).unwrap()
    }

    #[test]
    fn a_link_is_around_its_cells_and_no_colour_is_sent_for_it() {
        let links = Links::default();
        let line = Line::from(vec![
            Span::raw("see "),
            Span::styled("here", links.link(Style::new(), "https://a.org")),
            Span::styled("there", links.link(Style::new(), "https://b.org")),
            Span::raw("."),
        ]);
        let sent = bytes(true, &line, &links);
        let mut places = [
            "see ",
            "\x1b]8;id=0;https://a.org\x1b\\",
            "here",
            "\x1b]8;;\x1b\\",
            "\x1b]8;id=1;https://b.org\x1b\\",
            "there",
            "\x1b]8;;\x1b\\",
            ".",
        ]
        .iter();
        let mut rest = sent.as_str();
        assert!(
            places.all(|part| match rest.split_once(part) {
                Some((_, after)) => {
                    rest = after;
                    true
                }
                None => false,
            }),
            "{sent:?}"
        );
        assert!(!sent.contains("58:2") && !sent.contains("58;2"), "{sent:?}");
        let without = bytes(false, &line, &links);
        assert!(
            !without.contains("]8;") && without.contains("there"),
            "{without:?}"
        );
    }
}
