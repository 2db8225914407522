//! Plans against git itself, and reviews from the text of a patch to the answer the model gets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use descant::patch::{
    self, ChangeKind, Decision, Decisions, Encoding, FilePlan, HunkId, Journal, LocateStage,
    OnChanged, Plan,
};
use descant::workspace::{Workspace, WorkspacePath};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Place {
    _home: tempfile::TempDir,
    root: PathBuf,
    workspace: Workspace,
    journal: Journal,
}

fn place(files: &[(&str, &str)]) -> Place {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let workspace = Workspace::open(&root).unwrap();
    let journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    Place {
        root,
        workspace,
        journal,
        _home: home,
    }
}

impl Place {
    fn plan(&self, body: &str) -> Plan {
        let text = format!("*** Begin Patch\n{body}*** End Patch\n");
        patch::plan(&self.workspace, &patch::parse(&text).unwrap()).unwrap()
    }

    /// Applies with these decisions and gives the model's answer.
    fn answer(&mut self, plan: &Plan, decisions: &Decisions) -> String {
        let applied = patch::apply(&self.workspace, plan, decisions, &mut self.journal).unwrap();
        patch::report::applied(plan, decisions, Some(&applied))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }
}

fn declined(note: Option<&str>) -> Decision {
    Decision::Reject {
        note: note.map(str::to_owned),
    }
}

fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let mut bytes = fs::read(&path).unwrap();
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt as _;
                    bytes.push(u8::from(
                        path.metadata().unwrap().permissions().mode() & 0o111 != 0,
                    ));
                }
                files.insert(
                    path.strip_prefix(root)
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                    bytes,
                );
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(root, root, &mut files);
    files
}

/// Whether git is there. In CI it has to be.
fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "git is not installed"
    );
    if !found {
        eprintln!("not run: git is not installed");
    }
    found
}

/// `git apply` of the text in the folder; what it says when it refuses.
fn git_apply(root: &Path, diff: &[u8]) -> Result<(), String> {
    let mut git = Command::new("git")
        .args([
            "-c",
            "core.autocrlf=false",
            "-c",
            "apply.whitespace=nowarn",
            "apply",
            "-",
        ])
        .current_dir(root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap())
        .env("HOME", root.parent().unwrap())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(diff).unwrap();
    let output = git.wait_with_output().unwrap();
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn git_apply_accepts_the_diff_of_every_fixture() {
    if !has_git() {
        return;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/patch");
    let mut accepted = 0;
    for entry in fs::read_dir(fixtures).unwrap() {
        let folder = entry.unwrap().path();
        // Of UTF-16 and Latin-1 the diff shows the text, which to git are other bytes.
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !folder.join("expected").is_dir() || name.starts_with("encoding_") {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        fs::create_dir(&root).unwrap();
        for (name, bytes) in tree(&folder.join("input")) {
            let path = root.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes.get(..bytes.len() - 1).unwrap()).unwrap();
        }
        let workspace = Workspace::open(&root).unwrap();
        let text = fs::read_to_string(folder.join("patch.txt")).unwrap();
        let plan = patch::plan(&workspace, &patch::parse(&text).unwrap()).unwrap();
        let diff = plan.unified_diff();
        if let Err(error) = git_apply(&root, diff.as_bytes()) {
            panic!("{}: git refuses: {error}\n{diff}", folder.display());
        }
        assert_eq!(
            tree(&root),
            tree(&folder.join("expected")),
            "{}\n{diff}",
            folder.display()
        );
        accepted += 1;
    }
    assert!(accepted >= 50, "{accepted}");
}

#[test]
fn names_and_modes_as_git_writes_them() {
    let mut place = place(&[
        ("my dir/a b.txt", "a\n"),
        ("ä \"q\".txt", "a\n"),
        ("run.sh", "#!/bin/sh\na\n"),
    ]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(place.root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let plan = place.plan(
        "*** Update File: my dir/a b.txt\n@@\n-a\n+b\n*** Update File: ä \"q\".txt\n*** Move to: ö.txt\n@@\n-a\n+b\n\
         *** Delete File: run.sh\n*** Add File: new.sh\n+#!/bin/sh\n*** Add File: empty\n",
    );
    let diff = plan.unified_diff();
    assert_eq!(
        diff,
        r#"diff --git a/my dir/a b.txt b/my dir/a b.txt
--- a/my dir/a b.txt	
+++ b/my dir/a b.txt	
@@ -1 +1 @@
-a
+b
diff --git "a/\303\244 \"q\".txt" "b/\303\266.txt"
rename from "\303\244 \"q\".txt"
rename to "\303\266.txt"
--- "a/\303\244 \"q\".txt"	
+++ "b/\303\266.txt"
@@ -1 +1 @@
-a
+b
diff --git a/run.sh b/run.sh
deleted file mode 100755
--- a/run.sh
+++ /dev/null
@@ -1,2 +0,0 @@
-#!/bin/sh
-a
diff --git a/new.sh b/new.sh
new file mode 100755
--- /dev/null
+++ b/new.sh
@@ -0,0 +1 @@
+#!/bin/sh
diff --git a/empty b/empty
new file mode 100644
"#
    );
    let by_git = tempfile::tempdir().unwrap();
    let copy = by_git.path().join("root");
    fs::create_dir_all(copy.join("my dir")).unwrap();
    for name in ["my dir/a b.txt", "ä \"q\".txt", "run.sh"] {
        fs::copy(place.root.join(name), copy.join(name)).unwrap();
    }
    let answer = place.answer(&plan, &Decisions::accept_all(&plan));
    assert_eq!(
        answer,
        "Success. Updated the following files:\nM my dir/a b.txt\nM ö.txt\nD run.sh\nA new.sh\nA empty"
    );
    if has_git() {
        git_apply(&copy, diff.as_bytes()).unwrap();
        assert_eq!(tree(&place.root), tree(&copy));
    }
}

/// S7: every subset of up to ten hunks, ours against `git apply` of the same hunks.
#[test]
fn every_subset_of_hunks_equals_git_apply() {
    if !has_git() {
        return;
    }
    let lines = |ending: &str, last: &str, bom: &str, changed: bool, hunks: usize| {
        let mut text = bom.to_owned();
        for number in 0..hunks * 8 {
            // Changed, removed, added in turn; the first and the last line of the file among them.
            match (changed && number % 8 == 0, number % 24) {
                (true, 0) => text.push_str(&format!("line {number} changed{ending}")),
                (true, 8) => {}
                (true, _) => text.push_str(&format!("line {number}{ending}new{ending}")),
                (false, _) => text.push_str(&format!("line {number}{ending}")),
            }
        }
        text.push_str(if changed { "end changed" } else { "end" });
        text.push_str(last);
        text
    };
    let mut compared = 0;
    for (ending, last, bom, count) in [
        ("\n", "\n", "", 9),
        ("\r\n", "\r\n", "", 5),
        ("\n", "", "", 5),
        ("\n", "\n", "\u{feff}", 5),
        ("\r\n", "", "\u{feff}", 5),
    ] {
        let (pre, post) = (
            lines(ending, last, bom, false, count),
            lines(ending, last, bom, true, count),
        );
        let hunks = patch::diff::hunks(pre.as_bytes(), post.as_bytes());
        assert_eq!(hunks.len(), count + 1);
        let plan = Plan {
            files: vec![FilePlan {
                kind: ChangeKind::Update,
                path: WorkspacePath::parse("f").unwrap(),
                target: None,
                pre: Some(pre.clone().into_bytes()),
                post: Some(post.into_bytes()),
                encoding: Encoding::Utf8,
                mode: 0o644,
                new_mode: None,
                stage: LocateStage::Exact,
                hunks,
            }],
        };
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        fs::create_dir(&root).unwrap();
        let whole = plan.unified_diff();
        let mut parts = whole.split("@@ -");
        let head = parts.next().unwrap().to_owned();
        let texts: Vec<String> = parts.map(|part| format!("@@ -{part}")).collect();
        for subset in 0..1usize << plan.hunks().count() {
            let chosen = |id: HunkId| subset >> id.0 & 1 == 1;
            let mut decisions = Decisions::default();
            let mut diff = head.clone();
            let mut shift = 0isize;
            for (hunk, text) in plan.hunks().zip(&texts) {
                if !chosen(hunk.id) {
                    continue;
                }
                decisions.hunks.insert(hunk.id, Decision::Accept);
                // Where the hunk lands when only those before it that were chosen are applied.
                let from = if hunk.new_lines == 0 { 0 } else { 1 }
                    - if hunk.old_lines == 0 { 0 } else { 1 };
                let start = hunk.old_start as isize + shift + from;
                shift += hunk.new_lines as isize - hunk.old_lines as isize;
                let body = text.split_once('\n').unwrap().1;
                diff.push_str(&format!(
                    "@@ -{},{} +{start},{} @@\n{body}",
                    hunk.old_start, hunk.old_lines, hunk.new_lines
                ));
            }
            fs::write(root.join("f"), &pre).unwrap();
            if subset != 0 {
                git_apply(&root, diff.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{diff}"));
            }
            let ours = patch::selected(&plan, &decisions).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&ours[0]),
                String::from_utf8_lossy(&fs::read(root.join("f")).unwrap())
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 1024 + 4 * 64);
}

const TWO: &[(&str, &str)] = &[("a.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n")];
const BOTH: &str = "*** Update File: a.txt\n@@\n-2\n+two\n@@\n-11\n+eleven\n";

#[test]
fn one_hunk_accepted_and_one_declined_with_a_note() {
    let mut place = place(TWO);
    let plan = place.plan(BOTH);
    let mut decisions = Decisions::accept_all(&plan);
    decisions
        .hunks
        .insert(HunkId(1), declined(Some("keep\n eleven as a number ")));
    let answer = place.answer(&plan, &decisions);
    assert_eq!(
        answer,
        "Partly applied. Updated the following files:\nM a.txt\nDeclined by the user:\n\
         a.txt @@ -8,5 +8,5: keep eleven as a number"
    );
    assert_eq!(
        place.read("a.txt"),
        "1\ntwo\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"
    );
    place
        .journal
        .undo(&place.workspace, OnChanged::Refuse)
        .unwrap();
    assert_eq!(place.read("a.txt"), TWO[0].1);
}

#[test]
fn all_declined_writes_nothing() {
    let mut place = place(TWO);
    let plan = place.plan(&format!("{BOTH}*** Add File: empty\n"));
    let mut decisions = Decisions::default();
    decisions.hunks.insert(HunkId(0), declined(None));
    decisions.hunks.insert(HunkId(1), declined(Some("no")));
    decisions.files.insert(1, declined(Some("not needed")));
    let answer = place.answer(&plan, &decisions);
    assert_eq!(
        answer,
        "Nothing was applied. Declined by the user:\na.txt @@ -1,5 +1,5\na.txt @@ -8,5 +8,5: no\nempty: not needed"
    );
    assert_eq!(patch::report::declined_count(&plan, &decisions), 3);
    assert_eq!(place.read("a.txt"), TWO[0].1);
    assert!(place.journal.list().unwrap().is_empty());
    assert_eq!(
        patch::report::proposed(&plan),
        "Recorded for review, not applied yet:\nM a.txt\nA empty"
    );
}

#[test]
fn a_split_hunk_is_decided_in_parts() {
    let mut place = place(&[("a.txt", "1\n2\n3\n4\n5\n")]);
    let mut plan =
        place.plan("*** Update File: a.txt\n@@\n-1\n+one\n 2\n-3\n+three\n 4\n-5\n+five\n");
    assert_eq!(plan.hunks().count(), 1);
    assert!(plan.split_hunk(HunkId(0)));
    let ranges: Vec<String> = plan.hunks().map(patch::Hunk::range).collect();
    assert_eq!(ranges, ["@@ -1,2 +1,2", "@@ -3,2 +3,2", "@@ -5 +5"]);
    assert!(!plan.split_hunk(HunkId(1)));
    if has_git() {
        let copy = tempfile::tempdir().unwrap();
        let root = copy.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::copy(place.root.join("a.txt"), root.join("a.txt")).unwrap();
        git_apply(&root, plan.unified_diff().as_bytes()).unwrap();
        assert_eq!(
            fs::read_to_string(root.join("a.txt")).unwrap(),
            "one\n2\nthree\n4\nfive\n"
        );
    }
    let mut decisions = Decisions::accept_all(&plan);
    decisions.hunks.insert(HunkId(1), declined(None));
    assert_eq!(
        place.answer(&plan, &decisions),
        "Partly applied. Updated the following files:\nM a.txt\nDeclined by the user:\na.txt @@ -3,2 +3,2"
    );
    assert_eq!(place.read("a.txt"), "one\n2\n3\n4\nfive\n");
}

#[test]
fn a_declined_delete_and_a_declined_new_file() {
    let mut place = place(&[("gone.txt", "g\n"), ("a.txt", "a\n")]);
    let plan = place.plan("*** Delete File: gone.txt\n*** Add File: new.txt\n+n\n*** Update File: a.txt\n@@\n-a\n+b\n");
    let mut decisions = Decisions::accept_all(&plan);
    decisions.hunks.insert(HunkId(0), declined(Some("needed")));
    decisions.hunks.insert(HunkId(1), declined(None));
    assert_eq!(
        place.answer(&plan, &decisions),
        "Partly applied. Updated the following files:\nM a.txt\nDeclined by the user:\ngone.txt @@ -1 +0,0: needed\nnew.txt @@ -0,0 +1"
    );
    assert_eq!(place.read("gone.txt"), "g\n");
    assert!(!place.root.join("new.txt").exists());
}

#[test]
fn a_move_without_hunks_follows_the_file_s_own_decision() {
    let mut place = place(&[("a.txt", "a\n")]);
    let plan = place.plan("*** Update File: a.txt\n*** Move to: b.txt\n");
    assert_eq!(
        place.answer(&plan, &Decisions::default()),
        "Nothing was applied. Declined by the user:\na.txt"
    );
    assert_eq!(
        place.answer(&plan, &Decisions::accept_all(&plan)),
        "Success. Updated the following files:\nM b.txt"
    );
    assert!(!place.root.join("a.txt").exists());
}

#[test]
#[cfg(unix)]
fn executable_bits() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut place = place(&[("run.sh", "#!/bin/sh\na\n"), ("secret", "a\n")]);
    let mode = |place: &Place, name: &str| {
        place
            .root
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    fs::set_permissions(place.root.join("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(place.root.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let plan = place.plan(
        "*** Update File: run.sh\n@@\n-a\n+b\n*** Update File: secret\n*** Move to: s2\n@@\n-a\n+b\n*** Add File: new.py\n+#!/usr/bin/env python3\n*** Add File: plain\n+x\n",
    );
    place.answer(&plan, &Decisions::accept_all(&plan));
    assert_eq!(mode(&place, "run.sh"), 0o750);
    assert_eq!(mode(&place, "s2"), 0o600);
    assert_eq!(mode(&place, "new.py") & 0o100, 0o100);
    assert_eq!(mode(&place, "plain") & 0o111, 0);
    place
        .journal
        .undo(&place.workspace, OnChanged::Refuse)
        .unwrap();
    assert_eq!(mode(&place, "run.sh"), 0o750);
    assert_eq!(mode(&place, "secret"), 0o600);
}
