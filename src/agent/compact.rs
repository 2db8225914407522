//! `/compact`: the history becomes a summary that the model writes, and the user's last messages.
//!
//! Nothing changes before the summary is whole: an interrupt or a failure leaves the conversation as it was.
//! The record keeps everything; only what the model is told gets shorter.

use super::generation::{Ending, Recording, generate};
use super::link::Attended;
use super::past::compacted;
use super::prompt::Offer;
use super::task::Core;
use super::{AgentEvent, HistoryEvent, LoadedModel};
use crate::conversation::{Item, PromptProfile};
use crate::session::Record;

/// What the model is asked.
const REQUEST: &str = include_str!("../../prompts/compact.md");
/// Bytes of the user's last messages that stay as they are.
const MESSAGES: usize = 8 * 1024;
/// What the model reads before its summary.
const BEFORE: &str = "The conversation so far was summarised. The messages above are the user's latest; this is \
the summary of everything up to here:";

impl Core {
    pub(super) async fn compact(&mut self, instructions: String) {
        self.link.begin_turn();
        self.link.send(HistoryEvent::Compacting.into());
        let event = match self.try_compact(&instructions).await {
            Ok((before, after)) => AgentEvent::Notice(compacted(before, after)),
            Err(problem) => AgentEvent::Problem(problem),
        };
        // The record of a success says it already.
        match event {
            AgentEvent::Problem(_) => self.say(event).await,
            event => self.link.send(event),
        }
        self.link.send(HistoryEvent::CompactDone.into());
    }

    async fn try_compact(&mut self, instructions: &str) -> Result<(usize, usize), String> {
        if self.history.items().is_empty() {
            return Err("there is nothing to compact yet".into());
        }
        let stopped = "compacting was interrupted; the conversation is as it was";
        let model = match self.link.attend(self.model.wait()).await {
            Attended::Done(Some(Ok(model))) => model.clone(),
            Attended::Done(Some(Err(error))) => return Err(error.to_string()),
            Attended::Done(None) => return Err("the load of the model broke off".into()),
            Attended::Interrupted => return Err(stopped.into()),
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
        let (before, _) = self.prepare(&model, self.history.items())?;
        let summary = self.summary(&model, instructions, stopped).await?;
        let items = self.replacement(&summary);
        let (after, _) = self.prepare(&model, &items)?;
        let (before, after) = (before.ids.len(), after.ids.len());
        if after >= before {
            return Err(format!(
                "the summary would take {after} tokens and the conversation takes {before}; it stays as it was"
            ));
        }
        let recorded = self
            .history
            .take(Record::Compacted {
                items,
                tokens_before: before,
                tokens_after: after,
            })
            .await;
        self.report(recorded);
        self.tell_context().await;
        Ok((before, after))
    }

    async fn summary(
        &mut self,
        model: &LoadedModel,
        instructions: &str,
        stopped: &str,
    ) -> Result<String, String> {
        let mut text = REQUEST.trim_end().to_owned();
        if !instructions.trim().is_empty() {
            text.push_str(&format!("\n\nThe user adds: {}", instructions.trim()));
        }
        let mut items = self.history.items().to_vec();
        items.push(Item::User { text });
        let (prompt, budget) = self.prepare(model, &items)?;
        let ask = self.ask(prompt.ids, budget);
        let generation = generate(&mut self.link, Recording::Aside, model.0.as_ref(), ask).await;
        match generation.ending {
            Ending::Interrupted => return Err(stopped.into()),
            Ending::Broken(error) => return Err(error.to_string()),
            Ending::Repeating => {
                return Err("the model only repeated itself; the conversation is as it was\n  try again, or begin anew with /new".into());
            }
            Ending::Stopped | Ending::Length => {}
        }
        match generation.answer {
            Some(summary) if !summary.trim().is_empty() => Ok(summary),
            Some(_) | None => Err(
                "the model wrote no summary; the conversation is as it was\n  try again, or begin anew with /new"
                    .into(),
            ),
        }
    }

    /// The user's last messages as far as there is room, oldest first, and the summary.
    fn replacement(&self, summary: &str) -> Vec<Item> {
        let mut room = MESSAGES;
        let mut items: Vec<Item> = self
            .history
            .items()
            .iter()
            .rev()
            .filter(|item| matches!(item, Item::User { .. }))
            .take_while(|item| match item {
                Item::User { text } => {
                    let fits = text.len() <= room;
                    room = room.saturating_sub(text.len());
                    fits
                }
                Item::Attached { .. } | Item::Generated { .. } | Item::ToolResult { .. } => false,
            })
            .cloned()
            .collect();
        items.reverse();
        items.push(Item::Attached {
            name: "a summary of the conversation so far".into(),
            text: format!("{BEFORE}\n\n{}", summary.trim()),
        });
        items
    }
}
