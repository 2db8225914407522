//! strace, which does the harm and keeps the record in the tests of crashes.

use std::process::Command;

/// Whether strace is there. In CI its absence fails the test; elsewhere the test says that it was not run.
pub fn strace_or_not_run(test: &str) -> bool {
    let tried = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    let there = tried.is_ok_and(|status| status.success());
    assert!(
        there || std::env::var_os("CI").is_none(),
        "{test}: strace is not installed, or may not trace"
    );
    if !there {
        eprintln!("{test}: not run: no strace");
    }
    there
}
