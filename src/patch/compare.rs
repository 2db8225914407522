//! A file before and after, as a part of a plan: what something else than a patch did to it.
//!
//! Text is compared line by line. What is no text, or text in another encoding than before, is taken or left as a
//! whole, and named binary.

use super::diff;
use super::encoding::{self, Encoding};
use super::plan::with_executable;
use super::{ChangeKind, FilePlan, LocateStage};
use crate::workspace::WorkspacePath;

/// A file's bytes and permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

/// What happened to the file; `None` when it is the same, or was not there and is not. Of the mode only whether
/// the file can be executed counts.
pub fn between(
    path: WorkspacePath,
    before: Option<FileState>,
    after: Option<FileState>,
) -> Option<FilePlan> {
    let kind = match (&before, &after) {
        (None, None) => return None,
        (None, Some(_)) => ChangeKind::Add,
        (Some(_), None) => ChangeKind::Delete,
        (Some(_), Some(_)) => ChangeKind::Update,
    };
    let mode = match (&before, &after) {
        (Some(before), _) => before.mode,
        (None, Some(after)) if after.mode & 0o111 != 0 => 0o755,
        (None, _) => 0o644,
    };
    let new_mode = match (&before, &after) {
        (Some(before), Some(after)) => {
            Some(with_executable(before.mode, after.mode)).filter(|new| *new != before.mode)
        }
        _ => None,
    };
    let (pre, post) = (before.map(|one| one.bytes), after.map(|one| one.bytes));
    if pre == post && new_mode.is_none() {
        return None;
    }
    let (encoding, pre, post) = images(pre, post);
    let hunks = match encoding {
        Encoding::Binary => Vec::new(),
        _ => diff::hunks(
            pre.as_deref().unwrap_or_default(),
            post.as_deref().unwrap_or_default(),
        ),
    };
    Some(FilePlan {
        kind,
        path,
        target: None,
        pre,
        post,
        encoding,
        mode,
        new_mode,
        stage: LocateStage::Exact,
        hunks,
    })
}

type Images = (Encoding, Option<Vec<u8>>, Option<Vec<u8>>);

/// As text in UTF-8 where both are text in one encoding, else as they are.
fn images(pre: Option<Vec<u8>>, post: Option<Vec<u8>>) -> Images {
    if pre == post {
        return (Encoding::Utf8, pre, post);
    }
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => encoding::decode(bytes.clone()).map(Some),
        None => Ok(None),
    };
    match (text(&pre), text(&post)) {
        (Ok(Some((old, pre))), Ok(Some((new, post)))) if old == new => (old, Some(pre), Some(post)),
        (Ok(None), Ok(Some((encoding, post)))) => (encoding, None, Some(post)),
        (Ok(Some((encoding, pre))), Ok(None)) => (encoding, Some(pre), None),
        _ => (Encoding::Binary, pre, post),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::patch::{Decision, Decisions, Plan, selected};

    fn state(bytes: &[u8], mode: u32) -> Option<FileState> {
        Some(FileState {
            bytes: bytes.to_vec(),
            mode,
        })
    }

    fn file(before: Option<FileState>, after: Option<FileState>) -> Option<FilePlan> {
        between(WorkspacePath::parse("a").unwrap(), before, after)
    }

    #[test]
    fn nothing_but_the_execute_bits_of_a_mode_counts() {
        assert_eq!(file(state(b"x", 0o644), state(b"x", 0o4666)), None);
        assert_eq!(file(None, None), None);
        let plan = file(state(b"x", 0o640), state(b"x", 0o700)).unwrap();
        assert_eq!((plan.mode, plan.new_mode), (0o640, Some(0o750)));
        assert_eq!(file(None, state(b"", 0o4711)).unwrap().mode, 0o755);
    }

    #[test]
    fn text_has_hunks_and_the_rest_is_taken_whole() {
        let text = file(state(b"a\nb\n", 0o644), state(b"a\nc\n", 0o644)).unwrap();
        assert_eq!((text.hunks.len(), text.encoding), (1, Encoding::Utf8));
        for (before, after) in [
            (Some(&b"\0\x01"[..]), Some(&b"\0\x02"[..])),
            (Some(b"text\n"), Some(b"\0\x02")),
            (Some("\u{e9}\n".as_bytes()), Some(b"\xe9\n")),
            (None, Some(b"\0\xff")),
            (Some(b"\0\xff"), None),
        ] {
            let of = |bytes: Option<&[u8]>| bytes.and_then(|bytes| state(bytes, 0o644));
            let file = file(of(before), of(after)).unwrap();
            assert_eq!(file.encoding, Encoding::Binary);
            assert!(file.hunks.is_empty() && file.is_decided_whole());
            assert!(file.notes().join(" ").starts_with("binary"));
            assert!(file.unified_diff().contains("Binary files "));
            let plan = Plan { files: vec![file] };
            let taken = selected(&plan, &Decisions::accept_all(&plan)).unwrap();
            assert_eq!(taken[0], after.unwrap_or_default());
            let mut left = Decisions::default();
            left.files.insert(0, Decision::Reject { note: None });
            let kept = selected(&plan, &left).unwrap();
            assert_eq!(kept[0], before.unwrap_or_default());
        }
    }
}
