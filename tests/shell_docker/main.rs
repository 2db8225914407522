//! `functions.shell` and its view of the work tree, against a real container engine, the overlay and the copy.
//!
//! Without an engine each test says that it is not run; where CI=true or DESCANT_REQUIRE_DOCKER=1 it fails instead.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]
#![cfg(unix)]

mod bench;
mod changes;
mod commands;
#[path = "../docker_support/mod.rs"]
mod docker_support;
mod hostile;
mod large;
mod python;
mod state;
