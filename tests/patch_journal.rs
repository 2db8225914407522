//! Row S8 of the safety table: random sequences of edits, patches, undo and redo in a dirty git repository,
//! against a simple model; the user's repository and all other files stay as they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::patch::{self, Decisions, Journal, OnChanged, UndoError};
use descant::workspace::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

type Tree = BTreeMap<String, Vec<u8>>;

fn tree(root: &Path, with_git: bool) -> Tree {
    fn walk(root: &Path, folder: &Path, with_git: bool, files: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if (name == ".git") != with_git && folder == root {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, with_git, files);
            } else {
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Tree::new();
    walk(root, root, with_git, &mut files);
    files
}

/// In memory where there is such a place: what is tested here is the order of things, and thousands of
/// synced writes take a minute on a disk.
fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    home.unwrap()
}

/// Numbers from a seed, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// What a patch did to one path.
type Step = BTreeMap<String, (Option<Vec<u8>>, Option<Vec<u8>>)>;

fn difference(before: &Tree, after: &Tree) -> Step {
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            (
                name.clone(),
                (before.get(name).cloned(), after.get(name).cloned()),
            )
        })
        .collect()
}

/// A dirty repository: a commit, a staged change, an unstaged one, untracked and ignored files.
fn repository(root: &Path) {
    let repository = git2::Repository::init(root).unwrap();
    for (name, text) in [
        ("a.txt", "1\n2\n3\n"),
        ("b.txt", "1\r\n2\r\n3"),
        (".gitignore", "ignored\n"),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    let mut index = repository.index().unwrap();
    for name in ["a.txt", "b.txt", ".gitignore"] {
        index.add_path(Path::new(name)).unwrap();
    }
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let by = git2::Signature::now("a", "a@b").unwrap();
    repository
        .commit(Some("HEAD"), &by, &by, "first", &tree, &[])
        .unwrap();
    fs::write(root.join("a.txt"), "1\n2\n3\nstaged\n").unwrap();
    index.add_path(Path::new("a.txt")).unwrap();
    index.write().unwrap();
    fs::write(root.join("a.txt"), "1\n2\n3\nstaged\ndirty\n").unwrap();
    fs::write(root.join("untracked"), "u\n").unwrap();
    fs::write(root.join("ignored"), "i\n").unwrap();
}

/// A patch to some file as it is now; `None` where the dice name nothing to change.
fn some_patch(dice: &mut Dice, now: &Tree, round: usize) -> Option<String> {
    let names: Vec<&String> = now.keys().filter(|name| !name.starts_with('.')).collect();
    let name = names.get(dice.roll(names.len().max(1)))?;
    let text = String::from_utf8(now.get(*name)?.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let body = match dice.roll(5) {
        0 => format!("*** Add File: new{round}/file\n+{round}\n"),
        1 => format!("*** Delete File: {name}\n"),
        2 => format!("*** Update File: {name}\n*** Move to: moved{round}.txt\n"),
        _ => {
            let line = lines.get(dice.roll(lines.len().max(1)))?;
            if lines.iter().filter(|other| *other == line).count() != 1 {
                return None;
            }
            format!("*** Update File: {name}\n@@\n-{line}\n+line {round}\n+another\n")
        }
    };
    Some(format!("*** Begin Patch\n{body}*** End Patch\n"))
}

#[test]
fn random_sequences_against_a_model() {
    let (mut applied, mut undone, mut redone, mut refused) = (0, 0, 0, 0);
    for seed in 0..24 {
        let mut dice = Dice(seed * 7919 + 1);
        let home = home();
        let root = home.path().join("root");
        repository(&root);
        let git = tree(&root, true);
        let workspace = Workspace::discover(&root).unwrap();
        let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
        let (mut done, mut taken_back): (Vec<Step>, Vec<Step>) = Default::default();
        for round in 0..24 {
            let before = tree(&root, false);
            match dice.roll(8) {
                0 => {
                    // The user edits a file, or takes it away.
                    let names: Vec<&String> = before.keys().collect();
                    let name = root.join(names[dice.roll(names.len())]);
                    if dice.roll(4) == 0 {
                        fs::remove_file(name).unwrap();
                    } else {
                        fs::write(name, format!("by the user {round}\nx\n")).unwrap();
                    }
                }
                step @ 1..=4 => {
                    let back = step <= 2;
                    let result = if back {
                        journal.undo(&workspace, OnChanged::Refuse)
                    } else {
                        journal.redo(&workspace, OnChanged::Refuse)
                    };
                    let (from, to) = if back {
                        (&mut done, &mut taken_back)
                    } else {
                        (&mut taken_back, &mut done)
                    };
                    let after = tree(&root, false);
                    let Some(last) = from.last() else {
                        assert!(matches!(result, Err(UndoError::Nothing(_))));
                        assert_eq!(after, before);
                        continue;
                    };
                    let sides = |(old, new): &(Option<Vec<u8>>, Option<Vec<u8>>)| {
                        if back {
                            (new.clone(), old.clone())
                        } else {
                            (old.clone(), new.clone())
                        }
                    };
                    let as_left = last
                        .iter()
                        .all(|(name, step)| before.get(name) == sides(step).0.as_ref());
                    match result {
                        Ok(_) => {
                            assert!(
                                as_left,
                                "seed {seed} round {round}: a changed file was overwritten"
                            );
                            let mut wanted = before.clone();
                            for (name, step) in last {
                                match sides(step).1 {
                                    Some(bytes) => wanted.insert(name.clone(), bytes),
                                    None => wanted.remove(name),
                                };
                            }
                            assert_eq!(after, wanted, "seed {seed} round {round}");
                            to.extend(from.pop());
                            if back { undone += 1 } else { redone += 1 }
                        }
                        Err(UndoError::Changed { files, .. }) => {
                            assert!(!as_left);
                            assert!(
                                files
                                    .iter()
                                    .all(|file| last.contains_key(file.path.as_str()))
                            );
                            assert_eq!(after, before);
                            refused += 1;
                        }
                        Err(other) => panic!("seed {seed} round {round}: {other}"),
                    }
                }
                _ => {
                    let Some(text) = some_patch(&mut dice, &before, round) else {
                        continue;
                    };
                    let plan = patch::plan(&workspace, &patch::parse(&text).unwrap()).unwrap();
                    patch::apply(
                        &workspace,
                        &plan,
                        &Decisions::accept_all(&plan),
                        &mut journal,
                    )
                    .unwrap();
                    done.push(difference(&before, &tree(&root, false)));
                    taken_back.clear();
                    applied += 1;
                }
            }
        }
        assert_eq!(
            tree(&root, true),
            git,
            "seed {seed}: index, HEAD, refs and objects are the user's"
        );
        collect_garbage(&home.path().join("state"));
        let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
        for step in done.iter().rev() {
            let now = tree(&root, false);
            let as_left = step
                .iter()
                .all(|(name, (_, new))| now.get(name) == new.as_ref());
            assert_eq!(
                journal.undo(&workspace, OnChanged::Refuse).is_ok(),
                as_left,
                "seed {seed} after gc"
            );
            if !as_left {
                break;
            }
        }
    }
    assert!(
        applied > 50 && undone > 20 && redone > 5 && refused > 5,
        "{applied} {undone} {redone} {refused}"
    );
}

/// `git gc --prune=now` in the private repository, as a tidy user might run everywhere.
fn collect_garbage(state: &Path) {
    for entry in fs::read_dir(state.join("journal")).unwrap() {
        let images = entry.unwrap().path().join("images.git");
        let git = Command::new("git")
            .arg("--git-dir")
            .arg(images)
            .args(["gc", "--prune=now", "--quiet"])
            .output();
        assert!(git.is_err() || git.is_ok_and(|output| output.status.success()));
    }
}
