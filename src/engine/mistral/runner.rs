//! The loaded model and the mistral.rs engine in front of it.
//!
//! The engine's front (its thread, queue and prefix cache) is cheap to replace and is replaced when its
//! cache has grown past the budget or its thread has died; the model stays loaded. One generation runs at a time:
//! mistral.rs would batch two of them, and the prefix cache is looked at when a request arrives, so the one
//! before must be filed by then.

use super::ledger::Ledger;
use crate::engine::EngineError;
use mistralrs::core::{MistralRsBuilder, Pipeline, SchedulerConfig};
use mistralrs::{MistralRs, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// How long an engine thread without work may take to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Entries an accelerator's cache keeps.
const ENTRIES_ON_DEVICE: usize = 16;

pub(super) struct Runner {
    model: LoadedModel,
    front: Option<Arc<MistralRs>>,
    ledger: Ledger,
    /// A thread that no longer answers holds the model: nothing can be run again.
    hung: bool,
}

/// What loading gives.
#[derive(Clone)]
pub(super) struct LoadedModel {
    pub(super) pipeline: Arc<Mutex<dyn Pipeline>>,
    pub(super) scheduler: SchedulerConfig,
    pub(super) prefix_cache: bool,
}

impl Runner {
    pub(super) fn new(model: LoadedModel, ledger: Ledger) -> Self {
        Runner {
            model,
            front: None,
            ledger,
            hung: false,
        }
    }

    /// The engine's queue, for a sequence of at most so many tokens; starts or replaces the front if need be.
    pub(super) async fn queue(
        &mut self,
        tokens: usize,
    ) -> Result<mpsc::Sender<Request>, EngineError> {
        if self.hung {
            return Err(EngineError::Broken(
                "its thread no longer answers; restart Descant".into(),
            ));
        }
        if self.model.prefix_cache && self.ledger.is_full_with(tokens) {
            tracing::info!("the prefix cache is full; starting an empty one");
            self.retire().await?;
        }
        if self.front.is_none() {
            self.front = Some(start(self.model.clone()).await?);
        }
        let sender = self.front.as_ref().map(|front| front.get_sender(None));
        match sender {
            Some(Ok(sender)) if !sender.is_closed() => Ok(sender),
            _ => {
                self.front = Some(start(self.model.clone()).await?);
                self.ledger.clear();
                match self.front.as_ref().map(|front| front.get_sender(None)) {
                    Some(Ok(sender)) => Ok(sender),
                    _ => Err(EngineError::Broken("mistral.rs did not start".into())),
                }
            }
        }
    }

    pub(super) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(super) fn caches(&self) -> bool {
        self.model.prefix_cache
    }

    /// The engine's thread died: the next request starts another.
    pub(super) fn forget_front(&mut self) {
        self.front = None;
        self.ledger.clear();
    }

    pub(super) fn mark_hung(&mut self) {
        self.hung = true;
    }

    /// Ends the front and waits until its thread has let go of the model.
    pub(super) async fn retire(&mut self) -> Result<(), EngineError> {
        self.ledger.clear();
        let Some(front) = self.front.take() else {
            return Ok(());
        };
        let sender = front.get_sender(None);
        drop(front);
        if let Ok(sender) = sender
            && tokio::time::timeout(SHUTDOWN, sender.closed())
                .await
                .is_err()
        {
            self.hung = true;
            return Err(EngineError::Broken(
                "its thread no longer answers; restart Descant".into(),
            ));
        }
        Ok(())
    }
}

/// Starts a front. On a runtime of one thread, where mistral.rs leaves out its trial run: the text of that
/// run would stay in the prefix cache, under a key with an uncomputed token.
async fn start(model: LoadedModel) -> Result<Arc<MistralRs>, EngineError> {
    let started = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let front = MistralRsBuilder::new(model.pipeline, model.scheduler, false, None)
            // A stop is ours to see: an end token from generation_config.json would end a
            // sequence behind the record's back.
            .with_disable_eos_stop(true)
            .with_no_kv_cache(false)
            .with_no_prefix_cache(!model.prefix_cache)
            .with_prefix_cache_n(ENTRIES_ON_DEVICE)
            .build();
        Ok::<_, std::io::Error>(runtime.block_on(front))
    });
    match started.await {
        Ok(Ok(front)) => Ok(front),
        Ok(Err(error)) => Err(EngineError::Broken(format!(
            "cannot start mistral.rs: {error}"
        ))),
        Err(panic) => Err(EngineError::Broken(format!(
            "mistral.rs did not start: {panic}"
        ))),
    }
}
