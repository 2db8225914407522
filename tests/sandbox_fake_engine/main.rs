//! The sandbox against an engine that fails: a fake one on a Unix socket, broken at each step in each way.
//!
//! Whatever it does, the caller gets a typed error or a cell that says what happened, nothing panics, and once
//! the engine is well again python works with the next call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(unix)]

mod engine;
mod faults;
mod finding;
mod images;
mod views;
