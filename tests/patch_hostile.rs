//! Patches and repositories that mean harm: refused with the reason, and the tree as it was.
//!
//! Rows S1 (hostile paths and files), S6 (files edited during a review) and S9 (a hostile repository
//! configuration) of the safety table, for text files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::patch::{self, Decisions, Journal, OnChanged};
use descant::workspace::Workspace;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Everything below the folder: kind, mode, links' targets, bytes.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let kind = path.symlink_metadata().unwrap();
            let what = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                "folder".to_owned()
            } else if kind.is_file() {
                format!("{:?}", fs::read(&path).unwrap())
            } else {
                "special".to_owned()
            };
            found.insert(name, format!("{:?} {what}", kind.permissions()));
            if kind.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn attempt(workspace: &Workspace, journal: &mut Journal, text: &str) -> Result<(), String> {
    let parsed = patch::parse(text).map_err(|error| error.to_string())?;
    let plan = patch::plan(workspace, &parsed).map_err(|error| error.to_string())?;
    let decisions = Decisions::accept_all(&plan);
    patch::apply(workspace, &plan, &decisions, journal).map_err(|error| error.to_string())?;
    Ok(())
}

/// The same path in every place of a patch that takes one.
fn patches(path: &str) -> Vec<String> {
    let wrap = |body: String| format!("*** Begin Patch\n{body}*** End Patch\n");
    vec![
        wrap(format!("*** Add File: {path}\n+mine\n")),
        wrap(format!("*** Update File: {path}\n@@\n-theirs\n+mine\n")),
        wrap(format!("*** Delete File: {path}\n")),
        wrap(format!(
            "*** Update File: {path}\n*** Move to: stolen.txt\n"
        )),
        wrap(format!(
            "*** Update File: plain.txt\n*** Move to: {path}\n@@\n-theirs\n+mine\n"
        )),
        wrap(format!(
            "*** Update File: plain.txt\n@@\n-theirs\n+mine\n*** Add File: {path}\n+mine\n"
        )),
    ]
}

#[test]
fn hostile_paths_are_rejected() {
    let long = "x".repeat(300);
    let deep = "d/".repeat(2000) + "f";
    let paths = [
        "..",
        "../outside.txt",
        "a/../../outside.txt",
        "a/..",
        "./../outside.txt",
        "a/b/../../../outside.txt",
        "/etc/passwd",
        "/outside.txt",
        "//server/share/x",
        "/workspace/../outside.txt",
        "/workspace/.git/config",
        "~/outside.txt",
        "~root/x",
        "~",
        "C:/x",
        "c:x",
        "Z:\\x",
        "\\\\server\\share\\x",
        "\\x",
        "a\\..\\..\\outside.txt",
        "..\\outside.txt",
        "a\0b",
        "a\u{7}b",
        "a\u{1b}]0;x\u{7}b",
        "a\u{85}b",
        "a\u{9b}31mb",
        "a\u{7f}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200e}b",
        "a\u{200b}b",
        "a\u{feff}b",
        "a\u{ad}b",
        "a\u{2028}b",
        "a\u{e0041}b",
        ".git",
        ".git/config",
        ".git/hooks/pre-commit",
        ".GIT/config",
        ".Git/x",
        "sub/.git/config",
        "sub/.gIt",
        ".git./config",
        ".git /config",
        ".git. . /config",
        ".git::$INDEX_ALLOCATION/config",
        ".git:stream",
        "git~1/config",
        "GIT~1",
        "git~2/x",
        ".g\u{200c}it/config",
        ".\u{200d}git/config",
        ".git\u{206f}/x",
        ".gitmodules",
        ".GitModules",
        "sub/.gitmodules",
        ".gitmodules ",
        ".gitmodules:x",
        "gitmod~1",
        "GI7EBA~1",
        long.as_str(),
        deep.as_str(),
        "link/x.txt",
        "link",
        "dangling",
        "dangling/x",
        "inner-link/file.txt",
        "leaf-link",
        "hard.txt",
        "nested/file.txt",
        "nested/new.txt",
        "bare.git/config",
        "bare.git/hooks/post-update",
        "worktree/file.txt",
        "plain.txt/x",
        "folder",
    ];
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let outside = home.path().join("outside");
    git2::Repository::init(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x.txt"), "theirs\n").unwrap();
    fs::write(home.path().join("outside.txt"), "theirs\n").unwrap();
    fs::create_dir_all(root.join("folder")).unwrap();
    fs::write(root.join("folder/file.txt"), "theirs\n").unwrap();
    fs::write(root.join("plain.txt"), "theirs\n").unwrap();
    fs::write(root.join(".gitmodules"), "theirs\n").unwrap();
    git2::Repository::init(root.join("nested")).unwrap();
    fs::write(root.join("nested/file.txt"), "theirs\n").unwrap();
    git2::Repository::init_bare(root.join("bare.git")).unwrap();
    fs::create_dir(root.join("worktree")).unwrap();
    fs::write(root.join("worktree/.git"), "gitdir: ../elsewhere\n").unwrap();
    fs::write(root.join("worktree/file.txt"), "theirs\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(&outside, root.join("link")).unwrap();
        symlink("folder", root.join("inner-link")).unwrap();
        symlink("folder/file.txt", root.join("leaf-link")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        fs::hard_link(outside.join("x.txt"), root.join("hard.txt")).unwrap();
    }
    let workspace = Workspace::discover(&root).unwrap();
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let before = (snapshot(&root), snapshot(&outside));
    let mut rejected = 0;
    for path in paths {
        for text in patches(path) {
            let result = attempt(&workspace, &mut journal, &text);
            let Err(error) = result else {
                panic!("{path:?} was let in by\n{text}")
            };
            assert!(
                error.len() > 10 && error.lines().count() <= 4,
                "{path:?}: {error}"
            );
            rejected += 1;
        }
        assert_eq!(
            (snapshot(&root), snapshot(&outside)),
            before,
            "{path:?} left something behind"
        );
    }
    assert!(journal.list().unwrap().is_empty());
    assert!(rejected >= 300, "{rejected}");
}

#[test]
fn a_file_edited_during_the_review_is_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    let text = "*** Begin Patch\n*** Update File: a.txt\n@@\n-b\n+B\n*** Update File: z.txt\n@@\n-y\n+Y\n*** Delete File: d.txt\n*** Add File: n.txt\n+n\n*** End Patch\n";
    let original: &[(&str, &str)] = &[("a.txt", "a\nb\nc\n"), ("z.txt", "y\n"), ("d.txt", "d\n")];
    for (name, bytes) in original {
        fs::write(root.join(name), bytes).unwrap();
    }
    let workspace = Workspace::open(&root).unwrap();
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let plan = patch::plan(&workspace, &patch::parse(text).unwrap()).unwrap();
    let decisions = Decisions::accept_all(&plan);
    for round in 0..1000 {
        let (name, old) = match round % 4 {
            3 => ("n.txt", None),
            other => (original[other].0, Some(original[other].1)),
        };
        // Also edits that leave the length, and those the patch does not touch.
        let edited = match round % 3 {
            0 => format!("{}x\n", old.unwrap_or_default()),
            1 => format!("x{}", old.unwrap_or_default().get(1..).unwrap_or_default()),
            _ => String::new(),
        };
        fs::write(root.join(name), &edited).unwrap();
        let before = snapshot(&root);
        let error = patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap_err();
        assert!(
            matches!(&error, patch::ApplyError::Changed { path } if path.as_str() == name),
            "{round}: {error}"
        );
        assert_eq!(snapshot(&root), before);
        match old {
            Some(old) => fs::write(root.join(name), old).unwrap(),
            None => fs::remove_file(root.join(name)).unwrap(),
        }
    }
    patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
}

#[test]
fn a_hostile_repository_configuration_runs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    let marker = home.path().join("marker");
    let repository = git2::Repository::init(&root).unwrap();
    let run = format!("touch {}", marker.display());
    let script = root.join(".git/hooks-of-theirs/any");
    fs::create_dir_all(script.parent().unwrap()).unwrap();
    for hook in [
        "pre-commit",
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "fsmonitor-watchman",
        "post-applypatch",
    ] {
        for folder in ["hooks", "hooks-of-theirs"] {
            let path = root.join(".git").join(folder).join(hook);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("#!/bin/sh\n{run}\n")).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    }
    let settings = format!(
        "[core]\n\tfsmonitor = {run}\n\thooksPath = .git/hooks-of-theirs\n\tsshCommand = {run}\n\teditor = {run}\n\tpager = {run}\n\tautocrlf = true\n\tattributesFile = .git/attributes\n\
         [filter \"x\"]\n\tclean = {run}\n\tsmudge = {run}\n\tprocess = {run}\n\trequired = true\n\
         [diff]\n\texternal = {run}\n[diff \"x\"]\n\ttextconv = {run}\n\tcommand = {run}\n\
         [merge \"x\"]\n\tdriver = {run}\n[credential]\n\thelper = !{run}\n[gpg]\n\tprogram = {run}\n\
         [alias]\n\tstatus = !{run}\n\tapply = !{run}\n[commit]\n\tgpgSign = true\n"
    );
    fs::write(root.join(".git/included"), &settings).unwrap();
    let config = root.join(".git/config");
    let own = fs::read_to_string(&config).unwrap();
    let elsewhere = home.path().join("victim");
    fs::create_dir(&elsewhere).unwrap();
    let worktree = format!("[core]\n\tworktree = {}\n", elsewhere.display());
    fs::write(
        &config,
        format!("{own}{settings}{worktree}[include]\n\tpath = included\n"),
    )
    .unwrap();
    fs::write(
        root.join(".gitattributes"),
        "* filter=x diff=x merge=x text eol=crlf\n",
    )
    .unwrap();
    fs::write(root.join("a.txt"), "a\nb\n").unwrap();
    fs::write(root.join("gone.txt"), "g\n").unwrap();
    drop(repository);

    let git_before = snapshot(&root.join(".git"));
    let workspace = Workspace::discover(&root).unwrap();
    assert_eq!(workspace.root(), root.canonicalize().unwrap());
    workspace.branch();
    let before = snapshot(&root);
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let text = "*** Begin Patch\n*** Update File: a.txt\n@@\n-b\n+c\n*** Add File: n.sh\n+#!/bin/sh\n*** Delete File: gone.txt\n*** End Patch\n";
    let plan = patch::plan(&workspace, &patch::parse(text).unwrap()).unwrap();
    assert!(plan.unified_diff().contains("+c"));
    patch::apply(
        &workspace,
        &plan,
        &Decisions::accept_all(&plan),
        &mut journal,
    )
    .unwrap();
    assert_eq!(
        fs::read(root.join("a.txt")).unwrap(),
        b"a\nc\n",
        "no filter and no CRLF took part"
    );
    journal.undo(&workspace, OnChanged::Refuse).unwrap();
    journal.redo(&workspace, OnChanged::Refuse).unwrap();
    journal.undo(&workspace, OnChanged::Refuse).unwrap();
    journal.list().unwrap();
    assert_eq!(snapshot(&root), before);
    assert_eq!(
        snapshot(&root.join(".git")),
        git_before,
        "the user's repository is as it was"
    );
    assert!(!marker.exists(), "something of the configuration was run");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    // The test can fail: git itself runs what is configured there.
    let git = std::process::Command::new("git")
        .arg("-C")
        .arg(&root)
        .args(["-c", "core.worktree=", "status"])
        .output();
    if git.is_ok() {
        let _ = std::process::Command::new("git")
            .env("GIT_WORK_TREE", &root)
            .arg("--git-dir")
            .arg(root.join(".git"))
            .args(["add", "a.txt"])
            .output();
        assert!(marker.exists(), "the trap is no trap");
    }
}
