//! Room in the context: a conversation that comes near its limit is compacted by itself, in the middle of a turn too.
//!
//! What is near is the user's reserve. Where nothing can be made shorter any more, the message names the largest
//! parts and what the user can do; nothing is ever dropped silently.

use super::compact::{NOTHING, Shorter};
use super::link::Attended;
use super::task::Core;
use super::turn::{Outcome, Progress, Ready, Unready};
use super::{AgentEvent, HistoryEvent, LoadedModel};
use crate::conversation::{Item, PromptProfile};
use crate::harmony::vocab::Vocabulary;

/// Of the context, the reserve is at most this part.
const RESERVE_SHARE: usize = 4;
/// Parts that a message names.
const NAMED: usize = 3;
/// Characters of a message that are quoted.
const QUOTED: usize = 30;

impl Core {
    /// The prompt for the conversation and what is `said` next, with room for an answer.
    pub(super) async fn fit(
        &mut self,
        model: &LoadedModel,
        said: &[Item],
        progress: &mut Progress,
    ) -> Result<Ready, Outcome> {
        let whole = |core: &Core| [core.history.items(), said].concat();
        let full = match self.prepare(model, &whole(self)) {
            Err(Unready::Failed(error)) => return Err(Outcome::Failed(error)),
            Err(Unready::Full(_)) => true,
            Ok(ready) if !self.is_near(model, ready.0.ids.len()) => return Ok(ready),
            Ok(_) => false,
        };
        let profile = model.0.info().profile;
        let may = self.options.compact.auto && profile != PromptProfile::Demo;
        let mut problem = None;
        if may && (full || !progress.uncompacted) {
            self.link.send(HistoryEvent::Compacting.into());
            let shorter = self.make_room(model, said).await;
            self.link.send(HistoryEvent::CompactDone.into());
            match shorter {
                Attended::Done(Ok(Shorter { usage, told })) => {
                    progress.usage = progress.usage.plus(usage);
                    self.link.send(AgentEvent::Notice(told));
                    self.tell_context().await;
                }
                Attended::Done(Err(error)) => {
                    progress.uncompacted = true;
                    // Of a short conversation in a small context there is nothing to say before it is full.
                    problem = Some(error).filter(|error| full || error != NOTHING);
                }
                Attended::Interrupted => return Err(Outcome::Interrupted),
            }
        }
        match (self.prepare(model, &whole(self)), problem) {
            (Ok(ready), None) => {
                // What is short now and near all the same is not compacted again at every step.
                progress.uncompacted |= self.is_near(model, ready.0.ids.len());
                Ok(ready)
            }
            (Ok(ready), Some(problem)) => {
                self.say(AgentEvent::Problem(format!(
                    "the conversation fills the context and could not be compacted: {problem}"
                )))
                .await;
                Ok(ready)
            }
            (Err(Unready::Failed(error)), _) => Err(Outcome::Failed(error)),
            (Err(Unready::Full(tokens)), problem) => {
                let mut error = self.too_large(model, &whole(self), tokens);
                if let Some(problem) = problem {
                    error.push_str(&format!("\n  it could not be compacted: {problem}"));
                }
                Err(Outcome::Failed(error))
            }
        }
    }

    /// Less than the reserve is free.
    pub(super) fn is_near(&self, model: &LoadedModel, prompt: usize) -> bool {
        let limit = model.0.info().context_length;
        let reserve = self.options.compact.reserve.min(limit / RESERVE_SHARE);
        limit.saturating_sub(prompt) < reserve
    }

    /// What the user reads of a conversation that does not fit.
    pub(super) fn too_large(&self, model: &LoadedModel, items: &[Item], tokens: usize) -> String {
        let (engine, vocabulary) = model;
        let info = engine.info();
        let limit = info.context_length;
        let mut parts = parts(vocabulary, items);
        let counted: usize = parts.iter().map(|(tokens, _)| tokens).sum();
        let fixed = tokens.saturating_sub(counted);
        parts.push((fixed, "instructions and tools, AGENTS.md with them".into()));
        parts.sort_by_key(|(tokens, _)| std::cmp::Reverse(*tokens));
        let named: Vec<String> = parts
            .iter()
            .take(NAMED)
            .map(|(tokens, name)| format!("{name}: {tokens}"))
            .collect();
        let advice = if info.profile == PromptProfile::Demo {
            "ask for less at a time"
        } else {
            "/rewind goes back to before a message, /compact summarises what was said, /new begins anew; \
             context = N in the configuration asks for more"
        };
        format!(
            "the prompt has {tokens} tokens and the context holds {limit}\n  the largest parts: {}\n  {advice}",
            named.join("; ")
        )
    }
}

/// Each part of a conversation with its tokens; what the model said is one.
fn parts(vocabulary: &Vocabulary, items: &[Item]) -> Vec<(usize, String)> {
    let count = |text: &str| vocabulary.encode_text(text).len();
    let mut parts = Vec::new();
    let mut generated = 0;
    for item in items {
        match item {
            Item::User { text } => {
                let line = text.lines().next().unwrap_or_default();
                let quoted: String = line.chars().take(QUOTED).collect();
                parts.push((count(text), format!("your message \"{quoted}\"")));
            }
            Item::Attached { name, text } => parts.push((count(text), name.clone())),
            Item::Generated { tokens } => generated += tokens.len(),
            Item::ToolResult { call, tool, text } => {
                parts.push((
                    count(text),
                    format!("the answer of {tool} (call {})", call.0),
                ));
            }
        }
    }
    parts.push((generated, "what the model said".into()));
    parts
}
