use super::*;

const TWO: [DemoFile; 2] = [
    DemoFile {
        name: "a",
        bytes: Cow::Borrowed(b"alpha"),
    },
    DemoFile {
        name: "b",
        bytes: Cow::Borrowed(b"beta"),
    },
];

#[test]
fn written_once_and_found_again() {
    let cache = tempfile::tempdir().unwrap();
    let nested = cache.path().join("not/there/yet");
    let folder = write_once(&nested, &TWO).unwrap();
    assert_eq!(std::fs::read(folder.join("b")).unwrap(), b"beta");
    let written = std::fs::metadata(folder.join("a"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(write_once(&nested, &TWO).unwrap(), folder);
    assert_eq!(
        std::fs::metadata(folder.join("a"))
            .unwrap()
            .modified()
            .unwrap(),
        written
    );
    assert_eq!(
        std::fs::read_dir(&nested).unwrap().count(),
        1,
        "no leftovers"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&nested).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

#[test]
fn a_damaged_copy_is_replaced() {
    let cache = tempfile::tempdir().unwrap();
    let folder = write_once(cache.path(), &TWO).unwrap();
    std::fs::write(folder.join("a"), b"alphX").unwrap();
    assert_eq!(write_once(cache.path(), &TWO).unwrap(), folder);
    assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"alpha");
    std::fs::remove_file(folder.join("b")).unwrap();
    write_once(cache.path(), &TWO).unwrap();
    assert!(is_whole(&folder, &TWO));
    assert_eq!(
        std::fs::read_dir(cache.path()).unwrap().count(),
        1,
        "no leftovers"
    );
}

#[test]
fn another_build_gets_another_folder() {
    let cache = tempfile::tempdir().unwrap();
    let other = [
        DemoFile {
            name: "a",
            bytes: Cow::Borrowed(b"alpha"),
        },
        DemoFile {
            name: "b",
            bytes: Cow::Borrowed(b"BETA"),
        },
    ];
    assert_ne!(
        write_once(cache.path(), &TWO).unwrap(),
        write_once(cache.path(), &other).unwrap()
    );
    // The same bytes cut elsewhere are other files.
    let cut = [
        DemoFile {
            name: "a",
            bytes: Cow::Borrowed(b"alphab"),
        },
        DemoFile {
            name: "b",
            bytes: Cow::Borrowed(b"eta"),
        },
    ];
    assert_ne!(hash(&TWO), hash(&cut));
}

#[test]
fn many_at_once_agree() {
    let cache = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| write_once(cache.path(), &TWO).unwrap()))
            .collect();
        let folders: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        assert!(
            folders
                .iter()
                .all(|f| *f == folders[0] && is_whole(f, &TWO))
        );
    });
    assert_eq!(
        std::fs::read_dir(cache.path()).unwrap().count(),
        1,
        "no leftovers"
    );
}

#[test]
fn the_embedded_checkpoint_is_whole_and_small() {
    let cache = tempfile::tempdir().unwrap();
    let folder = ensure(cache.path()).unwrap();
    let checkpoint = crate::engine::checkpoint::Checkpoint::open(&folder).unwrap();
    assert!(checkpoint.weight_bytes <= 8_000_000);
    assert!(checkpoint.config.max_position_embeddings.unwrap() >= CONTEXT_LENGTH);
    assert_eq!(fingerprint().len(), 16);
}
