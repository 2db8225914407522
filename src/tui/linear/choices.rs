//! Lists to choose from, as numbered lines: earlier conversations, and messages to go back to.
//!
//! Pure: a list goes in, words and a question come out, and a line of the user's becomes a command.

use crate::agent::{AgentCommand, Listed, Message};
use crate::tui::update::past::{ago, counted};

/// Rows that are read; the rest can be named.
const READ: usize = 20;

#[derive(Debug)]
pub enum Choice {
    /// Of this folder, the last one first.
    Sessions(Vec<Listed>),
    /// The last one first.
    Messages(Vec<Message>),
}

/// What a line of the user's came to.
#[derive(Debug)]
pub enum Chosen {
    Command(Box<AgentCommand>),
    Nothing,
    /// Words, and the question again.
    Again(String),
}

impl Choice {
    /// The conversations of this folder; `Err`: what is said instead of a list.
    pub fn sessions(listed: Vec<Listed>) -> Result<Choice, String> {
        let others = listed.iter().filter(|one| !one.here).count();
        let here: Vec<Listed> = listed.into_iter().filter(|one| one.here).collect();
        match (here.is_empty(), others) {
            (false, _) => Ok(Choice::Sessions(here)),
            (true, 0) => Err("There is no earlier conversation.".to_owned()),
            (true, others) => Err(format!(
                "There is no earlier conversation of this folder. {} of others; descant sessions list names them.",
                counted(others, "conversation")
            )),
        }
    }

    pub fn messages(messages: Vec<Message>) -> Result<Choice, String> {
        if messages.is_empty() {
            return Err("There is no message to go back to.".to_owned());
        }
        Ok(Choice::Messages(messages.into_iter().rev().collect()))
    }

    pub fn opened(&self) -> String {
        let (title, rows): (_, Vec<String>) = match self {
            Choice::Sessions(listed) => (
                "Earlier conversations of this folder, the last one first.",
                listed.iter().map(session).collect(),
            ),
            Choice::Messages(messages) => (
                "Your messages, the last one first.",
                messages.iter().map(message).collect(),
            ),
        };
        let mut out = format!("{title}\n");
        for (at, row) in rows.iter().take(READ).enumerate() {
            out.push_str(&format!("{}: {row}.\n", at + 1));
        }
        if let more @ 1.. = rows.len().saturating_sub(READ) {
            out.push_str(&format!("And {more} older; their numbers go on.\n"));
        }
        out
    }

    pub fn question(&self) -> &'static str {
        match self {
            Choice::Sessions(_) => "Go on with which? A number, or Enter for none: ",
            Choice::Messages(_) => {
                "Go back to before which? A number, with f to take the patches since back too, or Enter for none: "
            }
        }
    }

    pub fn answer(&self, line: &str) -> Chosen {
        let line = line.trim();
        if line.is_empty() {
            return Chosen::Nothing;
        }
        let (number, files) = match (self, line.strip_suffix('f')) {
            (Choice::Messages(_), Some(number)) => (number.trim_end(), true),
            (Choice::Messages(_) | Choice::Sessions(_), _) => (line, false),
        };
        let at = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let command = at.and_then(|at| match self {
            Choice::Sessions(listed) => Some(AgentCommand::Resume(listed.get(at)?.path.clone())),
            Choice::Messages(messages) => Some(AgentCommand::Rewind {
                turn: messages.get(at)?.turn,
                files,
            }),
        });
        match command {
            Some(command) => Chosen::Command(Box::new(command)),
            None => Chosen::Again(format!(
                "There is no {line}; say a number from 1 to {}.\n",
                self.len()
            )),
        }
    }

    fn len(&self) -> usize {
        match self {
            Choice::Sessions(listed) => listed.len(),
            Choice::Messages(messages) => messages.len(),
        }
    }
}

fn session(one: &Listed) -> String {
    let branch = one.branch.as_ref().map(|name| format!(", branch {name}"));
    format!(
        "{}, {}, {}{}",
        one.title,
        counted(one.messages, "message"),
        ago(one.age),
        branch.unwrap_or_default()
    )
}

fn message(message: &Message) -> String {
    let first = message.text.lines().find(|line| !line.trim().is_empty());
    let patches = match message.patches {
        0 => String::new(),
        1 => ", 1 patch since".to_owned(),
        more => format!(", {more} patches since"),
    };
    format!("{}{patches}", first.map_or("(empty)", str::trim))
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
    use crate::conversation::TurnId;
    use std::time::Duration;

    fn listed(id: &str, here: bool) -> Listed {
        Listed {
            path: format!("/state/{id}").into(),
            id: id.into(),
            title: format!("about {id}"),
            folder: "/work".into(),
            here,
            branch: Some("main".into()),
            messages: 2,
            age: Duration::from_secs(7200),
        }
    }

    fn shown(chosen: &Chosen) -> String {
        format!("{chosen:?}")
    }

    #[test]
    fn conversations_are_numbered_and_chosen() {
        let choice = Choice::sessions(vec![
            listed("a", true),
            listed("x", false),
            listed("b", true),
        ]);
        let choice = choice.unwrap();
        assert_eq!(
            choice.opened(),
            "Earlier conversations of this folder, the last one first.\n\
             1: about a, 2 messages, 2 h ago, branch main.\n\
             2: about b, 2 messages, 2 h ago, branch main.\n"
        );
        assert!(shown(&choice.answer(" 2 ")).contains("/state/b"));
        assert!(matches!(choice.answer(""), Chosen::Nothing));
        for wrong in ["0", "3", "b", "1f", "-1"] {
            let Chosen::Again(words) = choice.answer(wrong) else {
                panic!("{wrong}")
            };
            assert!(words.contains("from 1 to 2"), "{words}");
        }
        for (all, said) in [
            (vec![], "no earlier conversation."),
            (vec![listed("x", false)], "1 conversation of others"),
        ] {
            assert!(Choice::sessions(all).unwrap_err().contains(said));
        }
    }

    #[test]
    fn messages_are_gone_back_to_with_files_or_without() {
        let message = |turn, text: &str, patches| Message {
            turn: TurnId(turn),
            text: text.into(),
            patches,
        };
        let choice = Choice::messages(vec![message(1, "\nfirst\nmore", 2), message(2, "", 0)]);
        let choice = choice.unwrap();
        assert!(
            choice
                .opened()
                .ends_with("1: (empty).\n2: first, 2 patches since.\n"),
            "{}",
            choice.opened()
        );
        for (line, expected) in [
            ("1", "Rewind { turn: TurnId(2), files: false }"),
            ("2f", "Rewind { turn: TurnId(1), files: true }"),
            ("2 f", "Rewind { turn: TurnId(1), files: true }"),
        ] {
            assert!(shown(&choice.answer(line)).contains(expected), "{line}");
        }
        assert!(matches!(choice.answer("f"), Chosen::Again(_)));
        assert!(Choice::messages(Vec::new()).is_err());
    }
}
