//! What takes a while, in words: the model's loading and rest, a model's download, the container's image.

use super::Speech;
use crate::agent::{ImageProgress, LoadProgress, PullProgress, Rest};

impl Speech {
    pub(super) fn loading(&mut self, progress: &LoadProgress) -> String {
        let quarter = progress
            .bytes
            .and_then(|(done, total)| done.saturating_mul(4).checked_div(total))
            .unwrap_or(0);
        if self.loaded.replace(quarter.max(self.loaded.unwrap_or(0))) == self.loaded {
            return String::new();
        }
        let name = self.model.clone();
        match quarter {
            // What comes next is that it is ready.
            4.. => String::new(),
            0 => self.line(&format!("Loading the model {name}.")),
            quarter => self.line(&format!("Loading: {} percent.", quarter * 25)),
        }
    }

    pub(super) fn resting(&mut self, name: String, why: Rest) -> String {
        self.loaded = None;
        let why = match why {
            Rest::FirstUse => "it is loaded with your first message",
            Rest::Idle(_) => "it was not used for a while; your next message loads it again",
            Rest::MemoryShort => "memory is short; your next message loads it again",
        };
        let text = format!("The model {name} is not loaded: {why}.");
        self.model = name;
        self.line(&text)
    }

    /// A word at the beginning and at each quarter.
    pub(super) fn fetching(&mut self, progress: &ImageProgress) -> String {
        let quarter = progress
            .bytes
            .0
            .saturating_mul(4)
            .checked_div(progress.bytes.1);
        if self.fetched == Some(quarter) {
            return String::new();
        }
        self.fetched = Some(quarter);
        self.line(&format!("The container's image: {progress}."))
    }

    /// A line a tenth of it.
    pub(super) fn pulling(&mut self, progress: &PullProgress) -> String {
        let tenth = progress.percent() / 10;
        if self.pulled == Some(tenth) {
            return String::new();
        }
        self.pulled = Some(tenth);
        self.line(&format!(
            "Download of {}: {}.",
            progress.repo,
            progress.in_words()
        ))
    }
}
