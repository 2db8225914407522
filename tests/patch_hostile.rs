//! Patches and repositories that mean harm: refused with the reason, and the tree as it was.
//!
//! Rows S1 (hostile paths and files), S6 (files edited during a review) and S9 (a hostile repository
//! configuration, and that no process is started) of the safety table, for text files.

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

/// An entry of the index, as of a submodule that is not checked out.
fn add_submodule(root: &Path, path: &str) {
    let mut index = git2::Repository::open(root).unwrap().index().unwrap();
    let zero = git2::IndexTime::new(0, 0);
    let entry = git2::IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: 0o160_000,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: git2::Oid::from_str("0123456789012345678901234567890123456789").unwrap(),
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    };
    index.add(&entry).unwrap();
    index.write().unwrap();
}

#[test]
fn what_a_patch_may_not_do_with_good_paths_is_rejected() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    git2::Repository::init(&root).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    for name in ["a.txt", "b.txt", "folder/c.txt"] {
        fs::write(root.join(name), "theirs\n").unwrap();
    }
    let workspace = Workspace::discover(&root).unwrap();
    let mut journal = Journal::open(&home.path().join("state"), &workspace).unwrap();
    let before = snapshot(&root);
    let update = |path: &str| format!("*** Update File: {path}\n@@\n-theirs\n+mine\n");
    let moved = |path: &str, to: &str| format!("*** Update File: {path}\n*** Move to: {to}\n");
    let add = |path: &str| format!("*** Add File: {path}\n+mine\n");
    let delete = |path: &str| format!("*** Delete File: {path}\n");
    for (body, wanted) in [
        (add("a.txt"), "exists already"),
        (add("folder"), "a folder, not a file"),
        (moved("a.txt", "b.txt"), "exists already"),
        (moved("a.txt", "folder/c.txt"), "exists already"),
        (moved("a.txt", "folder"), "a folder, not a file"),
        (update("a.txt") + &update("a.txt"), "named twice"),
        (update("a.txt") + &delete("./a.txt"), "named twice"),
        (delete("a.txt") + &add("a.txt"), "named twice"),
        (add("n.txt") + &add("n.txt"), "named twice"),
        (
            moved("a.txt", "n.txt") + &moved("b.txt", "n.txt"),
            "named twice",
        ),
        (moved("a.txt", "b.txt") + &delete("b.txt"), "named twice"),
        (add("n.txt") + &add("N.txt"), "differs only in case"),
        (add("x/n") + &add("X/m"), "differs only in case"),
        (moved("a.txt", "A.txt"), "differs only in case"),
        (moved("a.txt", "B.TXT"), "differs only in case"),
        (add("n") + &add("n/m"), "both as a file and as a folder"),
        (add("n/m") + &add("n"), "both as a file and as a folder"),
        (update("a.txt") + &update("gone.txt"), "no such file"),
        (update("a.txt") + &delete("folder"), "a folder, not a file"),
    ] {
        let text = format!("*** Begin Patch\n{body}*** End Patch\n");
        let error = attempt(&workspace, &mut journal, &text).unwrap_err();
        assert!(error.contains(wanted), "{text}{error}");
        assert_eq!(snapshot(&root), before, "{text}");
    }
}

#[test]
fn a_git_directory_inside_the_tree_is_never_touched() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut options = git2::RepositoryInitOptions::new();
    options.no_dotgit_dir(true).workdir_path(&root);
    git2::Repository::init_opts(root.join("Meta"), &options).unwrap();
    fs::write(root.join("plain.txt"), "theirs\n").unwrap();
    fs::write(root.join("Meta/worktrees"), "theirs\n").unwrap();
    let mut state = 0;
    // Also when it is of a format that libgit2 does not open.
    for format in ["", "[extensions]\n\tunheardOf = true\n"] {
        let config = root.join("Meta/config");
        let text = fs::read_to_string(&config)
            .unwrap()
            .replace("repositoryformatversion = 0", "repositoryformatversion = 1");
        fs::write(&config, format!("{text}{format}")).unwrap();
        assert_eq!(git2::Repository::open(&root).is_ok(), format.is_empty());
        let workspace = Workspace::discover(&root).unwrap();
        state += 1;
        let journal = home.path().join(format!("state{state}"));
        let mut journal = Journal::open(&journal, &workspace).unwrap();
        let before = snapshot(&root);
        for path in [
            "Meta",
            "Meta/config",
            "Meta/hooks/pre-commit",
            "meta/HEAD",
            "Meta/worktrees",
        ] {
            for text in patches(path) {
                let error = attempt(&workspace, &mut journal, &text).unwrap_err();
                assert!(error.contains("git directory"), "{path}: {error}");
            }
        }
        assert_eq!(snapshot(&root), before);
    }
}

/// Every way through the patch module, here and in a process of its own (below).
fn every_patch_path(home: &Path) {
    let root = home.join("root");
    let repository = git2::Repository::init(&root).unwrap();
    for (name, text) in [
        ("sub/a.txt", "1\n2\n3\n4\n5\n"),
        ("b.txt", "b\n"),
        ("c.txt", "c\n"),
        ("d.txt", "d\n"),
        (
            ".gitattributes",
            "* filter=lfs diff=lfs merge=lfs text eol=crlf\n",
        ),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut index = repository.index().unwrap();
    index.add_path(Path::new("b.txt")).unwrap();
    index.write().unwrap();
    let workspace = Workspace::discover(&root.join("sub")).unwrap();
    workspace.branch();
    let mut journal = Journal::open(&home.join("state"), &workspace).unwrap();
    let text = "*** Begin Patch\n*** Update File: sub/a.txt\n@@\n-1\n+one\n 2\n-3\n+three\n 4\n-5\n+five\n\
        *** Add File: new/n.sh\n+#!/bin/sh\n*** Delete File: b.txt\n*** Update File: c.txt\n*** Move to: moved/c.txt\n\
        @@\n-c\n+C\n*** Update File: d.txt\n*** Move to: moved/d.txt\n*** End Patch\n";
    let mut plan = patch::plan(&workspace, &patch::parse(text).unwrap()).unwrap();
    plan.split_hunk(patch::HunkId(0));
    plan.edit_hunk(patch::HunkId(0), "-1\n+uno\n 2\n").unwrap();
    plan.unified_diff();
    let mut decisions = Decisions::accept_all(&plan);
    decisions.hunks.remove(&patch::HunkId(1));
    let applied = patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap();
    patch::report::applied(&plan, &decisions, Some(&applied));
    patch::apply(&workspace, &plan, &decisions, &mut journal).unwrap_err();
    journal.undo(&workspace, OnChanged::Refuse).unwrap();
    journal.redo(&workspace, OnChanged::Refuse).unwrap();
    journal.undo(&workspace, OnChanged::Refuse).unwrap();
    let mut journal = Journal::open(&home.join("state"), &workspace).unwrap();
    journal.list().unwrap();
    journal.redo(&workspace, OnChanged::Refuse).unwrap();
    for text in patches("../x").iter().chain(&patches("new/none")) {
        let _ = attempt(&workspace, &mut journal, text);
    }
    fs::write(home.join("done"), "").unwrap();
}

/// S9: no `git` is run, found by its name in PATH or, where strace is there, in any other way.
#[cfg(unix)]
#[test]
fn no_patch_path_starts_a_process() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;
    const HOME: &str = "DESCANT_TEST_TRAPPED_IN";
    if let Some(home) = std::env::var_os(HOME) {
        return every_patch_path(Path::new(&home));
    }
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "no_patch_path_starts_a_process"];
    let has_strace = Command::new("strace").arg("-V").output().is_ok();
    assert!(
        has_strace || !cfg!(target_os = "linux") || std::env::var_os("CI").is_none(),
        "strace is not installed"
    );
    for strace in [false, true] {
        if strace && !has_strace {
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let (bin, marker) = (home.path().join("bin"), home.path().join("marker"));
        fs::create_dir(&bin).unwrap();
        let script = format!("#!/bin/sh\n: > '{}'\n", marker.display());
        for name in ["git", "git-lfs", "ssh", "editor"] {
            fs::write(bin.join(name), &script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let log = home.path().join("strace");
        let mut command = if strace {
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-e", "trace=execve,execveat", "-o"]);
            command.arg(&log).arg(&this);
            command
        } else {
            Command::new(&this)
        };
        let path = std::env::join_paths(
            [bin.clone()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let path = path.unwrap();
        command.args(arguments).env(HOME, home.path());
        // strace itself is found by our own PATH.
        let output = command.env("PATH", &path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(home.path().join("done").exists(), "nothing was tried");
        assert!(!marker.exists(), "git was run");
        if strace {
            let started = fs::read_to_string(&log).unwrap();
            let count = started.lines().filter(|line| line.contains("exec")).count();
            assert_eq!(count, 1, "only the test itself:\n{started}");
        }
        let mut by_hand = Command::new("sh");
        by_hand.args(["-c", "git"]).env("PATH", &path);
        assert!(by_hand.status().unwrap().success());
        assert!(marker.exists(), "the trap is no trap");
    }
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
        "module",
        "module/x",
        "MODULE/x",
        "PLAIN.txt",
        "Folder/new.txt",
        "FOLDER/FILE.TXT",
        #[cfg(unix)]
        "pipe",
        #[cfg(unix)]
        "socket",
        #[cfg(unix)]
        "setuid",
        #[cfg(unix)]
        "setgid",
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
        let made = std::process::Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status();
        assert!(made.unwrap().success());
        // The name stays when the listener is gone.
        std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2755)] {
            use std::os::unix::fs::PermissionsExt as _;
            fs::write(root.join(name), "theirs\n").unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    add_submodule(&root, "module");
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
