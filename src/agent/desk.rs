//! What patches are made on.

use crate::patch::Journal;
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Where patches go. The journal is used on blocking threads, one change at a time.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) workspace: Arc<Workspace>,
    pub(super) journal: Arc<Mutex<Journal>>,
    /// Checkpoints of this conversation.
    pub(super) written: Arc<Mutex<BTreeSet<u64>>>,
}
