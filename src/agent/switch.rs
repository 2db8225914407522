//! `/model`: another model in the place of the one that runs, in the same conversation.
//!
//! What was generated is kept as ids of one vocabulary, which every model here shares, so the history needs
//! no translation; only the fixed prompt is made anew. The old model stays until the new one is there. Where
//! memory does not hold both, the old one goes first, and comes back when the new one cannot be loaded.

use super::background::{Arrival, Model, follow};
use super::task::Core;
use super::{AgentEvent, Host, LoadWish, LoadedModel};
use crate::engine::EngineError;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

impl Core {
    /// Returns at once; turns wait for the model as they do at the start.
    pub(super) fn switch_model(&mut self, name: String) {
        // Rendered anew: models of another kind are told other things.
        self.fixed = None;
        self.link
            .send(AgentEvent::ModelSwitching { name: name.clone() });
        let leaving = self.take_place();
        let running = self.life.shared_name();
        let context = self.life.context;
        let (sender, receiver) = oneshot::channel();
        let old = std::mem::replace(&mut self.model, Arrival::Lost);
        let host = Arc::clone(&self.host);
        let events = self.link.events();
        let task = tokio::spawn(async move {
            if let Some(leaving) = leaving {
                let _ = leaving.await;
            }
            let outcome = switched(&name, context, old, host.as_ref(), &events).await;
            let outcome = outcome.map(|(model, is_new)| {
                if is_new {
                    *running.lock().unwrap_or_else(PoisonError::into_inner) = name;
                }
                model
            });
            let event = match &outcome {
                Ok((engine, _)) => AgentEvent::ModelReady(engine.info().clone()),
                Err(error) => AgentEvent::ModelFailed(error.clone()),
            };
            // Either end may be gone: then nobody waits for the model any more.
            let _ = sender.send(outcome);
            let _ = events.send(event).await;
        });
        self.model = Arrival::Awaited(receiver, task);
    }
}

/// The model that runs then, and whether it is the new one.
async fn switched(
    name: &str,
    context: Option<usize>,
    old: Model,
    host: &dyn Host,
    events: &mpsc::Sender<AgentEvent>,
) -> Result<(LoadedModel, bool), EngineError> {
    let old = match old {
        Arrival::Here(Ok(model)) => Some(model),
        Arrival::Here(Err(_)) | Arrival::Lost => None,
        Arrival::Awaited(receiver, task) => {
            // One that is still being loaded is not wanted any more; one that is here already is.
            task.abort();
            receiver.await.ok().and_then(Result::ok)
        }
    };
    let alone = LoadWish {
        beside: false,
        context,
    };
    let wish = LoadWish {
        beside: old.is_some(),
        context,
    };
    let first = follow(host.load(name, wish), events).await;
    let (error, old) = match (first, old) {
        (Ok(model), _) => return Ok((model, true)),
        (Err(error), None) => return Err(error),
        (Err(EngineError::NotEnoughMemory(short)), Some(old)) => {
            let kept = old.0.info().name.clone();
            let (kind, need, free) = (short.kind, short.need(), short.free);
            let line = format!(
                "{name} needs {need} MiB of {kind} and {free} MiB are free beside {kept}, which is let go first"
            );
            let _ = events.send(AgentEvent::Notice(line)).await;
            released(old).await;
            match follow(host.load(name, alone), events).await {
                Ok(model) => return Ok((model, true)),
                Err(error) => {
                    tell(events, name, &error, &kept).await;
                    let back = follow(host.load(&kept, alone), events).await;
                    return back.map(|model| (model, false));
                }
            }
        }
        (Err(error), Some(old)) => (error, old),
    };
    tell(events, name, &error, &old.0.info().name).await;
    Ok((old, false))
}

/// Its memory is free when this returns, as far as this process can see to it.
async fn released(model: LoadedModel) {
    model.0.retire().await;
    // Weights are many gigabytes: giving them back takes a while and blocks.
    let _ = tokio::task::spawn_blocking(move || drop(model)).await;
}

async fn tell(events: &mpsc::Sender<AgentEvent>, name: &str, error: &EngineError, kept: &str) {
    let problem = format!("{name} is not loaded, {kept} goes on: {error}");
    let _ = events.send(AgentEvent::Problem(problem)).await;
}
