//! Going on with a recorded conversation: its end is on screen first, the rest follows while it is read.
//!
//! A record of 10 MB takes most of a second to parse, and its last turns some milliseconds. The one thing to know:
//! commands wait until all of it is read, so the first turn finds the conversation whole and exact.

use super::calls::role;
use super::past::{Past, Retold, Unanswered, kept, parts, retell_part};
use super::task::Core;
use super::{AgentEvent, HistoryEvent, Restored, Words};
use crate::conversation::{Effort, Item, TurnId, Usage};
use crate::harmony::vocab::Vocabulary;
use crate::session::{
    Head, Record, SessionError, Shelf, State, TurnEnd, Unread, VERSION, Writer, utc_date,
};
use crate::tools::cap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Bytes of the record that are read before the first frame: more than a large screen of text.
const TAIL: usize = 128 << 10;
/// Text that is handed over at once, in bytes: a frame's work for who shows it.
const PART: usize = 64 << 10;
/// Parts that wait to be handed over; reading waits when they are as many.
const PARTS: usize = 4;

/// A conversation that is open, its end read.
pub(super) struct Opened {
    writer: Writer,
    unread: Unread,
    head: Head,
    vocabulary: Arc<Vocabulary>,
    /// Its last turns, where they could be read by themselves.
    tail: Option<Tail>,
    effort: Option<Effort>,
    /// Why it is a fork, where it had to be one.
    forked: Option<&'static str>,
}

struct Tail {
    /// Records of the conversation that it is made of.
    records: usize,
    told: Retold,
}

/// All of a conversation.
struct Whole {
    state: State,
    warnings: Vec<String>,
    unanswered: Vec<Unanswered>,
    unended: Option<TurnId>,
    calls: u64,
}

/// One that another process writes, or that an older version wrote, is forked: nobody else's lines come in
/// between, and an old Descant can still read what it wrote.
pub(super) fn open(shelf: &Arc<Shelf>, path: &Path, words: &Words) -> Result<Opened, String> {
    let said = |error: SessionError| error.to_string();
    let fork = |why| -> Result<_, SessionError> {
        let unread = Unread::read(path)?;
        let writer = shelf.fork(path, SystemTime::now())?;
        Ok((writer, unread, Some(why)))
    };
    let (writer, unread, forked) = match shelf.resume(path) {
        Ok((writer, _)) if writer.head().descant_session < VERSION => {
            // Its lock would hold the parent.
            drop(writer);
            fork("An older Descant wrote that conversation").map_err(said)?
        }
        Ok((writer, unread)) => (writer, unread, None),
        Err(SessionError::InUse(_)) => {
            fork("That conversation is open in another Descant").map_err(said)?
        }
        Err(error) => return Err(error.to_string()),
    };
    let head = unread.head().map_err(said)?;
    let place = &head.workspace;
    if *place != shelf.workspace {
        // Its edits would land in the wrong folder.
        return Err(format!(
            "that conversation is about {place}\n  go on with it by: descant -C {place} resume {}",
            head.id,
            place = place.display()
        ));
    }
    let vocabulary = words().map_err(|error| error.to_string())?;
    let tail = unread.tail(TAIL).map(|records| {
        let records = kept(&records);
        Tail {
            records: records.len(),
            told: retell_part(&records, 0, &vocabulary),
        }
    });
    Ok(Opened {
        effort: unread.spec().map(|spec| spec.effort),
        writer,
        unread,
        head,
        vocabulary,
        tail,
        forked,
    })
}

/// What is handed over while a conversation is read.
enum Piece {
    /// The end of it, and whether there is more.
    End(Retold, bool),
    Earlier(Vec<Past>),
}

/// Reads all, and hands over what stands before the last `shown` records, the latest part first; without these,
/// the end before all.
fn read(
    unread: Unread,
    shown: Option<usize>,
    vocabulary: &Arc<Vocabulary>,
    hand_over: impl Fn(Piece),
) -> Result<Whole, String> {
    let loaded = unread.load().map_err(|error| error.to_string())?;
    drop(unread);
    let records = kept(&loaded.records);
    let end = match shown {
        Some(shown) => records.len().saturating_sub(shown),
        None => parts(&records, TAIL).pop().map_or(0, |part| part.start),
    };
    let (earlier, rest) = records.split_at(end);
    if shown.is_none() {
        let told = retell_part(rest, 0, vocabulary);
        hand_over(Piece::End(told, !earlier.is_empty()));
    }
    let mut told = Vec::new();
    for part in parts(earlier, PART).into_iter().rev() {
        let records = earlier.get(part).unwrap_or_default();
        let mut part = retell_part(records, 0, vocabulary);
        let past = std::mem::take(&mut part.past);
        if !past.is_empty() {
            hand_over(Piece::Earlier(past));
        }
        told.push(part);
    }
    let before = told.iter().rev();
    let calls = before.fold(0, |calls, part| part.calls_after(calls));
    // Once more, because what goes on record of it needs the calls' own numbers.
    let last = retell_part(rest, calls, vocabulary);
    Ok(Whole {
        unanswered: last.unanswered,
        unended: last.unended,
        calls: last.calls,
        warnings: loaded.warnings,
        state: State::of(loaded.records),
    })
}

impl Core {
    /// Shows the end of a conversation, then the rest, and goes on with it.
    pub(super) async fn go_on(&mut self, opened: Opened) {
        let Opened {
            writer,
            unread,
            head,
            vocabulary,
            tail,
            effort,
            forked,
        } = opened;
        self.link.forget_queued();
        self.fixed = None;
        // The day it began is part of what the model was told.
        self.options.date = utc_date(UNIX_EPOCH + Duration::from_secs(head.created));
        let asked = std::mem::take(&mut self.options.effort_asked);
        if let Some(effort) = effort.filter(|_| !asked) {
            self.options.effort = effort;
        }
        let shown = tail.as_ref().map(|tail| tail.records);
        if let Some(tail) = tail {
            self.restored(tail.told, true);
        }
        let Whole {
            state,
            warnings,
            unanswered,
            unended,
            calls,
        } = match self.show(unread, shown, vocabulary).await {
            Ok(whole) => whole,
            Err(problem) => return self.link.send(AgentEvent::Problem(problem)),
        };
        self.history.replace(state, Some(writer));
        self.history.numbered(calls);
        self.answer(unanswered).await;
        if let Some(turn) = unended {
            let ended = Record::TurnEnded {
                turn,
                usage: Usage::default(),
                end: TurnEnd::Interrupted,
                seconds: 0.0,
            };
            let recorded = self.history.take(ended).await;
            self.report(recorded);
        }
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

    /// Hands a conversation over while it is read on a thread of its own.
    async fn show(
        &mut self,
        unread: Unread,
        shown: Option<usize>,
        vocabulary: Arc<Vocabulary>,
    ) -> Result<Whole, String> {
        let (sender, mut pieces) = mpsc::channel(PARTS);
        let reading = tokio::task::spawn_blocking(move || {
            read(unread, shown, &vocabulary, |piece| {
                let _ = sender.blocking_send(piece);
            })
        });
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::End(told, more) => self.restored(told, more),
                Piece::Earlier(past) => self.link.send(HistoryEvent::Earlier(past).into()),
            }
            self.link.flush().await;
        }
        reading.await.map_err(|error| {
            format!("the conversation could not be read: {error}; this is our bug")
        })?
    }

    fn restored(&mut self, told: Retold, more: bool) {
        let mut past = told.past;
        if told.unended.is_some() {
            past.push(Past::Ended {
                end: TurnEnd::Interrupted,
                usage: Usage::default(),
                elapsed: Duration::ZERO,
            });
        }
        let effort = self.options.effort;
        let restored = Restored { past, effort, more };
        self.link
            .send(HistoryEvent::Restored(Box::new(restored)).into());
    }

    /// Answers the calls that a killed process left without an answer.
    async fn answer(&mut self, unanswered: Vec<Unanswered>) {
        for Unanswered {
            call,
            recipient,
            output,
        } in unanswered
        {
            let mut text = "Error: Descant ended before this call did".to_owned();
            if !output.is_empty() {
                let printed = cap::head_and_tail(&output, cap::ANSWER_LIMIT, None);
                text.push_str(&format!("; until then it printed:\n{printed}"));
            }
            let item = Item::ToolResult {
                call,
                tool: role(&recipient),
                text,
            };
            let recorded = self.history.push(item).await;
            self.report(recorded);
        }
    }

    /// Reads the running conversation again, for a consumer that has to show it from its beginning.
    pub(super) async fn reread(&mut self) -> Result<(), String> {
        let Some(path) = self.history.writer().map(|writer| writer.path().to_owned()) else {
            return Err("this conversation is not recorded".into());
        };
        let words = self.words.clone();
        let read = tokio::task::spawn_blocking(move || {
            let vocabulary = words().map_err(|error| error.to_string())?;
            let unread = Unread::read(&path).map_err(|error| error.to_string())?;
            Ok::<_, String>((unread, vocabulary))
        });
        let (unread, vocabulary) = read
            .await
            .map_err(|error| format!("it broke off: {error}; this is our bug"))??;
        self.show(unread, None, vocabulary).await?;
        self.tell_context().await;
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
