//! Quotes and list items: what blocks stand in.

use super::block::Item;
use crate::tui::render::wrap;
use crate::tui::theme::Theme;
use ratatui::text::Span;

#[derive(Debug, Clone)]
pub enum Container {
    Quote,
    Item {
        item: Item,
        number: Option<u64>,
        /// To be drawn before the first line.
        marker: Option<String>,
        width: usize,
    },
}

impl Container {
    /// An item after `before`, which is in the same list if it has the same mark.
    pub fn item(item: Item, before: Option<Container>) -> Container {
        let number = match (item.number, before) {
            (
                Some(_),
                Some(Container::Item {
                    item: last,
                    number: Some(number),
                    ..
                }),
            ) if last.mark == item.mark => Some(number + 1),
            (number, _) => number,
        };
        let marker = match (item.task, number) {
            (Some(true), _) => "[x] ".to_owned(),
            (Some(false), _) => "[ ] ".to_owned(),
            (None, Some(number)) => format!("{number}{} ", item.mark),
            (None, None) => "\u{2022} ".to_owned(),
        };
        Container::Item {
            number,
            width: wrap::width(&marker),
            marker: Some(marker),
            item,
        }
    }
}

pub fn gutter(containers: &[Container], theme: &Theme) -> Vec<Span<'static>> {
    let span = |container: &Container| match container {
        Container::Quote => Span::styled("\u{2502} ", theme.dim),
        Container::Item { width, .. } => Span::raw(" ".repeat(*width)),
    };
    containers.iter().map(span).collect()
}
