//! What the user asks about the program itself: models, what was changed, facts, what works. Answered on the
//! side, also while a turn runs; nothing here changes anything.

use super::AgentEvent;
use super::desk::Desk;
use super::host::{Check, Host, ModelChoice};
use crate::config::Asking;
use crate::patch::{Overall, overall};
use crate::session;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inquiry {
    Models,
    /// What this conversation changed in files.
    Changes,
    Facts,
    Checkup,
}

#[derive(Debug, Clone)]
pub enum Answer {
    Models(Vec<ModelChoice>),
    Changes(Result<Overall, String>),
    Facts(Facts),
    Checkup(Vec<Check>),
}

/// Facts that only the agent's side knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub workspace: PathBuf,
    /// `None` when nothing is recorded.
    pub session: Option<SessionFile>,
    /// Patches of this conversation that were applied.
    pub patches: usize,
    /// Where undo's images lie, and what they take; or why that is not known.
    pub journal: Result<(PathBuf, u64), String>,
    /// How the next generation samples.
    pub asking: Asking,
    /// The files that the instructions are made of.
    pub context_files: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFile {
    pub id: String,
    pub path: PathBuf,
}

impl SessionFile {
    pub(super) fn of(writer: &session::Writer) -> SessionFile {
        SessionFile {
            id: writer.id().to_string(),
            path: writer.path().to_owned(),
        }
    }
}

/// Answers on tasks of their own, which end with it.
pub(super) struct Inquiries {
    desk: Desk,
    host: Arc<dyn Host>,
    pub(super) session: Option<SessionFile>,
    context_files: Vec<String>,
    events: mpsc::Sender<AgentEvent>,
    running: JoinSet<()>,
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiries").finish_non_exhaustive()
    }
}

impl Inquiries {
    pub(super) fn new(
        desk: Desk,
        host: Arc<dyn Host>,
        session: Option<SessionFile>,
        context_files: Vec<String>,
        events: mpsc::Sender<AgentEvent>,
    ) -> Inquiries {
        Inquiries {
            desk,
            host,
            session,
            context_files,
            events,
            running: JoinSet::new(),
        }
    }

    pub(super) fn ask(&mut self, inquiry: Inquiry, asking: Asking) {
        // What is over leaves the set.
        while self.running.try_join_next().is_some() {}
        let events = self.events.clone();
        let host = Arc::clone(&self.host);
        let desk = self.desk.clone();
        let session = self.session.clone();
        let context_files = self.context_files.clone();
        self.running.spawn(async move {
            let answer = match inquiry {
                Inquiry::Checkup => Ok(Answer::Checkup(host.checkup().await)),
                Inquiry::Models => {
                    tokio::task::spawn_blocking(move || Answer::Models(host.models())).await
                }
                Inquiry::Changes => {
                    tokio::task::spawn_blocking(move || Answer::Changes(changes(&desk))).await
                }
                Inquiry::Facts => {
                    tokio::task::spawn_blocking(move || {
                        Answer::Facts(Facts {
                            context_files,
                            ..facts(&desk, session, asking)
                        })
                    })
                    .await
                }
            };
            let event = match answer {
                Ok(answer) => AgentEvent::Answer(Box::new(answer)),
                Err(error) => {
                    AgentEvent::Problem(format!("the question broke off: {error}; this is our bug"))
                }
            };
            // Nobody may be left who wants to know.
            let _ = events.send(event).await;
        });
    }
}

fn changes(desk: &Desk) -> Result<Overall, String> {
    let numbers = desk
        .written
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let journal = desk.journal.lock().unwrap_or_else(PoisonError::into_inner);
    overall(&journal, &desk.workspace, &numbers).map_err(|error| error.to_string())
}

fn facts(desk: &Desk, session: Option<SessionFile>, asking: Asking) -> Facts {
    let patches = desk.written.lock().unwrap_or_else(PoisonError::into_inner);
    let journal = desk.journal.lock().unwrap_or_else(PoisonError::into_inner);
    Facts {
        workspace: desk.workspace.root().to_owned(),
        session,
        patches: patches.len(),
        journal: journal
            .usage()
            .map(|usage| (usage.folder, usage.bytes))
            .map_err(|error| error.to_string()),
        asking,
        context_files: Vec::new(),
    }
}
