//! `models list`.

use super::catalog::{Entry, Keeper, State, entries};
use crate::app::{Setup, servers};
use crate::cli::exit::Exit;
use crate::cli::output::{stderr_line, stdout_text};
use crate::engine::models::{ModelSource, resolve};
use crate::hub::bytes;
use crate::text;

/// A line a model: name, size, state, folder; between tabs, or in columns on a terminal. The models of servers have
/// no size, and their address in place of a folder; a server that cannot be asked is told of on stderr.
///
/// # Errors
/// When stdout fails.
pub(super) async fn list(setup: &Setup) -> anyhow::Result<Exit> {
    let wanted = setup.model();
    let chosen = match resolve(&wanted, &setup.places) {
        Ok(ModelSource::Folder(folder)) => Some(folder),
        Ok(ModelSource::Demo | ModelSource::Scripted(_) | ModelSource::Server(_)) | Err(_) => None,
    };
    let mut rows = vec![[
        "demo".to_owned(),
        "4.3 MB".to_owned(),
        if wanted == "demo" {
            "built in, chosen"
        } else {
            "built in"
        }
        .to_owned(),
        String::new(),
    ]];
    for entry in entries(&setup.places) {
        let is_chosen = chosen.as_ref() == Some(&entry.folder);
        rows.push(row(&entry, is_chosen));
    }
    let mut missing = Vec::new();
    for (_, at) in servers::models(setup).await {
        match at {
            Ok(models) => rows.extend(models.into_iter().map(|model| {
                let (name, place) = (text::label(&model.name), text::label(&model.place));
                [name, String::new(), "at a server".to_owned(), place]
            })),
            Err(error) => missing.push(error),
        }
    }
    stdout_text(&table(&rows, setup.streams.stdout_terminal))?;
    for error in missing {
        stderr_line(&text::visible(&format!("descant: {error}")));
    }
    if !cfg!(any(feature = "cuda", feature = "metal")) {
        stderr_line(
            "This build has no acceleration; GPT-OSS needs one with --features cuda or --features metal.",
        );
    }
    Ok(Exit::Done)
}

fn row(entry: &Entry, chosen: bool) -> [String; 4] {
    let mut state = match &entry.state {
        State::Whole => "whole".to_owned(),
        State::Downloading => "being downloaded".to_owned(),
        State::Unfinished => format!("unfinished: descant models pull {} goes on", entry.name),
        State::Unusable(why) => format!("not usable: {why}"),
    };
    if entry.keeper == Keeper::LmStudio {
        state.push_str(", LM Studio's");
    }
    if entry.in_use {
        state.push_str(", in use");
    }
    if chosen {
        state.push_str(", chosen");
    }
    [
        text::label(&entry.name),
        bytes(entry.size),
        text::label(&state),
        text::label(&entry.folder.display().to_string()),
    ]
}

fn table(rows: &[[String; 4]], columns: bool) -> String {
    let mut out = String::new();
    if !columns {
        for row in rows {
            out.push_str(&row.join("\t"));
            out.push('\n');
        }
        return out;
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    // The states are as long as errors are: only those that are short line up.
    let state = width(2).min(24);
    for [name, size, what, place] in rows {
        let line = format!(
            "{name:<first$}  {size:>second$}  {what:<state$}  {place}",
            first = width(0),
            second = width(1)
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
