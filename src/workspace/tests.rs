#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::fs;
use std::path::Path;

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::parse(text).unwrap()
}

fn folder() -> (tempfile::TempDir, Workspace) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("root")).unwrap();
    let workspace = Workspace::open(&home.path().join("root")).unwrap();
    (home, workspace)
}

#[test]
fn paths_are_normalised() {
    for (text, wanted) in [
        ("a", "a"),
        ("./a", "a"),
        ("a/./b", "a/b"),
        ("a//b/", "a/b"),
        (".github/workflows/ci.yml", ".github/workflows/ci.yml"),
        (".gitignore", ".gitignore"),
        ("a/.gitattributes", "a/.gitattributes"),
        ("git~x", "git~x"),
        ("digit~1", "digit~1"),
        ("a~", "a~"),
        ("x/~/y", "x/~/y"),
        ("...a", "...a"),
        ("ünï/日本.txt", "ünï/日本.txt"),
        ("a b/c d", "a b/c d"),
    ] {
        assert_eq!(
            WorkspacePath::parse(text).map(|path| path.to_string()),
            Ok(wanted.to_owned()),
            "{text:?}"
        );
    }
}

#[test]
fn paths_that_leave_or_deceive_are_refused() {
    use PathError::*;
    let kind = |error: &PathError| match error {
        Empty => "empty",
        Absolute { .. } => "absolute",
        Home { .. } => "home",
        Drive { .. } => "drive",
        Backslash { .. } => "backslash",
        Character { .. } => "character",
        Parent { .. } => "parent",
        GitFolder { .. } => "git",
        GitModules { .. } => "modules",
        TooLong { .. } => "long",
    };
    let long = format!("a/{}", "x".repeat(256));
    let deep = "dir/".repeat(1000) + "f";
    for (text, wanted) in [
        ("", "empty"),
        (".", "empty"),
        ("./", "empty"),
        ("/etc/passwd", "absolute"),
        ("//server/share", "drive"),
        ("~/x", "home"),
        ("~root/x", "home"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("\\\\server\\share", "drive"),
        ("a\\b", "backslash"),
        ("..\\a", "backslash"),
        ("..", "parent"),
        ("../a", "parent"),
        ("a/../../b", "parent"),
        ("a/..", "parent"),
        ("a/.. /b", "parent"),
        ("a/.../b", "parent"),
        ("a/..:x/b", "parent"),
        ("a\0b", "character"),
        ("a\nb", "character"),
        ("a\tb", "character"),
        ("a\u{1b}[2Jb", "character"),
        ("a\u{7f}", "character"),
        ("a\u{9b}b", "character"),
        ("a\u{202e}txt.exe", "character"),
        ("a\u{2066}b", "character"),
        ("a\u{200b}b", "character"),
        ("\u{feff}a", "character"),
        ("a\u{2028}b", "character"),
        ("a\u{e0041}", "character"),
        (".git", "git"),
        (".git/config", "git"),
        ("sub/.git/config", "git"),
        (".GIT/config", "git"),
        (".Git/hooks/pre-commit", "git"),
        (".git./config", "git"),
        (".git /config", "git"),
        (".git . ./config", "git"),
        (".git::$INDEX_ALLOCATION/config", "git"),
        (".git:x/config", "git"),
        ("git~1/config", "git"),
        ("GIT~1/config", "git"),
        ("git~2", "git"),
        (".g\u{200c}it/config", "character"),
        ("\u{206a}.git/config", "character"),
        (".gitmodules", "modules"),
        ("sub/.GITMODULES", "modules"),
        (".gitmodules ", "modules"),
        ("gitmod~1", "modules"),
        ("gi7eba~1", "modules"),
        (long.as_str(), "long"),
        (deep.as_str(), "long"),
    ] {
        let error = WorkspacePath::parse(text).unwrap_err();
        assert_eq!(kind(&error), wanted, "{text:?}: {error}");
        assert!(
            !error
                .to_string()
                .chars()
                .any(|c| c.is_control() && c != '\n'),
            "{text:?} is shown as it is"
        );
    }
}

#[test]
fn a_path_is_checked_when_it_is_read_back() {
    assert_eq!(
        serde_json::from_str::<WorkspacePath>("\"a/b\"").unwrap(),
        path("a/b")
    );
    assert!(serde_json::from_str::<WorkspacePath>("\"../b\"").is_err());
}

#[test]
fn models_and_users_name_files_in_several_ways() {
    let (home, workspace) = folder();
    let absolute = home.path().join("root/src/a.rs");
    for text in [
        "src/a.rs",
        "./src/a.rs",
        "/workspace/src/a.rs",
        " src/a.rs ",
        "`src/a.rs`",
        absolute.to_str().unwrap(),
    ] {
        assert_eq!(workspace.relative(text), Ok(path("src/a.rs")), "{text}");
    }
    let beside = home.path().join("root2/src/a.rs");
    for text in [
        "/workspace/../etc/passwd",
        "/workspace2/a",
        "/workspace",
        beside.to_str().unwrap(),
        "/workspace/.git/x",
    ] {
        assert!(workspace.relative(text).is_err(), "{text}");
    }
}

#[test]
fn the_root_is_where_git_lies_whatever_its_configuration_says() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("repo");
    let repository = git2::Repository::init(&root).unwrap();
    let outside = home.path().join("elsewhere");
    fs::create_dir(&outside).unwrap();
    repository
        .config()
        .unwrap()
        .set_str("core.worktree", outside.to_str().unwrap())
        .unwrap();
    fs::create_dir_all(root.join("a/b")).unwrap();
    let workspace = Workspace::discover(&root.join("a/b")).unwrap();
    assert_eq!(workspace.root(), root.canonicalize().unwrap());
    assert!(workspace.is_git());
    let plain = Workspace::discover(&outside).unwrap();
    assert_eq!(plain.root(), outside.canonicalize().unwrap());
    assert!(!plain.is_git());
    assert_eq!(plain.branch(), None);
}

#[test]
fn the_branch_before_and_after_the_first_commit_and_without_one() {
    let home = tempfile::tempdir().unwrap();
    let mut options = git2::RepositoryInitOptions::new();
    options.initial_head("topic/x");
    let repository = git2::Repository::init_opts(home.path(), &options).unwrap();
    let workspace = Workspace::open(home.path()).unwrap();
    assert_eq!(workspace.branch().as_deref(), Some("topic/x"));
    let by = git2::Signature::now("a", "a@b").unwrap();
    let tree = repository
        .find_tree(repository.treebuilder(None).unwrap().write().unwrap())
        .unwrap();
    let commit = repository
        .commit(Some("HEAD"), &by, &by, "m", &tree, &[])
        .unwrap();
    assert_eq!(workspace.branch().as_deref(), Some("topic/x"));
    repository.set_head_detached(commit).unwrap();
    assert_eq!(
        workspace.branch(),
        commit.to_string().get(..7).map(str::to_owned)
    );
}

#[test]
fn read_stage_replace_create_remove() {
    let (home, workspace) = folder();
    let root = home.path().join("root");
    assert!(matches!(
        workspace.read(&path("a")),
        Err(WorkspaceError::NotFound { .. })
    ));
    assert!(matches!(
        workspace.read(&path("x/a")),
        Err(WorkspaceError::NotFound { .. })
    ));
    assert_eq!(workspace.metadata(&path("x/a")).unwrap(), None);

    let new = WriteMode::New { executable: false };
    workspace
        .stage(&path("a"), b"one", new, "t")
        .unwrap()
        .create()
        .unwrap();
    assert_eq!(workspace.read(&path("a")).unwrap().bytes, b"one");
    let late = workspace.stage(&path("a"), b"two", new, "t").unwrap();
    assert!(matches!(late.create(), Err(WorkspaceError::Exists { .. })));
    assert_eq!(workspace.read(&path("a")).unwrap().bytes, b"one");
    workspace
        .stage(&path("a"), b"two", WriteMode::Exact(0o600), "t")
        .unwrap()
        .replace()
        .unwrap();
    assert_eq!(workspace.read(&path("a")).unwrap().bytes, b"two");
    #[cfg(unix)]
    assert_eq!(workspace.read(&path("a")).unwrap().mode, 0o600);
    assert!(matches!(
        workspace.read_up_to(&path("a"), 2),
        Err(WorkspaceError::TooLarge {
            len: 3,
            limit: 2,
            ..
        })
    ));
    workspace
        .stage(&path("a"), b"three", new, "t")
        .unwrap()
        .discard();
    workspace.remove(&path("a")).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn missing_parents_are_named_created_and_removed() {
    let (home, workspace) = folder();
    fs::create_dir(home.path().join("root/x")).unwrap();
    let missing = workspace.missing_parents(&path("x/y/z/f")).unwrap();
    assert_eq!(missing, [path("x/y"), path("x/y/z")]);
    for folder in &missing {
        assert!(workspace.create_folder(folder).unwrap());
        assert!(!workspace.create_folder(folder).unwrap());
    }
    assert!(
        workspace
            .missing_parents(&path("x/y/z/f"))
            .unwrap()
            .is_empty()
    );
    assert!(
        !workspace.remove_empty_folder(&path("x/y")).unwrap(),
        "not empty"
    );
    assert!(workspace.remove_empty_folder(&path("x/y/z")).unwrap());
    assert!(
        !workspace.remove_empty_folder(&path("x/y/z")).unwrap(),
        "gone"
    );
    assert!(workspace.missing_parents(&path("f")).unwrap().is_empty());
}

#[test]
fn names_that_differ_only_in_case_are_found() {
    let (home, workspace) = folder();
    fs::create_dir_all(home.path().join("root/Src")).unwrap();
    fs::write(home.path().join("root/Src/Main.rs"), "").unwrap();
    assert_eq!(workspace.case_twin(&path("Src/Main.rs")).unwrap(), None);
    assert_eq!(
        workspace
            .case_twin(&path("Src/main.rs"))
            .unwrap()
            .as_deref(),
        Some("Src/Main.rs")
    );
    assert_eq!(
        workspace
            .case_twin(&path("src/main.rs"))
            .unwrap()
            .as_deref(),
        Some("Src")
    );
    assert_eq!(workspace.case_twin(&path("Src/new/file.rs")).unwrap(), None);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    /// Every way in: reading, looking, staging, removing.
    fn refused(workspace: &Workspace, name: &str) -> Vec<String> {
        let path = path(name);
        let new = WriteMode::New { executable: false };
        let errors = [
            workspace.read(&path).map(drop).unwrap_err(),
            workspace.metadata(&path).map(drop).unwrap_err(),
            workspace.remove(&path).unwrap_err(),
        ];
        // Staging only needs the parent; a link in the file's own place is replaced, not followed.
        if let Ok(staged) = workspace.stage(&path, b"mine", new, "t") {
            staged.discard();
        }
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_is_read_or_written_through_a_link() {
        let (home, workspace) = folder();
        let root = home.path().join("root");
        let outside = home.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "s").unwrap();
        fs::create_dir(root.join("inner")).unwrap();
        fs::write(root.join("inner/file"), "f").unwrap();
        symlink(outside.join("secret"), root.join("leaf")).unwrap();
        symlink("inner/file", root.join("leaf-inside")).unwrap();
        symlink(&outside, root.join("parent")).unwrap();
        symlink("inner", root.join("parent-inside")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        fs::hard_link(outside.join("secret"), root.join("hard")).unwrap();
        let set_id = root.join("setuid");
        fs::write(&set_id, "x").unwrap();
        fs::set_permissions(&set_id, fs::Permissions::from_mode(0o4755)).unwrap();
        for (name, wanted) in [
            ("leaf", "symbolic link"),
            ("leaf-inside", "symbolic link"),
            ("parent/secret", "symbolic link"),
            ("parent/new", "symbolic link"),
            ("parent-inside/file", "symbolic link"),
            ("dangling", "symbolic link"),
            ("dangling/x", "symbolic link"),
            ("loop", "symbolic link"),
            ("loop/x", "symbolic link"),
            ("hard", "second name"),
            ("setuid", "owner's rights"),
            ("inner", "a folder"),
            ("inner/file/x", "is a file"),
        ] {
            for error in refused(&workspace, name) {
                assert!(error.contains(wanted), "{name}: {error}");
            }
        }
        for name in ["parent/new", "dangling/x", "parent-inside/new"] {
            let new = WriteMode::New { executable: false };
            assert!(workspace.stage(&path(name), b"x", new, "t").is_err());
            assert!(
                workspace
                    .create_folder(&path(&format!("{name}/d")))
                    .is_err()
            );
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read(outside.join("secret")).unwrap(), b"s");
        assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 2);
    }

    #[test]
    fn pipes_sockets_and_devices_are_refused_without_waiting() {
        let (home, workspace) = folder();
        let root = home.path().join("root");
        let status = std::process::Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let mut names = vec!["socket"];
        if status.is_ok_and(|status| status.success()) {
            names.push("pipe");
        }
        let device = std::process::Command::new("mknod")
            .arg(root.join("null"))
            .args(["c", "1", "3"])
            .output();
        if device.is_ok_and(|output| output.status.success()) {
            names.push("null");
        }
        for name in names {
            for error in refused(&workspace, name) {
                assert!(
                    error.contains("a device, pipe or socket"),
                    "{name}: {error}"
                );
            }
        }
    }

    #[test]
    fn other_repositories_are_refused_by_name() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        let mut options = git2::RepositoryInitOptions::new();
        let meta = root.join("meta");
        // A separate git directory inside the work tree: `.git` is a file that names it.
        options.no_dotgit_dir(true).workdir_path(&root);
        git2::Repository::init_opts(&meta, &options).unwrap();
        assert!(root.join(".git").is_file());
        git2::Repository::init(root.join("nested")).unwrap();
        git2::Repository::init_bare(root.join("bare.git")).unwrap();
        fs::create_dir(root.join("worktree")).unwrap();
        fs::write(root.join("worktree/.git"), "gitdir: /elsewhere\n").unwrap();
        fs::create_dir(root.join("module")).unwrap();
        let repository = git2::Repository::open(&root).unwrap();
        let mut index = repository.index().unwrap();
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o160_000,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: git2::Oid::from_str("0123456789012345678901234567890123456789").unwrap(),
            flags: 0,
            flags_extended: 0,
            path: b"module".to_vec(),
        };
        index.add(&entry).unwrap();
        index.write().unwrap();

        let workspace = Workspace::discover(&root).unwrap();
        for (name, wanted) in [
            ("meta/config", "meta is the repository's git directory"),
            (
                "meta/hooks/pre-commit",
                "meta is the repository's git directory",
            ),
            ("nested/file", "nested is a repository of its own"),
            ("nested/deep/file", "nested is a repository of its own"),
            ("bare.git/config", "bare.git is a repository of its own"),
            ("worktree/file", "worktree is a repository of its own"),
            ("module/file", "module is a submodule"),
            ("module", "module is a submodule"),
        ] {
            for error in refused(&workspace, name) {
                assert!(error.contains(wanted), "{name}: {error}");
            }
        }
    }

    /// S2: a folder that is swapped for a link to the outside while files below it are read and written.
    #[test]
    fn a_folder_swapped_for_a_link_lets_nothing_out() {
        let rounds = 10_000;
        let shared = Path::new("/dev/shm");
        let home = if shared.is_dir() {
            tempfile::tempdir_in(shared)
        } else {
            tempfile::tempdir()
        }
        .unwrap();
        let (root, outside) = (home.path().join("root"), home.path().join("outside"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "outside").unwrap();
        fs::write(root.join("real/file"), "inside").unwrap();
        symlink(&outside, root.join("link")).unwrap();
        let workspace = Workspace::open(&root).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        let swaps = std::sync::atomic::AtomicUsize::new(0);
        let (mut through, mut refused, mut staged_before_a_swap) = (0, 0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // `dir` is by turns the real folder, absent, and the link.
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = fs::rename(root.join("real"), root.join("dir"));
                    let _ = fs::rename(root.join("dir"), root.join("real"));
                    let _ = fs::rename(root.join("link"), root.join("dir"));
                    let _ = fs::rename(root.join("dir"), root.join("link"));
                    swaps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
            let swapped = || swaps.load(std::sync::atomic::Ordering::Relaxed);
            let file = path("dir/file");
            for round in 0..rounds {
                match workspace.read(&file) {
                    Ok(found) => {
                        assert_eq!(found.bytes, b"inside");
                        through += 1;
                    }
                    Err(_) => refused += 1,
                }
                let mode = WriteMode::Exact(0o644);
                let before = swapped();
                if let Ok(staged) = workspace.stage(&file, b"inside", mode, &round.to_string()) {
                    staged_before_a_swap += usize::from(swapped() > before);
                    let _ = staged.replace();
                }
                if let Ok(staged) =
                    workspace.stage(&path("dir/new"), b"new", mode, &round.to_string())
                {
                    let _ = staged.create();
                }
                let _ = workspace.metadata(&path("dir/new"));
                let _ = workspace.remove(&path("dir/new"));
                let _ = workspace.create_folder(&path("dir/folder"));
                let _ = workspace.remove_empty_folder(&path("dir/folder"));
                // In every round: what came through could be taken away again the same way.
                assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "round {round}");
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let names: Vec<_> = fs::read_dir(&outside)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"outside");
        assert!(
            through > 0 && refused > 0,
            "{through} read, {refused} refused: no race took place"
        );
        assert!(
            swaps.into_inner() > 1000 && staged_before_a_swap > 0,
            "the folder was not swapped in between"
        );
    }
}
