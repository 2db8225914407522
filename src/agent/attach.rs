//! What a message brings with it: the text of the files it mentions.
//!
//! A small text file that is not ignored goes to the model as an item of its own, right behind the message;
//! anything else stays a name that the model can ask for, and the user is told which and why. Nothing is
//! attached that the model could not read by itself.

use super::mention;
use crate::conversation::Item;
use crate::tools::files::{self, NoText};
use crate::workspace::{Workspace, WorkspacePath};

/// Bytes of one attached file: about the 400 lines that a call of `read_file` shows.
const FILE_LIMIT: u64 = 24 * 1024;
/// Bytes of all files of a message; a small context allows fewer.
const ALL_LIMIT: u64 = 64 * 1024;
/// Names that are looked up, at most: a pasted log may be full of `@`.
const MOST_NAMES: usize = 200;
/// Files of a message, at most.
const MOST_FILES: usize = 20;

/// The files of a message, and the line about them; `None` when it mentions none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Attached {
    pub(super) items: Vec<Item>,
    pub(super) told: Option<String>,
}

/// Reads what `message` mentions. `context`: tokens the model has room for; no more bytes than that are
/// attached, about a quarter of it. Works on the disk: for a thread that may wait.
pub(super) fn gather(workspace: &Workspace, message: &str, context: usize) -> Attached {
    let mut room = ALL_LIMIT.min(context as u64);
    let mut out = Attached::default();
    let mut attached = Vec::new();
    let mut named = Vec::new();
    for name in mention::find(message).iter().take(MOST_NAMES) {
        let Some((path, found)) = look_up(workspace, name, room.min(FILE_LIMIT)) else {
            continue;
        };
        match found {
            Ok(text) if out.items.len() < MOST_FILES => {
                room = room.saturating_sub(text.len() as u64);
                let lines = text.lines().count();
                let word = if lines == 1 { "line" } else { "lines" };
                attached.push(format!("{path} ({lines} {word})"));
                out.items.push(Item::Attached {
                    text: format!(
                        "The message above names {path}. The file has {lines} {word}:\n{}",
                        fenced(&text)
                    ),
                    name: path,
                });
            }
            Ok(_) => named.push(format!("{path} ({MOST_FILES} files are attached already)")),
            // The model lists it when it wants to.
            Err(NoText::Folder) => {}
            Err(reason) => named.push(format!("{path} ({reason})")),
        }
    }
    let mut lines = Vec::new();
    if !attached.is_empty() {
        lines.push(format!("attached: {}", attached.join(", ")));
    }
    if !named.is_empty() {
        lines.push(format!("named only, not attached: {}", named.join(", ")));
    }
    out.told = (!lines.is_empty()).then(|| lines.join("\n"));
    out
}

/// The file a name means, its text or why there is none; `None` when it is no file's name at all.
fn look_up(
    workspace: &Workspace,
    name: &str,
    limit: u64,
) -> Option<(String, Result<String, NoText>)> {
    for reading in mention::readings(name) {
        let path = match workspace.relative(reading) {
            Ok(path) => path,
            // A word like `@~someone` is no file; one that is there and outside is worth a word.
            Err(error) => {
                let outside = std::path::Path::new(reading);
                if workspace.root().join(outside).is_file() {
                    let said = error.to_string();
                    let line = said.lines().next().unwrap_or_default();
                    let reason = line.rsplit_once(": ").map_or(line, |(_, reason)| reason);
                    return Some((reading.to_owned(), Err(NoText::Refused(reason.to_owned()))));
                }
                continue;
            }
        };
        match files::text(workspace, &path, limit) {
            Err(NoText::Missing) => continue,
            found => return Some((shown(&path, reading), found)),
        }
    }
    None
}

fn shown(path: &WorkspacePath, written: &str) -> String {
    let slash = if written.ends_with('/') { "/" } else { "" };
    format!("{path}{slash}")
}

/// `text` between fences that nothing in it can close.
pub(super) fn fenced(text: &str) -> String {
    let mut longest = 2;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{fence}\n{text}{newline}{fence}")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn workspace() -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for (path, text) in [
            ("root/.gitignore", ".env\n".to_owned()),
            ("root/.env", "KEY=1\n".to_owned()),
            ("root/a.rs", "fn a() {}\n".to_owned()),
            ("root/my file.md", "```\ncode\n```".to_owned()),
            ("root/src/b.rs", "b\n".to_owned()),
            ("root/big.txt", "0123456789abcde\n".repeat(2_000)),
            ("root/pic.png", "\u{89}PNG\0".to_owned()),
            ("outside.txt", "no\n".to_owned()),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (dir, Workspace::open(&root).unwrap())
    }

    fn names(attached: &Attached) -> Vec<&str> {
        let mut names = Vec::new();
        for item in &attached.items {
            match item {
                Item::Attached { name, .. } => names.push(name.as_str()),
                other => panic!("{other:?}"),
            }
        }
        names
    }

    #[test]
    fn small_files_are_attached_and_the_rest_is_said() {
        let (_dir, workspace) = workspace();
        let message = "compare @a.rs, (@src/b.rs) and @\"my file.md\" with @big.txt @pic.png @.env \
                       @../outside.txt; cc @alice @src/ a@b.rs @gone.rs";
        let got = gather(&workspace, message, 32_768);
        assert_eq!(names(&got), ["a.rs", "src/b.rs", "my file.md"]);
        let told = got.told.unwrap();
        assert!(
            told.starts_with("attached: a.rs (1 line), src/b.rs (1 line), my file.md (3 lines)\n"),
            "{told}"
        );
        for part in [
            "big.txt (32000 bytes, more than the 24576 that are attached)",
            "pic.png (a binary file of 6 bytes)",
            ".env (ignored by the repository's ignore files)",
            "../outside.txt (`..` leaves the folder)",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("alice") && !told.contains("gone"), "{told}");
        assert_eq!(
            gather(&workspace, "no file, a@b", 32_768),
            Attached::default()
        );
    }

    #[test]
    fn a_small_context_takes_fewer_bytes() {
        let (_dir, workspace) = workspace();
        let got = gather(&workspace, "@a.rs @src/b.rs", 11);
        assert_eq!(names(&got), ["a.rs"]);
        assert!(
            got.told
                .unwrap()
                .contains("src/b.rs (2 bytes, more than the 1")
        );
    }

    #[test]
    fn a_fence_is_longer_than_any_in_the_text() {
        assert_eq!(fenced("a\n"), "```\na\n```");
        assert_eq!(fenced("```\ncode\n```"), "````\n```\ncode\n```\n````");
        assert_eq!(fenced(""), "```\n```");
    }
}
