//! The editing core and the records under the names it has in the crate, without what it does not need.

#[path = "../../src"]
mod source {
    pub mod conversation;
    pub mod patch;
    pub mod session;
    pub mod text;
    pub mod workspace;
}

pub use source::{conversation, patch, session, text, workspace};
