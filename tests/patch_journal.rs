//! Row S8 of the safety table: random sequences of edits, patches, undo, redo and merges, in a repository with
//! a stash, a dirty tree, and a rebase that stopped at a conflict, against a model that predicts every byte.
//! The user's index, HEAD, reflog, stash and all other files stay as they are, also through `git gc`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::patch::{self, Decisions, Journal, OnChanged, UndoError};
use descant::workspace::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const SEQUENCES: u64 = 1_000;
const ROUNDS: usize = 14;

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

/// A repository in the middle of everything: a stash, a rebase that stopped at a conflict, a staged change, an
/// unstaged one, untracked and ignored files.
fn repository(root: &Path) {
    let mut repository = git2::Repository::init(root).unwrap();
    let by = git2::Signature::now("a", "a@b").unwrap();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    let commit = |repository: &git2::Repository, parents: &[git2::Oid]| {
        let mut index = repository.index().unwrap();
        index
            .add_all(["."], git2::IndexAddOption::DEFAULT, None)
            .unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let parents: Vec<_> = parents
            .iter()
            .map(|id| repository.find_commit(*id).unwrap())
            .collect();
        let parents: Vec<_> = parents.iter().collect();
        let head = Some("HEAD");
        repository
            .commit(head, &by, &by, "a commit", &tree, &parents)
            .unwrap()
    };
    let many: String = (1..=12).map(|n| format!("{n}\n")).collect();
    write("a.txt", &many);
    write("b.txt", "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7");
    write("conflict.txt", "base\n");
    write(".gitignore", "ignored\n");
    let base = commit(&repository, &[]);
    write("conflict.txt", "upstream\n");
    let upstream = commit(&repository, &[base]);
    write("a.txt", "stashed\n");
    repository.stash_save(&by, "for later", None).unwrap();

    let base_commit = repository.find_commit(base).unwrap();
    repository.branch("topic", &base_commit, false).unwrap();
    repository.set_head("refs/heads/topic").unwrap();
    let mut force = git2::build::CheckoutBuilder::new();
    repository.checkout_head(Some(force.force())).unwrap();
    write("conflict.txt", "topic\n");
    commit(&repository, &[base]);
    let onto = repository.find_annotated_commit(upstream).unwrap();
    let mut rebase = repository.rebase(None, Some(&onto), None, None).unwrap();
    rebase.next().unwrap().unwrap();
    assert!(repository.index().unwrap().has_conflicts());
    assert_eq!(repository.state(), git2::RepositoryState::RebaseMerge);

    write("a.txt", &format!("{many}staged\n"));
    let mut index = repository.index().unwrap();
    index.add_path(Path::new("a.txt")).unwrap();
    index.write().unwrap();
    write("a.txt", &format!("{many}staged\ndirty\n"));
    write("untracked", "u\n");
    write("ignored", "i\n");
}

/// A path before and after; `None` where there is no file.
type Step = (String, Option<Vec<u8>>, Option<Vec<u8>>);

/// A checkpoint of the model.
#[derive(Clone)]
struct Point {
    /// What an undo takes back.
    files: Vec<Step>,
    /// Source and target.
    moved: Option<(String, String)>,
    /// What a redo takes back, where it is not the opposite.
    merged_undo: Option<Vec<Step>>,
}

fn difference(before: &Tree, after: &Tree) -> Vec<Step> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            (
                name.clone(),
                before.get(name).cloned(),
                after.get(name).cloned(),
            )
        })
        .collect()
}

/// What the model expects of an undo or redo.
#[derive(Debug, PartialEq)]
enum Expected {
    /// As recorded.
    Exact(Vec<Step>),
    /// With this choice or a stronger one.
    Merged(Vec<Step>, OnChanged),
    Impossible,
}

fn merged(ancestor: &[u8], ours: &[u8], theirs: &[u8], label: &str) -> Option<(Vec<u8>, bool)> {
    let sides = [ancestor, ours, theirs];
    if sides
        .iter()
        .any(|side| side.contains(&0) || std::str::from_utf8(side).is_err())
    {
        return None;
    }
    let mut inputs = sides.map(|_| git2::MergeFileInput::new());
    for (input, side) in inputs.iter_mut().zip(sides) {
        input.content(side);
    }
    let mut options = git2::MergeFileOptions::new();
    options.our_label("your version on disk").their_label(label);
    let [ancestor, ours, theirs] = &inputs;
    let result = git2::merge_file(ancestor, ours, theirs, Some(&mut options)).unwrap();
    Some((result.content().to_vec(), result.is_automergeable()))
}

fn expected(
    now: &Tree,
    recorded: Vec<Step>,
    moved: Option<(String, String)>,
    label: &str,
) -> Expected {
    let there = |name: &String| now.get(name).cloned();
    if recorded.iter().all(|(name, from, _)| there(name) == *from) {
        return Expected::Exact(recorded);
    }
    let (mut steps, mut choice) = (Vec::new(), OnChanged::Merge);
    let mut rest = recorded.clone();
    if let Some((from, to)) = moved {
        rest.retain(|(name, ..)| *name != from && *name != to);
        let side = |name: &String| recorded.iter().find(|step| step.0 == *name).unwrap();
        let (ancestor, theirs) = (side(&from).1.clone().unwrap(), side(&to).2.clone().unwrap());
        let Some(ours) = there(&from).filter(|_| !now.contains_key(&to)) else {
            return Expected::Impossible;
        };
        let result = if ours == ancestor {
            theirs
        } else {
            let Some((result, clean)) = merged(&ancestor, &ours, &theirs, label) else {
                return Expected::Impossible;
            };
            if !clean {
                choice = OnChanged::MergeWithMarkers;
            }
            result
        };
        steps.push((to, None, Some(result)));
        steps.push((from, Some(ours), None));
    }
    for (name, from, to) in rest {
        let ours = there(&name);
        let result = match (&ours, &from, &to) {
            (ours, from, to) if ours == from || ours == to => to.clone(),
            (Some(ours), from, Some(theirs)) => {
                let ancestor = from.clone().unwrap_or_default();
                let Some((result, clean)) = merged(&ancestor, ours, theirs, label) else {
                    return Expected::Impossible;
                };
                if !clean {
                    choice = OnChanged::MergeWithMarkers;
                }
                Some(result)
            }
            _ => return Expected::Impossible,
        };
        steps.push((name, ours, result));
    }
    Expected::Merged(steps, choice)
}

fn backwards(steps: &[Step]) -> Vec<Step> {
    let back = |(name, from, to): &Step| (name.clone(), to.clone(), from.clone());
    steps.iter().map(back).collect()
}

fn with(mut now: Tree, steps: &[Step]) -> Tree {
    for (name, _, to) in steps {
        match to {
            Some(bytes) => now.insert(name.clone(), bytes.clone()),
            None => now.remove(name),
        };
    }
    now
}

/// A patch to some file as it is now, and what it moves; `None` where the dice name nothing to change.
fn some_patch(
    dice: &mut Dice,
    now: &Tree,
    round: usize,
) -> Option<(String, Option<(String, String)>)> {
    let names: Vec<&String> = now.keys().filter(|name| !name.starts_with('.')).collect();
    let name = *names.get(dice.roll(names.len().max(1)))?;
    let text = String::from_utf8(now.get(name)?.clone()).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let mut hunk = || {
        let line = lines.get(dice.roll(lines.len().max(1)))?;
        let once = lines.iter().filter(|other| *other == line).count() == 1;
        once.then(|| format!("@@\n-{line}\n+line {round}\n+another\n"))
    };
    let (hunk, roll) = (hunk(), dice.roll(8));
    let (body, moved) = match roll {
        0 => (format!("*** Add File: new{round}/file\n+{round}\n"), None),
        1 => (format!("*** Delete File: {name}\n"), None),
        2 | 3 => {
            let to = format!("moved{round}.txt");
            let hunk = hunk.filter(|_| roll == 3).unwrap_or_default();
            (
                format!("*** Update File: {name}\n*** Move to: {to}\n{hunk}"),
                Some((name.clone(), to)),
            )
        }
        _ => (format!("*** Update File: {name}\n{}", hunk?), None),
    };
    let text = format!("*** Begin Patch\n{body}*** End Patch\n");
    Some((text, moved))
}

/// The user edits one of these files in some way, takes it away, or brings it back.
fn some_edit(dice: &mut Dice, root: &Path, now: &Tree, among: &[String], round: usize) {
    let name = &among[dice.roll(among.len())];
    if name.starts_with('.') {
        return;
    }
    let path = root.join(name);
    if !now.contains_key(name) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("again {round}\n")).unwrap();
        return;
    }
    let mut lines: Vec<Vec<u8>> = now[name]
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    match dice.roll(12) {
        0 => fs::remove_file(path).unwrap(),
        1 => fs::write(path, b"\xff\0").unwrap(),
        2 => fs::write(path, format!("by the user {round}\nx\n")).unwrap(),
        3..7 => {
            lines.push(format!("last {round}\n").into_bytes());
            fs::write(path, lines.concat()).unwrap();
        }
        _ => {
            let at = dice.roll(lines.len().max(1)).min(lines.len());
            lines.insert(at, format!("inserted {round}\n").into_bytes());
            fs::write(path, lines.concat()).unwrap();
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    applied: usize,
    exact: usize,
    merged: usize,
    markers: usize,
    refused: usize,
    impossible: usize,
}

fn sequence(seed: u64, count: &mut Count) {
    let mut dice = Dice(seed * 7919 + 1);
    let home = home();
    let (root, state) = (home.path().join("root"), home.path().join("state"));
    repository(&root);
    let mut git = tree(&root, true);
    let workspace = Workspace::discover(&root).unwrap();
    let mut journal = Journal::open(&state, &workspace).unwrap();
    let (mut done, mut taken_back) = (Vec::<(u64, Point)>::new(), Vec::<(u64, Point)>::new());
    let mut seen: Vec<String> = tree(&root, false).into_keys().collect();
    let mut last_number = 0;
    for round in 0..ROUNDS {
        let at = format!("seed {seed}, round {round}");
        let before = tree(&root, false);
        seen.extend(
            before
                .keys()
                .filter(|name| !seen.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        match dice.roll(12) {
            0..3 => {
                // Most often a file of the step that is undone or redone next.
                let (done, back) = (done.last(), taken_back.last());
                let point = if dice.roll(2) == 0 {
                    done
                } else {
                    back.or(done)
                };
                let near: Vec<String> = point
                    .iter()
                    .flat_map(|(_, point)| &point.files)
                    .map(|(name, ..)| name.clone())
                    .collect();
                let among = if near.is_empty() || dice.roll(4) == 0 {
                    &seen
                } else {
                    &near
                };
                some_edit(&mut dice, &root, &before, among, round);
            }
            3 => journal = Journal::open(&state, &workspace).unwrap(),
            step @ 4..9 => {
                let undo = step <= 6;
                let choice = [
                    OnChanged::Refuse,
                    OnChanged::Merge,
                    OnChanged::MergeWithMarkers,
                ][dice.roll(3)];
                let result = match undo {
                    true => journal.undo(&workspace, choice),
                    false => journal.redo(&workspace, choice),
                };
                let after = tree(&root, false);
                let from = if undo { &mut done } else { &mut taken_back };
                let Some((number, mut point)) = from.last().cloned() else {
                    assert!(matches!(result, Err(UndoError::Nothing(_))), "{at}");
                    assert_eq!(after, before, "{at}");
                    continue;
                };
                let (recorded, moved, label) = match (undo, &point.merged_undo) {
                    (true, _) => {
                        let moved = point.moved.clone().map(|(from, to)| (to, from));
                        (
                            backwards(&point.files),
                            moved,
                            format!("before checkpoint {number}"),
                        )
                    }
                    (false, merged) => {
                        let files = merged.as_ref().map(|steps| backwards(steps));
                        let files = files.unwrap_or_else(|| point.files.clone());
                        (
                            files,
                            point.moved.clone(),
                            format!("with checkpoint {number}"),
                        )
                    }
                };
                let (steps, needed) = match expected(&before, recorded, moved, &label) {
                    Expected::Exact(steps) => (steps, OnChanged::Refuse),
                    Expected::Merged(steps, needed) => (steps, needed),
                    Expected::Impossible => {
                        let error = result.expect_err(&at);
                        assert!(matches!(error, UndoError::Changed { .. }), "{at}: {error}");
                        assert_eq!(error.remedy(), None, "{at}: {error}");
                        assert_eq!(after, before, "{at}");
                        count.impossible += 1;
                        continue;
                    }
                };
                if (choice as u8) < needed as u8 {
                    let error = result.expect_err(&at);
                    assert!(matches!(error, UndoError::Changed { .. }), "{at}: {error}");
                    assert_eq!(error.remedy(), Some(needed), "{at}: {error}");
                    assert_eq!(after, before, "{at}");
                    count.refused += 1;
                    continue;
                }
                result.unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(after, with(before, &steps), "{at}");
                match needed {
                    OnChanged::Refuse => count.exact += 1,
                    OnChanged::Merge => count.merged += 1,
                    OnChanged::MergeWithMarkers => count.markers += 1,
                }
                point.merged_undo = None;
                match (needed, undo) {
                    (OnChanged::Refuse, _) => {}
                    (_, true) => point.merged_undo = Some(steps),
                    (_, false) => point.files = steps,
                }
                from.pop();
                let to = if undo { &mut taken_back } else { &mut done };
                to.push((number, point));
            }
            _ => {
                let Some((text, moved)) = some_patch(&mut dice, &before, round) else {
                    continue;
                };
                let plan = patch::plan(&workspace, &patch::parse(&text).unwrap()).unwrap();
                let decisions = Decisions::accept_all(&plan);
                patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
                last_number += 1;
                let files = difference(&before, &tree(&root, false));
                let point = Point {
                    files,
                    moved,
                    merged_undo: None,
                };
                done.push((last_number, point));
                taken_back.clear();
                count.applied += 1;
            }
        }
        assert!(
            tree(&root, true) == git,
            "{at}: the user's repository was written"
        );
        if seed.is_multiple_of(40) && round == ROUNDS / 2 {
            collect_garbage(&root);
            let known = ["index", "HEAD", "logs", "rebase-merge", "ORIG_HEAD"];
            let after = tree(&root, true);
            for (name, bytes) in &git {
                if known
                    .iter()
                    .any(|known| name.starts_with(&format!(".git/{known}")))
                {
                    assert_eq!(after.get(name), Some(bytes), "{name} after git gc");
                }
            }
            git = after;
        }
    }
    let mut repository = git2::Repository::open(&root).unwrap();
    assert_eq!(repository.state(), git2::RepositoryState::RebaseMerge);
    let mut stashes = 0;
    repository
        .stash_foreach(|_, _, _| {
            stashes += 1;
            true
        })
        .unwrap();
    assert_eq!(stashes, 1);
}

#[test]
fn random_sequences_against_a_model() {
    let threads = 2;
    let counts: Vec<Count> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut count = Count::default();
                    for seed in (thread..SEQUENCES).step_by(threads as usize) {
                        sequence(seed, &mut count);
                    }
                    count
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for count in counts {
        assert!(
            count.applied > 500
                && count.exact > 200
                && count.merged > 50
                && count.markers > 20
                && count.refused > 50
                && count.impossible > 20,
            "{count:?}"
        );
    }
}

/// `git gc --prune=now` in the user's repository, as a tidy user might.
fn collect_garbage(root: &Path) {
    let git = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["gc", "--prune=now", "--quiet"])
        .output();
    let output = git.expect("git is needed for this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
