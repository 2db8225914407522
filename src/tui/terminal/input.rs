//! Where messages from the terminal come from: at first the raw bytes, while it is asked about itself,
//! then crossterm's event stream.

use crate::tui::model::Msg;
use crate::tui::terminal::probe::{LateReply, Probe, Reply};
use crate::tui::theme::choice::ThemeMsg;
use crate::tui::theme::depth::background_of;
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// How long answers are waited for; keys pass meanwhile.
const PROBE_TIME: Duration = Duration::from_millis(120);

/// What came from the terminal.
#[derive(Debug)]
pub enum Came {
    Msg(Msg),
    /// The enhanced keyboard protocol is there.
    Keyboard,
}

pub struct Input {
    source: Source,
    late: LateReply,
    /// The background was asked for and matters.
    wants_background: bool,
}

enum Source {
    #[cfg(unix)]
    Probing {
        tty: tokio::io::unix::AsyncFd<std::fs::File>,
        probe: Probe,
        until: Instant,
    },
    Events(EventStream),
    /// Nobody reads: an editor has the terminal.
    Paused,
}

impl Input {
    /// The questions were just asked.
    pub fn probing(wants_background: bool) -> Input {
        Input {
            source: probing().unwrap_or_else(events),
            late: LateReply::default(),
            wants_background,
        }
    }

    /// No questions were asked.
    pub fn direct() -> Input {
        Input {
            source: events(),
            late: LateReply::default(),
            wants_background: false,
        }
    }

    /// Nobody reads yet.
    pub fn paused() -> Input {
        Input {
            source: Source::Paused,
            late: LateReply::default(),
            wants_background: false,
        }
    }

    pub fn pause(&mut self) {
        self.source = Source::Paused;
    }

    pub fn resume(&mut self) {
        self.source = events();
    }

    /// The next messages; an error when the terminal is gone. Safe to cancel.
    pub async fn next(&mut self) -> io::Result<Vec<Came>> {
        match &mut self.source {
            #[cfg(unix)]
            Source::Probing { tty, probe, until } => {
                let (replies, ended) = if probe.is_in_paste() {
                    // The rest of a paste would be taken for keys, and its line ends for sending.
                    (probe.feed(&read(tty).await?), false)
                } else {
                    match tokio::time::timeout_at(*until, read(tty)).await {
                        Ok(bytes) => (probe.feed(&bytes?), false),
                        Err(_elapsed) => (probe.finish(), true),
                    }
                };
                if ended || probe.is_done() {
                    self.source = events();
                }
                Ok(replies.into_iter().filter_map(|r| self.reply(r)).collect())
            }
            Source::Events(stream) => match stream.next().await {
                Some(event) => Ok(self.event(event?).into_iter().collect()),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            Source::Paused => std::future::pending().await,
        }
    }

    fn reply(&self, reply: Reply) -> Option<Came> {
        match reply {
            Reply::Background(payload) if self.wants_background => {
                let background = background_of(&payload)?;
                Some(Came::Msg(Msg::Themes(ThemeMsg::Background(background))))
            }
            Reply::Background(_) | Reply::Done => None,
            Reply::Keyboard => Some(Came::Keyboard),
            Reply::Key(key) => Some(Came::Msg(Msg::Key(key))),
            Reply::Paste(text) => Some(Came::Msg(Msg::Paste(text))),
        }
    }

    fn event(&mut self, event: Event) -> Option<Came> {
        let msg = match event {
            Event::Key(key) if self.late.swallows(&key) => return None,
            Event::Key(key) => Msg::Key(key),
            Event::Paste(text) => Msg::Paste(text),
            Event::Resize(width, height) => Msg::Resize(width, height),
            Event::Mouse(mouse) => Msg::Mouse(mouse),
            Event::FocusGained => Msg::Focus(true),
            Event::FocusLost => Msg::Focus(false),
        };
        Some(Came::Msg(msg))
    }
}

fn events() -> Source {
    Source::Events(EventStream::new())
}

/// The terminal's own file, readable without blocking a thread; `None` where it cannot be polled.
#[cfg(unix)]
fn probing() -> Option<Source> {
    use std::os::fd::AsFd;
    let file = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    // Deprecated for types whose descriptor may change under it; a file owned by the AsyncFd has one for
    // life, and the replacement is `unsafe`.
    #[allow(deprecated)]
    let tty = tokio::io::unix::AsyncFd::with_interest(file, tokio::io::Interest::READABLE).ok()?;
    Some(Source::Probing {
        tty,
        probe: Probe::default(),
        until: Instant::now() + PROBE_TIME,
    })
}

#[cfg(not(unix))]
fn probing() -> Option<Source> {
    None
}

#[cfg(unix)]
async fn read(tty: &tokio::io::unix::AsyncFd<std::fs::File>) -> io::Result<Vec<u8>> {
    use std::io::Read;
    // In raw mode a read returns what is there; readiness says that something is.
    let mut ready = tty.readable().await?;
    let mut buffer = [0; 4096];
    let count = tty.get_ref().read(&mut buffer)?;
    ready.clear_ready();
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(buffer.get(..count).unwrap_or_default().to_vec())
}
