//! The same work on many items, on rayon's threads. In order, and on this thread alone where the items are few.

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};

/// Fewer items than this are not worth another thread.
const FEW: usize = 8;

/// `work` of every item, in their order.
pub(super) fn map<'a, T: Sync, R: Send>(
    items: &'a [T],
    work: impl Fn(&'a T) -> R + Send + Sync,
) -> Vec<R> {
    shared_out(items, FEW, work)
}

/// As [`map`], for items of which each is worth a thread.
pub(super) fn map_each<'a, T: Sync, R: Send>(
    items: &'a [T],
    work: impl Fn(&'a T) -> R + Send + Sync,
) -> Vec<R> {
    shared_out(items, 1, work)
}

/// `least`: items that stay together on one thread.
fn shared_out<'a, T: Sync, R: Send>(
    items: &'a [T],
    least: usize,
    work: impl Fn(&'a T) -> R + Send + Sync,
) -> Vec<R> {
    if items.len() <= least {
        return items.iter().map(work).collect();
    }
    items.par_iter().with_min_len(least).map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::{map, map_each};

    #[test]
    fn the_order_is_kept_and_nothing_is_left_out() {
        for count in [0, 1, 7, 8, 9, 17, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let twice: Vec<usize> = items.iter().map(|n| n * 2).collect();
            assert_eq!(map(&items, |n| n * 2), twice);
            assert_eq!(map_each(&items, |n| n * 2), twice);
        }
    }
}
