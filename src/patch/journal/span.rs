//! What several checkpoints did to each file, first to last.

use super::record::{Entry, Image};
use super::{Journal, JournalError};
use crate::patch::overall::Span;
use crate::workspace::WorkspacePath;
use std::collections::{BTreeMap, BTreeSet};

struct Ends<'e> {
    before: Option<&'e Image>,
    after: Option<&'e Image>,
    between: bool,
}

impl Journal {
    /// The paths that these checkpoints changed, and how many of the checkpoints were undone.
    pub(crate) fn spans(
        &self,
        numbers: &BTreeSet<u64>,
    ) -> Result<(Vec<Span>, usize), JournalError> {
        let history = self.log.read()?;
        let ours = |entry: &&std::sync::Arc<Entry>| numbers.contains(&entry.number);
        let undone = history.checkpoints.iter().filter(ours);
        let undone = undone.filter(|entry| entry.undone).count();
        let mut ends: BTreeMap<&WorkspacePath, Ends<'_>> = BTreeMap::new();
        let applied = history.checkpoints.iter().filter(ours);
        for file in applied
            .filter(|entry| !entry.undone)
            .flat_map(|entry| &entry.files)
        {
            let (before, after) = (file.before.as_ref(), file.after.as_ref());
            ends.entry(&file.path)
                .and_modify(|ends| {
                    ends.between |= blob(ends.after) != blob(before);
                    ends.after = after;
                })
                .or_insert(Ends {
                    before,
                    after,
                    between: false,
                });
        }
        let spans = ends.into_iter().map(|(path, ends)| {
            Ok(Span {
                path: path.clone(),
                before: self.store.state(ends.before)?,
                after: self.store.state(ends.after)?,
                between: ends.between,
            })
        });
        Ok((spans.collect::<Result<_, JournalError>>()?, undone))
    }
}

fn blob(image: Option<&Image>) -> Option<&str> {
    image.map(|image| image.blob.as_str())
}
