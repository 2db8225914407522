//! From one recorded conversation to another: resume, new, fork, the list of them.

use super::calls::role;
use super::past::{Past, Retold, Unanswered, retell};
use super::task::Core;
use super::{AgentEvent, HistoryEvent, Listed, Restored, prompt};
use crate::conversation::{Item, PromptProfile, Usage};
use crate::harmony::vocab::Vocabulary;
use crate::session::{
    Loaded, Record, SessionError, Shelf, State, TurnEnd, VERSION, Writer, recent, summaries,
    utc_date,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A conversation read from disk, ready to go on.
struct Opened {
    writer: Writer,
    loaded: Loaded,
    retold: Retold,
    /// Why it is a fork, where it had to be one.
    forked: Option<&'static str>,
}

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
        let opened = tokio::task::spawn_blocking(move || {
            let vocabulary = words().map_err(|error| error.to_string())?;
            open(&shelf, &path, &vocabulary)
        });
        let opened = match opened.await {
            Ok(Ok(opened)) => opened,
            Ok(Err(problem)) => return self.link.send(AgentEvent::Problem(problem)),
            Err(error) => {
                return self.link.send(AgentEvent::Problem(format!(
                    "the conversation could not be read: {error}; this is our bug"
                )));
            }
        };
        self.go_on(opened).await;
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

    async fn go_on(&mut self, opened: Opened) {
        let Opened {
            writer,
            loaded,
            retold,
            forked,
        } = opened;
        self.link.forget_queued();
        self.fixed = None;
        let Loaded {
            head,
            records,
            warnings,
        } = loaded;
        let state = State::of(records);
        // The day it began is part of what the model was told.
        self.options.date = utc_date(UNIX_EPOCH + Duration::from_secs(head.created));
        let asked = std::mem::take(&mut self.options.effort_asked);
        if let Some(spec) = state.spec().filter(|_| !asked) {
            self.options.effort = spec.effort;
        }
        self.history.replace(state, Some(writer));
        self.history.numbered(retold.calls);
        self.show_again(retold).await;
        self.tell_context().await;
        for warning in warnings {
            self.link.send(AgentEvent::Problem(warning));
        }
        if let Some(why) = forked {
            let parent = head.id;
            self.say(AgentEvent::Notice(format!(
                "{why}: this is a fork of {parent}, which stays as it is."
            )))
            .await;
        }
    }

    /// Shows the conversation from its beginning, and answers what a killed process left without an answer.
    async fn show_again(&mut self, retold: Retold) {
        let mut past = retold.past;
        for Unanswered {
            call,
            recipient,
            output,
        } in retold.unanswered
        {
            let mut text = "Error: Descant ended before this call did".to_owned();
            if !output.is_empty() {
                text.push_str(&format!("; until then it printed:\n{output}"));
            }
            let item = Item::ToolResult {
                call,
                tool: role(&recipient),
                text,
            };
            let recorded = self.history.push(item).await;
            self.report(recorded);
        }
        if let Some(turn) = retold.unended {
            let end = TurnEnd::Interrupted;
            past.push(Past::Ended {
                end: end.clone(),
                usage: Usage::default(),
                elapsed: Duration::ZERO,
            });
            let ended = Record::TurnEnded {
                turn,
                usage: Usage::default(),
                end,
                seconds: 0.0,
            };
            let recorded = self.history.take(ended).await;
            self.report(recorded);
        }
        self.link.send(
            HistoryEvent::Restored(Box::new(Restored {
                past,
                effort: self.options.effort,
            }))
            .into(),
        );
    }

    /// Reads the running conversation again, for a consumer that has to show it from its beginning.
    pub(super) async fn reread(&mut self) -> Result<(), String> {
        let Some(path) = self.history.writer().map(|writer| writer.path().to_owned()) else {
            return Err("this conversation is not recorded".into());
        };
        let words = self.words.clone();
        let read = tokio::task::spawn_blocking(move || {
            let vocabulary = words().map_err(|error| error.to_string())?;
            let loaded = crate::session::load(&path).map_err(|error| error.to_string())?;
            Ok::<_, String>(retell(&loaded.records, &vocabulary))
        });
        let retold = read
            .await
            .map_err(|error| format!("it broke off: {error}; this is our bug"))??;
        self.link.send(
            HistoryEvent::Restored(Box::new(Restored {
                past: retold.past,
                effort: self.options.effort,
            }))
            .into(),
        );
        self.tell_context().await;
        Ok(())
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
    pub(super) fn fix_prompt(&mut self, profile: PromptProfile, python: bool) {
        let wanted = prompt::fixed(profile, &self.options, python);
        let kept = self.history.state().spec().filter(|spec| {
            (spec.profile, spec.python.is_some()) == (profile, python)
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

/// One that another process writes, or that an older version wrote, is forked: nobody else's lines come in
/// between, and an old Descant can still read what it wrote.
fn open(shelf: &Arc<Shelf>, path: &Path, vocabulary: &Arc<Vocabulary>) -> Result<Opened, String> {
    let said = |error: SessionError| error.to_string();
    let fork = |why| -> Result<_, SessionError> {
        let loaded = crate::session::load(path)?;
        let writer = shelf.fork(path, SystemTime::now())?;
        Ok((writer, loaded, Some(why)))
    };
    let (writer, loaded, forked) = match shelf.resume(path) {
        Ok((_, loaded)) if loaded.head.descant_session < VERSION => {
            fork("An older Descant wrote that conversation").map_err(said)?
        }
        Ok((writer, loaded)) => (writer, loaded, None),
        Err(SessionError::InUse(_)) => {
            fork("That conversation is open in another Descant").map_err(said)?
        }
        Err(error) => return Err(error.to_string()),
    };
    let place = &loaded.head.workspace;
    if *place != shelf.workspace {
        // Its edits would land in the wrong folder.
        return Err(format!(
            "that conversation is about {place}\n  go on with it by: descant -C {place} resume {}",
            loaded.head.id,
            place = place.display()
        ));
    }
    Ok(Opened {
        retold: retell(&loaded.records, vocabulary),
        writer,
        loaded,
        forked,
    })
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
