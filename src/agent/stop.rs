//! Texts at which an answer ends (`sampling.stop`).
//!
//! Pure: the answer's text in, whether one of them ended in it out. Reasoning and tool calls are not looked at: a
//! call that ends in the middle could not run.

/// Watches one generation.
#[derive(Debug, Default)]
pub(super) struct Stops {
    texts: Vec<String>,
    /// Of the longest, in bytes.
    longest: usize,
    /// The answer so far.
    said: String,
}

impl Stops {
    pub(super) fn new(texts: &[String]) -> Stops {
        Stops {
            texts: texts.to_vec(),
            longest: texts.iter().map(String::len).max().unwrap_or(0),
            said: String::new(),
        }
    }

    /// Takes the answer's next piece; true when one of the texts ends in it.
    pub(super) fn take(&mut self, piece: &str) -> bool {
        if self.texts.is_empty() {
            return false;
        }
        let old = self.said.len();
        self.said.push_str(piece);
        // One that began in what was there before has at most all but its last byte there.
        let from = self
            .said
            .floor_char_boundary((old + 1).saturating_sub(self.longest));
        let new = self.said.get(from..).unwrap_or_default();
        self.texts.iter().any(|text| new.contains(text.as_str()))
    }

    /// A message is over: the next one begins anew.
    pub(super) fn forget(&mut self) {
        self.said.clear();
    }

    /// What was said of the message that is open.
    pub(super) fn said(&self) -> &str {
        &self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_is_found_across_pieces_and_characters() {
        for (before, last) in [
            (&[] as &[&str], "an answer END"),
            (&["an answer E", "N"], "D more"),
            (&["EN"], "END"),
            (&["äöü", "ä€"], "uro"),
        ] {
            let mut stops = Stops::new(&["END".to_owned(), "ä€u".to_owned()]);
            for piece in before {
                assert!(!stops.take(piece), "{before:?} {piece}");
            }
            assert!(stops.take(last), "{before:?} {last}");
        }
        let mut none = Stops::new(&[]);
        assert!(!none.take("END"));
    }

    proptest! {
        #[test]
        fn it_is_found_in_the_piece_in_which_it_first_is(
            texts in prop::collection::vec("[abé]{1,4}", 1..4),
            pieces in prop::collection::vec("[abcé]{0,3}", 0..20),
        ) {
            let mut stops = Stops::new(&texts);
            let mut said = String::new();
            for piece in pieces {
                said.push_str(&piece);
                let expected = texts.iter().any(|text| said.contains(text.as_str()));
                prop_assert_eq!(stops.take(&piece), expected);
                if expected {
                    break;
                }
            }
        }
    }
}
