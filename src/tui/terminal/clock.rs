//! When to draw: a pure function of what changed and when the last frame was.
//!
//! After a key the next frame is due at once, and not sooner than 16 ms after the last one; when only the
//! stream moved, 33 ms after. An armed deadline moves nearer, never further: a flood cannot postpone it.

use crate::tui::model::Dirty;
use std::time::Duration;

const AFTER_KEY: Duration = Duration::from_millis(16);
const AFTER_STREAM: Duration = Duration::from_millis(33);

#[derive(Debug, Default)]
pub struct FrameClock {
    last: Option<Duration>,
    due: Option<Duration>,
}

impl FrameClock {
    pub fn arm(&mut self, dirty: Dirty, now: Duration) {
        let gap = match dirty {
            Dirty::No => return,
            Dirty::Stream => AFTER_STREAM,
            Dirty::Now => AFTER_KEY,
        };
        let due = self.last.map_or(now, |last| (last + gap).max(now));
        self.due = Some(self.due.map_or(due, |armed| armed.min(due)));
    }

    /// When the next frame is to be drawn; `None` while nothing changed.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    pub fn drawn(&mut self, now: Duration) {
        self.last = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn nothing_changed_nothing_is_due() {
        let mut clock = FrameClock::default();
        clock.arm(Dirty::No, ms(5));
        assert_eq!(clock.due(), None);
        clock.arm(Dirty::Stream, ms(5));
        clock.drawn(ms(6));
        assert_eq!(clock.due(), None, "idle means no wake-ups");
    }

    #[test]
    fn a_key_after_a_pause_is_drawn_at_once_and_a_stream_waits() {
        let mut clock = FrameClock::default();
        clock.drawn(ms(100));
        clock.arm(Dirty::Stream, ms(105));
        assert_eq!(clock.due(), Some(ms(133)));
        clock.arm(Dirty::Now, ms(110));
        assert_eq!(clock.due(), Some(ms(116)), "a key brings the frame nearer");
        clock.drawn(ms(116));
        clock.arm(Dirty::Now, ms(900));
        assert_eq!(clock.due(), Some(ms(900)));
    }

    #[test]
    fn an_armed_deadline_is_never_pushed_back() {
        let mut clock = FrameClock::default();
        clock.drawn(ms(0));
        for now in 1..33 {
            clock.arm(Dirty::Stream, ms(now));
            assert_eq!(clock.due(), Some(ms(33)));
        }
    }
}
