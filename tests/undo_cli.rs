//! `descant undo`, `redo` and `checkpoints` as a script meets them: what is refused, which flags are named, what
//! they do. A process of its own each time, so nothing is started that the command does not start itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::{Command, Output, Stdio};

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    /// A folder outside git with one file of nine lines, of which the second was patched.
    fn patched() -> Self {
        let place = Self {
            home: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.home.path().join("root")).unwrap();
        place.write("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        let patch = place.home.path().join("patch");
        let text = "*** Begin Patch\n*** Update File: a\n@@\n-2\n+two\n*** End Patch\n";
        fs::write(&patch, text).unwrap();
        let applied = place.run(&["apply", "--yes", patch.to_str().unwrap()]);
        assert!(applied.status.success(), "{applied:?}");
        place
    }

    fn write(&self, text: &str) {
        fs::write(self.home.path().join("root/a"), text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.home.path().join("root/a")).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_descant"))
            .arg("-C")
            .arg(self.home.path().join("root"))
            .args(arguments)
            .env("DESCANT_HOME", self.home.path().join("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn refused(&self, arguments: &[&str], said: &str) {
        let before = self.read();
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), said);
        assert_eq!(self.read(), before);
    }

    fn done(&self, arguments: &[&str], said: &str) {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    }
}

#[test]
fn a_clean_merge_wants_a_flag_and_redo_takes_it_back() {
    let place = Place::patched();
    let edited = "1\ntwo\n3\n4\n5\n6\n7\n8\nmine\n";
    place.write(edited);
    place.refused(
        &["undo"],
        "descant: a: changed since checkpoint 1 was applied; a merge would keep your changes, without conflicts\n  no file was touched\n  merge, or put the files back as they were left\n  to merge: descant undo --merge\n",
    );
    place.done(
        &["undo", "--merge"],
        "undid checkpoint 1\nM a\nmerged a: your changes are kept\n",
    );
    assert_eq!(place.read(), "1\n2\n3\n4\n5\n6\n7\n8\nmine\n");
    place.done(&["redo"], "redid checkpoint 1\nM a\n");
    assert_eq!(place.read(), edited);
}

#[test]
fn conflicts_want_the_other_flag() {
    let place = Place::patched();
    place.write("1\nzwei\n3\n4\n5\n6\n7\n8\n9\n");
    let refused = "descant: a: changed since checkpoint 1 was applied; a merge would leave 1 conflict to solve by hand\n  no file was touched\n  merge, with the conflicts between markers in the files, or put the files back as they were left\n  to merge: descant undo --conflict-markers\n";
    place.refused(&["undo"], refused);
    place.refused(&["undo", "--merge"], refused);
    place.done(
        &["undo", "--conflict-markers"],
        "undid checkpoint 1\nM a\nmerged a: 1 conflict to solve, between markers in the file\n",
    );
    assert_eq!(
        place.read(),
        "1\n<<<<<<< your version on disk\nzwei\n=======\n2\n>>>>>>> before checkpoint 1\n3\n4\n5\n6\n7\n8\n9\n"
    );
}

#[test]
fn checkpoints_say_what_they_take_and_the_limits_are_obeyed() {
    let place = Place::patched();
    let list = place.run(&["checkpoints", "-c", "journal.max_mib=3"]);
    let list = String::from_utf8(list.stdout).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(
        lines[0].starts_with("1 ") && lines[0].ends_with(" 1 file, applied, 38 bytes"),
        "{list}"
    );
    assert_eq!(lines[1], "  M a");
    assert!(
        lines[2].starts_with("journal: ") && lines[2].contains("(limits: 3.0 MiB, 90 days) in "),
        "{list}"
    );
    place.run(&["undo"]);
    let none = ["-c", "journal.max_mib=0", "-c", "journal.max_age_days=0"];
    let list = place.run(&[&["checkpoints"], &none[..]].concat());
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(
        list.contains(" 1 file, undone, 38 bytes") && list.contains("(limits: no limit, no limit)"),
        "{list}"
    );
}
