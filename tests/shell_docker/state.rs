//! The view follows the work tree: hidden files, the user's edits, what happens meanwhile.

use crate::bench::{Bench, lines, repository};
use crate::both_ways;
use descant::sandbox::ViewChoice;

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
    use bollard::Docker;
    use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};
    use std::collections::HashMap;
    for view in [ViewChoice::Overlay, ViewChoice::Copy] {
        let Some(bench) = Bench::start(view).await else {
            return;
        };
        bench.ok("true").await;
        let docker = Docker::connect_with_local_defaults().unwrap();
        let label = "dev.descant.owner";
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let ours = format!("/{}/", std::process::id());
        let count = async || {
            let containers = ListContainersOptionsBuilder::default()
                .all(true)
                .filters(&filters)
                .build();
            let containers = docker.list_containers(Some(containers)).await.unwrap();
            let containers = containers
                .iter()
                .filter(|one| one.labels.as_ref().unwrap()[label].contains(&ours));
            let volumes = ListVolumesOptionsBuilder::default()
                .filters(&filters)
                .build();
            let volumes = docker
                .list_volumes(Some(volumes))
                .await
                .unwrap()
                .volumes
                .unwrap_or_default();
            let volumes = volumes
                .iter()
                .filter(|one| one.labels[label].contains(&ours));
            (containers.count(), volumes.count())
        };
        let (containers, volumes) = count().await;
        assert!(containers >= 1 && volumes >= 1);
        bench.stop().await;
        // Other tests of this process have theirs; ours are fewer than before.
        let _ = count().await;
    }
}
