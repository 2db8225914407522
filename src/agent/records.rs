//! From one recorded conversation to another: resume, new, fork, the list of them.

use super::task::Core;
use super::{AgentEvent, HistoryEvent, Listed, prompt, reopen};
use crate::conversation::PromptProfile;
use crate::session::{Record, SessionError, Shelf, State, recent, summaries};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

impl Core {
    /// The conversation begins anew in a record of its own; the fixed prompt may now offer a container that
    /// came late.
    pub(super) fn begin_anew(&mut self) {
        self.link.forget_queued();
        self.fixed = None;
        let fresh = match self
            .history
            .writer()
            .map(|writer| writer.shelf().create(SystemTime::now()))
        {
            Some(Ok(writer)) => Some(writer),
            Some(Err(error)) => {
                self.link.send(AgentEvent::Problem(format!(
                    "the new conversation is not recorded: {error}"
                )));
                None
            }
            None => None,
        };
        self.history.replace(State::default(), fresh);
        self.link
            .send(AgentEvent::Notice("A new conversation begins.".into()));
    }

    /// Goes on with the conversation of this file. Where that fails, the one so far goes on.
    pub(super) async fn resume(&mut self, path: PathBuf) {
        let Some(shelf) = self.shelf("go on with another conversation") else {
            return;
        };
        let words = self.words.clone();
        let opened = tokio::task::spawn_blocking(move || reopen::open(&shelf, &path, &words));
        match opened.await {
            Ok(Ok(opened)) => self.go_on(opened).await,
            Ok(Err(problem)) => self.link.send(AgentEvent::Problem(problem)),
            Err(error) => self.link.send(AgentEvent::Problem(format!(
                "the conversation could not be read: {error}; this is our bug"
            ))),
        }
    }

    /// Goes on with the one conversation whose id begins like this.
    pub(super) async fn resume_named(&mut self, id: String) {
        let Some(shelf) = self.shelf("go on with another conversation") else {
            return;
        };
        let listed = tokio::task::spawn_blocking(move || recent(&shelf.state_dir)).await;
        let found = match listed {
            Ok(Ok(all)) => all,
            Ok(Err(error)) => return self.link.send(AgentEvent::Problem(error.to_string())),
            Err(error) => {
                return self.link.send(AgentEvent::Problem(format!(
                    "the list broke off: {error}; this is our bug"
                )));
            }
        };
        let mut matching = found
            .into_iter()
            .filter(|(head, _)| head.id.as_str().starts_with(&id));
        match (matching.next(), matching.next()) {
            (Some((_, path)), None) => self.resume(path).await,
            (None, _) => self.link.send(AgentEvent::Problem(format!(
                "there is no conversation {id}\n  /resume lists them"
            ))),
            (Some(_), Some(_)) => self.link.send(AgentEvent::Problem(format!(
                "several conversations begin with {id}\n  give more of the id, or choose from the list of /resume"
            ))),
        }
    }

    pub(super) async fn fork(&mut self) {
        let Some(shelf) = self.shelf("fork") else {
            return;
        };
        let Some(parent) = self.history.writer().filter(|writer| writer.has_begun()) else {
            return self.link.send(AgentEvent::Problem(
                "there is nothing to fork yet\n  say something first".into(),
            ));
        };
        let (path, id) = (parent.path().to_owned(), parent.id().clone());
        let forked =
            tokio::task::spawn_blocking(move || shelf.fork(&path, SystemTime::now())).await;
        match forked {
            Ok(Ok(writer)) => {
                let new = writer.id().clone();
                self.history.record_in(writer);
                self.say(AgentEvent::Notice(format!(
                    "This is a fork now ({new}). The conversation it comes from stays as it is: descant resume {id}"
                )))
                .await;
            }
            Ok(Err(error)) => self.link.send(AgentEvent::Problem(error.to_string())),
            Err(error) => self.link.send(AgentEvent::Problem(format!(
                "the fork broke off: {error}; this is our bug"
            ))),
        }
    }

    pub(super) async fn list_sessions(&mut self) {
        let Some(shelf) = self.shelf("list conversations") else {
            return;
        };
        let own = self.history.writer().map(|writer| writer.path().to_owned());
        let read = tokio::task::spawn_blocking(move || listed(&shelf, own.as_deref())).await;
        self.link.send(match read {
            Ok(Ok(listed)) => HistoryEvent::Sessions(listed).into(),
            Ok(Err(error)) => AgentEvent::Problem(error.to_string()),
            Err(error) => {
                AgentEvent::Problem(format!("the list broke off: {error}; this is our bug"))
            }
        });
    }

    /// Where records lie; tells the user when this conversation has none.
    pub(super) fn shelf(&mut self, what: &str) -> Option<Arc<Shelf>> {
        let shelf = self.history.writer().map(|writer| writer.shelf().clone());
        if shelf.is_none() {
            self.link.send(AgentEvent::Problem(format!(
                "cannot {what}: this conversation is not recorded\n  the problem with the record was shown when it came up"
            )));
        }
        shelf
    }

    /// The fixed prompt of this conversation. A resumed one keeps its own to the byte, as long as the model
    /// can be offered the same.
    pub(super) fn fix_prompt(&mut self, profile: PromptProfile, offer: prompt::Offer) {
        let wanted = prompt::fixed(profile, &self.options, offer);
        let kept = self.history.state().spec().filter(|spec| {
            (spec.profile, spec.python.is_some()) == (profile, offer.python)
                && spec.functions == wanted.functions
        });
        let effort = self.options.effort;
        self.fixed = Some(match kept {
            Some(spec) => crate::conversation::PromptSpec {
                effort,
                ..spec.clone()
            },
            None => wanted,
        });
    }

    /// Puts the fixed prompt on record where the record has another.
    pub(super) async fn record_prompt(&mut self) {
        let Some(fixed) = self.fixed.clone() else {
            return;
        };
        if self.history.state().spec() != Some(&fixed) {
            let spec = Box::new(fixed);
            let recorded = self.history.take(Record::Prompt { spec }).await;
            self.report(recorded);
        }
    }
}

fn listed(shelf: &Shelf, own: Option<&Path>) -> Result<Vec<Listed>, SessionError> {
    let now = SystemTime::now();
    let others = summaries(&shelf.state_dir)?
        .into_iter()
        .filter(|summary| Some(summary.path.as_path()) != own);
    Ok(others
        .map(|summary| Listed {
            id: summary.head.id.to_string(),
            title: summary.title,
            here: summary.head.workspace == shelf.workspace,
            folder: summary.head.workspace,
            branch: summary.head.branch,
            messages: summary.messages,
            age: now.duration_since(summary.changed).unwrap_or_default(),
            path: summary.path,
        })
        .collect())
}
