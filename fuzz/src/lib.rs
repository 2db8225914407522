//! The editing core under the names it has in the crate, without what it does not need.

#[path = "../../src"]
mod source {
    pub mod patch;
    pub mod text;
    pub mod workspace;
}

pub use source::{patch, text, workspace};
