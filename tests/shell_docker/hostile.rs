//! What hostile code can do with the view, and what comes back of it.

use crate::bench::{Bench, lines};
use crate::both_ways;
use descant::sandbox::{CommandExit, ViewChoice};

both_ways!(git_is_not_writable, git);
async fn git(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    for command in [
        "echo x > .git/x",
        "mkdir -p .git/hooks",
        "echo x > .git/hooks/pre-commit",
        "rm -rf .git && echo gone",
        "mv .git g",
        "rmdir .git",
        "ln -sfn /tmp .git",
    ] {
        let result = bench.run(command).await;
        assert_ne!(
            result.exit,
            CommandExit::Code(0),
            "{command}: {}",
            result.output
        );
    }
    // Deeper it can be made, and stays there.
    let changes = bench.changed("mkdir -p src/.git/hooks; echo x > src/.git/hooks/post-checkout; echo x > src/.GIT; echo n > src/n").await;
    assert_eq!(lines(&changes.plan), ["A src/n"]);
    bench.accept(changes).await;
    assert!(!bench.path("src/.git").exists());
    let hooks: Vec<_> = std::fs::read_dir(bench.path(".git/hooks"))
        .unwrap()
        .collect();
    assert_eq!(hooks.len(), 1);
    bench.stop().await;
}

both_ways!(links_devices_and_strange_names_are_not_taken_over, strange);
async fn strange(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    let command = r#"
        ln -s /etc/passwd out; ln -s ../../.. up; ln -sf /etc/shadow a.txt; rm -r src; ln -s /etc src
        mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
        rm b.txt; mkfifo b.txt
        printf x > $'bad\xff'; printf x > $'new\nline'; printf x > $'bidi\u202e'; printf x > 'back\slash'; printf x > .gitmodules
        mkdir -p 'a b/..x'; printf x > 'a b/..x/fine'
        printf '#!/bin/sh\n' > setuid; chmod 6755 setuid
        ln run.sh hard
        mknod dev c 1 3 || true; mknod white c 0 0 || true
    "#;
    let changes = bench.changed(command).await;
    assert_eq!(
        lines(&changes.plan),
        ["A a b/..x/fine", "A hard", "A setuid"]
    );
    for (path, kept) in [
        ("out", true),
        ("up", true),
        ("a.txt", false),
        ("src", false),
        ("pipe", true),
        ("sock", true),
        ("b.txt", false),
        ("back\\slash", true),
        (".gitmodules", true),
    ] {
        let left = changes.left.iter().find(|left| left.path == path);
        let left = left.unwrap_or_else(|| panic!("{path} in {:?}", changes.left));
        assert_eq!(left.kept, kept, "{left:?}");
    }
    assert!(
        changes
            .left
            .iter()
            .all(|left| !left.path.contains(['\n', '\u{202e}', '\u{1b}'])),
        "{:?}",
        changes.left
    );
    bench.accept(changes).await;
    assert_eq!(bench.text("a.txt"), "one\ntwo\nthree\n");
    assert!(bench.path("src").symlink_metadata().unwrap().is_dir());
    use std::os::unix::fs::PermissionsExt;
    let mode = bench
        .path("setuid")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777 & 0o6000, 0);
    // The view is the work tree again, but for what is only its own.
    assert_eq!(
        bench.ok("cat a.txt b.txt src/lib.rs src/deep/c.txt").await,
        "one\ntwo\nthree\nb\npub fn f() {}\nc\n"
    );
    bench.stop().await;
}

both_ways!(a_folder_for_a_file_and_back_is_set_back, swapped);
async fn swapped(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    let changes = bench
        .changed(
            "rm a.txt; mkdir -p a.txt/x; echo y > a.txt/x/y; rm -r src/deep; echo f > src/deep",
        )
        .await;
    let proposed = lines(&changes.plan);
    assert!(
        !proposed.iter().any(|line| line.contains("a.txt")),
        "{proposed:?}"
    );
    bench.reject(changes).await;
    assert_eq!(
        bench.ok("cat a.txt src/deep/c.txt").await,
        "one\ntwo\nthree\nc\n"
    );
    bench.stop().await;
}

both_ways!(files_that_change_under_the_reader_and_sparse_ones, moving);
async fn moving(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    let changes = bench.changed("truncate -s 1T sparse; chmod 000 b.txt; mkdir closed; echo x > closed/x; chmod 000 closed; touch -d '2400-01-01' a.txt; touch -d '1900-01-01' run.sh").await;
    assert_eq!(lines(&changes.plan), ["A closed/x"], "{:?}", changes.left);
    assert!(changes.left.iter().any(|left| left.path == "sparse"));
    bench.reject(changes).await;
    assert_eq!(bench.ok("cat b.txt a.txt").await, "b\none\ntwo\nthree\n");
    bench.stop().await;
}

#[tokio::test]
async fn the_filter_of_system_calls_holds_for_commands_too() {
    let Some(bench) = Bench::start(ViewChoice::Auto).await else {
        return;
    };
    // io_uring_setup, whose number is the same everywhere.
    let code = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.syscall(425, 1, 0), ctypes.get_errno())";
    assert_eq!(bench.ok(&format!("python3 -c '{code}'")).await, "-1 1\n");
    let status = "grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status | tr -d '\\t'";
    assert_eq!(
        bench.ok(status).await,
        "CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n"
    );
    bench.stop().await;
}
