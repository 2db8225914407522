//! The slash commands: one row each, for parsing, completion, help and the docs.

use crate::conversation::Effort;
use crate::patch::OnChanged;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Help,
    Undo(OnChanged),
    Redo(OnChanged),
    New,
    Effort(Effort),
    Reasoning,
    /// Without a name: the list.
    Theme(Option<String>),
    Quit,
}

/// A row of the table.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    /// The words an argument may be; empty for none.
    pub arguments: &'static [&'static str],
    /// The words it may be given and does not need.
    pub optional: &'static [&'static str],
    pub doc: &'static str,
}

/// What happens to files that changed since.
const MERGE: &[&str] = &["merge", "markers"];

/// The built-in themes; there may be more.
const THEMES: &[&str] = &[
    "auto",
    "dark",
    "light",
    "high-contrast",
    "colour-blind",
    "ansi16",
    "plain",
];

pub const COMMANDS: &[Spec] = &[
    Spec {
        name: "help",
        arguments: &[],
        optional: &[],
        doc: "keys and commands",
    },
    Spec {
        name: "undo",
        arguments: &[],
        optional: MERGE,
        doc: "take the last applied change back",
    },
    Spec {
        name: "redo",
        arguments: &[],
        optional: MERGE,
        doc: "apply what was undone again",
    },
    Spec {
        name: "new",
        arguments: &[],
        optional: &[],
        doc: "start a new conversation; this one stays on record",
    },
    Spec {
        name: "effort",
        arguments: &["low", "medium", "high"],
        optional: &[],
        doc: "how long the model may think",
    },
    Spec {
        name: "reasoning",
        arguments: &[],
        optional: &[],
        doc: "show or hide the reasoning pane",
    },
    Spec {
        name: "theme",
        arguments: &[],
        optional: THEMES,
        doc: "choose the colours; without a name a list with a preview",
    },
    Spec {
        name: "quit",
        arguments: &[],
        optional: &[],
        doc: "leave",
    },
];

/// `None` when `text` is a message: it does not begin with a slash and a word (a path is no command).
pub fn parse(text: &str) -> Option<Result<Command, String>> {
    let mut words = text.split_whitespace();
    let name = words.next()?.strip_prefix('/')?;
    if name.is_empty()
        || !name.chars().all(|c| c.is_ascii_alphabetic())
        || text.trim().contains('\n')
    {
        return None;
    }
    let Some(spec) = COMMANDS.iter().find(|s| s.name == name) else {
        let nearest = nearest(name, COMMANDS.iter().map(|s| s.name));
        return Some(Err(format!(
            "there is no command /{name}; did you mean /{nearest}? /help lists all"
        )));
    };
    let argument = words.next();
    let takes_none = spec.arguments.is_empty() && spec.optional.is_empty();
    if words.next().is_some() || (takes_none && argument.is_some()) {
        return Some(Err(format!(
            "/{name} takes {}; /help lists all commands",
            takes(spec)
        )));
    }
    let wrong = |argument: &str| {
        let words = spec.arguments.iter().chain(spec.optional);
        let nearest = nearest(argument, words.copied());
        format!(
            "/{name} takes {}, not `{argument}`; did you mean /{name} {nearest}?",
            takes(spec)
        )
    };
    let command = match (name, argument) {
        ("help", _) => Command::Help,
        ("undo" | "redo", argument) => {
            let on_changed = match argument {
                None => OnChanged::Refuse,
                Some("merge") => OnChanged::Merge,
                Some("markers") => OnChanged::MergeWithMarkers,
                Some(argument) => return Some(Err(wrong(argument))),
            };
            match name {
                "undo" => Command::Undo(on_changed),
                _redo => Command::Redo(on_changed),
            }
        }
        ("new", _) => Command::New,
        // A theme may be the user's own, so any name may be one.
        ("theme", name) => Command::Theme(name.map(str::to_owned)),
        ("reasoning", _) => Command::Reasoning,
        ("quit", _) => Command::Quit,
        (_, None) => return Some(Err(format!("/{name} takes {}", takes(spec)))),
        ("effort", Some("low")) => Command::Effort(Effort::Low),
        ("effort", Some("medium")) => Command::Effort(Effort::Medium),
        ("effort", Some("high")) => Command::Effort(Effort::High),
        (_, Some(argument)) => return Some(Err(wrong(argument))),
    };
    Some(Ok(command))
}

fn takes(spec: &Spec) -> String {
    match (spec.arguments, spec.optional) {
        ([], []) => "no argument".to_owned(),
        ([], [init @ .., last]) => format!("nothing, {} or {last}", init.join(", ")),
        ([init @ .., last], _) => format!("{} or {last}", init.join(", ")),
    }
}

/// The candidate that `word` begins, else the one with the least edit distance; the first of equals.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates
        .min_by_key(|c| {
            if c.starts_with(word) {
                0
            } else {
                distance(word, c)
            }
        })
        .unwrap_or_default()
}

/// Twice Levenshtein's distance in characters, and one more where the first letters differ.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    let cost = row.last().copied().unwrap_or_default() * 2;
    let same_start = a.chars().next() == b.first().copied();
    cost + usize::from(!same_start)
}

/// A line of the completion popup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What the composer holds when it is chosen.
    pub text: String,
    pub doc: &'static str,
    /// Nothing more is needed: Enter may run it.
    pub complete: bool,
}

/// What could follow a composer that holds `text`; empty where no popup belongs.
pub fn completions(text: &str) -> Vec<Candidate> {
    let Some(rest) = text.strip_prefix('/') else {
        return Vec::new();
    };
    if rest.contains('\n') {
        return Vec::new();
    }
    match rest.split_once(' ') {
        None => COMMANDS
            .iter()
            .filter(|s| s.name.starts_with(rest))
            .map(|s| Candidate {
                text: if s.arguments.is_empty() {
                    format!("/{}", s.name)
                } else {
                    format!("/{} ", s.name)
                },
                doc: s.doc,
                complete: s.arguments.is_empty(),
            })
            .collect(),
        Some((name, typed)) => COMMANDS
            .iter()
            .filter(|s| s.name == name)
            .flat_map(|s| s.arguments.iter().chain(s.optional).map(move |a| (s, a)))
            .filter(|(_, a)| a.starts_with(typed))
            .map(|(s, a)| Candidate {
                text: format!("/{} {a}", s.name),
                doc: s.doc,
                complete: true,
            })
            .collect(),
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

    #[test]
    fn every_row_parses() {
        for spec in COMMANDS {
            let bare = parse(&format!("/{}", spec.name));
            assert_eq!(
                bare.as_ref().is_some_and(Result::is_ok),
                spec.arguments.is_empty(),
                "/{}",
                spec.name
            );
            for argument in spec.arguments.iter().chain(spec.optional) {
                let text = format!("/{} {argument}", spec.name);
                assert!(parse(&text).is_some_and(|r| r.is_ok()), "{text}");
            }
        }
    }

    #[test]
    fn messages_are_not_commands() {
        for text in [
            "hello",
            "/usr/bin/env is missing",
            "/",
            "",
            "a /undo",
            "/undo\nthat",
            "/etc/passwd",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn unknown_commands_name_the_nearest() {
        for (typed, nearest) in [
            ("/udno", "/undo"),
            ("/hlep", "/help"),
            ("/exit", "/effort"),
            ("/q", "/quit"),
            ("/reason", "/reasoning"),
        ] {
            let message = parse(typed).unwrap().unwrap_err();
            // `/exit` has no near neighbour; it only must not be silent.
            assert!(
                typed == "/exit" || message.contains(&format!("{nearest}?")),
                "{typed}: {message}"
            );
        }
        let message = parse("/effort hihg").unwrap().unwrap_err();
        assert!(message.contains("/effort high?"), "{message}");
        let message = parse("/help 3").unwrap().unwrap_err();
        assert!(message.contains("no argument"), "{message}");
        let message = parse("/undo merg").unwrap().unwrap_err();
        assert!(
            message.contains("/undo takes nothing, merge or markers, not `merg`")
                && message.contains("/undo merge?"),
            "{message}"
        );
    }

    #[test]
    fn completion_offers_names_then_arguments() {
        let texts = |text: &str| {
            completions(text)
                .into_iter()
                .map(|c| c.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(texts("/re"), ["/redo", "/reasoning"]);
        assert_eq!(texts("/eff"), ["/effort "]);
        assert_eq!(
            texts("/effort "),
            ["/effort low", "/effort medium", "/effort high"]
        );
        assert_eq!(texts("/effort h"), ["/effort high"]);
        assert_eq!(texts("/redo m"), ["/redo merge", "/redo markers"]);
        assert_eq!(texts("/usr/x"), [""; 0]);
        assert_eq!(texts("hello"), [""; 0]);
    }
}
