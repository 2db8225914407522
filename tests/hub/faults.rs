//! Everything that goes wrong on the way.

use crate::stand_in::{Fault, noise};
use crate::{Rig, WEIGHTS, names, patience, run};
use descant::hub::{HubError, HubSettings, Patience, Pull, RepoRef, Stage};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn what_breaks_off_comes_again() {
    for faults in [
        vec![
            Fault::Cut(0),
            Fault::Cut(100),
            Fault::Cut(3 << 20),
            Fault::Cut(5 << 20),
        ],
        vec![Fault::WrongRange, Fault::WrongRange],
        vec![
            Fault::Status(500, None),
            Fault::Status(502, None),
            Fault::Status(503, Some(0)),
            Fault::Status(408, None),
        ],
        vec![Fault::Status(429, Some(1)), Fault::Status(429, None)],
        // A signed address that ran out.
        vec![Fault::Status(403, None), Fault::Status(404, None)],
        vec![Fault::Shorter, Fault::Slow(200_000)],
    ] {
        let rig = Rig::new();
        rig.hub.faults(faults.clone());
        let done = rig
            .run()
            .await
            .unwrap_or_else(|e| panic!("{faults:?}: {e}"));
        rig.check(&done);
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_from_the_beginning() {
    let rig = Rig::new();
    rig.hub.always(Some(Fault::IgnoreRange));
    let done = rig.run().await.unwrap();
    rig.check(&done);

    // Also when it breaks off: what is there is passed over.
    let rig = Rig::new();
    rig.hub.faults([
        Fault::IgnoreRange,
        Fault::IgnoreRange,
        Fault::IgnoreRange,
        Fault::IgnoreRange,
    ]);
    rig.hub.faults([Fault::Cut(9 << 20), Fault::Cut(17 << 20)]);
    rig.hub.always(Some(Fault::IgnoreRange));
    let done = rig.run().await.unwrap();
    rig.check(&done);
}

#[tokio::test]
async fn a_server_that_always_fails_is_given_up_and_what_came_is_kept() {
    let rig = Rig::new();
    rig.hub.faults([Fault::Hold(0)]);
    rig.hub.release();
    rig.hub.always(Some(Fault::Status(503, None)));
    let error = rig.run().await.unwrap_err();
    assert!(
        matches!(error, HubError::Unreachable { .. }) && error.to_string().contains("503"),
        "{error}"
    );
    let plan = rig.pull().plan().await.unwrap();
    assert_eq!(plan.present, 4 << 20, "the one range that came");
    rig.hub.always(Some(Fault::WrongRange));
    let error = rig.run().await.unwrap_err().to_string();
    assert!(error.contains("were asked for and"), "{error}");
    rig.hub.always(None);
    rig.hub.forget_asked();
    rig.check(&rig.run().await.unwrap());
    let again = rig
        .hub
        .asked()
        .iter()
        .filter(|a| {
            a.range
                .as_deref()
                .is_some_and(|r| r.starts_with("bytes=0-"))
        })
        .count();
    assert_eq!(again, 0, "the range that was there is not fetched again");
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_the_users_to_take() {
    let rig = Rig::new();
    rig.hub.always(Some(Fault::Status(429, Some(3600))));
    let error = rig.run().await.unwrap_err();
    assert!(
        matches!(error, HubError::Busy { .. }) && error.to_string().contains("1:00:00"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_checksum_is_thrown_away_and_named() {
    let rig = Rig::new();
    let name = "model-00002-of-00002.safetensors";
    let pull = rig.pull();
    let plan = pull.plan().await.unwrap();
    rig.hub.change(name, noise(70_000, 99));
    let error = run(&pull, &plan).await.unwrap_err();
    let HubError::Checksum { file, want, have } = &error else {
        panic!("{error}")
    };
    assert_eq!(file, name);
    assert!(error.to_string().contains(want) && error.to_string().contains(have));
    let blobs = names(&rig.repo().join("blobs"));
    assert!(
        !blobs.iter().any(|blob| blob.starts_with(want)),
        "{blobs:?}"
    );
    assert!(
        !rig.repo().join("snapshots").exists(),
        "nothing is named before all is right"
    );

    let rig = Rig::new();
    rig.hub.faults([Fault::Corrupt]);
    assert!(matches!(rig.run().await, Err(HubError::Checksum { .. })));
    let rest = rig.pull().plan().await.unwrap();
    assert!(rest.missing() > 0);
    rig.check(&rig.run().await.unwrap());
}

#[tokio::test]
async fn chunks_that_the_disk_lost_come_again() {
    let rig = Rig::new();
    let pull = rig.pull();
    let plan = pull.plan().await.unwrap();
    // Stopped when all but the held range of the large file is there.
    rig.hub.faults([Fault::Hold(1000)]);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let seen = pull.run(
        &plan,
        move |p| {
            if p.done >= 4 * (4 << 20) {
                stop.cancel()
            }
        },
        &cancel,
    );
    assert_eq!(seen.await, Err(HubError::Cancelled));
    rig.hub.release();
    let blobs = rig.repo().join("blobs");
    let part = names(&blobs)
        .into_iter()
        .find(|n| n.ends_with(".descant-part"))
        .unwrap();
    // As after a power failure: recorded, and not there.
    let path = blobs.join(part);
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 100..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    rig.check(&rig.run().await.unwrap());
}

#[tokio::test]
async fn two_downloads_of_one_model_do_not_meet() {
    let rig = Arc::new(Rig::new());
    rig.hub.faults([Fault::Hold(10)]);
    let first = {
        let rig = rig.clone();
        tokio::spawn(async move { rig.run().await })
    };
    let hub = rig.hub.clone();
    tokio::task::spawn_blocking(move || hub.wait_held(1))
        .await
        .unwrap();
    let error = rig.run().await.unwrap_err();
    assert!(
        matches!(error, HubError::Locked { .. }) && error.to_string().contains("someone/tiny"),
        "{error}"
    );
    rig.hub.release();
    rig.check(&first.await.unwrap().unwrap());
    assert_eq!(
        rig.run().await.unwrap(),
        rig.repo().join("snapshots").join(crate::stand_in::COMMIT)
    );
}

#[tokio::test]
async fn a_stalled_connection_is_given_up_and_another_opened() {
    let rig = Rig::new();
    rig.hub.faults([Fault::Stall(100_000), Fault::Stall(0)]);
    let patience = Patience {
        stall: Duration::from_millis(700),
        tries: 40,
        ..patience()
    };
    let pull = Pull::with(
        &rig.settings(),
        RepoRef::parse(crate::stand_in::REPO).unwrap(),
        patience,
        4,
    )
    .unwrap();
    let plan = pull.plan().await.unwrap();
    rig.check(&run(&pull, &plan).await.unwrap());
}

#[tokio::test]
async fn progress_is_told_and_ends_at_everything() {
    let rig = Rig::new();
    rig.hub.always(Some(Fault::Slow(30_000)));
    let told = Arc::new(Mutex::new(Vec::new()));
    let (pull, keep) = (rig.pull(), told.clone());
    let plan = pull.plan().await.unwrap();
    pull.run(
        &plan,
        move |p| keep.lock().unwrap().push(p),
        &CancellationToken::new(),
    )
    .await
    .unwrap();
    let told = told.lock().unwrap();
    assert!(
        told.iter()
            .all(|p| p.done <= p.total && p.total == plan.total && p.files == 6)
    );
    assert!(
        told.iter()
            .any(|p| p.stage == Stage::Downloading && p.done > 0)
    );
    assert!(rig.hub.most_at_once() > 1, "ranges come beside each other");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let rig = Rig::new();
    for (status, code, with_token, words) in [
        (403, "GatedRepo", true, "accept its terms at"),
        (401, "GatedRepo", false, "then set HF_TOKEN"),
        (
            404,
            "RepoNotFound",
            true,
            "there is no someone/tiny on 127.0.0.1",
        ),
        (401, "RepoNotFound", false, "if it is private, set HF_TOKEN"),
        (404, "RevisionNotFound", true, "at revision main"),
        (401, "", false, "if it is private, set HF_TOKEN"),
        (403, "", true, "HF_TOKEN is valid"),
        (418, "", true, "418"),
    ] {
        let token = if with_token {
            rig.settings().token
        } else {
            None
        };
        let settings = HubSettings {
            token,
            ..rig.settings()
        };
        let pull = Pull::with(
            &settings,
            RepoRef::parse(crate::stand_in::REPO).unwrap(),
            patience(),
            2,
        )
        .unwrap();
        rig.hub.api_answers(status, code);
        let error = pull.plan().await.unwrap_err();
        assert!(
            error.to_string().contains(words),
            "{status} {code}: {error}"
        );
        assert!(
            error.is_unavailable() && !error.to_string().contains("hf_secret"),
            "{error}"
        );
    }
    rig.hub.api_answers(500, "");
    assert!(rig.pull().plan().await.is_ok(), "tried again");
}

#[tokio::test]
async fn nobody_listens() {
    let rig = Rig::new();
    let settings = HubSettings {
        endpoint: "http://127.0.0.1:1".into(),
        ..rig.settings()
    };
    let pull = Pull::with(
        &settings,
        RepoRef::parse(crate::stand_in::REPO).unwrap(),
        patience(),
        2,
    )
    .unwrap();
    let error = pull.plan().await.unwrap_err().to_string();
    assert!(
        error.contains("127.0.0.1:1 cannot be reached") && error.contains("HTTPS_PROXY"),
        "{error}"
    );
}

/// A disk of a few megabytes of its own, where the system lets us have one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &std::path::Path, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .output();
        mount
            .is_ok_and(|done| done.status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .output();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_before_and_in_the_middle() {
    let rig = Rig::new();
    let Some(_disk) = SmallDisk::mount(&rig.cache(), "16m") else {
        eprintln!("not run: no tmpfs may be mounted here");
        return;
    };
    let error = rig.run().await.unwrap_err();
    let HubError::DiskFull { need, free, .. } = error else {
        panic!("{error}")
    };
    assert!(need > WEIGHTS as u64 && free <= 16 << 20);
    assert_eq!(rig.hub.content_requests(), 0, "not a byte is asked for");
    drop(_disk);

    let Some(_disk) = SmallDisk::mount(&rig.cache(), "30m") else {
        return;
    };
    let pull = rig.pull();
    let plan = pull.plan().await.unwrap();
    // Somebody else fills it meanwhile.
    let rival = rig.cache().join("rival");
    rig.hub.faults([
        Fault::Hold(10),
        Fault::Hold(10),
        Fault::Hold(10),
        Fault::Hold(10),
    ]);
    let hub = rig.hub.clone();
    let fill = tokio::task::spawn_blocking(move || {
        hub.wait_held(4);
        std::fs::write(&rival, vec![1; 20 << 20]).unwrap();
        hub.release();
        rival
    });
    let error = run(&pull, &plan).await.unwrap_err();
    assert!(
        matches!(error, HubError::DiskFull { .. }) && error.to_string().contains("make room there"),
        "{error}"
    );
    std::fs::remove_file(fill.await.unwrap()).unwrap();
    rig.check(&rig.run().await.unwrap());
}
