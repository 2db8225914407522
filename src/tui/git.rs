//! What the status bar says of git. Who runs us knows how to look; we only ask, off the loop.

use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitState {
    pub branch: Option<String>,
    /// Something is not committed; `None` where that cannot be told.
    pub dirty: Option<bool>,
}

/// A look at the work tree; it may take its time.
#[derive(Clone)]
pub struct GitProbe(pub Arc<dyn Fn() -> GitState + Send + Sync>);

impl fmt::Debug for GitProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitProbe")
    }
}
