//! The chosen hunks of a plan, applied by libgit2 to the pre-images.
//!
//! Everything happens in a repository that exists only in memory: no file, no configuration, no filter and
//! no hook can take part. The hunks' lines stand in its tree under numbers, so no path of the user's is ever
//! given to libgit2. What comes back is compared with the same lines of the images; a difference is our bug
//! and refuses the patch.

use super::diff;
use super::parallel;
use super::{ChangeKind, Decision, Decisions, FilePlan, Hunk, HunkLine, LineKind, Plan};
use std::cell::Cell;

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

impl FilePlan {
    /// Whether something happens to the file that is none of its hunks' and has a decision of its own: it moves, its
    /// mode changes, or it has no hunks at all.
    pub fn is_decided_whole(&self) -> bool {
        let mode = self.new_mode.is_some() && self.kind == ChangeKind::Update;
        self.hunks.is_empty() || self.target.is_some() || mode
    }
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
            Some(Decision::Accept) if file.is_decided_whole() => true,
            Some(Decision::Reject { .. }) if file.is_decided_whole() => false,
            Some(_) | None => by_hunks,
        }
    }
}

/// The post-image of every file with only the accepted hunks in it, in plan order.
pub fn selected(plan: &Plan, decisions: &Decisions) -> Result<Vec<Vec<u8>>, SelectError> {
    let images = parallel::map(&plan.files, diff::images);
    let bundles = bundles(plan, &images, decisions);
    let mut results: Vec<Vec<u8>> = plan
        .files
        .iter()
        .map(|file| Vec::with_capacity(file.pre.as_ref().map_or(0, Vec::len)))
        .collect();
    // How far the lines of each pre-image are taken over.
    let mut reached = vec![0; plan.files.len()];
    // libgit2 spends its time on hashes, which every thread can do for itself.
    let shares: Vec<&[Bundle]> = bundles.chunks(SHARE).collect();
    let shares = parallel::map_each(&shares, |share| applied(share));
    let applied: Vec<Vec<Vec<u8>>> = shares.into_iter().collect::<Result<_, _>>()?;
    for (bundle, bytes) in bundles.iter().zip(applied.into_iter().flatten()) {
        let mut rest = bytes.as_slice();
        for piece in &bundle.pieces {
            let file = plan.files.get(piece.file);
            let differs = || SelectError::Differs {
                path: file.map(|file| file.path.to_string()).unwrap_or_default(),
            };
            let wanted = if piece.accepted {
                &piece.new
            } else {
                &piece.old
            };
            let (part, after) = rest.split_at_checked(wanted.len()).ok_or_else(differs)?;
            if part != wanted {
                return Err(differs());
            }
            rest = after;
            if let (Some(result), Some(at), Some((old, _))) = (
                results.get_mut(piece.file),
                reached.get_mut(piece.file),
                images.get(piece.file),
            ) {
                extend(result, old.get(*at..piece.lines.start));
                result.extend_from_slice(part);
                *at = piece.lines.end;
            }
        }
        if !rest.is_empty() {
            let last = bundle.pieces.last();
            let file = last.and_then(|piece| plan.files.get(piece.file));
            return Err(SelectError::Differs {
                path: file.map(|file| file.path.to_string()).unwrap_or_default(),
            });
        }
    }
    for ((result, at), (old, _)) in results.iter_mut().zip(reached).zip(&images) {
        extend(result, old.get(at..));
    }
    // What has no hunks has its new bytes, or not, by the word on the file.
    for (index, (result, file)) in results.iter_mut().zip(&plan.files).enumerate() {
        if file.hunks.is_empty() && file.pre != file.post && decisions.accepts_file(index, file) {
            *result = file.post.clone().unwrap_or_default();
        }
    }
    Ok(results)
}

fn extend(bytes: &mut Vec<u8>, lines: Option<&[&[u8]]>) {
    for line in lines.unwrap_or_default() {
        bytes.extend_from_slice(line);
    }
}

/// Hunks that libgit2 gets as one file: their old lines, and a patch of them. libgit2 moves all lines behind a
/// hunk and hashes the whole file, so of long files only the hunks are given to it, not too many at once.
#[derive(Default)]
struct Bundle {
    pieces: Vec<Piece>,
    patch: Vec<u8>,
    old_lines: usize,
    new_lines: usize,
}

/// Hunks of a bundle at most.
const BUNDLE: usize = 64;
/// Bundles that a thread gives to libgit2 at once.
const SHARE: usize = 4;

struct Piece {
    /// Index in the plan.
    file: usize,
    /// Of the pre-image, from 0.
    lines: std::ops::Range<usize>,
    accepted: bool,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Bundle {
    fn is_full(&self) -> bool {
        // A last line without its newline can only be the last.
        let open = |bytes: &[u8]| !bytes.is_empty() && !bytes.ends_with(b"\n");
        self.pieces.len() == BUNDLE
            || self
                .pieces
                .last()
                .is_some_and(|piece| open(&piece.old) || open(&piece.new))
    }
}

type Images<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>);

/// A hunk without the unchanged lines at its ends: what libgit2 gets it also hashes, four times. Where nothing would
/// be left of its old or its new side, one unchanged line stays at either end: it says where the hunk belongs.
struct Core<'a> {
    lines: &'a [HunkLine],
    /// Where they begin in the images, from 0.
    old: usize,
    new: usize,
}

fn core(hunk: &Hunk) -> Core<'_> {
    let unchanged = |line: &&HunkLine| line.kind == LineKind::Context;
    let before = hunk.lines.iter().take_while(unchanged).count();
    let after = hunk.lines.iter().rev().take_while(unchanged).count();
    let has = |kind| hunk.lines.iter().any(|line| line.kind == kind);
    let kept = usize::from(!has(LineKind::Removed) || !has(LineKind::Added));
    let from = before.saturating_sub(kept);
    let to = hunk.lines.len() - after.saturating_sub(kept);
    Core {
        lines: hunk.lines.get(from..to).unwrap_or_default(),
        old: hunk.old_range().start + from,
        new: hunk.new_range().start + from,
    }
}

fn bundles(plan: &Plan, images: &[Images<'_>], decisions: &Decisions) -> Vec<Bundle> {
    let mut bundles = Vec::new();
    let mut bundle = Bundle::default();
    for (index, (file, (old, new))) in plan.files.iter().zip(images).enumerate() {
        // An edit can leave a hunk that changes nothing any more.
        let changes = |hunk: &&Hunk| hunk.lines.iter().any(|line| line.kind != LineKind::Context);
        for hunk in file.hunks.iter().filter(changes) {
            if bundle.is_full() {
                bundles.push(std::mem::take(&mut bundle));
            }
            let core = core(hunk);
            let counts = |without| {
                core.lines
                    .iter()
                    .filter(|line| line.kind != without)
                    .count()
            };
            let (old_lines, new_lines) = (counts(LineKind::Added), counts(LineKind::Removed));
            let old_range = core.old..core.old + old_lines;
            let new_range = core.new..core.new + new_lines;
            // libgit2 takes the new start for the place also when the new side is empty, where git's format
            // names the line before; so the place is what we write.
            let head = format!(
                "@@ -{},{old_lines} +{},{new_lines} @@\n",
                bundle.old_lines + 1,
                bundle.new_lines + 1,
            );
            bundle.patch.extend_from_slice(head.as_bytes());
            diff::write_lines(
                &mut bundle.patch,
                core.lines,
                (core.old, core.new),
                (old, new),
            );
            bundle.old_lines += old_lines;
            bundle.new_lines += new_lines;
            bundle.pieces.push(Piece {
                file: index,
                accepted: decisions.accepts_hunk(hunk),
                old: old.get(old_range.clone()).unwrap_or_default().concat(),
                new: new.get(new_range).unwrap_or_default().concat(),
                lines: old_range,
            });
        }
    }
    if !bundle.pieces.is_empty() {
        bundles.push(bundle);
    }
    bundles
}

/// What libgit2 makes of every bundle with its accepted hunks.
fn applied(bundles: &[Bundle]) -> Result<Vec<Vec<u8>>, SelectError> {
    if bundles.is_empty() {
        return Ok(Vec::new());
    }
    let odb = git2::Odb::new()?;
    odb.add_new_mempack_backend(1)?;
    let repository = git2::Repository::from_odb(odb)?;
    let mut tree = repository.treebuilder(None)?;
    let mut patch = Vec::new();
    let mut results = Vec::with_capacity(bundles.len());
    for (index, bundle) in bundles.iter().enumerate() {
        let old: Vec<u8> = bundle
            .pieces
            .iter()
            .flat_map(|piece| &piece.old)
            .copied()
            .collect();
        tree.insert(name(index), repository.blob(&old)?, 0o100_644)?;
        results.push(old);
        // Always an update: an added file updates the empty one.
        let name = name(index);
        let head = format!(
            "diff --git a/{name} b/{name}\nindex 0000000..0000000 100644\n--- a/{name}\n+++ b/{name}\n"
        );
        patch.extend_from_slice(head.as_bytes());
        patch.extend_from_slice(&bundle.patch);
    }
    let tree = repository.find_tree(tree.write()?)?;
    let parsed = git2::Diff::from_buffer(&patch)?;
    // libgit2 asks hunk by hunk in the order of the text.
    let accepted: Vec<bool> = bundles
        .iter()
        .flat_map(|bundle| &bundle.pieces)
        .map(|piece| piece.accepted)
        .collect();
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
        if let Some(slot) = number.and_then(|number| results.get_mut(number)) {
            *slot = repository.find_blob(entry.id)?.content().to_vec();
        }
    }
    Ok(results)
}

/// All of one length, so that every order of them is that of the numbers.
fn name(index: usize) -> String {
    format!("{index:010}")
}

/// The same by hand: the accepted ranges of the post-image in place of those of the pre-image.
#[cfg(test)]
pub(crate) fn splice(file: &FilePlan, decisions: &Decisions) -> Vec<u8> {
    let (old, new) = diff::images(file);
    let mut out = Vec::new();
    let mut at = 0;
    for hunk in file
        .hunks
        .iter()
        .filter(|hunk| decisions.accepts_hunk(hunk))
    {
        let range = hunk.old_range();
        extend(&mut out, old.get(at..range.start));
        extend(&mut out, new.get(hunk.new_range()));
        at = range.end;
    }
    extend(&mut out, old.get(at..));
    out
}

#[cfg(test)]
mod tests;
