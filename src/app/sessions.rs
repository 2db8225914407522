//! `descant sessions` and finding the conversation that `descant resume` continues.

use super::{Setup, UsageError};
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::conversation::{Channel, Item, Role};
use crate::harmony::{HarmonyEvent, parse::Parser, vocab::Vocabulary};
use crate::session::{Loaded, load, recent};
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
        // Nothing was said in it: the program was opened and left.
        let Some(first) = load(&path).ok().and_then(|l| first_message(&l.items)) else {
            continue;
        };
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
            Item::Attached { name, .. } => out.push_str(&format!("[attached: {name}]\n\n")),
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

/// The conversation with this id, or beginning of an id; `last`, or no id: the newest of this folder in which
/// something was said.
pub fn find(setup: &Setup, id: Option<&str>, last: bool) -> anyhow::Result<Past> {
    if id.is_some_and(|id| id.trim().is_empty()) {
        bail!(UsageError("the id of a conversation is missing".to_owned()));
    }
    let all = recent(&setup.paths.state)?;
    let id = id.filter(|_| !last);
    let Some(id) = id else {
        for (head, path) in all {
            if head.workspace == setup.workspace.root() {
                let loaded = load(&path)?;
                if !loaded.items.is_empty() {
                    return Ok(open(Past { path, loaded }));
                }
            }
        }
        bail!(
            "there is no conversation about this folder yet; descant sessions list shows the others"
        );
    };
    let mut matching = all
        .into_iter()
        .filter(|(head, _)| head.id.as_str().starts_with(id));
    let Some((_, path)) = matching.next() else {
        bail!("there is no conversation {id}; descant sessions list shows them");
    };
    if matching.next().is_some() {
        bail!("several conversations begin with {id}; give more of the id");
    }
    let loaded = load(&path)?;
    Ok(open(Past { path, loaded }))
}

/// As [`find`], and only a conversation about this folder: its edits would land in another otherwise.
pub fn find_here(setup: &Setup, id: Option<&str>, last: bool) -> anyhow::Result<Past> {
    let past = find(setup, id, last)?;
    let (head, root) = (&past.loaded.head, setup.workspace.root());
    if head.workspace != root {
        let place = head.workspace.display();
        bail!(
            "that conversation is about {place}; go on with it by: descant -C {place} resume {}",
            head.id
        );
    }
    Ok(past)
}

fn open(past: Past) -> Past {
    for warning in &past.loaded.warnings {
        stderr_line(&text::visible(warning));
    }
    past
}

fn first_message(items: &[Item]) -> Option<String> {
    items.iter().find_map(|item| match item {
        Item::User { text } => Some(text.lines().next().unwrap_or("").chars().take(60).collect()),
        Item::Attached { .. } | Item::Generated { .. } | Item::ToolResult { .. } => None,
    })
}
