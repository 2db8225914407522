//! Hunks of one patch that look for the same lines under the same headers.

use super::index::LineKey;
use super::variant::{Role, Variant};
use crate::patch::LocateStage;
use crate::patch::v4a::PatchHunk;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Groups of twins, made for a stage when it is first asked for: each hunk is looked at once a stage.
#[derive(Debug, Default)]
pub(super) struct Twins {
    groups: HashMap<(LocateStage, Variant), HashMap<u64, Vec<usize>>>,
}

impl Twins {
    /// The hunk and its twins below it.
    pub fn of(
        &mut self,
        hunks: &[PatchHunk],
        hunk: usize,
        stage: LocateStage,
        variant: Variant,
    ) -> Vec<usize> {
        let groups = self.groups.entry((stage, variant)).or_insert_with(|| {
            let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
            for (at, hunk) in hunks.iter().enumerate() {
                let group = groups.entry(signature(hunk, stage, variant)).or_default();
                group.push(at);
            }
            groups
        });
        let own = hunks.get(hunk).map(|own| signature(own, stage, variant));
        own.and_then(|own| groups.get(&own))
            .into_iter()
            .flatten()
            .copied()
            .filter(|other| *other >= hunk)
            .collect()
    }
}

/// A hash that tells hunks apart in practice; [`are_alike`] makes sure before anything is decided on it.
fn signature(hunk: &PatchHunk, stage: LocateStage, variant: Variant) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&hunk.headers, hunk.at_end).hash(&mut hasher);
    for line in old_lines(hunk, stage, variant) {
        line.hash(&mut hasher);
    }
    hasher.finish()
}

pub(super) fn are_alike(
    one: &PatchHunk,
    other: &PatchHunk,
    stage: LocateStage,
    variant: Variant,
) -> bool {
    one.headers == other.headers
        && one.at_end == other.at_end
        && old_lines(one, stage, variant).eq(old_lines(other, stage, variant))
}

fn old_lines(
    hunk: &PatchHunk,
    stage: LocateStage,
    variant: Variant,
) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let key = LineKey::of(stage);
    variant
        .lines(hunk)
        .into_iter()
        .filter(|(role, _)| *role != Role::Add)
        .map(move |(_, text)| key.fold(text))
}
