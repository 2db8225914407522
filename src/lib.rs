//! Descant: a terminal coding assistant that runs GPT-OSS on the user's own machine.
//!
//! `docs/architecture.md` is the map. In short: `tui` and `cli` speak to `agent` through commands and
//! events; `agent` prompts an `engine`, reads its Harmony stream, runs `tools`; edits become a `patch`
//! plan that the user reviews before a byte is written. `tests/architecture.rs` holds who may import whom.

pub mod agent;
pub mod app;
pub mod cli;
pub mod config;
pub mod conversation;
pub mod engine;
pub mod harmony;
pub mod hub;
pub mod patch;
pub mod sandbox;
pub mod session;
pub mod text;
pub mod tools;
pub mod tui;
pub mod workspace;

/// A patch, a diff and a frame are many short-lived strings, which cost a tenth less with it; the figures of
/// `docs/benchmarks.md` are taken with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
