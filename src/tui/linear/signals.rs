//! What the terminal and the system ask of the interface in lines.

use crate::tui::TuiError;

pub enum Came {
    Interrupt,
    End,
}

#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub fn new() -> Result<Signals, TuiError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.interrupt.recv() => Came::Interrupt,
            _ = self.term.recv() => Came::End,
            _ = self.hangup.recv() => Came::End,
        }
    }
}

#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> Result<Signals, TuiError> {
        Ok(Signals)
    }

    pub async fn next(&mut self) -> Came {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Came::Interrupt,
            Err(_no_handler) => std::future::pending().await,
        }
    }
}
