//! `descant sessions` and finding the conversation that `descant resume` continues.

use super::Setup;
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::conversation::{Channel, Item, Role};
use crate::harmony::{HarmonyEvent, parse::Parser, vocab::Vocabulary};
use crate::session::{Head, Loaded, load, recent};
use crate::text;
use anyhow::{Context, bail};
use std::path::PathBuf;

/// A conversation to go on with.
#[derive(Debug)]
pub struct Past {
    pub path: PathBuf,
    pub loaded: Loaded,
}

/// `sessions list`: `ID<TAB>MODEL<TAB>FOLDER<TAB>FIRST MESSAGE`, newest first.
pub fn list(setup: &Setup) -> anyhow::Result<Exit> {
    let mut out = String::new();
    for (head, path) in recent(&setup.paths.state)? {
        let first = load(&path)
            .ok()
            .and_then(|l| first_message(&l.items))
            .unwrap_or_default();
        out.push_str(&text::visible(&format!(
            "{}\t{}\t{}\t{first}\n",
            head.id,
            head.model,
            head.workspace.display()
        )));
    }
    stdout_text(&out)?;
    Ok(Exit::Done)
}

/// `sessions show`: the conversation as text, reasoning left out.
pub fn show(setup: &Setup, id: &str) -> anyhow::Result<Exit> {
    let past = find(setup, Some(id), false)?;
    let vocabulary = Vocabulary::load(&setup.paths.data)?;
    let mut out = String::new();
    for item in &past.loaded.items {
        match item {
            Item::User { text } => out.push_str(&format!("> {}\n\n", text.replace('\n', "\n> "))),
            Item::ToolResult { tool, text, .. } => out.push_str(&format!("[{tool}]\n{text}\n\n")),
            Item::Generated { tokens } => {
                let mut events = Vec::new();
                let mut parser = Parser::new(&vocabulary);
                for &token in tokens {
                    parser.push(token, &mut events);
                }
                parser.finish(&mut events);
                for event in events {
                    let HarmonyEvent::MessageDone(message) = event else {
                        continue;
                    };
                    let analysis = message.header.channel == Some(Channel::Analysis);
                    match message.header.recipient {
                        Some(tool) => out.push_str(&format!("[to {tool}]\n{}\n\n", message.text)),
                        None if analysis || message.header.role != Role::Assistant => {}
                        None => out.push_str(&format!("{}\n\n", message.text)),
                    }
                }
            }
        }
    }
    stdout_text(&text::visible(&out))?;
    Ok(Exit::Done)
}

/// `sessions rm`.
pub fn remove(setup: &Setup, id: &str) -> anyhow::Result<Exit> {
    let past = find(setup, Some(id), false)?;
    std::fs::remove_file(&past.path)
        .with_context(|| format!("cannot remove {}", past.path.display()))?;
    stderr_line(&format!("removed {}", past.loaded.head.id));
    Ok(Exit::Done)
}

/// The conversation with this id, or beginning of an id; `last`, or no id: the newest of this folder.
pub fn find(setup: &Setup, id: Option<&str>, last: bool) -> anyhow::Result<Past> {
    let all = recent(&setup.paths.state)?;
    let matching: Vec<&(Head, PathBuf)> = match id {
        Some(id) if !last => all
            .iter()
            .filter(|(head, _)| head.id.as_str().starts_with(id))
            .collect(),
        _ => all
            .iter()
            .filter(|(head, _)| head.workspace == setup.workspace.root())
            .take(1)
            .collect(),
    };
    let (_, path) = match (matching.as_slice(), id) {
        ([one], _) => one,
        ([], Some(id)) => bail!("there is no conversation {id}; descant sessions list shows them"),
        ([], None) => bail!(
            "there is no conversation about this folder yet; descant sessions list shows the others"
        ),
        (several, _) => bail!(
            "{} conversations begin so; give more of the id",
            several.len()
        ),
    };
    let loaded = load(path)?;
    for warning in &loaded.warnings {
        stderr_line(&text::visible(warning));
    }
    Ok(Past {
        path: path.clone(),
        loaded,
    })
}

fn first_message(items: &[Item]) -> Option<String> {
    items.iter().find_map(|item| match item {
        Item::User { text } => Some(text.lines().next().unwrap_or("").chars().take(60).collect()),
        Item::Generated { .. } | Item::ToolResult { .. } => None,
    })
}
