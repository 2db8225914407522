//! Downloads that come to their end, and what other tools find then.

use crate::stand_in::{COMMIT, REPO, StandIn};
use crate::{Rig, WEIGHTS, files, names, run};
use descant::hub::cache::{RepoFolder, repos};
use descant::hub::remove::Removal;
use descant::hub::verify::{Verdict, folder, mark};
use descant::hub::{HubError, HubSettings, Pull, RepoRef};
use std::path::Path;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn what_is_needed_lands_in_the_layout_of_hugging_face() {
    let rig = Rig::new();
    let pull = rig.pull();
    let plan = pull.plan().await.unwrap();
    let needed = files()
        .iter()
        .filter(|(name, _)| {
            plan.files
                .iter()
                .any(|f| f.name == *name && *name != "generation_config.json")
        })
        .map(|(_, b)| b.len() as u64)
        .sum();
    assert_eq!((plan.files.len(), plan.total, plan.present), (6, needed, 0));
    assert_eq!(
        plan.files.last().unwrap().name,
        "config.json",
        "what says that it is whole comes last"
    );
    let words = plan.in_words();
    assert!(
        words.contains("someone/tiny at main (0123456789ab): 6 files, 21.1 MB")
            && words.contains("free there"),
        "{words}"
    );

    let done = run(&pull, &plan).await.unwrap();
    rig.check(&done);
    assert_eq!(done, rig.repo().join("snapshots").join(COMMIT));
    assert_eq!(
        std::fs::read_to_string(rig.repo().join("refs/main")).unwrap(),
        COMMIT
    );
    for file in &plan.files {
        let link = std::fs::read_link(done.join(&file.name)).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(file.hash.hex()));
    }
    assert_eq!(names(&rig.repo().join("blobs")).len(), 5);
    // Ranges came beside each other, and each byte once.
    let asked: Vec<u64> = rig
        .hub
        .asked()
        .iter()
        .filter(|a| a.cdn && a.path.contains("00001-of"))
        .map(|a| {
            let (from, to) = a
                .range
                .as_deref()
                .unwrap()
                .strip_prefix("bytes=")
                .unwrap()
                .split_once('-')
                .unwrap();
            to.parse::<u64>().unwrap() - from.parse::<u64>().unwrap() + 1
        })
        .collect();
    assert_eq!(asked.iter().sum::<u64>(), WEIGHTS as u64);
    assert!(asked.len() >= 4, "{asked:?}");

    rig.hub.forget_asked();
    let again = pull.plan().await.unwrap();
    assert_eq!(
        (again.missing(), run(&pull, &again).await.unwrap()),
        (0, done)
    );
    assert_eq!(rig.hub.content_requests(), 0, "nothing is fetched twice");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_alone() {
    let rig = Rig::new();
    rig.run().await.unwrap();
    let asked = rig.hub.asked();
    assert!(asked.iter().any(|a| a.cdn) && asked.iter().any(|a| !a.cdn));
    for request in asked {
        let token = request.authorization.as_deref();
        assert_eq!(
            token,
            (!request.cdn).then_some("Bearer hf_secret"),
            "{}",
            request.path
        );
    }
}

#[tokio::test]
async fn a_revision_has_a_ref_of_its_own() {
    let rig = Rig::new();
    let repo = RepoRef::parse("someone/tiny@refs/pr/1").unwrap();
    let pull = Pull::new(&rig.settings(), repo).unwrap();
    let plan = pull.plan().await.unwrap();
    run(&pull, &plan).await.unwrap();
    let folder = repos(&rig.cache()).remove(0);
    assert_eq!(folder.snapshots()[0].refs, ["refs/pr/1"]);
    assert!(!rig.repo().join("refs/main").exists());
}

#[tokio::test]
async fn what_other_tools_downloaded_is_used() {
    let rig = Rig::new();
    rig.run().await.unwrap();
    // As another tool leaves it: the blobs alone, without our links.
    std::fs::remove_dir_all(rig.repo().join("snapshots")).unwrap();
    rig.hub.forget_asked();
    let done = rig.run().await.unwrap();
    rig.check(&done);
    assert_eq!(rig.hub.content_requests(), 0);
}

#[tokio::test]
async fn verify_names_the_bad_file_and_the_next_download_replaces_it_alone() {
    let rig = Rig::new();
    let done = rig.run().await.unwrap();
    let cancel = CancellationToken::new();
    let good = folder(&done, &cancel, |_, _| {}).unwrap();
    assert!(
        good.len() == 6 && good.iter().all(|f| f.verdict == Verdict::Good),
        "{good:?}"
    );

    let name = "model-00002-of-00002.safetensors";
    let blob = std::fs::canonicalize(done.join(name)).unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let checked = folder(&done, &cancel, |_, _| {}).unwrap();
    let bad: Vec<&str> = checked
        .iter()
        .filter(|f| matches!(f.verdict, Verdict::Bad { .. }))
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(bad, [name]);

    mark(&repos(&rig.cache())[0], &done, &checked).unwrap();
    rig.hub.forget_asked();
    let done = rig.run().await.unwrap();
    rig.check(&done);
    assert_eq!(rig.hub.content_requests(), 1);
}

#[tokio::test]
async fn removing_takes_what_is_the_models_and_nothing_else() {
    let rig = Rig::new();
    let done = rig.run().await.unwrap();
    let repo = RepoFolder::new(&rig.cache(), &RepoRef::parse(REPO).unwrap());
    assert_eq!(Removal::plan(&repo, Some("no-such")), None);

    // A second revision shares all but one file; somebody's notes; a link out of the cache; another model that uses a blob.
    let other = rig
        .repo()
        .join("snapshots/fedcba9876543210fedcba9876543210fedcba98");
    std::fs::create_dir(&other).unwrap();
    for name in ["config.json", "model-00002-of-00002.safetensors"] {
        std::os::unix::fs::symlink(
            std::fs::read_link(done.join(name)).unwrap(),
            other.join(name),
        )
        .unwrap();
    }
    let precious = rig.dir.path().join("precious.txt");
    std::fs::write(&precious, "keep").unwrap();
    std::os::unix::fs::symlink(&precious, done.join("evil.json")).unwrap();
    let neighbour = rig.cache().join("models--a--b/snapshots/abcabc");
    std::fs::create_dir_all(&neighbour).unwrap();
    let borrowed = std::fs::canonicalize(done.join("tokenizer.json")).unwrap();
    std::os::unix::fs::symlink(&borrowed, neighbour.join("tokenizer.json")).unwrap();

    let one = Removal::plan(&repo, Some("main")).unwrap();
    assert_eq!(
        (one.commits().collect::<Vec<_>>(), one.shared),
        (vec![COMMIT], 3)
    );
    one.run().unwrap();
    assert!(
        other.join("config.json").exists()
            && other.join("model-00002-of-00002.safetensors").exists()
    );
    assert!(neighbour.join("tokenizer.json").exists() && precious.exists());
    assert_eq!(names(&rig.repo().join("blobs")).len(), 3);

    std::fs::write(rig.repo().join("notes.txt"), "mine").unwrap();
    let all = Removal::plan(&repo, None).unwrap();
    assert_eq!(all.shared, 1);
    let left = all.run().unwrap().left;
    assert!(neighbour.join("tokenizer.json").exists() && precious.exists());
    let left: Vec<&Path> = left
        .iter()
        .map(|p| p.strip_prefix(rig.repo()).unwrap())
        .collect();
    assert!(left.contains(&Path::new("notes.txt")), "{left:?}");
    assert!(!other.exists() && !rig.repo().join("refs").exists());
}

#[tokio::test]
async fn a_model_folder_that_is_a_link_is_not_removed_through() {
    let rig = Rig::new();
    let elsewhere = rig.dir.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("blobs")).unwrap();
    std::fs::create_dir_all(rig.cache()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, rig.repo()).unwrap();
    let repo = RepoFolder::new(&rig.cache(), &RepoRef::parse(REPO).unwrap());
    assert_eq!(Removal::plan(&repo, None), None);

    // The same for a folder in it.
    std::fs::remove_file(rig.repo()).unwrap();
    std::fs::create_dir(rig.repo()).unwrap();
    let blob = elsewhere.join("blobs").join("a".repeat(64));
    std::fs::write(&blob, "somebody else's").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("blobs"), rig.repo().join("blobs")).unwrap();
    let removal = Removal::plan(&repo, None).unwrap();
    assert_eq!((removal.bytes, removal.shared), (0, 0));
    removal.run().unwrap();
    assert!(blob.exists());
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for endpoint in ["huggingface.co", "ftp://x", "http://", "file:///etc"] {
        let settings = HubSettings {
            endpoint: endpoint.into(),
            token: None,
            cache: dir.path().into(),
        };
        let error = Pull::new(&settings, RepoRef::parse(REPO).unwrap()).unwrap_err();
        assert!(
            matches!(error, HubError::Endpoint(_)),
            "{endpoint}: {error}"
        );
    }
    let _ = StandIn::start(&[]);
}
