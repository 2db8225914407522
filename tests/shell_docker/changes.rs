//! What commands change comes back as a plan; what is taken is on both sides, what is not is set back.

use crate::bench::{Bench, lines};
use crate::both_ways;
use descant::patch::{Decision, Decisions, Encoding};
use descant::sandbox::ViewChoice;

both_ways!(nothing_changed_is_nothing_to_review, nothing);
async fn nothing(view: ViewChoice) {
    let Some(bench) = Bench::start(view).await else {
        return;
    };
    bench.ok("ls -R; cat a.txt").await;
    // Touched, rewritten with the same bytes, made and removed again.
    bench
        .ok("touch a.txt; cp b.txt x; mv x b.txt; echo > n; rm n; mkdir d; rmdir d")
        .await;
    bench.stop().await;
}

both_ways!(every_kind_of_change_comes_back, kinds);
async fn kinds(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    let command = "sed -i s/two/TWO/ a.txt; rm b.txt; chmod +x src/lib.rs; mkdir -p new/er; echo n > new/er/f.txt; \
                   printf 'a\\0b' > bin.dat; : > empty; printf '#!/bin/sh\\n' > tool; chmod 755 tool";
    let changes = bench.changed(command).await;
    assert_eq!(
        lines(&changes.plan),
        [
            "M a.txt",
            "D b.txt",
            "A bin.dat",
            "A empty",
            "A new/er/f.txt",
            "M src/lib.rs 755",
            "A tool"
        ]
    );
    assert_eq!(changes.left, []);
    assert_eq!(changes.plan.files[2].encoding, Encoding::Binary);
    assert_eq!(
        bench.text("a.txt"),
        "one\ntwo\nthree\n",
        "nothing is written by itself"
    );
    assert!(bench.path("b.txt").exists() && !bench.path("tool").exists());
    bench.accept(changes).await;
    assert_eq!(bench.text("a.txt"), "one\nTWO\nthree\n");
    assert_eq!(std::fs::read(bench.path("bin.dat")).unwrap(), b"a\0b");
    assert!(!bench.path("b.txt").exists());
    for path in ["tool", "src/lib.rs"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = bench.path(path).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{path}");
    }
    // The same on both sides, and what follows is against the new state.
    assert_eq!(
        bench
            .ok("cat a.txt new/er/f.txt; ls b.txt 2>/dev/null || true")
            .await,
        "one\nTWO\nthree\nn\n"
    );
    let changes = bench.changed("printf 'a\\0c' > bin.dat; rm tool").await;
    assert_eq!(lines(&changes.plan), ["M bin.dat", "D tool"]);
    bench.accept(changes).await;
    assert_eq!(std::fs::read(bench.path("bin.dat")).unwrap(), b"a\0c");
    bench.ok("true").await;
    bench.stop().await;
}

both_ways!(what_is_declined_is_set_back, declined);
async fn declined(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    let command = "sed -i 's/one/1/; s/three/3/' a.txt; rm -r src; echo n > n.txt; chmod -x run.sh; mkdir d; echo x > d/x";
    let changes = bench.changed(command).await;
    assert_eq!(
        lines(&changes.plan),
        [
            "M a.txt",
            "A d/x",
            "A n.txt",
            "D src/deep/c.txt",
            "D src/lib.rs"
        ]
    );
    bench.reject(changes).await;
    assert_eq!(
        bench
            .ok("cat a.txt src/lib.rs src/deep/c.txt; ls n.txt d/x 2>/dev/null || true")
            .await,
        "one\ntwo\nthree\npub fn f() {}\nc\n"
    );
    // One hunk of two.
    let lots: String = (0..40).map(|n| format!("line {n}\n")).collect();
    bench.edit("long.txt", &lots);
    let changes = bench
        .changed("sed -i 's/^line 1$/first/; s/^line 38$/last/' long.txt")
        .await;
    let mut some = Decisions::default();
    some.hunks
        .insert(changes.plan.files[0].hunks[1].id, Decision::Accept);
    bench.decide(changes, &some).await;
    assert_eq!(bench.text("long.txt"), lots.replace("line 38\n", "last\n"));
    assert_eq!(
        bench.ok("grep -n -e first -e last long.txt").await,
        "39:last\n"
    );
    bench.stop().await;
}

both_ways!(artefacts_stay_in_the_sandbox, artefacts);
async fn artefacts(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    // Ignored by the user's rules, wherever they lie.
    bench.ok("mkdir -p target/debug; echo o > target/debug/o; echo l > build.log; mkdir sub; echo l > sub/x.log").await;
    assert_eq!(
        bench.ok("cat target/debug/o build.log sub/x.log").await,
        "o\nl\nl\n"
    );
    assert!(!bench.path("build.log").exists() && !bench.path("target/debug").exists());
    // A cache by its own word, and a folder that only an installer makes so large.
    let changes = bench.changed(
        "mkdir -p .cache/x node_modules/p many/y; echo 'Signature: 8a477f597d28d172789f06886806bc55' > .cache/CACHEDIR.TAG; \
         echo x > .cache/x/f; echo x > node_modules/p/i.js; for i in $(seq 250); do echo $i > many/y/$i; done; echo k > keep.txt",
    ).await;
    assert_eq!(lines(&changes.plan), ["A keep.txt"]);
    let left: Vec<_> = changes
        .left
        .iter()
        .map(|left| (left.path.as_str(), left.kept))
        .collect();
    assert_eq!(left, [(".cache/", true), ("many/", true)]);
    bench.accept(changes).await;
    assert_eq!(
        bench
            .ok("cat .cache/x/f node_modules/p/i.js many/y/250")
            .await,
        "x\nx\n250\n"
    );
    bench
        .ok("echo more > many/more; echo more > node_modules/p/more")
        .await;
    bench.stop().await;
}

both_ways!(more_than_can_be_reviewed_is_set_back, flood);
async fn flood(view: ViewChoice) {
    let Some(mut bench) = Bench::start(view).await else {
        return;
    };
    for number in 0..1100 {
        std::fs::write(bench.path(&format!("f{number}")), "x\n").unwrap();
    }
    crate::bench::give_away(&bench.path(""));
    let changes = bench
        .changed("for f in f*; do echo y > $f; done; head -c 20000000 /dev/zero > big.bin")
        .await;
    assert!(changes.plan.files.is_empty());
    assert!(
        changes.left[0]
            .why
            .contains("more than the 1000 of one review"),
        "{:?}",
        changes.left
    );
    bench.reject(changes).await;
    assert_eq!(
        bench
            .ok("cat f0 f1099; ls big.bin 2>/dev/null || true")
            .await,
        "x\nx\n"
    );
    let changes = bench
        .changed("head -c 20000000 /dev/zero > big.bin; head -c 20000000 /dev/zero > a.txt")
        .await;
    assert_eq!(lines(&changes.plan), [] as [&str; 0]);
    let left: Vec<_> = changes
        .left
        .iter()
        .map(|left| (left.path.as_str(), left.kept))
        .collect();
    assert_eq!(left, [("a.txt", false), ("big.bin", true)]);
    bench.reject(changes).await;
    assert_eq!(
        bench.ok("cat a.txt; stat -c %s big.bin").await,
        "one\ntwo\nthree\n20000000\n"
    );
    bench.stop().await;
}
