//! From the view to a plan: what a command changed, added and deleted, limited, and with its reasons where something
//! cannot be taken over.

use super::settle::compared;
use super::sync::passed;
use super::{State, View, ViewAccess, join, on_disk};
use crate::patch::{FileState, Plan};
use crate::sandbox::{EntryKind, Listed, SandboxError, Stamp, ViewEntry};
use crate::text;
use crate::workspace::{SeenKind, Survey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Files of one review; more are set back.
const MOST_FILES: usize = 1_000;
/// Bytes of one file; a longer one is set back, or stays in the sandbox.
const MOST_BYTES: u64 = 10 << 20;
/// Bytes of all files of one review.
const ALL_BYTES: u64 = 64 << 20;
/// A new folder with more files than this is taken for what a build or an installer made.
const ARTEFACTS: usize = 200;
/// Folders that are listed after one command, at most.
const MOST_FOLDERS: usize = 20_000;
/// Folders of a level that are listed at a time.
const AT_A_TIME: usize = 512;
/// Folders that only ever hold what can be made again.
const CACHES: [&str; 2] = ["__pycache__", "node_modules"];
/// The file by which tools mark what they can make again (bford.info/cachedir).
const CACHE_TAG: &str = "/CACHEDIR.TAG";
/// Reasons that are told one by one; the rest is counted.
const TOLD: usize = 10;

/// What a command changed in the view.
#[derive(Debug, Default)]
pub struct Changes {
    /// To be reviewed like any edit; empty when nothing can be taken over.
    pub plan: Plan,
    /// What is not in the plan, and why.
    pub left: Vec<Left>,
    /// Paths that are compared with the work tree again when the review is over.
    pub(super) proposed: BTreeMap<String, Proposed>,
    /// Paths that are set back whatever the user says.
    pub(super) back: BTreeSet<String>,
}

/// A path that is not proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// On one line, with nothing in it that a terminal would act on.
    pub path: String,
    pub why: String,
    /// It stays in the sandbox; else it was set back there.
    pub kept: bool,
}

/// What the view holds at a proposed path.
#[derive(Debug)]
pub(super) struct Proposed {
    /// `None`: it was deleted.
    pub(super) file: Option<(FileState, Stamp)>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.plan.files.is_empty() && self.left.is_empty()
    }

    /// What is told of paths that are not in the plan; one line each.
    pub fn left_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .left
            .iter()
            .take(TOLD)
            .map(|left| {
                let where_to = if left.kept {
                    "stays in the sandbox only"
                } else {
                    "set back"
                };
                format!("{}: {}; {where_to}", left.path, left.why)
            })
            .collect();
        if self.left.len() > TOLD {
            lines.push(format!("and {} more like these", self.left.len() - TOLD));
        }
        lines
    }

    fn leave(&mut self, path: &str, why: impl Into<String>, kept: bool) {
        self.left.push(Left {
            path: text::label(path),
            why: why.into(),
            kept,
        });
    }
}

/// What differs, before any content is read.
#[derive(Default)]
struct Found {
    files: BTreeMap<String, ViewEntry>,
    /// Links and other things that are no files.
    strange: BTreeMap<String, EntryKind>,
    deleted: BTreeSet<String>,
    /// New folders that nothing of the work tree is in, outermost ones.
    new_folders: BTreeSet<String>,
}

impl View {
    /// Compares the view with the work tree. Call [`View::settle`] with the result, whatever becomes of it.
    pub async fn changes(&self, access: &dyn ViewAccess) -> Result<Changes, SandboxError> {
        let mut state = self.state.lock().await;
        let Some(survey) = state.survey.take() else {
            return Ok(Changes::default());
        };
        let mut changes = Changes::default();
        let compared = self
            .compare(&mut state, &survey, access, &mut changes)
            .await;
        state.survey = Some(survey);
        compared.map(|()| changes)
    }

    async fn compare(
        &self,
        state: &mut State,
        survey: &Survey,
        access: &dyn ViewAccess,
        changes: &mut Changes,
    ) -> Result<(), SandboxError> {
        let mut found = self.walk(state, survey, access, changes).await?;
        artefacts(state, survey, &mut found, changes);
        for (path, kind) in std::mem::take(&mut found.strange) {
            let what = match kind {
                EntryKind::Link => "a symbolic link, which is not taken over",
                EntryKind::Folder => "a folder where a file was, which is not taken over",
                EntryKind::File => "a file where a folder or link was, which is not taken over",
                EntryKind::Whiteout | EntryKind::Other => "a device, pipe or socket",
            };
            self.left(state, survey, changes, &path, what);
        }
        if found.files.len() + found.deleted.len() > MOST_FILES {
            let count = found.files.len() + found.deleted.len();
            let why = format!("{count} files changed, more than the {MOST_FILES} of one review");
            changes.leave("/workspace", why, false);
            changes.back.extend(found.files.into_keys());
            changes.back.extend(found.deleted);
            return Ok(());
        }
        let mut bytes = 0;
        for (path, entry) in found.files {
            let room = MOST_BYTES.min(ALL_BYTES - bytes);
            if entry.stamp.len > room {
                let why = format!("{} bytes, more than can be reviewed", entry.stamp.len);
                self.left(state, survey, changes, &path, why);
                continue;
            }
            let Some((content, entry)) = passed(access.read(&path, room).await)? else {
                self.left(state, survey, changes, &path, "it could not be read");
                continue;
            };
            bytes += content.len() as u64;
            let file = FileState {
                bytes: content,
                mode: entry.mode,
            };
            self.propose(state, survey, changes, path, Some((file, entry.stamp)))
                .await?;
        }
        for path in found.deleted {
            self.propose(state, survey, changes, path, None).await?;
        }
        changes.plan.files.sort_by(|a, b| a.path.cmp(&b.path));
        changes.plan.renumber();
        Ok(())
    }

    /// Of what cannot be taken over: a path of the work tree is set back, a new one stays where it is.
    fn left(
        &self,
        state: &mut State,
        survey: &Survey,
        changes: &mut Changes,
        path: &str,
        why: impl Into<String>,
    ) {
        let kept = !survey.seen().contains_key(path);
        changes.leave(path, why, kept);
        if kept {
            state.kept.insert(path.to_owned());
        } else {
            changes.back.insert(path.to_owned());
        }
    }

    /// Level by level from the root; of an overlay only the folders that its upper layer has.
    async fn walk(
        &self,
        state: &mut State,
        survey: &Survey,
        access: &dyn ViewAccess,
        changes: &mut Changes,
    ) -> Result<Found, SandboxError> {
        let mut found = Found::default();
        let mut level = vec![Vec::new()];
        let mut count = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for part in level.chunks(AT_A_TIME) {
                count += part.len();
                if count > MOST_FOLDERS {
                    let why = format!("more than {MOST_FOLDERS} folders were touched");
                    changes.leave("/workspace", why, true);
                    return Ok(found);
                }
                for listed in access.list(part).await? {
                    let Ok(folder) = String::from_utf8(listed.folder.clone()) else {
                        continue;
                    };
                    if let Some(problem) = &listed.problem {
                        changes.leave(&folder, problem.clone(), true);
                        continue;
                    }
                    self.folder(
                        state, survey, &folder, listed, &mut found, &mut next, changes,
                    );
                }
            }
            level = next;
        }
        Ok(found)
    }

    #[allow(clippy::too_many_arguments)]
    fn folder(
        &self,
        state: &mut State,
        survey: &Survey,
        folder: &str,
        listed: Listed,
        found: &mut Found,
        next: &mut Vec<Vec<u8>>,
        changes: &mut Changes,
    ) {
        let there: BTreeSet<&[u8]> = match &listed.names {
            Some(names) => names.iter().map(Vec::as_slice).collect(),
            None => listed
                .entries
                .iter()
                .map(|entry| entry.name.as_slice())
                .collect(),
        };
        for name in survey.children(folder) {
            if !there.contains(name.as_bytes()) {
                deleted(survey, &join(folder, name), &mut found.deleted);
            }
        }
        for entry in listed.entries {
            let Ok(name) = String::from_utf8(entry.name.clone()) else {
                let shown = join(folder, &String::from_utf8_lossy(&entry.name));
                if state.kept.insert(shown.clone()) {
                    changes.leave(&shown, "its name is not UTF-8", true);
                }
                continue;
            };
            let path = join(folder, &name);
            let known = survey.seen().get(&path);
            let is_folder = entry.kind == EntryKind::Folder;
            if name.eq_ignore_ascii_case(".git")
                || state.kept.contains(&path)
                || (known.is_none() && survey.ignores(&path, is_folder))
                || entry.kind == EntryKind::Whiteout
            {
                continue;
            }
            if !is_folder && state.same.get(&path) == Some(&entry.stamp) {
                continue;
            }
            match (entry.kind, known.map(|seen| &seen.kind)) {
                (EntryKind::Folder, Some(SeenKind::Folder)) => next.push(path.into_bytes()),
                (EntryKind::Folder, None) => {
                    if CACHES.contains(&name.as_str()) {
                        state.kept.insert(path);
                        continue;
                    }
                    let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
                    if !above.clone().any(|above| found.new_folders.contains(above)) {
                        found.new_folders.insert(path.clone());
                    }
                    next.push(path.into_bytes());
                }
                (EntryKind::File, None | Some(SeenKind::File)) => {
                    found.files.insert(path, entry);
                }
                (EntryKind::File, Some(SeenKind::Folder | SeenKind::Link { .. }))
                | (EntryKind::Folder | EntryKind::Link | EntryKind::Other, _) => {
                    let below = format!("{path}/");
                    // What was in a folder that is now something else comes back with it.
                    let inside: Vec<String> = survey
                        .seen()
                        .range(below.clone()..)
                        .take_while(|(path, _)| path.starts_with(&below))
                        .map(|(path, _)| path.clone())
                        .collect();
                    changes.back.extend(inside);
                    found.strange.insert(path, entry.kind);
                }
                (EntryKind::Whiteout, _) => {}
            }
        }
    }

    /// Puts a file into the plan, if it differs and may be written.
    async fn propose(
        &self,
        state: &mut State,
        survey: &Survey,
        changes: &mut Changes,
        path: String,
        file: Option<(FileState, Stamp)>,
    ) -> Result<(), SandboxError> {
        let known = survey.seen().get(&path).cloned();
        let tree = Arc::clone(&self.tree);
        let (name, after) = (path.clone(), file.as_ref().map(|(file, _)| file.clone()));
        let compared = on_disk(move || Ok(compared(&tree.workspace, &name, known, after))).await?;
        match compared {
            Ok(Some(plan)) => {
                changes.plan.files.push(plan);
                changes.proposed.insert(path, Proposed { file });
            }
            Ok(None) => {
                if let Some((_, stamp)) = file {
                    state.same.insert(path, stamp);
                }
            }
            Err(why) => self.left(state, survey, changes, &path, why),
        }
        Ok(())
    }
}

/// All files of the work tree at or below a path that the view shows no more.
fn deleted(survey: &Survey, path: &str, out: &mut BTreeSet<String>) {
    match survey.seen().get(path).map(|seen| &seen.kind) {
        Some(SeenKind::Folder) => {
            for name in survey.children(path) {
                deleted(survey, &join(path, name), out);
            }
        }
        Some(SeenKind::File | SeenKind::Link { .. }) => {
            out.insert(path.to_owned());
        }
        None => {}
    }
}

/// Takes new folders out that are a cache by their own word, or too large to be somebody's work.
fn artefacts(state: &mut State, survey: &Survey, found: &mut Found, changes: &mut Changes) {
    let tagged = found.files.keys();
    let tagged = tagged.filter_map(|path| path.strip_suffix(CACHE_TAG));
    let new = |folder: &&str| !survey.seen().contains_key(*folder);
    let caches = tagged.filter(new).map(|folder| (folder.to_owned(), None));
    let large = found.new_folders.iter().filter_map(|folder| {
        let below = format!("{folder}/");
        let files = found.files.range(below.clone()..);
        let count = files
            .take_while(|(path, _)| path.starts_with(&below))
            .count();
        (count > ARTEFACTS).then(|| (folder.clone(), Some(count)))
    });
    for (folder, count) in caches.chain(large).collect::<Vec<_>>() {
        let below = format!("{folder}/");
        found.files.retain(|path, _| !path.starts_with(&below));
        found.strange.retain(|path, _| !path.starts_with(&below));
        state.kept.insert(folder);
        let why = match count {
            None => "a cache".to_owned(),
            Some(count) => format!(
                "a new folder of {count} files, more than the {ARTEFACTS} that are proposed"
            ),
        };
        changes.leave(&below, why, true);
    }
}
