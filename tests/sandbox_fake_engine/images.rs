//! The image: pulled, imported, pinned.

use std::path::{Path, PathBuf};
use std::time::Duration;

use descant::sandbox::{CellExit, Image, ImageWish, PinFile, Sandbox, SandboxConfig, SandboxError};
use tokio_util::sync::CancellationToken;

use crate::engine::{Behaviour, Engine, FAULTS, Fault, Step, WELL, run, start_error};

fn wishing(engine: &Engine, wish: ImageWish) -> SandboxConfig {
    SandboxConfig {
        wish,
        pins: Some(PinFile {
            path: engine.folder.path().join("state/images.json"),
            today: "2026-11-21".to_owned(),
        }),
        ..engine.config()
    }
}

async fn image(config: SandboxConfig) -> Image {
    let sandbox = Sandbox::start(config).await.unwrap();
    let image = sandbox.report().image.clone();
    sandbox.stop().await;
    image
}

#[tokio::test]
async fn a_missing_image_is_pulled_only_where_that_is_asked_for() {
    let engine = Engine::start(Behaviour {
        image: false,
        ..WELL
    });
    match start_error(wishing(&engine, ImageWish::Local)).await {
        SandboxError::NoImage { image, hint } => {
            assert_eq!(image, "python:3.13-slim");
            assert!(hint.contains("docker pull python:3.13-slim") && hint.contains("--pull"));
        }
        other => panic!("{other}"),
    }
    assert_eq!(engine.asked("/images/create"), 0);
    let mut lines = Vec::new();
    let sandbox = Sandbox::start_with_progress(
        wishing(&engine, ImageWish::Pull),
        |progress| lines.push(progress.to_string()),
        &CancellationToken::new(),
    )
    .await
    .unwrap();
    assert_eq!(run(&sandbox).await.unwrap().exit, CellExit::Ok);
    assert_eq!(
        engine.asked("POST /images/create?fromImage=python%3A3.13-slim"),
        1
    );
    // Reports in between may be left out when they come fast; these change more than bytes.
    for line in [
        "pulling python:3.13-slim",
        "pulling python:3.13-slim: 1 of 2 layers",
        "unpacking python:3.13-slim: 1 of 2 layers, 40/40 MB (100%)",
        "pulling python:3.13-slim: 2 of 2 layers, 40/40 MB (100%)",
    ] {
        assert!(lines.iter().any(|said| said == line), "{line}: {lines:#?}");
    }
    let image = &sandbox.report().image;
    assert_eq!(
        image.digest.as_deref(),
        Some("python@sha256:4444444444444444")
    );
    assert_eq!(image.pinned.as_deref(), Some("2026-11-21"));
}

#[tokio::test]
async fn a_pull_that_fails_says_why() {
    for fault in FAULTS {
        if matches!(fault, Fault::Hang | Fault::SlowDrip) {
            continue; // A pull may take its time: two minutes of silence.
        }
        let engine = Engine::start(Behaviour {
            image: false,
            fault: Some((Step::Pull, fault)),
            ..WELL
        });
        let error = start_error(wishing(&engine, ImageWish::Pull)).await;
        assert!(
            matches!(
                error,
                SandboxError::Engine {
                    doing: "pulling the image",
                    ..
                } | SandboxError::NoImage { .. }
            ),
            "{fault:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_pull_can_be_cancelled() {
    for fault in [Fault::Hang, Fault::SlowDrip] {
        let engine = Engine::start(Behaviour {
            image: false,
            fault: Some((Step::Pull, fault)),
            ..WELL
        });
        let cancel = CancellationToken::new();
        let soon = async {
            while engine.asked("/images/create") == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            cancel.cancel();
        };
        let pulled =
            Sandbox::start_with_progress(wishing(&engine, ImageWish::Pull), |_| {}, &cancel);
        match tokio::join!(pulled, soon).0.map(|_| ()) {
            Err(SandboxError::Cancelled { image }) => assert_eq!(image, "python:3.13-slim"),
            other => panic!("{other:?}"),
        }
        assert_eq!(engine.asked("/containers/create"), 0);
    }
}

#[tokio::test]
async fn the_image_of_the_first_use_is_used_until_the_user_says_otherwise() {
    let engine = Engine::start(WELL);
    let name = "python:3.13-slim".to_owned();
    let stands_for = |id: &str| {
        engine
            .images
            .lock()
            .unwrap()
            .insert(name.clone(), id.to_owned());
    };
    let first = image(wishing(&engine, ImageWish::Local)).await;
    assert_eq!((first.id.as_str(), first.moved), ("sha256:abc", None));
    assert_eq!(first.pinned.as_deref(), Some("2026-11-21"));
    // The tag is moved, the image is still here under its id.
    stands_for("sha256:def");
    engine
        .images
        .lock()
        .unwrap()
        .insert("old".into(), "sha256:abc".into());
    let later = SandboxConfig {
        pins: wishing(&engine, ImageWish::Local).pins.map(|file| PinFile {
            today: "2027-01-01".to_owned(),
            ..file
        }),
        ..engine.config()
    };
    let second = image(later.clone()).await;
    assert_eq!(
        (
            second.id.as_str(),
            second.moved.as_deref(),
            second.pinned.as_deref()
        ),
        ("sha256:abc", Some("sha256:def"), Some("2026-11-21"))
    );
    // It is removed: nothing is taken in its place without a word.
    engine.images.lock().unwrap().remove("old");
    let error = start_error(later.clone()).await;
    assert!(
        matches!(&error, SandboxError::ImageMoved { pinned, since, now, .. }
            if pinned == "sha256:abc" && since == "2026-11-21" && now == "sha256:def"),
        "{error}"
    );
    assert!(error.to_string().contains("--pin"));
    // The user's word, by accepting it or by pulling.
    let accepted = SandboxConfig {
        wish: ImageWish::Accept,
        ..later.clone()
    };
    let third = image(accepted).await;
    assert_eq!(
        (third.id.as_str(), third.pinned.as_deref()),
        ("sha256:def", Some("2027-01-01"))
    );
    assert_eq!(image(later.clone()).await.id, "sha256:def");
    let pulled = SandboxConfig {
        wish: ImageWish::Pull,
        ..later.clone()
    };
    assert_eq!(image(pulled).await.id, "sha256:3333333333333333");
    assert_eq!(image(later.clone()).await.id, "sha256:3333333333333333");
    // The name is gone, the image is not.
    let removed = engine.images.lock().unwrap().remove(&name).unwrap();
    engine.images.lock().unwrap().insert("old".into(), removed);
    assert_eq!(image(later.clone()).await.id, "sha256:3333333333333333");
    engine.images.lock().unwrap().clear();
    assert!(matches!(
        start_error(later).await,
        SandboxError::NoImage { .. }
    ));
}

/// A tar archive with one file of this name.
fn archive(folder: &Path, name: &str) -> PathBuf {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let path = folder.join(format!("{}.tar", name.replace('/', "-")));
    let mut bytes = header.to_vec();
    // More than one piece, so that its progress can be seen.
    bytes.resize(512 + (1 << 20), 0);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn an_image_is_imported_from_a_file_under_the_configured_name() {
    for (file, request, id) in [
        (
            "bin/python3",
            "POST /images/create?fromSrc=-",
            "sha256:1111111111111111",
        ),
        (
            "manifest.json",
            "POST /images/load",
            "sha256:2222222222222222",
        ),
    ] {
        let engine = Engine::start(Behaviour {
            image: false,
            ..WELL
        });
        let path = archive(engine.folder.path(), file);
        let mut last = None;
        let sandbox = Sandbox::start_with_progress(
            wishing(&engine, ImageWish::Import(path)),
            |progress| last = Some(progress),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
        assert_eq!(run(&sandbox).await.unwrap().exit, CellExit::Ok);
        assert_eq!(engine.asked(request), 1, "{file}");
        assert_eq!(sandbox.report().image.id, id);
        let size = 512 + (1 << 20);
        assert_eq!(last.unwrap().bytes, (size, size));
        sandbox.stop().await;
        // From now on it is there by its name.
        assert_eq!(image(wishing(&engine, ImageWish::Local)).await.id, id);
    }
}

#[tokio::test]
async fn a_file_that_is_no_image_is_refused_before_the_engine_is_asked() {
    let engine = Engine::start(WELL);
    let folder = engine.folder.path();
    std::fs::write(folder.join("text"), "not an archive").unwrap();
    for (path, why) in [
        (folder.join("absent.tar"), "No such file"),
        (folder.join("text"), "not a tar archive"),
        (folder.to_owned(), "not a file"),
    ] {
        let error = start_error(wishing(&engine, ImageWish::Import(path))).await;
        assert!(
            matches!(&error, SandboxError::ImageFile { reason, .. } if reason.contains(why)),
            "{error}"
        );
    }
    assert_eq!(engine.asked("POST /images"), 0);
    for holds in [&[][..], &["one:1", "two:2"]] {
        let engine = Engine::start(Behaviour { holds, ..WELL });
        let path = archive(engine.folder.path(), "manifest.json");
        let wish = wishing(&engine, ImageWish::Import(path));
        // Two names of one image are fine.
        match (start_error_or_id(wish).await, holds.len()) {
            (Err(SandboxError::ImageFile { reason, .. }), 0) => {
                assert!(reason.contains("named no image"), "{reason}");
            }
            (Ok(id), 2) => assert_eq!(id, "sha256:2222222222222222"),
            (other, _) => panic!("{other:?}"),
        }
    }
}

async fn start_error_or_id(config: SandboxConfig) -> Result<String, SandboxError> {
    let sandbox = Sandbox::start(config).await?;
    Ok(sandbox.report().image.id.clone())
}
