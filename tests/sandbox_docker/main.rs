//! The sandbox against a real container engine (`scripts/docker-for-tests.sh` provides one).
//!
//! Without an engine each test says that it is not run; where CI=true or DESCANT_REQUIRE_DOCKER=1 it fails instead.
//! DESCANT_TEST_IMAGE names another image with python3; DESCANT_KILLS says how often Descant is killed in a cell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]
#![cfg(unix)]

#[path = "../docker_support/mod.rs"]
mod docker_support;
#[macro_use]
mod support;

mod attacks;
mod cells;
mod daemon;
mod figures;
mod life;
mod output;
