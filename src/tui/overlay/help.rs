//! The help as it is open: what it is about, what is searched in it, where it is scrolled to.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Commands and keys.
    Everything,
    /// The keys with the names of their actions, and where each was bound.
    Keys,
}

#[derive(Debug)]
pub struct Help {
    pub topic: Topic,
    /// Only rows that have all of its words are shown.
    pub filter: String,
    /// What is typed goes to the filter.
    pub typing: bool,
    pub scroll: usize,
    /// How far it can be scrolled, as last laid out.
    pub max_scroll: usize,
}

impl Help {
    pub fn about(topic: Topic) -> Help {
        Help {
            topic,
            filter: String::new(),
            typing: false,
            scroll: 0,
            max_scroll: 0,
        }
    }

    pub fn scroll_by(&mut self, rows: i64) {
        let rows = isize::try_from(rows).unwrap_or_default();
        self.scroll = self.scroll.saturating_add_signed(rows).min(self.max_scroll);
    }

    /// The last row that was typed into the filter is taken back, or all of it.
    pub fn edit_filter(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.filter);
        self.scroll = 0;
    }

    /// Whether a row of the help that says these texts is shown.
    pub fn shows(&self, texts: &[&str]) -> bool {
        let all = texts.join(" ").to_lowercase();
        self.filter
            .to_lowercase()
            .split_whitespace()
            .all(|word| all.contains(word))
    }
}
