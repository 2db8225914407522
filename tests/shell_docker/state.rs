//! The view follows the work tree: hidden files, the user's edits, what happens meanwhile.

use crate::bench::{Bench, lines, repository};
use crate::both_ways;
use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
use descant::sandbox::ViewChoice;
use descant::tools::python::Interpreter;
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

both_ways!(what_git_ignores_is_hidden, hidden);
async fn hidden(view: ViewChoice) {
    let Some(bench) = Bench::start(view).await else {
        return;
    };
    let all = bench
        .ok("find . -path ./.git -prune -o -type f -print | sort")
        .await;
    assert_eq!(
        all,
        "./.gitignore\n./a.txt\n./b.txt\n./run.sh\n./src/deep/c.txt\n./src/lib.rs\n"
    );
    // Nowhere else in the container either.
    let grep = "grep -rsl hunter2 / --exclude-dir=proc --exclude-dir=sys 2>/dev/null || true";
    assert_eq!(bench.ok(grep).await, "");
    let mount = bench
        .ok("ls -A .git; grep -c ' /workspace/.git ' /proc/mounts")
        .await;
    assert_eq!(mount, "1\n");
    bench.stop().await;
}

both_ways!(allowed_files_are_seen, allowed);
async fn allowed(view: ViewChoice) {
    let bench = Bench::with(view, repository(), &["/.env", "target/"], |_| {}).await;
    let Some(bench) = bench else { return };
    let seen = bench
        .ok("cat .env target/out.o; ls src/.env 2>/dev/null || true")
        .await;
    assert_eq!(seen, "SECRET=hunter2\nartefact\n");
    bench.stop().await;
}

both_ways!(the_users_edits_are_seen_by_the_next_command, edits);
async fn edits(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    // Known to the container before they change: that is where a stale view would show.
    bench
        .ok("cat a.txt b.txt src/lib.rs src/deep/c.txt; ls -R; ls later.txt 2>/dev/null || true")
        .await;
    bench.edit("a.txt", "edited\n");
    std::fs::write(bench.path("b.txt"), "in place\n").unwrap();
    bench.edit("later.txt", "later\n");
    bench.edit("fresh/x/y.txt", "y\n");
    std::fs::remove_file(bench.path("src/lib.rs")).unwrap();
    std::fs::remove_dir_all(bench.path("src/deep")).unwrap();
    let seen = bench
        .ok("cat a.txt b.txt later.txt fresh/x/y.txt; ls src; ls")
        .await;
    assert_eq!(
        seen,
        "edited\nin place\nlater\ny\na.txt\nb.txt\nfresh\nlater.txt\nrun.sh\nsrc\n"
    );
    // Back again, then changed by a command, then by the user once more.
    bench.edit("src/lib.rs", "back\n");
    let changes = bench
        .changed("cat src/lib.rs; echo c >> src/lib.rs; echo c >> a.txt")
        .await;
    assert_eq!(lines(&changes.plan), ["M a.txt", "M src/lib.rs"]);
    bench.accept(changes).await;
    bench.edit("a.txt", "once more\n");
    assert_eq!(
        bench.ok("cat a.txt src/lib.rs").await,
        "once more\nback\nc\n"
    );
    // A link, and a mode.
    std::os::unix::fs::symlink("a.txt", bench.path("link")).unwrap();
    crate::bench::give_away(&bench.path(""));
    assert_eq!(bench.ok("cat link").await, "once more\n");
    bench.stop().await;
}

both_ways!(secrets_that_come_later_are_hidden_too, later);
async fn later(view: ViewChoice) {
    let Some(bench) = Bench::start(view).await else {
        return;
    };
    bench.ok("ls -A").await;
    bench.edit("src/deep/.env", "SECRET=later\n");
    bench.edit("target/more.o", "more\n");
    bench.edit("fresh.log", "log\n");
    let seen = bench
        .ok("ls -A . src/deep; cat src/deep/.env fresh.log 2>&1 | wc -l")
        .await;
    assert!(
        !seen.contains(".env") && !seen.contains("fresh.log"),
        "{seen}"
    );
    // A rule of the user's own hides what was seen.
    bench.edit(".gitignore", ".env\ntarget/\n*.log\nb.txt\n");
    assert_eq!(
        bench.ok("ls b.txt 2>/dev/null || echo hidden").await,
        "hidden\n"
    );
    bench.edit(".gitignore", ".env\ntarget/\n*.log\n");
    assert_eq!(bench.ok("cat b.txt").await, "b\n");
    bench.stop().await;
}

both_ways!(an_edit_while_a_command_runs_wins, meanwhile);
async fn meanwhile(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    bench
        .run("echo command >> a.txt; echo command >> b.txt")
        .await;
    bench.edit("a.txt", "the user's\n");
    let changes = bench.changes().await;
    assert_eq!(lines(&changes.plan), ["M b.txt"]);
    assert_eq!(changes.left[0].path, "a.txt");
    assert!(
        changes.left[0].why.contains("while the command ran"),
        "{:?}",
        changes.left
    );
    bench.accept(changes).await;
    assert_eq!(
        bench.ok("cat a.txt b.txt").await,
        "the user's\nb\ncommand\n"
    );
    assert_eq!(bench.text("a.txt"), "the user's\n");
    bench.stop().await;
}

#[tokio::test]
async fn nothing_of_ours_is_left_when_it_stops() {
    for view in [ViewChoice::Overlay, ViewChoice::Copy] {
        let Some(bench) = Bench::start(view).await else {
            return;
        };
        bench.ok("true").await;
        let docker = Docker::connect_with_defaults().unwrap();
        let session = bench.bench.sandbox().report().session.clone();
        let (containers, volumes) = of_session(&docker, &session).await;
        assert!(containers == 1 && volumes >= 1, "{containers}, {volumes}");
        bench.stop().await;
        assert_eq!(of_session(&docker, &session).await, (0, 0), "{view:?}");
    }
}

/// How many containers and volumes a session has.
async fn of_session(docker: &Docker, session: &str) -> (usize, usize) {
    let label = format!("dev.descant.session={session}");
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let containers = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let containers = docker.list_containers(Some(containers)).await.unwrap();
    let all = ListVolumesOptionsBuilder::default().build();
    let volumes = docker.list_volumes(Some(all)).await.unwrap().volumes;
    let volumes = volumes.unwrap_or_default();
    let ours = volumes.iter().filter(|one| one.name.contains(session));
    (containers.len(), ours.count())
}

/// The repository itself, read-only: what is hidden elsewhere is covered here.
#[tokio::test]
async fn a_read_only_view_shows_nothing_that_is_ignored_and_has_no_shell() {
    let started = Bench::with(ViewChoice::ReadOnly, repository(), &["src/.env"], |_| {}).await;
    let Some(bench) = started else { return };
    assert!(bench.bench.shell().is_none());
    let code = "import os\nfor place, folders, files in sorted(os.walk('/workspace')):\n    print(place, sorted(folders), sorted(files))\n\
        print([len(open('/workspace/' + name, 'rb').read()) for name in ('.env', 'src/.env', 'a.txt')])\n\
        for name in ('a.txt', '.env', '.git/x', 'new'):\n    try: open('/workspace/' + name, 'w').write('x')\n    except OSError as error: print(name, error.strerror)";
    let sandbox = bench.bench.sandbox();
    let never = CancellationToken::new();
    let result = sandbox.run_python(code, |_| {}, &never).await.unwrap();
    assert_eq!(
        result.output,
        "/workspace ['.git', 'src', 'target'] ['.env', '.gitignore', 'a.txt', 'b.txt', 'run.sh']\n\
         /workspace/.git [] []\n/workspace/src ['deep'] ['.env', 'lib.rs']\n/workspace/src/deep [] ['c.txt']\n/workspace/target [] []\n\
         [0, 14, 14]\n\
         a.txt Read-only file system\n.git/x Read-only file system\nnew Read-only file system\n"
    );
    // What was written to the cover went nowhere.
    assert_eq!(bench.text(".env"), "SECRET=hunter2\n");
    bench.stop().await;
}
