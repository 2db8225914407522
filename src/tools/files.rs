//! The files of the workspace as the user names them: the list to choose from, and the text of one.
//!
//! It is not a tool. It goes through the same door as the tools do, so what the user is offered is what the
//! model could read: ignored files, links and repositories inside this one are left out.

use super::tree::{self, Scope, Walk};
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use tokio_util::sync::CancellationToken;

/// Names of a list, at most: 100 MB of memory at the longest paths that occur.
const MOST: usize = 500_000;

/// Every file that is not ignored, folders (`src/`) before what they hold; and whether that is all.
pub fn list(workspace: &Workspace, cancel: &CancellationToken) -> (Vec<String>, bool) {
    let mut paths: Vec<String> = Vec::new();
    let mut folder = String::new();
    let Ok(scope) = Scope::new(workspace, None, None) else {
        return (paths, false);
    };
    let walked = scope.walk(cancel, |path| {
        let parent = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("");
        if parent != folder {
            push_folders(&mut paths, &folder, parent);
            folder.clear();
            folder.push_str(parent);
        }
        paths.push(path.to_owned());
        Ok(if paths.len() < MOST {
            Walk::On
        } else {
            Walk::Stop
        })
    });
    let whole = walked.is_ok() && paths.len() < MOST;
    (paths, whole)
}

/// The folders above `to` that are not above `from`: a walk goes through each folder once.
fn push_folders(paths: &mut Vec<String>, from: &str, to: &str) {
    for (at, _) in to.match_indices('/') {
        if let Some(folder) = to.get(..=at)
            && !from.starts_with(folder)
        {
            paths.push(folder.to_owned());
        }
    }
}

/// Why the text of a named file is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// Nothing of that name is in the workspace.
    #[error("no such file")]
    Missing,
    #[error("a folder")]
    Folder,
    #[error("ignored by the repository's ignore files")]
    Ignored,
    #[error("{bytes} bytes, more than the {limit} that are attached")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("a binary file of {bytes} bytes")]
    Binary { bytes: usize },
    #[error("{0}")]
    Refused(String),
}

/// The text of a file, up to `limit` bytes of it on disk.
pub fn text(workspace: &Workspace, path: &WorkspacePath, limit: u64) -> Result<String, NoText> {
    let refused = |error: WorkspaceError| {
        let said = error.to_string();
        let line = said.lines().next().unwrap_or_default();
        let reason = line.split_once(": ").map_or(line, |(_, reason)| reason);
        NoText::Refused(reason.to_owned())
    };
    match workspace.metadata(path) {
        Ok(Some(_)) => {}
        Ok(None) => return Err(NoText::Missing),
        Err(WorkspaceError::NotAFile {
            what: "a folder", ..
        }) => return Err(NoText::Folder),
        Err(error) => return Err(refused(error)),
    }
    if !tree::lists(workspace, path) {
        return Err(NoText::Ignored);
    }
    let bytes = match workspace.read_up_to(path, limit) {
        Ok(content) => content.bytes,
        Err(WorkspaceError::TooLarge { len, .. }) => {
            return Err(NoText::TooLarge { bytes: len, limit });
        }
        Err(error) => return Err(refused(error)),
    };
    match tree::text(&bytes) {
        Some(text) => Ok(text.into_owned()),
        None => Err(NoText::Binary { bytes: bytes.len() }),
    }
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
        for (path, text) in [
            (".gitignore", "*.log\n/target/\n"),
            ("README.md", "hello\n"),
            ("a.log", "secret\n"),
            ("src/deep/er/x.rs", "x\n"),
            ("src/main.rs", "fn main() {}\n"),
            ("src/zoo.rs", "\n"),
            ("target/out", "o"),
            ("pic.png", "\u{89}PNG\0\0"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let workspace = Workspace::open(dir.path()).unwrap();
        (dir, workspace)
    }

    #[test]
    fn the_list_has_folders_once_and_no_ignored_file() {
        let (_dir, workspace) = workspace();
        let (paths, whole) = list(&workspace, &CancellationToken::new());
        assert!(whole);
        assert_eq!(
            paths,
            [
                ".gitignore",
                "README.md",
                "pic.png",
                "src/",
                "src/deep/",
                "src/deep/er/",
                "src/deep/er/x.rs",
                "src/main.rs",
                "src/zoo.rs",
            ]
        );
    }

    #[test]
    fn a_text_is_given_or_the_reason_why_not() {
        let (_dir, workspace) = workspace();
        let of = |path: &str, limit| text(&workspace, &WorkspacePath::parse(path).unwrap(), limit);
        assert_eq!(of("src/main.rs", 100), Ok("fn main() {}\n".into()));
        assert_eq!(of("gone.rs", 100), Err(NoText::Missing));
        assert_eq!(of("src", 100), Err(NoText::Folder));
        assert_eq!(of("a.log", 100), Err(NoText::Ignored));
        assert_eq!(of("target/out", 100), Err(NoText::Ignored));
        assert_eq!(
            of("src/main.rs", 5),
            Err(NoText::TooLarge {
                bytes: 13,
                limit: 5
            })
        );
        assert_eq!(of("pic.png", 100), Err(NoText::Binary { bytes: 7 }));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("main.rs", workspace.root().join("src/link.rs")).unwrap();
            let refused = of("src/link.rs", 100).unwrap_err().to_string();
            assert!(refused.contains("symbolic link"), "{refused}");
        }
    }
}
