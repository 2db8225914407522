//! The two things that start while the user already types: the model and the container.

use super::{AgentEvent, LoadedModel, ModelLoad, SandboxLoad, SandboxState};
use crate::engine::EngineError;
use crate::sandbox::SandboxError;
use crate::tools::python::Interpreter;
use std::sync::Arc;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Something that comes once.
#[derive(Debug)]
pub(super) enum Arrival<T> {
    Awaited(oneshot::Receiver<T>, JoinHandle<()>),
    Here(T),
    /// Its task broke off, which is our bug.
    Lost,
}

impl<T> Arrival<T> {
    /// Waits until it is here; `None` when it never will be. Cancel-safe.
    pub(super) async fn wait(&mut self) -> Option<&mut T> {
        if let Arrival::Awaited(receiver, _) = self {
            *self = match receiver.await {
                Ok(value) => Arrival::Here(value),
                Err(_broken_off) => Arrival::Lost,
            };
        }
        match self {
            Arrival::Here(value) => Some(value),
            Arrival::Awaited(..) | Arrival::Lost => None,
        }
    }

    /// What has come, without waiting for it.
    pub(super) fn here(&mut self) -> Option<&T> {
        if let Arrival::Awaited(receiver, _) = self {
            match receiver.try_recv() {
                Ok(value) => *self = Arrival::Here(value),
                Err(TryRecvError::Closed) => *self = Arrival::Lost,
                Err(TryRecvError::Empty) => {}
            }
        }
        match self {
            Arrival::Here(value) => Some(value),
            Arrival::Awaited(..) | Arrival::Lost => None,
        }
    }

    pub(super) fn abort(&self) {
        if let Arrival::Awaited(_, task) = self {
            task.abort();
        }
    }
}

pub(super) type Model = Arrival<Result<LoadedModel, EngineError>>;
/// The reason is one line and what to do about it.
pub(super) type Python = Arrival<Result<Arc<dyn Interpreter>, String>>;

/// Forwards the load's progress and its end.
pub(super) fn load_model(load: ModelLoad, events: mpsc::Sender<AgentEvent>) -> Model {
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(async move {
        let outcome = follow(load, &events).await;
        let event = match &outcome {
            Ok((engine, _)) => AgentEvent::ModelReady(engine.info().clone()),
            Err(error) => AgentEvent::ModelFailed(error.clone()),
        };
        // Either end may be gone: then nobody waits for the model any more. The model first: another that takes
        // its place must find it once it is said to be ready.
        let _ = sender.send(outcome);
        let _ = events.send(event).await;
    });
    Arrival::Awaited(receiver, task)
}

/// Waits for a load and tells of its progress.
pub(super) async fn follow(
    load: ModelLoad,
    events: &mpsc::Sender<AgentEvent>,
) -> Result<LoadedModel, EngineError> {
    let ModelLoad {
        mut progress,
        mut outcome,
    } = load;
    loop {
        tokio::select! {
            biased;
            Some(progress) = progress.recv() => {
                // A progress that finds no room is out of date when there is some.
                let _ = events.try_send(AgentEvent::ModelLoading(progress));
            }
            outcome = &mut outcome => return outcome,
        }
    }
}

/// Starts a container in the place of `old`, which stays until the new one is there.
pub(super) fn start_sandbox(
    load: SandboxLoad,
    old: Option<Python>,
    events: mpsc::Sender<AgentEvent>,
) -> Python {
    let (sender, receiver) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _ = events
            .send(AgentEvent::Sandbox(SandboxState::Starting))
            .await;
        let old = match old {
            Some(Arrival::Here(Ok(python))) => Some(python),
            // One that is still starting is not wanted any more; one that is here already is.
            Some(Arrival::Awaited(receiver, task)) => {
                task.abort();
                receiver.await.ok().and_then(Result::ok)
            }
            Some(Arrival::Here(Err(_)) | Arrival::Lost) | None => None,
        };
        let outcome = match (started(load, &events).await, old) {
            (Ok(python), old) => {
                if let Some(old) = old {
                    old.stop().await;
                }
                Ok(python)
            }
            (Err(error), None) => Err(error.to_string()),
            (Err(error), Some(old)) => {
                let problem = format!("the container so far goes on: {error}");
                let _ = events.send(AgentEvent::Problem(problem)).await;
                Ok(old)
            }
        };
        let state = match &outcome {
            Ok(python) => SandboxState::Ready {
                description: described(python.as_ref(), python.network()),
            },
            Err(reason) => SandboxState::Unavailable {
                reason: reason.clone(),
            },
        };
        let _ = events.send(AgentEvent::Sandbox(state)).await;
        if let Err(Ok(python)) = sender.send(outcome) {
            // The agent ended meanwhile; the container must not outlive it.
            python.stop().await;
        }
    });
    Arrival::Awaited(receiver, task)
}

/// What the status line says of a container; the first words tell of a network, which one that goes on may have.
pub(super) fn described(python: &dyn Interpreter, network: bool) -> String {
    let network = if network { "network on: " } else { "" };
    format!("{network}{}", python.description())
}

async fn started(
    load: SandboxLoad,
    events: &mpsc::Sender<AgentEvent>,
) -> Result<Arc<dyn Interpreter>, SandboxError> {
    let SandboxLoad {
        mut progress,
        mut outcome,
        cancel: _,
    } = load;
    loop {
        tokio::select! {
            biased;
            Some(progress) = progress.recv() => {
                // A progress that finds no room is out of date when there is some.
                let _ = events.try_send(AgentEvent::Sandbox(SandboxState::Fetching(progress)));
            }
            outcome = &mut outcome => return outcome.map(Arc::from),
        }
    }
}
