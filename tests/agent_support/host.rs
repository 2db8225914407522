//! The program around the agent, played: models, containers and downloads that are what a test says.

use super::python::{FakePython, Shared};
use super::vocabulary;
use descant::agent::{
    Check, Host, ImageWish, LoadWish, ModelChoice, ModelLoad, PullOffer, SandboxLoad, Settled,
};
use descant::engine::fit::Shortage;
use descant::engine::scripted::{Script, ScriptedEngine};
use descant::engine::{Engine, EngineError};
use descant::sandbox::SandboxError;
use descant::tools::python::Interpreter;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The program around the agent: loads what it was given, and remembers what was asked for.
pub struct TestHost {
    pub(super) loads: Mutex<VecDeque<Result<Script, EngineError>>>,
    pub asked: Mutex<Vec<String>>,
    pub wishes: Mutex<Vec<LoadWish>>,
    /// What the hub offers, in order.
    pub pulls: Mutex<VecDeque<Result<PullOffer, String>>>,
    /// The machine's word that memory is short.
    pub memory_short: Arc<tokio::sync::Notify>,
    /// What becomes of the containers that are asked for, in order.
    pub fetches: Mutex<VecDeque<Fetch>>,
    /// What was loaded.
    pub engines: Arc<Mutex<Vec<Arc<ScriptedEngine>>>>,
}

/// What becomes of an image that is fetched for a new container.
pub enum Fetch {
    Works(Arc<FakePython>),
    Fails,
    /// Goes on until it is cancelled.
    Hangs,
}

impl Host for TestHost {
    fn models(&self) -> Vec<ModelChoice> {
        vec![ModelChoice {
            name: "demo".into(),
            place: "built in".into(),
        }]
    }

    fn pull(&self, name: &str) -> BoxFuture<'static, Result<PullOffer, String>> {
        self.asked.lock().unwrap().push(format!("pull {name}"));
        let pull = self.pulls.lock().unwrap().pop_front();
        std::future::ready(pull.unwrap_or_else(|| Err(format!("there is no {name}")))).boxed()
    }

    fn memory_short(&self, _device: &str) -> BoxFuture<'static, ()> {
        let short = self.memory_short.clone();
        async move { short.notified().await }.boxed()
    }

    fn load(&self, name: &str, wish: LoadWish) -> ModelLoad {
        self.wishes.lock().unwrap().push(wish);
        self.asked.lock().unwrap().push(name.to_owned());
        let load = self.loads.lock().unwrap().pop_front().unwrap();
        let engines = self.engines.clone();
        let (_sender, progress) = tokio::sync::mpsc::channel(4);
        let outcome = async move {
            let vocabulary = vocabulary();
            let engine = Arc::new(ScriptedEngine::new(load?, vocabulary.clone()));
            engines.lock().unwrap().push(engine.clone());
            Ok((engine as Arc<dyn Engine>, vocabulary))
        };
        ModelLoad {
            progress,
            outcome: outcome.boxed(),
        }
    }

    fn sandbox(&self, wish: ImageWish) -> SandboxLoad {
        self.asked.lock().unwrap().push(format!("{wish:?}"));
        let fetch = self.fetches.lock().unwrap().pop_front().unwrap();
        let (sender, progress) = tokio::sync::mpsc::channel(4);
        let told = descant::agent::ImageProgress {
            image: "python".into(),
            stage: descant::sandbox::ImageStage::Downloading,
            bytes: (10_000_000, 40_000_000),
            layers: (1, 3),
            elapsed: Duration::ZERO,
        };
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let outcome = async move {
            sender.send(told).await.unwrap();
            tokio::task::yield_now().await;
            match fetch {
                Fetch::Works(python) => Ok(Box::new(Shared(python)) as Box<dyn Interpreter>),
                Fetch::Fails => Err(SandboxError::NoEngine {
                    reason: "the engine left".into(),
                    hint: "start it".into(),
                }),
                Fetch::Hangs => {
                    cancelled.cancelled().await;
                    Err(SandboxError::Cancelled {
                        image: "python".into(),
                    })
                }
            }
        };
        SandboxLoad {
            progress,
            cancel,
            outcome: outcome.boxed(),
        }
    }

    fn project(&self) -> Option<String> {
        None
    }

    fn trust(&self, _uses: bool) -> Result<Settled, String> {
        Ok(Settled::default())
    }

    fn checkup(&self) -> BoxFuture<'static, Vec<Check>> {
        let check = Check {
            name: "version",
            ok: true,
            detail: "1".into(),
            hint: None,
        };
        std::future::ready(vec![check]).boxed()
    }
}

/// A model for which there is too little memory.
pub fn too_large(name: &str) -> EngineError {
    EngineError::NotEnoughMemory(Box::new(Shortage {
        model: name.into(),
        kind: "memory",
        context: 4096,
        weights: 2,
        cache: 0,
        runtime: 0,
        free: 1,
        reserve: 0,
        fits: None,
    }))
}
