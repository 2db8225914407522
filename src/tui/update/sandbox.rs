//! `/sandbox`: the image and the network of the container, from a list or in words.

use super::choices;
use crate::agent::{AgentCommand, ImageWish, SandboxChange, SandboxState};
use crate::tui::model::{Effect, Model, Update};
use crate::tui::picker::{Picked, Picker, Row, Subject};
use crate::tui::render::wrap;

const WORDS: &str = "pull, import FILE, pin, cancel, network on, network off";

/// What the words after `/sandbox` ask for.
pub fn meant(words: &str) -> Result<SandboxChange, String> {
    let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
    match (first, rest.trim()) {
        ("pull", "") => Ok(SandboxChange::Image(ImageWish::Pull)),
        ("pin", "") => Ok(SandboxChange::Image(ImageWish::Accept)),
        ("cancel", "") => Ok(SandboxChange::Cancel),
        ("network", "on") => Ok(SandboxChange::Network(true)),
        ("network", "off") => Ok(SandboxChange::Network(false)),
        ("import", "") => {
            Err("/sandbox import needs the file: /sandbox import image.tar".to_owned())
        }
        ("import", file) => Ok(SandboxChange::Image(ImageWish::Import(file.into()))),
        _ => Err(format!("/sandbox takes {WORDS}; not `{words}`")),
    }
}

pub(super) fn change(model: &mut Model, words: &str, out: &mut Update) {
    match meant(words.trim()) {
        Ok(change) => out
            .effects
            .push(Effect::Agent(AgentCommand::Sandbox(change))),
        Err(problem) => model.conversation.transcript.problem(&problem),
    }
}

pub(super) fn open(model: &mut Model) {
    let fetching = matches!(model.status.sandbox, Some(SandboxState::Fetching(_)));
    let rows = [
        (
            "network off",
            "the code reaches nothing (how every session begins)",
        ),
        (
            "network on",
            "until this session ends the code may reach the internet and your local network",
        ),
        (
            "pull",
            "get the image from its registry and use that one from now on",
        ),
        ("pin", "use the image that its name stands for here now"),
    ];
    let mut rows: Vec<Row> = rows
        .iter()
        .map(|(name, doc)| Row::new(*name, name, doc))
        .collect();
    if fetching {
        rows.insert(0, Row::new("cancel", "cancel", "stop getting the image"));
    }
    let title = match &model.status.sandbox {
        Some(SandboxState::Ready { description }) => format!("Container: {description}"),
        Some(SandboxState::Unavailable { reason }) => {
            let first = reason.lines().next().unwrap_or_default();
            format!(
                "No container: {}",
                first.strip_prefix("no container engine: ").unwrap_or(first)
            )
        }
        Some(SandboxState::Starting | SandboxState::Fetching(_)) | None => {
            "The container of the model's code".to_owned()
        }
    };
    model.picker = Some(Picker::new(Subject::Sandbox, &wrap::clip(&title, 72), rows));
}

pub(super) fn picked(model: &mut Model, picked: Picked, out: &mut Update) {
    if let Some(name) = choices::chosen(model, picked) {
        change(model, &name, out);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_a_change_or_an_error_that_lists_them() {
        for (words, change) in [
            ("pull", SandboxChange::Image(ImageWish::Pull)),
            ("pin", SandboxChange::Image(ImageWish::Accept)),
            ("cancel", SandboxChange::Cancel),
            ("network on", SandboxChange::Network(true)),
            ("network off", SandboxChange::Network(false)),
            (
                "import my image.tar",
                SandboxChange::Image(ImageWish::Import("my image.tar".into())),
            ),
        ] {
            assert_eq!(meant(words).unwrap(), change);
        }
        for words in ["", "network", "network maybe", "pull x", "fly"] {
            assert!(meant(words).unwrap_err().contains("network on"), "{words}");
        }
        assert!(meant("import ").unwrap_err().contains("needs the file"));
    }
}
