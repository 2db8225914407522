//! Which way the work tree comes into the container, by what the engine makes of an overlay.

use std::sync::Arc;

use descant::sandbox::{SandboxConfig, ViewChoice};
use descant::tools::workbench::Workbench;
use descant::workspace::Workspace;

use crate::engine::{Behaviour, CONTENT, Engine, Overlay, WELL, run};

async fn start(engine: &Engine, view: ViewChoice) -> Workbench {
    let root = engine.folder.path().join("repository");
    std::fs::write(root.join("hello.txt"), CONTENT).unwrap();
    // An overlay is for files of the container's user, who is never root.
    if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
    {
        std::os::unix::fs::chown(&root, Some(1000), Some(1000)).unwrap();
    }
    let workspace = Arc::new(Workspace::open(&root).unwrap());
    let config = SandboxConfig {
        view,
        ..engine.config()
    };
    Workbench::start(config, workspace, Vec::new())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_overlay_that_works_is_used_and_one_that_does_not_gives_way_to_a_copy() {
    for (overlay, way, why) in [
        (Overlay::Works, "overlay", None),
        (Overlay::NotMounted, "copy", Some("failed to mount")),
        (
            Overlay::ShowsOthers,
            "copy",
            Some("hello.txt could not be read"),
        ),
    ] {
        let engine = Engine::start(Behaviour { overlay, ..WELL });
        let bench = start(&engine, ViewChoice::Auto).await;
        let sandbox = bench.sandbox();
        assert_eq!(sandbox.view().map(|way| way.name()), Ok(way));
        match (sandbox.view_note(), why) {
            (None, None) => {}
            (Some(note), Some(why)) => assert!(note.contains(why), "{note}"),
            other => panic!("{overlay:?}: {other:?}"),
        }
        assert_eq!(run(sandbox).await.unwrap().output, "before\n");
        sandbox.stop().await;
        // The containers that filled the volumes, those that were tried, and the last one.
        let containers = if way == "overlay" { 2 } else { 4 };
        assert_eq!(engine.asked("POST /containers/create"), containers);
        assert_eq!(
            engine.asked("DELETE /containers/"),
            containers,
            "{overlay:?}"
        );
        let volumes = if way == "overlay" { 3 } else { 4 };
        assert_eq!(engine.asked("POST /volumes/create"), volumes);
        assert_eq!(engine.asked("DELETE /volumes/"), volumes, "{overlay:?}");
    }
}

#[tokio::test]
async fn where_the_overlay_alone_was_asked_for_there_is_no_workspace_without_it() {
    let overlay = Overlay::NotMounted;
    let engine = Engine::start(Behaviour { overlay, ..WELL });
    let bench = start(&engine, ViewChoice::Overlay).await;
    let sandbox = bench.sandbox();
    assert!(sandbox.view().unwrap_err().contains("failed to mount"));
    assert!(
        sandbox
            .description()
            .ends_with("no /workspace, no memory limit")
    );
    assert_eq!(run(sandbox).await.unwrap().output, "before\n");
}
