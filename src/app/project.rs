//! What kind of project a folder holds, and the image that brings its tools. Only suggested, never chosen.

use crate::workspace::{Workspace, WorkspacePath};

/// A kind of project, the files that tell, and an image with its tools, bash and python3.
struct Kind {
    name: &'static str,
    files: &'static [&'static str],
    image: &'static str,
}

/// The full variants of the official images: the `-slim` and `-alpine` ones of these have no python3.
const KINDS: [Kind; 5] = [
    Kind {
        name: "Rust",
        files: &["Cargo.toml"],
        image: "rust:1",
    },
    Kind {
        name: "Node",
        files: &["package.json"],
        image: "node:22",
    },
    Kind {
        name: "Go",
        files: &["go.mod"],
        image: "golang:1",
    },
    Kind {
        name: "Ruby",
        files: &["Gemfile"],
        image: "ruby:3",
    },
    Kind {
        name: "Python",
        files: &["pyproject.toml", "setup.py", "requirements.txt"],
        image: "python:3.13",
    },
];

/// For a project whose tools an image lacks: what to set. `None` where nothing is known to be better.
pub(super) fn suggestion(workspace: &Workspace, image: &str) -> Option<String> {
    let holds = |name: &&&str| {
        WorkspacePath::parse(name).is_ok_and(|path| workspace.exists(&path).unwrap_or(false))
    };
    let kind = KINDS
        .iter()
        .find(|kind| kind.files.iter().any(|name| holds(&name)))?;
    let family = kind.image.split(':').next().unwrap_or(kind.image);
    // The user's own choice, or one of the family, is theirs to know.
    let known = image.contains(family) || image != crate::sandbox::DEFAULT_IMAGE;
    (!known).then(|| {
        format!(
            "{}: for its tools in the shell set sandbox.image = \"{}\"",
            kind.name, kind.image
        )
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::sandbox::DEFAULT_IMAGE;

    #[test]
    fn a_project_is_known_by_its_files_and_a_chosen_image_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        assert_eq!(suggestion(&workspace, DEFAULT_IMAGE), None);
        std::fs::write(folder.path().join("setup.py"), "").unwrap();
        assert_eq!(suggestion(&workspace, DEFAULT_IMAGE), None);
        std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        let said = suggestion(&workspace, DEFAULT_IMAGE).unwrap();
        assert!(
            said.contains("Rust") && said.contains("\"rust:1\""),
            "{said}"
        );
        assert_eq!(suggestion(&workspace, "mine:latest"), None);
    }
}
