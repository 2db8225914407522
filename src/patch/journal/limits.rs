//! How much the journal keeps: the oldest checkpoints beyond the limits are dropped, and what no record needs
//! is removed from the disk.

use super::record::{Entry, History, Record};
use super::{Journal, JournalError};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the journal of one workspace may hold; `None` is no limit. The newest checkpoint is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_bytes: Option<u64>,
    pub max_age: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: Some(512 << 20),
            max_age: Some(Duration::from_secs(90 * 86_400)),
        }
    }
}

impl Journal {
    /// Drops what is beyond the limits and removes what nothing needs. The caller holds the lock and nothing
    /// is in flight in `history`. Only room is lost when it fails, so that is no reason to fail with it.
    pub(super) fn tidy(&self, mut history: History) {
        let tidied = self.drop_excess(&mut history).and_then(|()| {
            self.store.sweep(&history.checkpoints);
            self.log.compact(&history)
        });
        if let Err(error) = tidied {
            tracing::warn!(%error, "the journal could not be tidied up");
        }
    }

    fn drop_excess(&self, history: &mut History) -> Result<(), JournalError> {
        let sizes: Vec<u64> = history
            .checkpoints
            .iter()
            .map(|entry| self.store.size(entry))
            .collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let numbers = excess(&history.checkpoints, &sizes, self.limits, now);
        if numbers.is_empty() {
            return Ok(());
        }
        // The record first: a checkpoint whose images are gone must not be offered.
        let record = Record::Dropped { numbers };
        self.log.append(&record)?;
        history.replay(record);
        Ok(())
    }
}

/// Numbers of the checkpoints to drop, the oldest first, so that those left can still be undone in order. Of
/// those undone, which are redone oldest first, the newest go first, and only after all that can be undone.
fn excess(entries: &[Arc<Entry>], sizes: &[u64], limits: Limits, now: Duration) -> Vec<u64> {
    let sized = || entries.iter().map(Arc::as_ref).zip(sizes);
    let mut applied: Vec<(&Entry, &u64)> = sized().filter(|(entry, _)| !entry.undone).collect();
    let mut undone: Vec<(&Entry, &u64)> = sized().filter(|(entry, _)| entry.undone).collect();
    if applied.pop().is_none() && !undone.is_empty() {
        undone.remove(0);
    }
    undone.reverse();

    let mut total: u64 = sizes.iter().sum();
    let mut numbers = Vec::new();
    for order in [applied, undone] {
        for (entry, size) in order {
            let age = now.saturating_sub(Duration::from_secs(entry.time));
            let too_old = limits.max_age.is_some_and(|most| age > most);
            let too_large = limits.max_bytes.is_some_and(|most| total > most);
            if !too_old && !too_large {
                break;
            }
            total -= size;
            numbers.push(entry.number);
        }
    }
    numbers
}
