//! How fast bytes come, over the last seconds. Pure: times are arguments.

use std::collections::VecDeque;
use std::time::Duration;

/// What the speed is taken over: long enough to be read, short enough to follow a change.
const WINDOW: Duration = Duration::from_secs(8);

#[derive(Debug, Default)]
pub(super) struct Meter {
    /// When, and how many bytes had come by then.
    seen: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// `now` never goes back; `bytes` may, when a part is thrown away: then it begins anew.
    pub(super) fn add(&mut self, now: Duration, bytes: u64) {
        if self.seen.back().is_some_and(|(_, last)| *last > bytes) {
            self.seen.clear();
        }
        self.seen.push_back((now, bytes));
        // One from before the window stays, so that the window is whole.
        while self
            .seen
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW)
        {
            self.seen.pop_front();
        }
    }

    /// Bytes a second; nothing before a second has passed.
    pub(super) fn speed(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (*self.seen.front()?, *self.seen.back()?);
        let seconds = to.saturating_sub(from).as_secs_f64();
        (seconds >= 1.0).then(|| after.saturating_sub(before) as f64 / seconds)
    }

    /// The time that `rest` bytes take at this speed; `None` where nothing comes.
    pub(super) fn left(&self, rest: u64) -> Option<Duration> {
        let speed = self.speed().filter(|speed| *speed >= 1.0)?;
        Duration::try_from_secs_f64(rest as f64 / speed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let mut meter = Meter::default();
        assert_eq!(meter.speed(), None);
        meter.add(at(0.0), 0);
        meter.add(at(0.5), 50);
        assert_eq!(meter.speed(), None, "too early to say");
        meter.add(at(2.0), 200);
        assert_eq!(meter.speed(), Some(100.0));
        assert_eq!(meter.left(1_000), Some(at(10.0)));
        for tick in 1..=100_u32 {
            meter.add(at(2.0 + f64::from(tick)), 200);
        }
        assert_eq!(meter.speed(), Some(0.0));
        assert_eq!(meter.left(1), None);
        assert!(meter.seen.len() <= 10, "it keeps no more than its window");
        meter.add(at(103.0), 0);
        assert_eq!(meter.speed(), None, "it began anew");
    }
}
