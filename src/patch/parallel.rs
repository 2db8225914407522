//! The same work on many items, on as many threads as the machine has cores. In order, and on this thread alone where
//! the items are few.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread;

/// Fewer items than this are not worth a thread.
const FEW: usize = 8;
/// More threads than this wait for the same disk.
const MOST_THREADS: usize = 8;

/// Asked once: the answer is read from files.
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// `work` of every item, in their order.
pub(super) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    on_threads(items, items.len().div_ceil(FEW), work)
}

/// As [`map`], for items of which each is worth a thread.
pub(super) fn map_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    on_threads(items, items.len(), work)
}

fn on_threads<T: Sync, R: Send>(items: &[T], most: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = match most.min(MOST_THREADS) {
        threads @ (0 | 1) => threads,
        threads => threads.min(*CORES),
    };
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let (first, others) = items.split_at(items.len().div_ceil(threads));
        let running: Vec<_> = others
            .chunks(first.len())
            .map(|some| scope.spawn(move || some.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let mut done: Vec<R> = first.iter().map(work).collect();
        for other in running {
            match other.join() {
                Ok(some) => done.extend(some),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
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
