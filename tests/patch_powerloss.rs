//! Row S4 of the safety table: a power cut at any moment, on a disk that has only what was synced and,
//! of the rest, whatever it likes.
//!
//! strace records what `descant` really asks of the file system; `Model` replays it up to a random point and
//! loses writes and names that were not synced; the next start has to make of it exactly the old or exactly
//! the new tree. The model is held to the real folder at the end of the record, and a second test shows that
//! it can fail: with syncs ignored there are trees that are neither.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice
)]

mod strace_support;

use descant::patch::Journal;
use descant::workspace::Workspace;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use strace_support::strace_or_not_run;

const PATCH: &str = "*** Begin Patch
*** Update File: change.txt
@@
-b
+c
*** Add File: new/deep/run.sh
+#!/bin/sh
*** Delete File: old/gone.txt
*** Update File: old/large.txt
@@
-line 1000
+another
*** Update File: from.txt
*** Move to: moved/to.txt
@@
-m
+n
*** End Patch
";

const CALLS: &str = "?open,openat,?openat2,?creat,write,?pwrite64,fsync,fdatasync,ftruncate,\
?rename,?renameat,?renameat2,?link,linkat,?unlink,unlinkat,?rmdir,?mkdir,mkdirat";

/// Crash points in all, over every run that is recorded.
const POINTS: usize = 10_000;

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

type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// Files with their bytes, folders with none.
fn tree(root: &Path) -> Tree {
    fn walk(root: &Path, folder: &Path, found: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            if path.is_dir() {
                found.insert(name.into_owned(), None);
                walk(root, &path, found);
            } else {
                found.insert(name.into_owned(), Some(fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = Tree::new();
    walk(root, root, &mut found);
    found
}

/// Number of a file or folder, whatever its names.
type Node = usize;

#[derive(Debug, Clone)]
enum Op {
    /// The name comes to be, or to be another node's.
    Name {
        folder: Node,
        name: String,
        node: Node,
    },
    Unname {
        folder: Node,
        name: String,
    },
    Rename {
        from: (Node, String),
        to: (Node, String),
        node: Node,
    },
    Write {
        node: Node,
        bytes: Vec<u8>,
    },
    Truncate {
        node: Node,
        len: usize,
    },
    Sync {
        node: Node,
    },
}

#[derive(Debug, Clone)]
enum Content {
    File(Vec<u8>),
    Folder(BTreeMap<String, Node>),
}

/// A file system: node 0 is the folder that everything recorded lies in.
#[derive(Debug, Clone)]
struct Disk {
    nodes: Vec<Content>,
}

impl Disk {
    fn read(folder: &Path) -> Self {
        fn add(disk: &mut Disk, path: &Path) -> Node {
            let node = disk.nodes.len();
            if !path.is_dir() {
                disk.nodes.push(Content::File(fs::read(path).unwrap()));
                return node;
            }
            disk.nodes.push(Content::Folder(BTreeMap::new()));
            let mut names = BTreeMap::new();
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                names.insert(name, add(disk, &entry.path()));
            }
            disk.nodes[node] = Content::Folder(names);
            node
        }
        let mut disk = Disk { nodes: Vec::new() };
        add(&mut disk, folder);
        disk
    }

    fn names(&mut self, folder: Node) -> &mut BTreeMap<String, Node> {
        match &mut self.nodes[folder] {
            Content::Folder(names) => names,
            Content::File(_) => panic!("node {folder} is a file"),
        }
    }

    fn bytes(&mut self, file: Node) -> &mut Vec<u8> {
        match &mut self.nodes[file] {
            Content::File(bytes) => bytes,
            Content::Folder(_) => panic!("node {file} is a folder"),
        }
    }

    fn find(&mut self, path: &str) -> Option<Node> {
        let mut node = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match &self.nodes[node] {
                Content::Folder(names) => node = *names.get(part)?,
                Content::File(_) => return None,
            }
        }
        Some(node)
    }

    /// Folder and last name of a path.
    fn place(&mut self, path: &str) -> (Node, String) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.find(folder);
        (
            folder.unwrap_or_else(|| panic!("no folder of {path}")),
            name.to_owned(),
        )
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Name { folder, name, node } => {
                self.names(*folder).insert(name.clone(), *node);
            }
            Op::Unname { folder, name } => {
                self.names(*folder).remove(name);
            }
            Op::Rename { from, to, node } => {
                // Where the first name was never written there is nothing to take away.
                if self.names(from.0).get(&from.1) == Some(node) {
                    self.names(from.0).remove(&from.1);
                }
                self.names(to.0).insert(to.1.clone(), *node);
            }
            Op::Write { node, bytes } => self.bytes(*node).extend_from_slice(bytes),
            Op::Truncate { node, len } => self.bytes(*node).resize(*len, 0),
            Op::Sync { .. } => {}
        }
    }

    fn tree(&self) -> Tree {
        fn walk(disk: &Disk, node: Node, path: &str, found: &mut Tree) {
            match &disk.nodes[node] {
                Content::File(bytes) => {
                    found.insert(path.to_owned(), Some(bytes.clone()));
                }
                Content::Folder(names) => {
                    if !path.is_empty() {
                        found.insert(path.to_owned(), None);
                    }
                    for (name, inner) in names {
                        let path = match path {
                            "" => name.clone(),
                            path => format!("{path}/{name}"),
                        };
                        walk(disk, *inner, &path, found);
                    }
                }
            }
        }
        let mut found = Tree::new();
        walk(self, 0, "", &mut found);
        found
    }

    /// `journal` is how the journal's folder has to be called for the work tree's new place.
    fn write_to(&self, home: &Path, journal: &str) {
        for (name, content) in self.tree() {
            let mut parts: Vec<&str> = name.split('/').collect();
            if let ["state", "journal", key, ..] = &mut parts[..] {
                *key = journal;
            }
            let path = home.join(parts.join("/"));
            match content {
                None => fs::create_dir_all(path).unwrap(),
                Some(bytes) => fs::write(path, bytes).unwrap(),
            }
        }
    }
}

/// What is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Log,
    Pack,
    Staged,
    WorkFolder,
    JournalFolder,
}

/// What was asked of the file system, in order, and how it stood before.
struct Record {
    start: Disk,
    /// With the nodes that were created meanwhile, empty.
    nodes: usize,
    folders: Vec<Node>,
    ops: Vec<Op>,
}

impl Record {
    fn new(home: &Path) -> Self {
        let start = Disk::read(home);
        Self {
            nodes: start.nodes.len(),
            folders: Vec::new(),
            ops: Vec::new(),
            start,
        }
    }

    /// As it was at first, with the nodes to come, which have no names yet.
    fn blank(&self) -> Disk {
        let mut disk = self.start.clone();
        for node in disk.nodes.len()..self.nodes {
            disk.nodes.push(match self.folders.contains(&node) {
                true => Content::Folder(BTreeMap::new()),
                false => Content::File(Vec::new()),
            });
        }
        disk
    }

    /// Everything done, nothing lost.
    fn whole(&self) -> Disk {
        let mut disk = self.blank();
        self.ops.iter().for_each(|op| disk.apply(op));
        disk
    }

    /// What the node is for.
    fn kind(&self, node: Node) -> Kind {
        let named = self.ops.iter().find_map(|op| match op {
            Op::Name { name, node: of, .. } if *of == node => Some(name.as_str()),
            _ => None,
        });
        let named = named.unwrap_or_default();
        match self.blank().nodes[node] {
            Content::Folder(_) if ["state", "journal", "images"].contains(&named) => {
                Kind::JournalFolder
            }
            // The journal's own, named by a digest.
            Content::Folder(_) if named.len() == 24 => Kind::JournalFolder,
            Content::Folder(_) => Kind::WorkFolder,
            Content::File(_) if named == "journal.jsonl" => Kind::Log,
            Content::File(_) if named.starts_with(".descant-") => Kind::Staged,
            Content::File(_) => Kind::Pack,
        }
    }

    /// The disk a power cut leaves after the first `end` operations. What was synced is there; the rest may be
    /// lost, each name and each file by itself, and the last write kept may be cut or full of zeros.
    fn cut(&self, end: usize, dice: &mut Dice, ignored: &HashSet<Node>) -> Disk {
        let mut disk = self.blank();
        let mut pending: Vec<&Op> = Vec::new();
        for op in &self.ops[..end] {
            let Op::Sync { node: synced } = op else {
                pending.push(op);
                continue;
            };
            if ignored.contains(synced) {
                continue;
            }
            pending.retain(|op| {
                let durable = match op {
                    Op::Name { folder, .. } | Op::Unname { folder, .. } => folder == synced,
                    Op::Rename { from, to, .. } => from.0 == *synced || to.0 == *synced,
                    Op::Write { node, .. } | Op::Truncate { node, .. } => node == synced,
                    Op::Sync { .. } => false,
                };
                if durable {
                    disk.apply(op);
                }
                !durable
            });
        }
        // From nearly nothing lost to nearly everything.
        let kept_of_ten = [0, 1, 5, 9, 10][dice.roll(5)];
        let mut broken: Vec<Node> = Vec::new();
        for op in pending {
            let kept = dice.roll(10) < kept_of_ten;
            match op {
                Op::Write { node, .. } | Op::Truncate { node, .. } if broken.contains(node) => {}
                Op::Write { node, bytes } if !kept => {
                    // Later writes to the file are lost with this one.
                    broken.push(*node);
                    let part = dice.roll(bytes.len() + 1);
                    match dice.roll(3) {
                        0 => {}
                        1 => disk.bytes(*node).extend_from_slice(&bytes[..part]),
                        _ => disk.bytes(*node).extend(std::iter::repeat_n(0, part)),
                    }
                }
                op if kept => disk.apply(op),
                _ => {}
            }
        }
        disk
    }

    /// Adds what strace wrote. `home` is the folder recorded.
    fn add(&mut self, trace: &str, home: &Path) {
        let mut now = self.whole();
        let mut unfinished: HashMap<&str, String> = HashMap::new();
        for line in trace.lines() {
            let (pid, call) = line.split_once(' ').unwrap();
            let call = call.trim_start();
            let call = if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
                unfinished.insert(pid, begun.to_owned());
                continue;
            } else if let Some(rest) = call.strip_prefix("<... ") {
                let rest = rest.split_once("resumed>").unwrap().1;
                unfinished.remove(pid).unwrap_or_default() + rest
            } else {
                call.to_owned()
            };
            self.call(&call, home, &mut now);
        }
    }

    fn call(&mut self, call: &str, home: &Path, now: &mut Disk) {
        let Some((call, result)) = call.rsplit_once(" = ") else {
            return;
        };
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        // Failed, or never answered because the process was killed.
        let Ok(result) = result
            .split(['<', ' '])
            .next()
            .unwrap_or_default()
            .parse::<usize>()
        else {
            return;
        };
        let arguments = Arguments::parse(arguments);
        let inside = |path: PathBuf| {
            let path = path.strip_prefix(home).ok()?;
            Some(path.to_str().unwrap().to_owned())
        };
        let op = match name {
            "open" | "creat" | "openat" | "openat2" => {
                if name != "creat" && !arguments.text.contains("O_CREAT") {
                    return;
                }
                let Some(path) = inside(arguments.path(0)) else {
                    return;
                };
                if let Some(node) = now.find(&path) {
                    if !arguments.text.contains("O_TRUNC") {
                        return;
                    }
                    Op::Truncate { node, len: 0 }
                } else {
                    self.named(now, &path, Content::File(Vec::new()))
                }
            }
            "mkdir" | "mkdirat" => match inside(arguments.path(0)) {
                Some(path) => {
                    self.folders.push(self.nodes);
                    self.named(now, &path, Content::Folder(BTreeMap::new()))
                }
                None => return,
            },
            "write" | "pwrite64" | "fsync" | "fdatasync" | "ftruncate" => {
                let Some(path) = arguments.descriptor().and_then(inside) else {
                    return;
                };
                let node = now.find(&path).unwrap_or_else(|| panic!("{name} {path}"));
                match name {
                    "fsync" | "fdatasync" => Op::Sync { node },
                    "ftruncate" => Op::Truncate {
                        node,
                        len: arguments.number(),
                    },
                    _ => Op::Write {
                        node,
                        bytes: arguments.strings[0][..result].to_vec(),
                    },
                }
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let (Some(from), Some(to)) = (inside(arguments.path(0)), inside(arguments.path(1)))
                else {
                    return;
                };
                let node = now.find(&from).unwrap_or_else(|| panic!("{name} {from}"));
                let to = now.place(&to);
                match name.starts_with("link") {
                    true => Op::Name {
                        folder: to.0,
                        name: to.1,
                        node,
                    },
                    false => Op::Rename {
                        from: now.place(&from),
                        to,
                        node,
                    },
                }
            }
            "unlink" | "unlinkat" | "rmdir" => {
                let Some(path) = inside(arguments.path(0)) else {
                    return;
                };
                let (folder, name) = now.place(&path);
                Op::Unname { folder, name }
            }
            other => panic!("strace told of {other}"),
        };
        now.apply(&op);
        self.ops.push(op);
    }

    fn named(&mut self, now: &mut Disk, path: &str, content: Content) -> Op {
        let (folder, name) = now.place(path);
        let node = self.nodes;
        self.nodes += 1;
        now.nodes.push(content);
        Op::Name { folder, name, node }
    }
}

/// A call's arguments as `strace -y -xx` writes them: `5<\x2f..>, "\x61..", 12`.
struct Arguments {
    text: String,
    /// The strings, decoded.
    strings: Vec<Vec<u8>>,
    /// The path of the descriptor before each string, or of the last descriptor.
    folders: Vec<Option<PathBuf>>,
    first: Option<PathBuf>,
}

impl Arguments {
    fn parse(text: &str) -> Self {
        let (mut strings, mut folders) = (Vec::new(), Vec::new());
        let (mut first, mut last) = (None, None);
        let mut rest = text;
        while let Some(at) = rest.find(['<', '"']) {
            let close = if rest.as_bytes()[at] == b'<' {
                '>'
            } else {
                '"'
            };
            let inner = &rest[at + 1..];
            let end = inner.find(close).unwrap();
            let decoded = unhex(&inner[..end]);
            if close == '>' {
                let path = PathBuf::from(String::from_utf8_lossy(&decoded).into_owned());
                first.get_or_insert_with(|| path.clone());
                last = Some(path);
            } else {
                strings.push(decoded);
                folders.push(last.take());
            }
            rest = &inner[end + 1..];
        }
        Self {
            text: text.to_owned(),
            strings,
            folders,
            first,
        }
    }

    /// The n-th path, put together with the folder it is relative to.
    fn path(&self, n: usize) -> PathBuf {
        let path = PathBuf::from(String::from_utf8_lossy(&self.strings[n]).into_owned());
        match &self.folders[n] {
            Some(folder) => folder.join(path),
            None => path,
        }
    }

    /// What the first descriptor is open on.
    fn descriptor(&self) -> Option<PathBuf> {
        self.first.clone()
    }

    /// The last argument.
    fn number(&self) -> usize {
        let last = self.text.rsplit(", ").next().unwrap();
        last.trim_end_matches(')').parse().unwrap()
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split("\\x").collect();
    hex::decode(&digits).unwrap_or_else(|_| panic!("not all in hex: {text}"))
}

/// What happened in one start of `descant`, and which trees a power cut in the middle may leave.
struct Run {
    what: &'static str,
    ops: Range<usize>,
    before: Tree,
    after: Tree,
    /// What it said was done: no power cut may take that back.
    left: Option<Tree>,
}

fn home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    home.unwrap()
}

/// Runs `descant` again and again on one folder and keeps what it asked of the file system.
fn recorded() -> (Record, Vec<Run>) {
    let outside = home();
    let home = outside.path().canonicalize().unwrap().join("home");
    let root = home.join("root");
    let large: String = (0..2_000).map(|n| format!("line {n}\n")).collect();
    for (name, text) in [
        ("keep.txt", "k\n"),
        ("change.txt", "a\nb\n"),
        ("old/gone.txt", "g\n"),
        ("old/large.txt", &large),
        ("from.txt", "m\n"),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let patch = outside.path().join("patch");
    fs::write(&patch, PATCH).unwrap();
    let apply = ["apply", "--yes", patch.to_str().unwrap()];
    // A start that is killed in the middle leaves the next one something to settle.
    let runs: [(&str, &[&str], Option<usize>); 9] = [
        ("apply", &apply, None),
        ("undo", &["undo"], None),
        ("redo", &["redo"], None),
        ("undo again", &["undo"], None),
        ("apply, killed at its second rename", &apply, Some(2)),
        ("recovery", &["checkpoints"], None),
        ("apply after that", &apply, None),
        ("undo, killed at its second rename", &["undo"], Some(2)),
        ("recovery of the undo", &["checkpoints"], None),
    ];
    let mut record = Record::new(&home);
    let mut done = Vec::new();
    let original = tree(&root);
    let mut patched = None;
    for (what, arguments, killed) in runs {
        let trace = outside.path().join("trace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-xx", "-s", "1000000", "-e"]);
        strace.arg(format!("trace={CALLS}")).arg("-o").arg(&trace);
        if let Some(n) = killed {
            let calls = "?rename,?renameat,?renameat2";
            strace.args(["-e", &format!("inject={calls}:signal=KILL:when={n}")]);
        }
        let output = strace
            .arg(env!("CARGO_BIN_EXE_descant"))
            .arg("-C")
            .arg(&root)
            .args(arguments)
            .env("DESCANT_HOME", home.join("state"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), killed.is_none(), "{what}: {said}");
        let start = record.ops.len();
        record.add(&fs::read_to_string(&trace).unwrap(), &home);
        let patched = &*patched.get_or_insert_with(|| tree(&root));
        let model = record.whole().tree();
        assert!(model == tree(&home), "{what}: the model is not the folder");
        // A recovery in the middle may still come to either.
        done.push(Run {
            what,
            ops: start..record.ops.len(),
            before: original.clone(),
            after: patched.clone(),
            left: killed.is_none().then(|| tree(&root)),
        });
    }
    (record, done)
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    before: usize,
    after: usize,
    mixed: usize,
}

/// Cuts the power `points` times in every run, and starts again.
fn cut(
    record: &Record,
    runs: &[Run],
    points: usize,
    seed: u64,
    ignored: &HashSet<Node>,
    mixed: &(dyn Fn(&str) + Sync),
) -> Vec<Count> {
    let place = home();
    let (root, state) = (place.path().join("root"), place.path().join("state"));
    fs::create_dir(&root).unwrap();
    Journal::open(&state, &Workspace::open(&root).unwrap()).unwrap();
    let key = fs::read_dir(state.join("journal")).unwrap().next().unwrap();
    let key = key.unwrap().file_name().into_string().unwrap();
    let mut dice = Dice(seed);
    let mut counts = vec![Count::default(); runs.len()];
    for (run, count) in runs.iter().zip(&mut counts) {
        for point in 0..points {
            let end = run.ops.start + dice.roll(run.ops.len() + 1);
            let disk = record.cut(end, &mut dice, ignored);
            fs::remove_dir_all(&root).unwrap();
            if state.exists() {
                fs::remove_dir_all(&state).unwrap();
            }
            disk.write_to(place.path(), &key);
            let settled = Workspace::open(&root)
                .map_err(|error| error.to_string())
                .and_then(|workspace| {
                    let journal = Journal::open(&state, &workspace);
                    journal.map_err(|error| error.to_string())
                });
            let found = tree(&root);
            let untouched = settled.as_ref().is_ok_and(|journal| {
                journal
                    .recovered()
                    .is_none_or(|recovered| recovered.untouched.is_empty())
            });
            let promised = run.left.as_ref().filter(|_| end == run.ops.end);
            if promised.is_some_and(|left| found != *left) {
                count.mixed += 1;
                mixed(&format!("{}: seed {seed}: was done, and is lost", run.what));
            } else if found == run.before && untouched {
                count.before += 1;
            } else if found == run.after && untouched {
                count.after += 1;
            } else {
                count.mixed += 1;
                mixed(&format!(
                    "{}: seed {seed}, point {point}, after operation {} of {:?}: {:?}: {settled:?}",
                    run.what, end, run.ops, found
                ));
            }
        }
    }
    counts
}

#[test]
fn a_power_cut_at_any_moment_leaves_old_or_new() {
    if !strace_or_not_run("a_power_cut_at_any_moment_leaves_old_or_new") {
        return;
    }
    let (record, runs) = recorded();
    let points = POINTS.div_ceil(2 * runs.len());
    let halves: Vec<Vec<Count>> = std::thread::scope(|scope| {
        let threads: Vec<_> = [2026, 1121]
            .map(|seed| {
                let (record, runs) = (&record, &runs);
                scope.spawn(move || {
                    let all = HashSet::new();
                    cut(record, runs, points, seed, &all, &|mixed| panic!("{mixed}"))
                })
            })
            .into_iter()
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut points = 0;
    for (index, run) in runs.iter().enumerate() {
        let [one, two] = [halves[0][index], halves[1][index]];
        points += one.before + one.after + two.before + two.after;
        assert_eq!(one.mixed + two.mixed, 0);
        let (before, after) = (one.before + two.before, one.after + two.after);
        // A recovery comes to what it began with.
        let both = !run.what.contains("recovery") && !run.what.contains("killed");
        assert!(
            !both || (before > 20 && after > 20),
            "{}: {before} before, {after} after",
            run.what
        );
    }
    assert!(points >= POINTS, "{points}");
}

/// Without any one kind of sync there are trees that are neither: each is needed, and the model does lose what
/// is not synced.
#[test]
fn without_any_kind_of_sync_a_power_cut_leaves_neither() {
    if !strace_or_not_run("without_any_kind_of_sync_a_power_cut_leaves_neither") {
        return;
    }
    let (record, runs) = recorded();
    let kinds: Vec<Kind> = (0..record.nodes).map(|node| record.kind(node)).collect();
    for kind in [
        Kind::Log,
        Kind::Pack,
        Kind::Staged,
        Kind::WorkFolder,
        Kind::JournalFolder,
    ] {
        let ignored = (0..record.nodes).filter(|node| kinds[*node] == kind);
        let counts = cut(&record, &runs, 100, 7, &ignored.collect(), &|_| {});
        let mixed: usize = counts.iter().map(|count| count.mixed).sum();
        assert!(mixed > 0, "{kind:?}: {counts:?}");
        eprintln!("without syncs of {kind:?}: {mixed} trees that are neither");
    }
}
