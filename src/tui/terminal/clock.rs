//! When to draw: a pure function of what changed and when the last frames were.
//!
//! A key is drawn at once, whenever the stream was drawn last; when keys come like a flood (the wheel, a drag) their
//! frames are 16 ms apart. When only the stream moved, a frame is due 33 ms after the last one. An armed deadline
//! moves nearer, never further: a flood cannot postpone it.

use crate::tui::model::Dirty;
use std::time::Duration;

const BETWEEN_KEYS: Duration = Duration::from_millis(16);
const AFTER_STREAM: Duration = Duration::from_millis(33);

#[derive(Debug, Default)]
pub struct FrameClock {
    /// The last frame, and the last that showed what a key did.
    last: Option<Duration>,
    last_key: Option<Duration>,
    due: Option<Duration>,
    /// The frame that is due shows what a key did.
    key: bool,
}

impl FrameClock {
    pub fn arm(&mut self, dirty: Dirty, now: Duration) {
        let earliest = match dirty {
            Dirty::No => return,
            Dirty::Stream => self.last.map(|last| last + AFTER_STREAM),
            Dirty::Now => self.last_key.map(|last| last + BETWEEN_KEYS),
        };
        self.key |= dirty == Dirty::Now;
        let due = earliest.map_or(now, |earliest| earliest.max(now));
        self.due = Some(self.due.map_or(due, |armed| armed.min(due)));
    }

    /// When the next frame is to be drawn; `None` while nothing changed.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    pub fn drawn(&mut self, now: Duration) {
        self.last = Some(now);
        if std::mem::take(&mut self.key) {
            self.last_key = Some(now);
        }
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
    fn a_key_is_drawn_at_once_and_a_stream_waits() {
        let mut clock = FrameClock::default();
        clock.drawn(ms(100));
        clock.arm(Dirty::Stream, ms(105));
        assert_eq!(clock.due(), Some(ms(133)));
        clock.arm(Dirty::Now, ms(106));
        assert_eq!(clock.due(), Some(ms(106)), "the stream holds no key back");
        clock.drawn(ms(107));
        clock.arm(Dirty::Stream, ms(108));
        assert_eq!(clock.due(), Some(ms(140)));
        clock.drawn(ms(140));
        clock.arm(Dirty::Now, ms(141));
        assert_eq!(clock.due(), Some(ms(141)));
    }

    #[test]
    fn a_flood_of_keys_has_sixty_frames_a_second() {
        let mut clock = FrameClock::default();
        let mut frames = 0;
        for now in 0..1000 {
            clock.arm(Dirty::Now, ms(now));
            if clock.due().is_some_and(|due| due <= ms(now)) {
                clock.drawn(ms(now));
                frames += 1;
            }
        }
        assert_eq!(frames, 63);
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
