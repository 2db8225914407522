//! The headers of one file's diff, and what they make of the file.

use super::name::{bare, common, git_names, name};
use crate::patch::v4a::{Content, FileOperation, FilePatch, ParseError};

#[derive(Debug, Default)]
pub(super) struct Section {
    /// Its first line, and what stands there.
    line: usize,
    text: String,
    /// The names of `diff --git`, where they can be read.
    git: Option<(String, String)>,
    /// Those of `---` and `+++`; the inner `None` is `/dev/null`.
    old: Option<Option<String>>,
    new: Option<Option<String>>,
    rename_from: Option<String>,
    rename_to: Option<String>,
    is_new: bool,
    is_deleted: bool,
    /// Of `new file mode`, or of `new mode`.
    mode: Option<u32>,
}

impl Section {
    pub fn of_git(line: usize, text: &str) -> Result<Self, ParseError> {
        let names = text.strip_prefix("diff --git ").unwrap_or_default();
        let git = git_names(names.trim_end())
            .map_err(|expected| ParseError::new(line, 12, text, expected))?;
        Ok(Self {
            git,
            ..Self::bare(line, text)
        })
    }

    /// One that begins with `---`.
    pub fn bare(line: usize, text: &str) -> Self {
        Self {
            line,
            text: text.to_owned(),
            ..Self::default()
        }
    }

    pub fn has_no_names(&self) -> bool {
        self.old.is_none()
    }

    pub fn take_names(&mut self, line: usize, old: &str, new: &str) -> Result<(), ParseError> {
        let read = |line: usize, text: &str| {
            let (name, _) = name(text.get(4..).unwrap_or_default())
                .map_err(|expected| ParseError::new(line, 5, text, expected))?;
            if name.is_empty() {
                return Err(ParseError::new(line, 5, text, "expected a file name"));
            }
            Ok((name != "/dev/null").then_some(name))
        };
        self.old = Some(read(line - 1, old)?);
        self.new = Some(read(line, new)?);
        Ok(())
    }

    /// An extended header; `false` when the line is none.
    pub fn take_header(&mut self, line: usize, text: &str) -> Result<bool, ParseError> {
        let error = |column: usize, expected: &str| ParseError::new(line, column, text, expected);
        let after = |word: &str| text.strip_prefix(word).map(str::trim);
        let column = |word: &str| word.len() + 1;
        for word in [
            "new file mode ",
            "new mode ",
            "deleted file mode ",
            "old mode ",
        ] {
            let Some(mode) = after(word) else { continue };
            let mode = mode_of(mode).map_err(|expected| error(column(word), &expected))?;
            match word {
                "new file mode " => self.is_new = true,
                "deleted file mode " => self.is_deleted = true,
                _ => {}
            }
            if word.starts_with("new") {
                self.mode = Some(mode);
            }
            return Ok(true);
        }
        for (word, slot) in [
            ("rename from ", &mut self.rename_from),
            ("rename to ", &mut self.rename_to),
        ] {
            let Some(named) = after(word) else { continue };
            let (name, _) = name(named).map_err(|expected| error(column(word), expected))?;
            if name.is_empty() {
                return Err(error(column(word), "expected a file name"));
            }
            *slot = Some(name);
            return Ok(true);
        }
        if text.starts_with("copy ") {
            return Err(error(
                1,
                "a copy; write the new file out, with `new file mode 100644` and `+` lines",
            ));
        }
        if let Some(index) = after("index ") {
            if let Some((_, mode)) = index.split_once(' ') {
                mode_of(mode.trim()).map_err(|expected| error(1, &expected))?;
            }
            return Ok(true);
        }
        let passed = ["similarity index ", "dissimilarity index "];
        Ok(text.trim().is_empty() || passed.iter().any(|word| text.starts_with(word)))
    }

    /// The file's operation, before its hunks.
    pub fn opened(&self) -> Result<FilePatch, ParseError> {
        let error = |expected: &str| ParseError::new(self.line, 1, &self.text, expected);
        let is_new = self.is_new || self.old == Some(None);
        let is_deleted = self.is_deleted || self.new == Some(None);
        if is_new && is_deleted {
            return Err(error(
                "a file cannot be both new and deleted; one of its names is its path",
            ));
        }
        let (path, move_to) = match (&self.rename_from, &self.rename_to) {
            (Some(from), Some(to)) => (from.clone(), Some(to.clone())),
            (None, None) => (self.path().map_err(error)?, None),
            (Some(_), None) | (None, Some(_)) => {
                return Err(error(
                    "`rename from NAME` and `rename to NAME` belong together",
                ));
            }
        };
        if let Some(target) = &move_to {
            self.check_names(&path, target).map_err(error)?;
            if is_new || is_deleted {
                return Err(error("a renamed file is neither new nor deleted"));
            }
        } else {
            self.check_names(&path, &path).map_err(error)?;
        }
        let operation = if is_new {
            FileOperation::Add {
                content: Content::default(),
                mode: self.mode,
            }
        } else if is_deleted {
            FileOperation::Delete {
                content: Some(Content::default()),
            }
        } else {
            FileOperation::Update {
                move_to,
                hunks: Vec::new(),
                mode: self.mode,
            }
        };
        Ok(FilePatch {
            path,
            line: self.line,
            operation,
        })
    }

    /// A diff without hunks has to say something in its headers.
    pub fn check_without_hunks(&self, operation: &FileOperation) -> Result<(), ParseError> {
        match operation {
            FileOperation::Update {
                move_to: None,
                mode: None,
                ..
            } => Err(ParseError::new(
                self.line,
                1,
                &self.text,
                "no change of the file follows; expected `@@ -start,count +start,count @@` and its lines",
            )),
            FileOperation::Add { .. }
            | FileOperation::Delete { .. }
            | FileOperation::Update { .. } => Ok(()),
        }
    }

    /// The name of a file that is not renamed.
    fn path(&self) -> Result<String, &'static str> {
        let differ =
            "the two names differ; a renamed file needs `rename from NAME` and `rename to NAME`";
        if let Some((old, new)) = &self.git {
            return common(old, new).ok_or(differ);
        }
        match (&self.old, &self.new) {
            (Some(Some(old)), Some(Some(new))) => common(old, new).ok_or(differ),
            (Some(Some(name)), Some(None)) => Ok(without("a/", name)),
            (Some(None), Some(Some(name))) => Ok(without("b/", name)),
            _ => Err("no name of the file can be read; expected `--- a/NAME` and `+++ b/NAME`"),
        }
    }

    /// Whether `---` and `+++` mean the file that the other headers name.
    fn check_names(&self, path: &str, target: &str) -> Result<(), &'static str> {
        let agrees = |name: &Option<Option<String>>, path: &str| match name {
            Some(Some(name)) => name == path || bare(name) == Some(path),
            Some(None) | None => true,
        };
        if agrees(&self.old, path) && agrees(&self.new, target) {
            Ok(())
        } else {
            Err("the headers name different files")
        }
    }
}

fn without(prefix: &str, name: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// The permission bits of a mode that a text file can have.
fn mode_of(mode: &str) -> Result<u32, String> {
    match mode {
        "100644" => Ok(0o644),
        "100755" => Ok(0o755),
        "120000" => {
            Err("a symbolic link; only text files are edited, leave it out of the patch".into())
        }
        "160000" => {
            Err("a submodule; only text files are edited, leave it out of the patch".into())
        }
        _ => Err("an unknown file mode; expected 100644, or 100755 for an executable file".into()),
    }
}
