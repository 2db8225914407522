//! Hunks between a pre- and a post-image, and their text as git writes it.
//!
//! Myers by `similar`, three lines of context, merged where git merges. The text comes from the images'
//! bytes, never from the display lines of a [`Hunk`], so that line endings and missing newlines survive.

use super::encoding::Encoding;
use super::text::{LineChange, byte_lines};
use super::{ChangeKind, FilePlan, Hunk, HunkId, HunkLine, LineKind, Plan};
use rustc_hash::FxHashMap;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};
use std::time::{Duration, Instant};

const CONTEXT: usize = 3;
/// After this `similar` settles for a longer diff that is as correct; two unlike files of 10 MB need it.
const DEADLINE: Duration = Duration::from_secs(2);
pub(crate) const NO_NEWLINE: &str = "\\ No newline at end of file";

/// The hunks from `pre` to `post`, numbered from 0 in this file.
pub fn hunks(pre: &[u8], post: &[u8]) -> Vec<Hunk> {
    let (old, new) = (byte_lines(pre), byte_lines(post));
    let same = |(a, b): &(&&[u8], &&[u8])| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (old.len() - head, new.len() - head);
    let tail = old.iter().rev().zip(new.iter().rev());
    let tail = tail.take(old_rest.min(new_rest)).take_while(same).count();
    let middle = (head..old.len() - tail, head..new.len() - tail);
    within(&old, &new, &[middle])
}

/// As [`hunks`], where it is known that the images differ nowhere but in `changes` (ascending and apart): only
/// these are compared, so that a small patch to a long file costs little.
pub(crate) fn hunks_within(pre: &[u8], post: &[u8], changes: &[LineChange]) -> Vec<Hunk> {
    within(&byte_lines(pre), &byte_lines(post), changes)
}

fn within(old: &[&[u8]], new: &[&[u8]], changes: &[LineChange]) -> Vec<Hunk> {
    let deadline = Instant::now().checked_add(DEADLINE);
    let mut ops = Ops::default();
    let mut at = 0;
    for (old_range, new_range) in changes {
        ops.equal(
            at,
            new_range.start - (old_range.start - at),
            old_range.start - at,
        );
        ops.compare(old, new, (old_range.clone(), new_range.clone()), deadline);
        at = old_range.end;
    }
    let new_at = changes.last().map_or(0, |(_, new_range)| new_range.end);
    ops.equal(at, new_at, old.len() - at);
    group_diff_ops(ops.0, CONTEXT)
        .iter()
        .enumerate()
        .map(|(id, group)| hunk(HunkId(id), group, old, new))
        .collect()
}

/// Operations in order; equal stretches that meet are one, as the grouping expects.
#[derive(Default)]
struct Ops(Vec<DiffOp>);

impl Ops {
    fn equal(&mut self, old_index: usize, new_index: usize, len: usize) {
        match self.0.last_mut() {
            _ if len == 0 => {}
            Some(DiffOp::Equal { len: before, .. }) => *before += len,
            Some(_) | None => self.0.push(DiffOp::Equal {
                old_index,
                new_index,
                len,
            }),
        }
    }

    fn compare(
        &mut self,
        old: &[&[u8]],
        new: &[&[u8]],
        (old_range, new_range): LineChange,
        deadline: Option<Instant>,
    ) {
        let (old_from, new_from) = (old_range.start, new_range.start);
        let old = old.get(old_range).unwrap_or_default();
        let new = new.get(new_range).unwrap_or_default();
        if let ([one], [other]) = (old, new)
            && one != other
        {
            return self.0.push(DiffOp::Replace {
                old_index: old_from,
                old_len: 1,
                new_index: new_from,
                new_len: 1,
            });
        }
        // Lines as numbers: Myers compares the same ones many times.
        let mut numbers: FxHashMap<&[u8], usize> = FxHashMap::default();
        let mut both = Vec::with_capacity(old.len() + new.len());
        for line in old.iter().chain(new) {
            let next = numbers.len();
            both.push(*numbers.entry(*line).or_insert(next));
        }
        let (old, new) = both.split_at(old.len());
        for op in capture_diff_slices_deadline(Algorithm::Myers, old, new, deadline) {
            let old_index = op.old_range().start + old_from;
            let new_index = op.new_range().start + new_from;
            let (old_len, new_len) = (op.old_range().len(), op.new_range().len());
            match op {
                DiffOp::Equal { len, .. } => self.equal(old_index, new_index, len),
                DiffOp::Delete { .. } => self.0.push(DiffOp::Delete {
                    old_index,
                    old_len,
                    new_index,
                }),
                DiffOp::Insert { .. } => self.0.push(DiffOp::Insert {
                    old_index,
                    new_index,
                    new_len,
                }),
                DiffOp::Replace { .. } => self.0.push(DiffOp::Replace {
                    old_index,
                    old_len,
                    new_index,
                    new_len,
                }),
            }
        }
    }
}

fn hunk(id: HunkId, group: &[DiffOp], old: &[&[u8]], new: &[&[u8]]) -> Hunk {
    let mut lines = Vec::new();
    let mut push = |kind, from: &[&[u8]], range: std::ops::Range<usize>| {
        lines.extend(
            from.get(range)
                .unwrap_or_default()
                .iter()
                .map(|line| HunkLine {
                    kind,
                    text: display(line),
                }),
        );
    };
    for op in group {
        match op {
            DiffOp::Equal { .. } => push(LineKind::Context, old, op.old_range()),
            DiffOp::Delete { .. } => push(LineKind::Removed, old, op.old_range()),
            DiffOp::Insert { .. } => push(LineKind::Added, new, op.new_range()),
            DiffOp::Replace { .. } => {
                push(LineKind::Removed, old, op.old_range());
                push(LineKind::Added, new, op.new_range());
            }
        }
    }
    let old_from = group.first().map_or(0, |op| op.old_range().start);
    let new_from = group.first().map_or(0, |op| op.new_range().start);
    from_lines(id, old_from, new_from, lines)
}

/// A hunk whose old lines begin at `old_from` and whose new lines begin at `new_from` (from 0).
pub(crate) fn from_lines(
    id: HunkId,
    old_from: usize,
    new_from: usize,
    lines: Vec<HunkLine>,
) -> Hunk {
    let count = |without: LineKind| lines.iter().filter(|line| line.kind != without).count();
    let (old_lines, new_lines) = (count(LineKind::Added), count(LineKind::Removed));
    // git names the line before an empty range.
    let start = |from: usize, len: usize| if len == 0 { from } else { from + 1 };
    Hunk {
        id,
        old_start: start(old_from, old_lines),
        old_lines,
        new_start: start(new_from, new_lines),
        new_lines,
        lines,
    }
}

impl Hunk {
    /// The lines of the pre-image it stands for, from 0.
    pub(crate) fn old_range(&self) -> std::ops::Range<usize> {
        let start = if self.old_lines == 0 {
            self.old_start
        } else {
            self.old_start.saturating_sub(1)
        };
        start..start + self.old_lines
    }

    /// The lines of the post-image it brings, from 0.
    pub(crate) fn new_range(&self) -> std::ops::Range<usize> {
        let start = if self.new_lines == 0 {
            self.new_start
        } else {
            self.new_start.saturating_sub(1)
        };
        start..start + self.new_lines
    }
}

pub(crate) fn display(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

impl Plan {
    /// The plan as `git diff` would print it; `git apply` accepts it.
    pub fn unified_diff(&self) -> String {
        let mut out = Vec::new();
        for file in &self.files {
            write_file(&mut out, file);
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl FilePlan {
    /// This file's part of [`Plan::unified_diff`].
    pub fn unified_diff(&self) -> String {
        let mut out = Vec::new();
        write_file(&mut out, self);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn write_file(out: &mut Vec<u8>, file: &FilePlan) {
    let old_name = quoted("a/", file.path.as_str());
    let target = file.target.as_ref().unwrap_or(&file.path);
    let new_name = quoted("b/", target.as_str());
    let git_mode = |mode: u32| {
        if mode & 0o111 != 0 {
            "100755"
        } else {
            "100644"
        }
    };
    let mode = git_mode(file.mode);
    let mut head = format!("diff --git {old_name} {new_name}\n");
    let new_mode = git_mode(file.new_mode.unwrap_or(file.mode));
    if new_mode != mode && matches!(file.kind, ChangeKind::Update | ChangeKind::Move) {
        head.push_str(&format!("old mode {mode}\nnew mode {new_mode}\n"));
    }
    match file.kind {
        ChangeKind::Add => head.push_str(&format!("new file mode {new_mode}\n")),
        ChangeKind::Delete => head.push_str(&format!("deleted file mode {mode}\n")),
        ChangeKind::Move => head.push_str(&format!(
            "rename from {}\nrename to {}\n",
            quoted("", file.path.as_str()),
            quoted("", target.as_str())
        )),
        ChangeKind::Update => {}
    }
    if !file.hunks.is_empty() {
        // A name with white space is closed by a tab, or what follows would be taken for a date.
        let tab = |name: &str| if name.contains(' ') { "\t" } else { "" };
        let old = if file.kind == ChangeKind::Add {
            "/dev/null"
        } else {
            &old_name
        };
        let new = if file.kind == ChangeKind::Delete {
            "/dev/null"
        } else {
            &new_name
        };
        head.push_str(&format!("--- {old}{}\n+++ {new}{}\n", tab(old), tab(new)));
    }
    if file.encoding == Encoding::Binary {
        let side = |there: bool, name: &str| {
            if there {
                name.to_owned()
            } else {
                "/dev/null".to_owned()
            }
        };
        let old = side(file.kind != ChangeKind::Add, &old_name);
        let new = side(file.kind != ChangeKind::Delete, &new_name);
        head.push_str(&format!("Binary files {old} and {new} differ\n"));
    }
    out.extend_from_slice(head.as_bytes());
    let (old, new) = images(file);
    for hunk in &file.hunks {
        out.extend_from_slice(hunk.range().as_bytes());
        out.extend_from_slice(b" @@\n");
        write_body(out, hunk, &old, &new);
    }
}

/// The lines of both images; an image that does not exist has none.
pub(crate) fn images(file: &FilePlan) -> (Vec<&[u8]>, Vec<&[u8]>) {
    (
        byte_lines(file.pre.as_deref().unwrap_or_default()),
        byte_lines(file.post.as_deref().unwrap_or_default()),
    )
}

/// The prefixed lines of a hunk, byte for byte.
pub(crate) fn write_body(out: &mut Vec<u8>, hunk: &Hunk, old: &[&[u8]], new: &[&[u8]]) {
    let starts = (hunk.old_range().start, hunk.new_range().start);
    write_lines(out, &hunk.lines, starts, (old, new));
}

/// The same of some of its lines, which begin at `starts` (from 0) in the two images.
pub(crate) fn write_lines(
    out: &mut Vec<u8>,
    lines: &[HunkLine],
    starts: (usize, usize),
    (old, new): (&[&[u8]], &[&[u8]]),
) {
    let (mut old_at, mut new_at) = starts;
    for line in lines {
        let (sign, bytes) = match line.kind {
            LineKind::Context => (b' ', old.get(old_at)),
            LineKind::Removed => (b'-', old.get(old_at)),
            LineKind::Added => (b'+', new.get(new_at)),
        };
        old_at += usize::from(line.kind != LineKind::Added);
        new_at += usize::from(line.kind != LineKind::Removed);
        let bytes = bytes.copied().unwrap_or_default();
        out.push(sign);
        out.extend_from_slice(bytes);
        if !bytes.ends_with(b"\n") {
            out.extend_from_slice(format!("\n{NO_NEWLINE}\n").as_bytes());
        }
    }
}

/// The name as git prints it: in quotes with octal bytes where it is not plain ASCII (`core.quotePath`).
fn quoted(prefix: &str, name: &str) -> String {
    if name
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
    {
        return format!("{prefix}{name}");
    }
    let mut out = format!("\"{prefix}");
    for byte in name.bytes() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x20..0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}
