//! A review as questions, one hunk after the other, with words for the signs of a diff.
//!
//! The state is [`Review`]'s, the same as on the full screen; an answer is a key of it.

use crate::agent::{AgentCommand, ReviewId};
use crate::patch::{Hunk, LineKind, Plan};
use crate::text;
use crate::tui::keymap::Keymap;
use crate::tui::render::diff;
use crate::tui::review::{Mode, Outcome, Review};
use crossterm::event::{KeyCode, KeyEvent};
use std::time::Duration;

const HELP: &str = "y: apply this change. n: leave it out, with a note to the model. a: apply it and the rest of the file. \
                    d: leave it and the rest of the file out. A: apply everything. s: split it into smaller changes. \
                    e: edit it in your editor. r: go back to the one before. l: hear it again. q: finish; what is undecided is left out.\n";

pub struct Questions {
    review: Review,
    /// The built-in keys: the question names their letters.
    keys: Keymap,
}

/// What a line of the user's came to.
pub enum Answered {
    /// Words, and the question again.
    Again(String),
    /// Lines for the editor.
    Edit(String),
    /// Every change is decided.
    Done(Box<AgentCommand>),
}

impl Questions {
    pub fn new(id: ReviewId, plan: Box<Plan>) -> Questions {
        Questions {
            review: Review::new(id, plan, Duration::ZERO, false),
            keys: Keymap::default(),
        }
    }

    pub fn opened(&self) -> String {
        let changes = count(self.review.items.len(), "change");
        let files = count(self.review.plan.files.len(), "file");
        format!(
            "Review: {changes} in {files}. Nothing is written before you decide.\n{}",
            self.described()
        )
    }

    /// What is asked now.
    pub fn question(&self) -> &'static str {
        match &self.review.mode {
            Mode::Browse => "Apply this change? y, n, a, d, A, s, e, r, l, q or ? for help: ",
            Mode::Note { .. } => "A note to the model, or Enter for none: ",
            Mode::ConfirmFinish => "What is undecided will be left out. Finish? y or n: ",
        }
    }

    pub fn answer(&mut self, line: &str) -> Answered {
        let line = line.trim();
        let before = (self.review.at, self.review.revision);
        let outcome = match &self.review.mode {
            Mode::Note { .. } => {
                self.review.paste(line);
                self.review.key(&self.keys, KeyCode::Enter.into())
            }
            Mode::Browse | Mode::ConfirmFinish => {
                let mut chars = line.chars();
                match (chars.next(), chars.next(), &self.review.mode) {
                    (Some('?'), None, _) => return Answered::Again(HELP.to_owned()),
                    (Some('l'), None, Mode::Browse) => return Answered::Again(self.described()),
                    (Some(c @ ('y' | 'n' | 'a' | 'd' | 'A' | 's' | 'e' | 'r' | 'q')), None, _) => {
                        self.review
                            .key(&self.keys, KeyEvent::from(KeyCode::Char(c)))
                    }
                    (_, _, Mode::ConfirmFinish) => self.review.key(&self.keys, KeyCode::Esc.into()),
                    _ => return Answered::Again(HELP.to_owned()),
                }
            }
        };
        match outcome {
            Outcome::Done(decisions) => Answered::Done(Box::new(AgentCommand::Review {
                review: self.review.id,
                plan: std::mem::replace(
                    &mut self.review.plan,
                    Box::new(Plan { files: Vec::new() }),
                ),
                decisions,
            })),
            Outcome::Edit(text) => Answered::Edit(text),
            Outcome::Open | Outcome::Ignored | Outcome::Help | Outcome::ScrollHalf { .. } => {
                Answered::Again(self.came_to(before))
            }
        }
    }

    /// What the editor left, or why there is nothing.
    pub fn edited(&mut self, edited: Result<String, String>) -> String {
        match edited {
            Ok(text) => {
                let before = (self.review.at, self.review.revision);
                self.review.edited(&text);
                self.came_to(before)
            }
            Err(problem) => format!("{problem}\n"),
        }
    }

    /// Why nothing happened, and the change that is asked about where it is another one.
    fn came_to(&mut self, before: (usize, u64)) -> String {
        let mut out = match self.review.message.take() {
            Some(message) => format!("{message}.\n"),
            None => String::new(),
        };
        if before != (self.review.at, self.review.revision)
            && matches!(self.review.mode, Mode::Browse)
        {
            out.push_str(&self.described());
        }
        out
    }

    /// The change as it is heard: where it is, then each line with a word for its sign.
    fn described(&self) -> String {
        let review = &self.review;
        let Some((item, file)) = review
            .items
            .get(review.at)
            .and_then(|item| Some((item, review.plan.files.get(item.file)?)))
        else {
            return String::new();
        };
        let mut out = format!(
            "Change {} of {}: {}",
            review.at + 1,
            review.items.len(),
            diff::file_title(file)
        );
        for note in file.notes() {
            out.push_str(&format!(", {note}"));
        }
        match review.hunk() {
            Some(hunk) => {
                out.push_str(&format!(", {}.\n", lines(hunk)));
                for line in &hunk.lines {
                    let word = match line.kind {
                        LineKind::Context => "same",
                        LineKind::Removed => "removed",
                        LineKind::Added => "added",
                    };
                    out.push_str(&format!("{word}: {}\n", text::exact(&line.text)));
                }
            }
            None if item.hunk.is_none() && !file.hunks.is_empty() => {
                out.push_str(": the file itself; its lines are asked about next.\n");
            }
            None => out.push_str(", no lines.\n"),
        }
        out
    }
}

/// `line 3 to 9`, of the file as it is.
fn lines(hunk: &Hunk) -> String {
    match hunk.old_lines {
        0 | 1 => format!("line {}", hunk.old_start),
        lines => format!("lines {} to {}", hunk.old_start, hunk.old_start + lines - 1),
    }
}

fn count(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
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
    use crate::patch::Decision;
    use crate::tui::testing::plan;

    fn again(answered: Answered) -> String {
        match answered {
            Answered::Again(words) => words,
            Answered::Edit(_) => panic!("an edit"),
            Answered::Done(_) => panic!("it is done"),
        }
    }

    #[test]
    fn each_change_is_described_and_decided() {
        let mut questions = Questions::new(ReviewId(1), Box::new(plan()));
        let opened = questions.opened();
        assert!(
            opened.starts_with("Review: 5 changes in 3 files."),
            "{opened}"
        );
        assert!(
            opened.contains("Change 1 of 5: update src/main.rs"),
            "{opened}"
        );
        assert!(
            opened.contains("same: fn main() {\nremoved:     old();\nadded:     new();\nsame: }\n"),
            "{opened}"
        );
        assert!(again(questions.answer("y")).contains("Change 2 of 5"));
        assert_eq!(again(questions.answer("n")), "");
        assert!(questions.question().contains("note"));
        assert!(again(questions.answer("keep the name")).contains("Change 3 of 5"));
        assert!(again(questions.answer("what")).starts_with("y: apply"));
        assert!(again(questions.answer("l")).contains("Change 3 of 5"));
        assert_eq!(again(questions.answer("q")), "");
        assert!(questions.question().contains("Finish?"));
        let Answered::Done(command) = questions.answer("y") else {
            panic!("not done")
        };
        let AgentCommand::Review { decisions, .. } = *command else {
            panic!("{command:?}")
        };
        let note = |note: Option<&str>| Decision::Reject {
            note: note.map(str::to_owned),
        };
        let hunks: Vec<&Decision> = decisions.hunks.values().collect();
        assert_eq!(hunks.first(), Some(&&Decision::Accept));
        assert_eq!(hunks.get(1), Some(&&note(Some("keep the name"))));
    }

    #[test]
    fn a_no_to_the_last_question_goes_on() {
        let mut questions = Questions::new(ReviewId(1), Box::new(plan()));
        again(questions.answer("q"));
        again(questions.answer(""));
        assert!(questions.question().starts_with("Apply this change?"));
        assert!(
            again(questions.answer("s")).contains('.'),
            "why it cannot be split"
        );
        assert!(matches!(questions.answer("e"), Answered::Edit(_)));
        assert!(
            questions
                .edited(Err("no editor".into()))
                .contains("no editor")
        );
        assert!(matches!(questions.answer("A"), Answered::Done(_)));
    }
}
