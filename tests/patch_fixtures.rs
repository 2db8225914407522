//! Every folder of `tests/fixtures/patch` is one patch: `input/` (the tree before; absent when empty),
//! `patch.txt`, and either `expected/` (the tree after) or `error.txt` (what the model is told). Each runs
//! through parse, plan, git2 and journal; then undo has to bring every byte back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::patch::{self, Decisions, Journal, OnChanged};
use descant::workspace::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

type Tree = BTreeMap<String, Vec<u8>>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/patch")
}

fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, files: &mut Tree) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut files = Tree::new();
    walk(root, root, &mut files);
    files
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(folders(&path));
            found.push(path);
        }
    }
    found.sort();
    found
}

fn write(root: &Path, files: &Tree) {
    for (name, bytes) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn run(text: &str, workspace: &Workspace, journal: &mut Journal) -> Result<String, String> {
    let parsed = patch::parse(text).map_err(|error| error.to_string())?;
    let plan = patch::plan(workspace, &parsed).map_err(|error| error.to_string())?;
    let decisions = Decisions::accept_all(&plan);
    let applied =
        patch::apply(workspace, &plan, &decisions, journal).map_err(|error| error.to_string())?;
    Ok(patch::report::applied(&plan, &decisions, Some(&applied)))
}

/// One fixture; the answer is what was wrong with it.
fn check(folder: &Path) -> Result<(), String> {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("work");
    fs::create_dir(&root).unwrap();
    let before = tree(&folder.join("input"));
    write(&root, &before);
    let folders_before = folders(&root);
    let workspace = Workspace::open(&root).unwrap();
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let text = fs::read_to_string(folder.join("patch.txt")).unwrap();

    let result = run(&text, &workspace, &mut journal);
    let after = tree(&root);
    match (fs::read_to_string(folder.join("error.txt")), result) {
        (Ok(wanted), Err(error)) if wanted.trim_end() == error => {
            if after != before {
                return Err("refused, but the tree changed".to_owned());
            }
            Ok(())
        }
        (Ok(wanted), Err(error)) => Err(format!("expected the error\n{wanted}\ngot\n{error}")),
        (Ok(_), Ok(answer)) => Err(format!("expected an error, got\n{answer}")),
        // `DESCANT_BLESS=1` writes what a new fixture without `expected/` is told; read it before it is committed.
        (Err(_), Err(error))
            if std::env::var_os("DESCANT_BLESS").is_some() && !folder.join("expected").exists() =>
        {
            fs::write(folder.join("error.txt"), format!("{error}\n")).unwrap();
            Ok(())
        }
        (Err(_), Err(error)) => Err(format!("refused: {error}")),
        (Err(_), Ok(answer)) => {
            let wanted = tree(&folder.join("expected"));
            if after != wanted {
                let shown = |tree: &Tree| {
                    let lines = tree
                        .iter()
                        .map(|(n, b)| format!("{n}: {:?}", String::from_utf8_lossy(b)));
                    lines.collect::<Vec<_>>().join("\n")
                };
                return Err(format!(
                    "expected\n{}\ngot\n{}",
                    shown(&wanted),
                    shown(&after)
                ));
            }
            if !answer.starts_with("Success. Updated the following files:\n") {
                return Err(format!("answered {answer}"));
            }
            journal
                .undo(&workspace, OnChanged::Refuse)
                .map_err(|error| format!("undo: {error}"))?;
            if tree(&root) != before || folders(&root) != folders_before {
                return Err("undo did not bring everything back".to_owned());
            }
            journal
                .redo(&workspace, OnChanged::Refuse)
                .map_err(|error| format!("redo: {error}"))?;
            if tree(&root) != wanted {
                return Err("redo did not bring the patch back".to_owned());
            }
            Ok(())
        }
    }
}

fn failure(folder: &Path) -> Option<String> {
    let why = check(folder).err()?;
    Some(format!(
        "{}: {why}",
        folder.file_name().unwrap().to_string_lossy()
    ))
}

#[test]
fn every_fixture() {
    let mut names: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    names.sort();
    // Side by side: nearly all of the time is spent waiting for the disk.
    let failures: Vec<String> = std::thread::scope(|scope| {
        let checks: Vec<_> = names
            .chunks(8)
            .map(|some| {
                scope.spawn(|| {
                    some.iter()
                        .filter_map(|folder| failure(folder))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        checks
            .into_iter()
            .flat_map(|check| check.join().unwrap())
            .collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {} fixtures fail:\n\n{}",
        failures.len(),
        names.len(),
        failures.join("\n\n")
    );
    let hostile = names
        .iter()
        .filter(|folder| {
            let name = folder.file_name().unwrap().to_string_lossy();
            name.starts_with("hostile_")
        })
        .count();
    assert!(names.len() >= 120, "only {} fixtures", names.len());
    assert!(hostile >= 40, "only {hostile} hostile fixtures");
}
