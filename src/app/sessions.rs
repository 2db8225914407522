//! `descant sessions` and finding the conversation that `descant resume` continues.

use super::{Setup, UsageError};
use crate::agent::{Exported, Format};
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::harmony::vocab::Vocabulary;
use crate::session::{Head, load, outputs_of, recent, summaries};
use crate::text;
use crate::text::mask::Masker;
use anyhow::{Context, bail};
use std::path::PathBuf;

/// `sessions list`: `ID<TAB>MODEL<TAB>FOLDER<TAB>FIRST MESSAGE`, newest first.
pub fn list(setup: &Setup) -> anyhow::Result<Exit> {
    let mut all = summaries(&setup.paths.state)?;
    all.sort_by(|a, b| b.head.id.cmp(&a.head.id));
    let mut out = String::new();
    for summary in all {
        let folder = summary.head.workspace.display().to_string();
        // A line is a conversation, and a tab a column, whatever a folder is called.
        let fields = [
            summary.head.id.as_str(),
            &summary.head.model,
            &folder,
            &summary.title,
        ];
        let fields: Vec<String> = fields.iter().map(|field| text::label(field)).collect();
        out.push_str(&fields.join("\t"));
        out.push('\n');
    }
    stdout_text(&out)?;
    Ok(Exit::Done)
}

/// `sessions show`: the conversation as text, secrets masked.
pub fn show(setup: &Setup, id: &str) -> anyhow::Result<Exit> {
    let (_, path) = find(setup, Some(id))?;
    let loaded = load(&path)?;
    for warning in &loaded.warnings {
        stderr_line(&text::visible(warning));
    }
    let vocabulary = Vocabulary::load(&setup.paths.data)?;
    let exported = Exported::new(&loaded, &vocabulary, &Masker::new()?);
    stdout_text(&text::visible(&exported.text(Format::Markdown)?))?;
    Ok(Exit::Done)
}

/// `sessions rm`.
pub fn remove(setup: &Setup, id: &str) -> anyhow::Result<Exit> {
    let (head, path) = find(setup, Some(id))?;
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    let outputs = outputs_of(&path);
    match std::fs::remove_dir_all(&outputs) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", outputs.display()));
        }
        Ok(()) | Err(_) => {}
    }
    stderr_line(&format!("removed {}", head.id));
    Ok(Exit::Done)
}

/// The conversation with this id, or beginning of an id; no id: the last one of this folder.
fn find(setup: &Setup, id: Option<&str>) -> anyhow::Result<(Head, PathBuf)> {
    let Some(id) = id else {
        let here = summaries(&setup.paths.state)?
            .into_iter()
            .find(|summary| summary.head.workspace == setup.workspace.root());
        return match here {
            Some(summary) => Ok((summary.head, summary.path)),
            None => bail!(
                "there is no conversation about this folder yet; descant sessions list shows the others"
            ),
        };
    };
    if id.trim().is_empty() {
        bail!(UsageError("the id of a conversation is missing".to_owned()));
    }
    let mut matching = recent(&setup.paths.state)?
        .into_iter()
        .filter(|(head, _)| head.id.as_str().starts_with(id));
    let Some(found) = matching.next() else {
        bail!("there is no conversation {id}; descant sessions list shows them");
    };
    if matching.next().is_some() {
        bail!("several conversations begin with {id}; give more of the id");
    }
    Ok(found)
}

/// As [`find`], and only a conversation about this folder: its edits would land in another otherwise.
pub fn find_here(setup: &Setup, id: Option<&str>) -> anyhow::Result<PathBuf> {
    let (head, path) = find(setup, id)?;
    if head.workspace != setup.workspace.root() {
        let place = head.workspace.display();
        bail!(
            "that conversation is about {place}; go on with it by: descant -C {place} resume {}",
            head.id
        );
    }
    Ok(path)
}
