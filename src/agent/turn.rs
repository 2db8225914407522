//! A turn: from the user's message to the model's last word, however many tool calls lie between.
//!
//! The loop is generate, read what came, answer the calls, again. Whatever ends it early leaves a history
//! that is valid Harmony: a call that was made has an answer, even if the answer is that it did not run.

use super::attach;
use super::calls::Tally;
use super::context::{Budget, budget, cut_short};
use super::generation::{Ask, Ending, Generation, Recording, generate};
use super::link::Attended;
use super::prompt::Offer;
use super::repetition::Repetition;
use super::stop::Stops;
use super::targets::WorkTree;
use super::task::Core;
use super::{AgentEvent, ContextUse, LoadedModel};
use crate::conversation::{Item, MessageEnd, PromptProfile, TokenId, Usage};
use crate::engine::Sampling;
use crate::harmony::grammar;
use crate::harmony::render::{Rendered, render_counted};
use crate::session::{Record, TurnEnd};
use std::sync::Arc;
use std::time::Instant;
use tokio::time::timeout;

/// What the model reads after a generation that was nothing but reasoning.
const NUDGE: &str = "You reasoned but gave no answer and called no tool. Go on now: call the tool you need, \
or give the final answer.";

/// What the user reads of a generation that went round in circles.
const REPEATED: &str = "the model only repeated itself, so it was stopped (sampling.repetition_guard)\n  /rewind goes \
back to before it; ask in other words, or with another effort";

/// How a turn ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done {
        answered: bool,
    },
    Failed(String),
    /// As `Failed`, because the model or its server is not available.
    Unavailable(String),
    Interrupted,
}

/// What a turn has used up.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) usage: Usage,
    tally: Tally,
    nudged: bool,
    /// A compaction by itself failed: it is not tried again before it has to be.
    pub(super) uncompacted: bool,
}

/// A prompt that fits, and what its generation may use.
pub(super) type Ready = (Rendered, Budget);

/// Why there is no prompt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unready {
    /// It has so many tokens, and no answer would fit behind it.
    Full(usize),
    Failed(String),
}

/// What follows a generation.
pub(super) enum Next {
    Generate,
    End(Outcome),
}

impl Core {
    pub(super) async fn turn(&mut self, prompt: String) {
        self.link.begin_turn();
        if let Some(effort) = self.link.effort.take() {
            self.set_effort(effort);
        }
        self.keep_attached().await;
        let began = Instant::now();
        let turn = self.history.next_turn();
        // On record before it is on screen, like everything.
        let asked = Record::TurnStarted {
            turn,
            prompt: Some(prompt.clone()),
        };
        let recorded = self.history.take(asked).await;
        self.report(recorded);
        self.link.send(AgentEvent::TurnStarted {
            turn,
            prompt: prompt.clone(),
        });

        let mut progress = Progress::default();
        let outcome = self.run(prompt, &mut progress).await;

        let usage = progress.usage;
        let end = match &outcome {
            Outcome::Done { answered: true } => TurnEnd::Answered,
            Outcome::Done { answered: false } => TurnEnd::NoAnswer,
            Outcome::Failed(error) | Outcome::Unavailable(error) => TurnEnd::Failed {
                error: error.clone(),
            },
            Outcome::Interrupted => TurnEnd::Interrupted,
        };
        let ended = Record::TurnEnded {
            turn,
            usage,
            end,
            seconds: began.elapsed().as_secs_f64(),
        };
        let recorded = self.history.take(ended).await;
        self.report(recorded);
        self.link.send(match outcome {
            Outcome::Done { answered } => AgentEvent::TurnDone {
                turn,
                usage,
                answered,
            },
            Outcome::Failed(error) => AgentEvent::TurnFailed {
                turn,
                usage,
                error,
                unavailable: false,
            },
            Outcome::Unavailable(error) => AgentEvent::TurnFailed {
                turn,
                usage,
                error,
                unavailable: true,
            },
            Outcome::Interrupted => AgentEvent::TurnInterrupted { turn, usage },
        });
        self.keep_attached().await;
        self.used();
        if let Some(name) = self.link.model.take() {
            self.switch_model(name);
        }
        if std::mem::take(&mut self.link.forget) {
            self.begin_anew();
        }
    }

    async fn run(&mut self, prompt: String, progress: &mut Progress) -> Outcome {
        self.wake();
        let model = match self.link.attend(self.model.wait()).await {
            Attended::Done(Some(Ok(model))) => model.clone(),
            Attended::Done(Some(Err(error))) => return Outcome::Unavailable(error.to_string()),
            Attended::Done(None) => {
                return Outcome::Failed(
                    "the load of the model broke off\n  this is our bug: report it".into(),
                );
            }
            Attended::Interrupted => return Outcome::Interrupted,
        };
        if self.fixed.is_none() {
            let waited = timeout(self.limits.sandbox_wait, self.python.wait());
            let offer = match self.link.attend(waited).await {
                Attended::Done(Ok(Some(Ok(bench)))) => Offer {
                    python: true,
                    shell: bench.shell().is_some(),
                },
                Attended::Done(Ok(Some(Err(_)) | None) | Err(_)) => Offer::NONE,
                Attended::Interrupted => return Outcome::Interrupted,
            };
            self.fix_prompt(model.0.info().profile, offer);
        }
        // The message counts from its first generation on: one that does not fit, or that the user stops
        // before, would stand in the way of every later one.
        let attached = match self.attachments(&model, &prompt).await {
            Attended::Done(items) => items,
            Attended::Interrupted => return Outcome::Interrupted,
        };
        let mut said = vec![Item::User { text: prompt }];
        said.extend(attached);
        let mut ready = match self.fit(&model, &said, progress).await {
            Ok(ready) => ready,
            Err(outcome) => return outcome,
        };
        self.record_prompt().await;
        for item in said {
            self.push(item).await;
        }
        loop {
            let (prompt, budget) = ready;
            let generation = self.generate(&model, prompt, budget).await;
            progress.usage = progress.usage.plus(generation.usage);
            match self.read(&model, generation, budget, progress).await {
                Next::Generate => {}
                Next::End(outcome) => return outcome,
            }
            ready = match self.fit(&model, &[], progress).await {
                Ok(ready) => ready,
                Err(outcome) => return outcome,
            };
        }
    }

    /// The files that the message mentions.
    async fn attachments(&mut self, model: &LoadedModel, prompt: &str) -> Attended<Vec<Item>> {
        let info = model.0.info();
        // The demo model sees the message alone and reads files itself.
        if info.profile == PromptProfile::Demo || !prompt.contains('@') {
            return Attended::Done(Vec::new());
        }
        let workspace = self.desk.workspace.clone();
        let (prompt, context) = (prompt.to_owned(), info.context_length);
        let gathering =
            tokio::task::spawn_blocking(move || attach::gather(&workspace, &prompt, context));
        match self.link.attend(gathering).await {
            Attended::Done(gathered) => {
                let attached = gathered.unwrap_or_default();
                if let Some(told) = attached.told {
                    self.say(AgentEvent::Notice(told)).await;
                }
                Attended::Done(attached.items)
            }
            Attended::Interrupted => Attended::Interrupted,
        }
    }

    /// The prompt for `items`, if it fits.
    pub(super) fn prepare(&self, model: &LoadedModel, items: &[Item]) -> Result<Ready, Unready> {
        let (engine, vocabulary) = model;
        let Some(fixed) = &self.fixed else {
            let bug = "the fixed prompt is missing; this is our bug";
            return Err(Unready::Failed(bug.into()));
        };
        let prompt = render_counted(vocabulary, fixed, items)
            .map_err(|error| Unready::Failed(error.to_string()))?;
        let limit = engine.info().context_length;
        let most = self.link.asking.max_output_tokens;
        match budget(prompt.ids.len(), limit, most) {
            Ok(budget) => Ok((prompt, budget)),
            Err(_full) => Err(Unready::Full(prompt.ids.len())),
        }
    }

    pub(super) fn ask(&mut self, prompt: Vec<TokenId>, budget: Budget) -> Ask {
        let asked = &self.link.asking.sampling;
        let seed = asked.seed.unwrap_or(self.options.seed);
        if seed != self.seed {
            // A seed of the user's own says the same from where it is set.
            (self.seed, self.generations) = (seed, 0);
        }
        let sampling = Sampling {
            temperature: asked.temperature,
            top_p: asked.top_p,
            min_p: asked.min_p,
            seed: seed.wrapping_add(self.generations),
            reasoning_budget: Some(asked.reasoning_budget).filter(|budget| *budget > 0),
        };
        self.generations += 1;
        Ask {
            prompt,
            budget,
            sampling,
            silence: self.limits.engine_silence,
            repetition: Repetition::new(asked.repetition_guard),
            stops: Stops::default(),
            next_call: self.history.next_call(),
            spec: self.fixed.clone().map(Arc::new),
            offer: None,
        }
    }

    /// What the fixed prompt offers, and the files there are, for the grammar of the next generation.
    fn grammar_offer(&self) -> Option<Arc<grammar::Offer>> {
        let fixed = self
            .fixed
            .as_ref()
            .filter(|_| self.link.asking.sampling.grammar)?;
        // The demo model quotes lines as the user did, indentation left out, and cannot find its way back from a
        // line that it did not choose.
        if fixed.profile == PromptProfile::Demo {
            return None;
        }
        Some(Arc::new(grammar::Offer {
            functions: fixed.functions.clone(),
            python: fixed.python.is_some(),
            targets: Some(Arc::new(WorkTree {
                workspace: Arc::clone(&self.desk.workspace),
                cancel: self.link.interrupt().child_token(),
            })),
        }))
    }

    async fn generate(
        &mut self,
        model: &LoadedModel,
        prompt: Rendered,
        budget: Budget,
    ) -> Generation {
        let (engine, _) = model;
        let limit = Some(engine.info().context_length);
        let fills = ContextUse::new(&prompt, 0, self.link.asking.max_output_tokens, limit);
        self.link.send(AgentEvent::Context(fills));
        let ask = Ask {
            offer: self.grammar_offer(),
            stops: Stops::new(&self.link.asking.sampling.stop),
            ..self.ask(prompt.ids, budget)
        };
        let generation = generate(
            &mut self.link,
            Recording::Into(&mut self.history),
            engine.as_ref(),
            ask,
        )
        .await;
        self.history.count_calls(generation.calls.len());
        self.link.send(AgentEvent::Context(ContextUse {
            conversation: fills.conversation + generation.tokens.len(),
            ..fills
        }));
        self.link.send(AgentEvent::Generation(generation.usage));
        generation
    }

    /// Keeps what was generated and decides what follows.
    async fn read(
        &mut self,
        model: &LoadedModel,
        generation: Generation,
        budget: Budget,
        progress: &mut Progress,
    ) -> Next {
        let Generation {
            tokens,
            mut calls,
            answer,
            ending,
            ..
        } = generation;
        // Where the engine was lost with its ids, the record has those that were shown.
        let tokens = if tokens.is_empty() {
            self.history.state().part().to_vec()
        } else {
            tokens
        };
        if tokens.is_empty() {
            // A call that the history does not hold cannot be answered.
            calls.clear();
        } else {
            let recorded = self.history.generated(tokens).await;
            self.report(recorded);
        }
        // A cut one was not made yet; the rendered history has it cut too.
        calls.retain(|call| call.end != MessageEnd::Cut);
        match ending {
            Ending::Interrupted => {
                self.refuse(&calls, "interrupted by the user before it ran")
                    .await;
                return Next::End(Outcome::Interrupted);
            }
            Ending::Broken(error) => {
                self.refuse(&calls, "not run: the engine failed").await;
                let said = error.to_string();
                return Next::End(if error.is_unavailable() {
                    Outcome::Unavailable(said)
                } else {
                    Outcome::Failed(said)
                });
            }
            Ending::Repeating => {
                self.refuse(&calls, "not run: the generation was ended")
                    .await;
                return Next::End(Outcome::Failed(REPEATED.into()));
            }
            Ending::Stopped | Ending::Length => {}
        }
        // Before the answer: a damaged call beside a `final` must not be passed over as if it had run.
        if !calls.is_empty() {
            return self.answer_calls(calls, &mut progress.tally).await;
        }
        if let Some(answer) = answer {
            return Next::End(Outcome::Done {
                answered: !answer.trim().is_empty(),
            });
        }
        if ending == Ending::Length {
            return Next::End(Outcome::Failed(cut_short(budget)));
        }
        // The demo model sees the current message alone: a second one would take the request away from it.
        if progress.nudged || model.0.info().profile == PromptProfile::Demo {
            return Next::End(Outcome::Failed(
                "the model gave no answer, only reasoning\n  ask again, or say it in other words"
                    .into(),
            ));
        }
        progress.nudged = true;
        self.say(AgentEvent::Notice(
            "The model gave no answer; it is asked once more.".into(),
        ))
        .await;
        self.push(Item::User { text: NUDGE.into() }).await;
        Next::Generate
    }

    pub(super) async fn push(&mut self, item: Item) {
        let recorded = self.history.push(item).await;
        self.report(recorded);
    }

    /// What this conversation's model is offered of the container.
    pub(super) fn offer(&self) -> Offer {
        self.fixed.as_ref().map_or(Offer::NONE, Offer::of)
    }
}
