//! The difference of any two trees, applied to the first, gives the second; undone, it gives the first again.
//!
//! The difference comes from git (`git diff --no-index`) as a unified diff, and from our own hunks as V4A.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::patch::{self, Decisions, Journal, OnChanged, diff};
use descant::workspace::Workspace;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

type Tree = BTreeMap<String, String>;

/// Few names and few lines, so that files are kept, changed, deleted and added, and lines repeat.
fn tree() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(vec!["a.txt", "b.txt", "d/c.txt", "d/e/f g.txt", "ä.txt"]);
    let line = prop::sample::select(vec![
        "one",
        "two",
        "",
        "  three",
        "\tfour",
        "-- five",
        "++ six",
        "@@ seven @@",
        "*** End Patch",
        "x = 1",
    ]);
    let ending = prop::sample::select(vec!["\n", "\n", "\n", "\r\n"]);
    let text = (prop::collection::vec(line, 0..14), ending, any::<bool>()).prop_map(
        |(lines, ending, newline)| {
            let text = lines.join(ending);
            if newline && !lines.is_empty() {
                text + ending
            } else {
                text
            }
        },
    );
    prop::collection::btree_map(name.prop_map(str::to_owned), text, 1..5)
}

/// In memory where there is such a place: the journal syncs every step.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn write(root: &Path, tree: &Tree) {
    for (name, text) in tree {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn read(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, tree: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, tree);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                tree.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut tree = Tree::new();
    walk(root, root, &mut tree);
    tree
}

/// What git says that makes `old` into `new`.
fn git_diff(home: &Path) -> String {
    let output = Command::new("git")
        .args([
            "diff",
            "--no-index",
            "--no-renames",
            "--no-color",
            "old",
            "new",
        ])
        .current_dir(home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", home)
        .output()
        .expect("the tests need git");
    // `a/old/x` and `b/new/x` become `a/x` and `b/x`; of a file on one side only both names have its folder.
    String::from_utf8(output.stdout)
        .unwrap()
        .lines_with_endings()
        .map(|line| {
            let header = ["diff --git ", "--- ", "+++ "]
                .iter()
                .any(|it| line.starts_with(it));
            if header {
                ["a/old/", "a/new/", "b/old/", "b/new/"]
                    .iter()
                    .fold(line.to_owned(), |line, path| {
                        line.replace(path, path.get(..2).unwrap())
                    })
            } else {
                line.to_owned()
            }
        })
        .collect()
}

trait LinesWithEndings {
    fn lines_with_endings(&self) -> std::str::SplitInclusive<'_, char>;
}

impl LinesWithEndings for String {
    fn lines_with_endings(&self) -> std::str::SplitInclusive<'_, char> {
        self.split_inclusive('\n')
    }
}

/// The same in V4A; `None` where V4A cannot say it: it knows no line ends.
fn v4a(old: &Tree, new: &Tree) -> Option<String> {
    let mut text = "*** Begin Patch\n".to_owned();
    for (name, post) in new {
        match old.get(name) {
            None => {
                if post.contains('\r') || (!post.is_empty() && !post.ends_with('\n')) {
                    return None;
                }
                text.push_str(&format!("*** Add File: {name}\n"));
                post.lines()
                    .for_each(|line| text.push_str(&format!("+{line}\n")));
            }
            Some(pre) if pre == post => {}
            Some(pre) => {
                let endings = |text: &str| (text.contains("\r\n"), text.ends_with('\n'));
                if endings(pre) != endings(post) || pre.is_empty() || post.is_empty() {
                    return None;
                }
                text.push_str(&format!("*** Update File: {name}\n"));
                for hunk in diff::hunks(pre.as_bytes(), post.as_bytes()) {
                    text.push_str(&format!(
                        "@@ -{},{} +{},{} @@\n",
                        hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines
                    ));
                    text.push_str(&hunk.edit_text());
                }
            }
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        text.push_str(&format!("*** Delete File: {name}\n"));
    }
    Some(text + "*** End Patch\n")
}

fn applies(old: &Tree, new: &Tree, text: &str) -> Result<(), TestCaseError> {
    let home = folder();
    let root = home.path().join("work");
    fs::create_dir(&root).unwrap();
    write(&root, old);
    let workspace = Workspace::open(&root).unwrap();
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let fail = |error: String| TestCaseError::fail(format!("{error}\n{text}"));
    let parsed = patch::parse(text).map_err(|error| fail(error.to_string()))?;
    let plan = patch::plan(&workspace, &parsed).map_err(|error| fail(error.to_string()))?;
    let decisions = Decisions::accept_all(&plan);
    patch::apply(&workspace, &plan, &decisions, &mut journal)
        .map_err(|error| fail(error.to_string()))?;
    prop_assert_eq!(&read(&root), new, "{}", text);
    journal
        .undo(&workspace, OnChanged::Refuse)
        .map_err(|error| fail(error.to_string()))?;
    prop_assert_eq!(&read(&root), old, "{}", text);
    Ok(())
}

/// A unified diff that turns line ends over, or empties a file, is refused; so is one with nothing to do.
fn is_said_by_lines(old: &Tree, new: &Tree) -> bool {
    old != new
        && new.iter().all(|(name, post)| {
            old.get(name)
                .is_none_or(|pre| pre.contains('\r') == post.contains('\r'))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_of_two_trees_by_git(old in tree(), new in tree()) {
        prop_assume!(is_said_by_lines(&old, &new));
        let home = folder();
        for (name, tree) in [("old", &old), ("new", &new)] {
            fs::create_dir(home.path().join(name)).unwrap();
            write(&home.path().join(name), tree);
        }
        applies(&old, &new, &git_diff(home.path()))?;
    }

    #[test]
    fn the_difference_of_two_trees_in_v4a(old in tree(), new in tree()) {
        prop_assume!(old != new);
        if let Some(text) = v4a(&old, &new) {
            applies(&old, &new, &text)?;
        }
    }
}
