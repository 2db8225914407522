//! The container's view of the work tree, kept equal to it: what the user changes goes into the view before the next
//! command, what a command changes comes back as a plan to review, and what is not taken over is set back.
//!
//! It owns what the two sides were when they were last the same. Reaching into the view is the sandbox's
//! ([`ViewAccess`]); every name and byte that comes from there may be hostile, and nothing of it is written here: a
//! [`Changes`] holds a plan, and only the agent, after the user's word, applies it.

mod changes;
mod settle;
mod sync;

pub use changes::{Changes, Left};

use crate::sandbox::{
    Listed, Sandbox, SandboxError, Stamp, TreeEntry, TreeKind, ViewEntry, WorkTree,
};
use crate::workspace::{Seen, SeenKind, Survey, Workspace};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What can be done in a view. Paths are relative, `/` between the parts, any bytes.
pub trait ViewAccess: Send + Sync {
    /// Lists folders: of an overlay what its upper layer holds and the names that show, of a copy all there is.
    fn list<'a>(
        &'a self,
        folders: &'a [Vec<u8>],
    ) -> BoxFuture<'a, Result<Vec<Listed>, SandboxError>>;
    /// A regular file of at most `limit` bytes.
    fn read<'a>(
        &'a self,
        path: &'a str,
        limit: u64,
    ) -> BoxFuture<'a, Result<(Vec<u8>, ViewEntry), SandboxError>>;
    fn write<'a>(
        &'a self,
        path: &'a str,
        mode: u32,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>>;
    fn link<'a>(
        &'a self,
        path: &'a str,
        target: &'a str,
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>>;
    fn remove<'a>(&'a self, path: &'a [u8]) -> BoxFuture<'a, Result<(), SandboxError>>;
}

impl ViewAccess for Sandbox {
    fn list<'a>(
        &'a self,
        folders: &'a [Vec<u8>],
    ) -> BoxFuture<'a, Result<Vec<Listed>, SandboxError>> {
        self.list_view(folders).boxed()
    }

    fn read<'a>(
        &'a self,
        path: &'a str,
        limit: u64,
    ) -> BoxFuture<'a, Result<(Vec<u8>, ViewEntry), SandboxError>> {
        self.read_view(path.as_bytes(), limit).boxed()
    }

    fn write<'a>(
        &'a self,
        path: &'a str,
        mode: u32,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>> {
        self.write_view(path.as_bytes(), mode, content).boxed()
    }

    fn link<'a>(
        &'a self,
        path: &'a str,
        target: &'a str,
    ) -> BoxFuture<'a, Result<Option<ViewEntry>, SandboxError>> {
        self.link_view(path.as_bytes(), target.as_bytes()).boxed()
    }

    fn remove<'a>(&'a self, path: &'a [u8]) -> BoxFuture<'a, Result<(), SandboxError>> {
        self.remove_view(path).boxed()
    }
}

/// The work tree for the making of a view; it keeps the survey that the view was made from.
pub struct Tree {
    workspace: Arc<Workspace>,
    allow: Vec<String>,
    survey: Mutex<Option<Arc<Survey>>>,
}

impl Tree {
    /// `allow`: patterns of ignored files that the container may see all the same.
    pub fn new(workspace: Arc<Workspace>, allow: Vec<String>) -> Self {
        Self {
            workspace,
            allow,
            survey: Mutex::new(None),
        }
    }

    /// The one that the view was made from.
    fn survey(&self) -> io::Result<Arc<Survey>> {
        let mut kept = self.survey.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(survey) = &*kept {
            return Ok(Arc::clone(survey));
        }
        let survey = Arc::new(self.workspace.survey(&self.allow)?);
        *kept = Some(Arc::clone(&survey));
        Ok(survey)
    }

    fn take(&self) -> io::Result<Arc<Survey>> {
        let survey = self.survey()?;
        *self.survey.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(survey)
    }
}

impl WorkTree for Tree {
    fn root(&self) -> &Path {
        self.workspace.root()
    }

    fn hidden(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.survey()?.hidden().iter().cloned().collect())
    }

    fn visible(&self) -> io::Result<Vec<TreeEntry>> {
        let survey = self.survey()?;
        let entries = survey.seen().iter().map(|(path, seen)| TreeEntry {
            path: path.clone(),
            kind: match &seen.kind {
                SeenKind::Folder => TreeKind::Folder,
                SeenKind::File => TreeKind::File { len: seen.len },
                SeenKind::Link { target } => TreeKind::Link {
                    target: target.clone(),
                },
            },
            mode: seen.mode,
            modified: u64::try_from(seen.modified / 1_000_000_000).unwrap_or(0),
        });
        Ok(entries.collect())
    }

    fn sample(&self, limit: u64) -> io::Result<Option<String>> {
        let survey = self.survey()?;
        let fits = |seen: &Seen| seen.kind == SeenKind::File && (1..=limit).contains(&seen.len);
        let files = || survey.seen().iter().filter(|(_, seen)| fits(seen));
        let open = files().find(|(_, seen)| seen.mode & 0o444 == 0o444);
        Ok(open
            .or_else(|| files().next())
            .map(|(path, _)| path.clone()))
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.workspace.read_seen(path)
    }
}

/// What is known of a view.
pub struct View {
    tree: Arc<Tree>,
    /// It shows the work tree itself below what was changed; else it is a copy.
    overlay: bool,
    state: tokio::sync::Mutex<State>,
}

/// When the two sides were last the same.
struct State {
    /// `None` before the first look.
    survey: Option<Survey>,
    /// Files of the view that are as in the work tree. Of an overlay only those of its upper layer.
    same: HashMap<String, Stamp>,
    /// What is in the view alone and stays there, unasked: artefacts, and what cannot be a file of the work tree.
    kept: BTreeSet<String>,
}

impl View {
    pub fn new(tree: Arc<Tree>, overlay: bool) -> Self {
        Self {
            tree,
            overlay,
            state: tokio::sync::Mutex::new(State {
                survey: None,
                same: HashMap::new(),
                kept: BTreeSet::new(),
            }),
        }
    }

    /// The work tree as it is now.
    async fn look(&self) -> Result<Survey, SandboxError> {
        let tree = Arc::clone(&self.tree);
        on_disk(move || tree.workspace.survey(&tree.allow)).await
    }
}

async fn on_disk<T: Send + 'static>(
    look: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SandboxError> {
    let looked = tokio::task::spawn_blocking(look).await;
    let looked = looked.map_err(io::Error::other).and_then(|found| found);
    looked.map_err(|error| SandboxError::View {
        reason: format!("the work tree could not be read: {error}"),
    })
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}
