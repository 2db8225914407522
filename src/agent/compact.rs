//! Compacting: the history becomes a summary that the model writes, the user's last messages, and what the running
//! turn still needs word for word.
//!
//! Nothing changes before the summary is whole: an interrupt or a failure leaves the conversation as it was.
//! The record keeps everything; only what the model is told gets shorter. The request for a summary stands behind
//! the prompt that the engine has computed already, so it costs its own tokens and no more.

use super::generation::{Ending, Recording, generate};
use super::link::Attended;
use super::past::compacted;
use super::prompt::Offer;
use super::task::Core;
use super::turn::{Ready, Unready};
use super::{AgentEvent, HistoryEvent, LoadedModel};
use crate::conversation::{Item, PromptProfile, Usage};
use crate::session::Record;
use crate::tools::cap;

/// What the model is asked.
const REQUEST: &str = include_str!("../../prompts/compact.md");
/// Bytes of the user's last messages that stay as they are; half as many as the context has tokens, if that is less.
const MESSAGES: usize = 8 * 1024;
/// What the model reads before its summary.
const BEFORE: &str = "The conversation so far was summarised. The messages above are the user's latest; this is \
the summary of everything up to here:";
/// Tokens of a history that is worth a summary.
const WORTH: usize = 512;
/// Bytes of an answer that does not fit, tried one after the other.
const CUTS: [usize; 5] = [8 * 1024, 4 * 1024, 2 * 1024, 1024, 512];
/// In the place of a tool's answer where not even the request for a summary fits.
const LEFT_OUT: &str = "[left out]";

/// A conversation that became shorter.
#[derive(Debug)]
pub(super) struct Shorter {
    /// Of the generation that summarised it.
    pub(super) usage: Usage,
    /// For the user.
    pub(super) told: String,
}

/// Why nothing was compacted.
pub(super) const NOTHING: &str = "nothing in it can be made shorter";
const STOPPED: &str = "compacting was interrupted; the conversation is as it was";

impl Core {
    /// `/compact`.
    pub(super) async fn compact(&mut self, instructions: String) {
        self.link.begin_turn();
        self.link.send(HistoryEvent::Compacting.into());
        let event = match self.try_compact(&instructions).await {
            Ok(told) => AgentEvent::Notice(told),
            Err(problem) => AgentEvent::Problem(problem),
        };
        // The record of a success says it already.
        match event {
            AgentEvent::Problem(_) => self.say(event).await,
            event => self.link.send(event),
        }
        self.link.send(HistoryEvent::CompactDone.into());
    }

    async fn try_compact(&mut self, instructions: &str) -> Result<String, String> {
        if self.history.items().is_empty() {
            return Err("there is nothing to compact yet".into());
        }
        self.wake();
        let model = match self.link.attend(self.model.wait()).await {
            Attended::Done(Some(Ok(model))) => model.clone(),
            Attended::Done(Some(Err(error))) => return Err(error.to_string()),
            Attended::Done(None) => return Err("the load of the model broke off".into()),
            Attended::Interrupted => return Err(STOPPED.into()),
        };
        let profile = model.0.info().profile;
        if profile == PromptProfile::Demo {
            return Err(
                "the demo model reads the current message alone: there is nothing to compact"
                    .into(),
            );
        }
        if self.fixed.is_none() {
            // As much as the last turn of this conversation was offered.
            let offer = self.history.state().spec().map(Offer::of);
            self.fix_prompt(profile, offer.unwrap_or(Offer::NONE));
        }
        let head = self.history.items().to_vec();
        let before = self.size(&model, &head)?;
        let summary = match self.summary(&model, &head, instructions).await {
            Attended::Done(summary) => summary?.0,
            Attended::Interrupted => return Err(STOPPED.into()),
        };
        let items = replacement(&head, &summary, messages_room(&model));
        let after = self.size(&model, &items)?;
        if after >= before {
            return Err(format!(
                "the summary would take {after} tokens and the conversation takes {before}; it stays as it was"
            ));
        }
        self.replace(items, before, after).await;
        self.tell_context().await;
        Ok(compacted(before, after))
    }

    /// Makes the conversation shorter, so that it and what is `said` next leave room for an answer. What the running
    /// turn said last stays as it is: the model's call, and its answer unless that alone is too long.
    pub(super) async fn make_room(
        &mut self,
        model: &LoadedModel,
        said: &[Item],
    ) -> Attended<Result<Shorter, String>> {
        let items = self.history.items().to_vec();
        let (head, tail) = items.split_at(last_step(&items, said));
        let before = match self.size(model, &items) {
            Ok(before) => before,
            Err(error) => return Attended::Done(Err(error)),
        };
        let fixed = self.size(model, &[]).unwrap_or(before);
        let head_size = self.size(model, head).unwrap_or(before);
        let (mut new, mut usage) = (head.to_vec(), Usage::default());
        if head_size.saturating_sub(fixed) >= WORTH {
            match self.summary(model, head, "").await {
                Attended::Done(Ok((summary, cost))) => {
                    new = replacement(head, &summary, messages_room(model));
                    usage = cost;
                }
                Attended::Done(Err(error)) => return Attended::Done(Err(error)),
                Attended::Interrupted => return Attended::Interrupted,
            }
        }
        let prepared = |core: &Core, tail: &[Item]| {
            let all = [&new, tail, said].concat();
            core.prepare(model, &all)
                .ok()
                .map(|(prompt, _)| prompt.ids.len())
        };
        let mut kept = tail.to_vec();
        if prepared(self, &kept).is_none() {
            // With the reserve free where a cut does that, else with room for an answer.
            let mut fits = None;
            for limit in CUTS {
                let cut = self.cut(tail, limit).await;
                let Some(tokens) = prepared(self, &cut) else {
                    continue;
                };
                if !self.is_near(model, tokens) {
                    fits = Some(cut);
                    break;
                }
                fits.get_or_insert(cut);
            }
            kept = fits.unwrap_or(kept);
        }
        let items = [new, kept].concat();
        let after = match self.size(model, &items) {
            Ok(after) => after,
            Err(error) => return Attended::Done(Err(error)),
        };
        Attended::Done(if after < before {
            self.replace(items, before, after).await;
            Ok(Shorter {
                usage,
                told: compacted(before, after),
            })
        } else {
            Err(NOTHING.into())
        })
    }

    /// The answers of tools cut to `limit` bytes, and whole on disk.
    async fn cut(&mut self, tail: &[Item], limit: usize) -> Vec<Item> {
        let mut out = Vec::with_capacity(tail.len());
        for item in tail {
            out.push(match item {
                Item::ToolResult { call, tool, text } if text.len() > limit => Item::ToolResult {
                    call: *call,
                    tool: tool.clone(),
                    text: self.shortened(*call, text.clone(), limit).await,
                },
                item => item.clone(),
            });
        }
        out
    }

    async fn replace(&mut self, items: Vec<Item>, tokens_before: usize, tokens_after: usize) {
        let recorded = self
            .history
            .take(Record::Compacted {
                items,
                tokens_before,
                tokens_after,
            })
            .await;
        self.report(recorded);
    }

    /// Tokens of the prompt for `items`, whether it fits or not.
    fn size(&self, model: &LoadedModel, items: &[Item]) -> Result<usize, String> {
        match self.prepare(model, items) {
            Ok((prompt, _)) => Ok(prompt.ids.len()),
            Err(Unready::Full(tokens)) => Ok(tokens),
            Err(Unready::Failed(error)) => Err(error),
        }
    }

    /// What the model makes of `head`.
    async fn summary(
        &mut self,
        model: &LoadedModel,
        head: &[Item],
        instructions: &str,
    ) -> Attended<Result<(String, Usage), String>> {
        let mut text = REQUEST.trim_end().to_owned();
        if !instructions.trim().is_empty() {
            text.push_str(&format!("\n\nThe user adds: {}", instructions.trim()));
        }
        let (prompt, budget) = match self.asked(model, head, &text) {
            Ok(ready) => ready,
            Err(error) => return Attended::Done(Err(error)),
        };
        let ask = self.ask(prompt.ids, budget);
        let generation = generate(&mut self.link, Recording::Aside, model.0.as_ref(), ask).await;
        match generation.ending {
            Ending::Interrupted => return Attended::Interrupted,
            Ending::Broken(error) => return Attended::Done(Err(error.to_string())),
            Ending::Repeating => {
                return Attended::Done(Err(
                    "the model only repeated itself; the conversation is as it was\n  try again, or begin anew with /new"
                        .into(),
                ));
            }
            Ending::Stopped | Ending::Length => {}
        }
        Attended::Done(match generation.answer {
            Some(summary) if !summary.trim().is_empty() => Ok((summary, generation.usage)),
            Some(_) | None => Err(
                "the model wrote no summary; the conversation is as it was\n  try again, or begin anew with /new"
                    .into(),
            ),
        })
    }

    /// The prompt that asks for a summary. As an attachment to the turn, so that its reasoning stays and with it all
    /// that is computed; where that does not fit, as a message of its own, and then without the answers of tools,
    /// the oldest half first.
    fn asked(&self, model: &LoadedModel, head: &[Item], text: &str) -> Result<Ready, String> {
        let beside = Item::Attached {
            name: "the request for a summary".into(),
            text: text.to_owned(),
        };
        let message = Item::User {
            text: text.to_owned(),
        };
        let without = |from: usize| {
            let left_out = |(at, item): (usize, &Item)| match item {
                Item::ToolResult { call, tool, text } if at < from && text.len() > 100 => {
                    Item::ToolResult {
                        call: *call,
                        tool: tool.clone(),
                        text: LEFT_OUT.into(),
                    }
                }
                item => item.clone(),
            };
            head.iter().enumerate().map(left_out).collect::<Vec<_>>()
        };
        let attempts = [
            (0, &beside),
            (0, &message),
            (head.len() / 2, &message),
            (head.len(), &message),
        ];
        let mut last = 0;
        for (from, request) in attempts {
            let mut items = without(from);
            items.push(request.clone());
            match self.prepare(model, &items) {
                Ok(ready) => return Ok(ready),
                Err(Unready::Full(tokens)) => last = tokens,
                Err(Unready::Failed(error)) => return Err(error),
            }
        }
        Err(self.too_large(model, head, last))
    }
}

/// Where the running turn's last generation begins; the end where a message comes next.
fn last_step(items: &[Item], said: &[Item]) -> usize {
    if !said.is_empty() {
        return items.len();
    }
    items
        .iter()
        .rposition(|item| matches!(item, Item::Generated { .. }))
        .unwrap_or(items.len())
}

fn messages_room(model: &LoadedModel) -> usize {
    MESSAGES.min(model.0.info().context_length / 2)
}

/// The user's last messages as far as there is room, oldest first, and the summary. The last one stays in any case,
/// cut in its middle where it is long.
fn replacement(head: &[Item], summary: &str, mut room: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let messages = head.iter().rev().filter_map(|item| match item {
        Item::User { text } => Some(text),
        Item::Attached { .. } | Item::Generated { .. } | Item::ToolResult { .. } => None,
    });
    for text in messages {
        if text.len() > room && !items.is_empty() {
            break;
        }
        items.push(Item::User {
            text: cap::head_and_tail(text, room, None),
        });
        room = room.saturating_sub(text.len());
    }
    items.reverse();
    items.push(Item::Attached {
        name: "a summary of the conversation so far".into(),
        text: format!("{BEFORE}\n\n{}", summary.trim()),
    });
    items
}
