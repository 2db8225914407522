//! When the model is loaded and when it is let go: with the program or with the first message, after an idle time, when
//! memory gets short; and again with the next message.
//!
//! The conversation is ids and text of ours and stays. Nothing polls: a timer for the idle time, and the system's own
//! word about memory.

use super::background::{Arrival, Model, load_model};
use super::task::Core;
use super::{AgentEvent, Host, LoadWish, ModelLoad, Rest};
use crate::conversation::PromptProfile;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

pub(super) struct Life {
    /// The model that runs or rests, as it was asked for. A switch that succeeds changes it.
    name: Arc<Mutex<String>>,
    pub(super) context: Option<usize>,
    unload_after: Option<Duration>,
    /// It is to be loaded when it is needed.
    resting: bool,
    /// Since when nothing was asked of it.
    idle_since: Instant,
    /// The machine's word that memory is short, while a model is watched for it.
    short: Option<BoxFuture<'static, ()>>,
    /// Memory that is being given back.
    leaving: Option<JoinHandle<()>>,
}

impl Life {
    pub(super) fn new(name: String, unload_after: Option<Duration>) -> Life {
        Life {
            name: Arc::new(Mutex::new(name)),
            context: None,
            unload_after,
            resting: false,
            idle_since: Instant::now(),
            short: None,
            leaving: None,
        }
    }

    fn name(&self) -> String {
        self.name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// For who loads another one.
    pub(super) fn shared_name(&self) -> Arc<Mutex<String>> {
        Arc::clone(&self.name)
    }

    /// Ends when a loaded model on `device` is to be let go. Cancel-safe.
    async fn tired(&mut self, host: &Arc<dyn Host>, device: &str) -> Rest {
        let short = self.short.get_or_insert_with(|| host.memory_short(device));
        let idle = async {
            match self.unload_after {
                Some(after) => {
                    sleep_until(self.idle_since + after).await;
                    Rest::Idle(after)
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = short => {
                self.short = None;
                Rest::MemoryShort
            }
            idle = idle => idle,
        }
    }
}

/// Ends when the loaded model is to be let go; never while there is none. Cancel-safe.
pub(super) async fn tired(model: &mut Model, life: &mut Life, host: &Arc<dyn Host>) -> Rest {
    let was_here = model.here().is_some();
    let device = match model.wait().await {
        // The built-in model is a few megabytes, and a server's is not ours to let go.
        Some(Ok((engine, _)))
            if engine.info().profile != PromptProfile::Demo && engine.info().protocol.is_none() =>
        {
            engine.info().device.clone()
        }
        Some(_) | None => return std::future::pending().await,
    };
    if !was_here {
        life.idle_since = Instant::now();
    }
    life.tired(host, &device).await
}

impl Core {
    /// Begins with a model that is loaded when it is needed.
    pub(super) fn begin_resting(&mut self) {
        self.life.resting = true;
        self.link.send(AgentEvent::ModelResting {
            name: self.life.name(),
            why: Rest::FirstUse,
        });
    }

    /// Lets the model go. Its memory is given back beside what follows.
    pub(super) fn rest(&mut self, why: Rest) {
        let Arrival::Here(Ok((engine, vocabulary))) =
            std::mem::replace(&mut self.model, Arrival::Lost)
        else {
            return;
        };
        self.life.resting = true;
        self.life.short = None;
        self.life.leaving = Some(tokio::spawn(async move {
            engine.retire().await;
            // Weights are many gigabytes: giving them back takes a while and blocks.
            let _ = tokio::task::spawn_blocking(move || drop((engine, vocabulary))).await;
        }));
        self.link.send(AgentEvent::ModelResting {
            name: self.life.name(),
            why,
        });
    }

    /// Begins to load a model that rests. One that memory had no room for is tried again: there may be some now.
    pub(super) fn wake(&mut self) {
        self.life.idle_since = Instant::now();
        let refused = matches!(
            self.model.here(),
            Some(Err(crate::engine::EngineError::NotEnoughMemory(_)))
        );
        if !self.life.resting && !refused {
            return;
        }
        self.life.resting = false;
        let wish = LoadWish {
            beside: false,
            context: self.life.context,
        };
        let load = self.host.load(&self.life.name(), wish);
        let leaving = self.life.leaving.take();
        let ModelLoad { progress, outcome } = load;
        let outcome = Box::pin(async move {
            if let Some(leaving) = leaving {
                let _ = leaving.await;
            }
            outcome.await
        });
        self.model = load_model(ModelLoad { progress, outcome }, self.link.events());
    }

    /// A turn is over: the idle time counts from now.
    pub(super) fn used(&mut self) {
        self.life.idle_since = Instant::now();
    }

    /// Another model takes its place: whether it rested does not count any more.
    pub(super) fn take_place(&mut self) -> Option<JoinHandle<()>> {
        self.life.resting = false;
        self.life.short = None;
        self.life.leaving.take()
    }
}
