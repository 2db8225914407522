//! The files of the work tree as a grammar sees them: which a patch may name, and what lines they have.

use crate::harmony::grammar::PatchTargets;
use crate::patch;
use crate::tools::files;
use crate::workspace::Workspace;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A larger file is not held to its lines: it is read while the model waits.
const LARGEST: u64 = 8 * 1024 * 1024;

/// The files that the tools list, read when the model names one. Ignored ones are not among them: a model that is
/// held to a file's lines would say what is in it.
#[derive(Debug)]
pub(super) struct WorkTree {
    pub(super) workspace: Arc<Workspace>,
    /// Ends a walk that nobody waits for any more.
    pub(super) cancel: CancellationToken,
}

impl PatchTargets for WorkTree {
    fn paths(&self) -> Option<Vec<String>> {
        let (mut paths, complete) = files::list(&self.workspace, &self.cancel);
        paths.retain(|path| !path.ends_with('/'));
        // Of a tree too large to list whole, no file may be ruled out.
        complete.then_some(paths)
    }

    fn lines(&self, path: &str) -> Option<Vec<String>> {
        let path = self.workspace.relative(path).ok()?;
        let content = self.workspace.read_up_to(&path, LARGEST).ok()?;
        patch::lines_of(&content.bytes)
    }
}
