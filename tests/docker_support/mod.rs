//! What the tests against a real container engine share: which image, and what happens where there is no engine.

use descant::sandbox::SandboxError;
use std::io::Write;

pub fn image() -> String {
    std::env::var("DESCANT_TEST_IMAGE").unwrap_or_else(|_| "descant-test-python:latest".to_owned())
}

/// Whether a test that cannot run must fail.
pub fn required() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
        || std::env::var("DESCANT_REQUIRE_DOCKER").is_ok_and(|set| set == "1")
}

/// Says that the test of this thread is not run. Past libtest's capture, which hides what passing tests print.
pub fn not_run(why: &str) {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test").to_owned();
    assert!(!required(), "{test} cannot run: {why}");
    let line = format!("\n{test}: not run: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// `None`, and a line that says so, where there is no engine and none is required.
pub fn engine<T>(started: Result<T, SandboxError>) -> Option<T> {
    match started {
        Ok(started) => Some(started),
        Err(SandboxError::NoEngine { reason, .. }) => {
            not_run(&format!("no container engine ({reason})"));
            None
        }
        Err(SandboxError::NoImage { image, .. }) => {
            not_run(&format!(
                "no image {image}; scripts/docker-for-tests.sh makes it"
            ));
            None
        }
        Err(error) => panic!("{error}"),
    }
}
