//! The chosen hunks of a plan, applied by libgit2 to the pre-images.
//!
//! Everything happens in a repository that exists only in memory: no file, no configuration, no filter and
//! no hook can take part. The files stand in its tree under their numbers, so no path of the user's is ever
//! given to libgit2. The result is compared with a splice of the same lines; a difference is our bug and
//! refuses the patch.

use super::diff;
use super::{ChangeKind, Decision, Decisions, FilePlan, Plan};
use std::cell::Cell;
use std::fmt::Write as _;

/// Files of a plan that libgit2 could not put together. Always our bug.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("libgit2 refused the hunks: {0}\n  this is a bug of Descant; nothing was written")]
    Git(#[from] git2::Error),
    #[error(
        "{path}: libgit2's result is not the hunks that were chosen\n  this is a bug of Descant; nothing was written"
    )]
    Differs { path: String },
}

impl Decisions {
    /// Every hunk and every file.
    pub fn accept_all(plan: &Plan) -> Self {
        Self {
            hunks: plan
                .hunks()
                .map(|hunk| (hunk.id, Decision::Accept))
                .collect(),
            files: (0..plan.files.len())
                .map(|file| (file, Decision::Accept))
                .collect(),
        }
    }

    pub(crate) fn accepts_hunk(&self, hunk: &super::Hunk) -> bool {
        matches!(self.hunks.get(&hunk.id), Some(Decision::Accept))
    }

    /// Whether the file as a whole is taken: created, deleted, moved. A file with hunks follows them unless it
    /// has a decision of its own, which a move or a new mode can use: its lines can be taken without them.
    pub(crate) fn accepts_file(&self, index: usize, file: &FilePlan) -> bool {
        let by_hunks = file.hunks.iter().any(|hunk| self.accepts_hunk(hunk));
        match self.files.get(&index) {
            Some(Decision::Accept) if file.is_more_than_hunks() => true,
            Some(Decision::Reject { .. }) if file.is_more_than_hunks() => false,
            Some(_) | None => by_hunks,
        }
    }
}

impl FilePlan {
    /// Whether the file has something to decide besides its hunks.
    pub(crate) fn is_more_than_hunks(&self) -> bool {
        let mode = self.new_mode.is_some() && self.kind == ChangeKind::Update;
        self.hunks.is_empty() || self.target.is_some() || mode
    }
}

/// The post-image of every file with only the accepted hunks in it, in plan order.
pub fn selected(plan: &Plan, decisions: &Decisions) -> Result<Vec<Vec<u8>>, SelectError> {
    let odb = git2::Odb::new()?;
    odb.add_new_mempack_backend(1)?;
    let repository = git2::Repository::from_odb(odb)?;

    let mut tree = repository.treebuilder(None)?;
    let mut patch = Vec::new();
    for (index, file) in plan.files.iter().enumerate() {
        let pre = file.pre.as_deref().unwrap_or_default();
        tree.insert(index.to_string(), repository.blob(pre)?, 0o100_644)?;
        if !file.hunks.is_empty() {
            write_patch(&mut patch, index, file);
        }
    }
    let tree = repository.find_tree(tree.write()?)?;

    let mut bytes: Vec<Vec<u8>> = plan
        .files
        .iter()
        .map(|file| file.pre.clone().unwrap_or_default())
        .collect();
    if !patch.is_empty() {
        let accepted: Vec<bool> = plan
            .hunks()
            .map(|hunk| decisions.accepts_hunk(hunk))
            .collect();
        let parsed = git2::Diff::from_buffer(&patch)?;
        // libgit2 asks hunk by hunk in the order of the text.
        let next = Cell::new(0);
        let mut options = git2::ApplyOptions::new();
        options.hunk_callback(|_| {
            let at = next.get();
            next.set(at + 1);
            accepted.get(at).copied().unwrap_or(false)
        });
        let index = repository.apply_to_tree(&tree, &parsed, Some(&mut options))?;
        for entry in index.iter() {
            let number = std::str::from_utf8(&entry.path)
                .ok()
                .and_then(|name| name.parse::<usize>().ok());
            if let Some(slot) = number.and_then(|number| bytes.get_mut(number)) {
                *slot = repository.find_blob(entry.id)?.content().to_vec();
            }
        }
    }
    for (file, bytes) in plan.files.iter().zip(&bytes) {
        if *bytes != splice(file, decisions) {
            return Err(SelectError::Differs {
                path: file.path.to_string(),
            });
        }
    }
    Ok(bytes)
}

/// The file's patch under its number. It always updates: an added file updates the empty one.
fn write_patch(out: &mut Vec<u8>, index: usize, file: &FilePlan) {
    let (old, new) = diff::images(file);
    let mut head = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        head,
        "diff --git a/{index} b/{index}\nindex 0000000..0000000 100644\n--- a/{index}\n+++ b/{index}"
    );
    out.extend_from_slice(head.as_bytes());
    for hunk in &file.hunks {
        // libgit2 takes the new start for the place also when the new side is empty, where git's format
        // names the line before; so the place is what we write.
        let (old_start, new_start) = (hunk.old_range().start + 1, hunk.new_range().start + 1);
        let head = format!(
            "@@ -{old_start},{} +{new_start},{} @@\n",
            hunk.old_lines, hunk.new_lines
        );
        out.extend_from_slice(head.as_bytes());
        diff::write_body(out, hunk, &old, &new);
    }
}

/// The same by hand: the accepted ranges of the post-image in place of those of the pre-image.
pub(crate) fn splice(file: &FilePlan, decisions: &Decisions) -> Vec<u8> {
    let (old, new) = diff::images(file);
    let mut out = Vec::new();
    let mut put = |lines: Option<&[&[u8]]>| {
        lines
            .unwrap_or_default()
            .iter()
            .for_each(|line| out.extend_from_slice(line))
    };
    let mut at = 0;
    for hunk in file
        .hunks
        .iter()
        .filter(|hunk| decisions.accepts_hunk(hunk))
    {
        let range = hunk.old_range();
        put(old.get(at..range.start));
        put(new.get(hunk.new_range()));
        at = range.end;
    }
    put(old.get(at..));
    out
}

#[cfg(test)]
mod tests;
