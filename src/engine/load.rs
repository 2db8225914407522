//! From a model's name to a loaded engine.

use super::mistral::load::LoadRequest;
use super::models::{ModelPlaces, ModelSource, resolve};
use super::scripted::{Script, ScriptedEngine};
use super::{Engine, EngineError, LoadProgress, demo, mistral, server};
use crate::conversation::PromptProfile;
use crate::harmony::vocab::Vocabulary;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Reports a reader can be behind; one that finds no room is dropped, the next supersedes it.
const REPORTS: usize = 16;

/// What to load and where things lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// `demo`, `gpt-oss-20b`, a hub id, a folder.
    pub model: String,
    pub places: ModelPlaces,
    /// Private folder for what can be made again (the demo's files).
    pub cache_dir: PathBuf,
    /// Tokens that prompt and answer may have together; `None`: what fits, up to the model's own length.
    pub context_length: Option<usize>,
    /// Refuse for want of memory rather than take a shorter context than the model's own: set while another model
    /// takes up room that it would give up.
    pub whole_context: bool,
    /// Off only in tests and measurements.
    pub prefix_cache: bool,
    /// Leave a GPU alone.
    pub force_cpu: bool,
}

impl LoadOptions {
    pub fn new(model: impl Into<String>, places: ModelPlaces, cache_dir: PathBuf) -> Self {
        LoadOptions {
            model: model.into(),
            places,
            cache_dir,
            context_length: None,
            whole_context: false,
            prefix_cache: true,
            force_cpu: false,
        }
    }
}

/// Loads a model on a thread of its own. `progress` is called on this task. What the engine later runs
/// in the background is spawned on the runtime this is called on.
pub async fn load(
    options: LoadOptions,
    vocabulary: Arc<Vocabulary>,
    mut progress: impl FnMut(LoadProgress),
) -> Result<Arc<dyn Engine>, EngineError> {
    let source = resolve(&options.model, &options.places)?;
    if let ModelSource::Scripted(path) = &source {
        return load_script(&options.model, path, vocabulary, &mut progress).await;
    }
    if let ModelSource::Server(mut target) = source {
        target.profile.context = options.context_length.or(target.profile.context);
        let engine = server::connect(*target, vocabulary, progress).await?;
        return Ok(Arc::new(engine));
    }
    let engine = load_checkpoint(source, options, vocabulary, &mut progress).await?;
    Ok(Arc::new(engine))
}

/// [`load`] for a caller that needs the concrete engine: the tests and benchmarks of this module.
#[doc(hidden)]
pub async fn load_mistral(
    options: LoadOptions,
    vocabulary: Arc<Vocabulary>,
) -> Result<mistral::MistralEngine, EngineError> {
    let source = resolve(&options.model, &options.places)?;
    load_checkpoint(source, options, vocabulary, &mut |_| {}).await
}

async fn load_checkpoint(
    source: ModelSource,
    options: LoadOptions,
    vocabulary: Arc<Vocabulary>,
    progress: &mut impl FnMut(LoadProgress),
) -> Result<mistral::MistralEngine, EngineError> {
    let (sender, mut reports) = mpsc::channel(REPORTS);
    let (done, mut result) = tokio::sync::oneshot::channel();
    let handle = tokio::runtime::Handle::current();
    let name = options.model.clone();
    let thread = std::thread::Builder::new()
        .name("descant-load".into())
        .spawn(move || {
            let loaded = prepare(source, options, handle)
                .and_then(|request| mistral::load::load(request, vocabulary, &sender));
            let _gone = done.send(loaded);
        });
    if let Err(error) = thread {
        return Err(EngineError::Broken(format!(
            "cannot start a thread to load {name}: {error}"
        )));
    }
    loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => progress(report),
            loaded = &mut result => {
                while let Ok(report) = reports.try_recv() {
                    progress(report);
                }
                // No answer: the loader panicked.
                return loaded.unwrap_or_else(|_panicked| {
                    Err(EngineError::Unavailable {
                        model: name,
                        reason: "mistral.rs gave up while loading it (the log file says where)".into(),
                        hint: "check that the folder is a whole checkpoint of an architecture mistral.rs knows".into(),
                    })
                });
            }
        }
    }
}

fn prepare(
    source: ModelSource,
    options: LoadOptions,
    handle: tokio::runtime::Handle,
) -> Result<LoadRequest, EngineError> {
    let is_demo = source == ModelSource::Demo;
    let folder = match source {
        ModelSource::Folder(folder) | ModelSource::Scripted(folder) => folder,
        ModelSource::Server(target) => {
            return Err(EngineError::Unavailable {
                model: options.model,
                reason: format!(
                    "it is at a server, {}, and is to run in process",
                    target.server
                ),
                hint: "name a model of this machine with -m, and --server none".into(),
            });
        }
        ModelSource::Demo => {
            demo::ensure(&options.cache_dir).map_err(|error| EngineError::Unavailable {
                model: options.model.clone(),
                reason: format!(
                    "cannot write it to {}: {error}",
                    options.cache_dir.display()
                ),
                hint: "make room there, or set DESCANT_HOME to a folder that can be written".into(),
            })?
        }
    };
    Ok(LoadRequest {
        name: options.model,
        folder,
        profile: if is_demo {
            PromptProfile::Demo
        } else {
            PromptProfile::GptOss
        },
        context_length: if is_demo {
            Some(
                options
                    .context_length
                    .unwrap_or(demo::CONTEXT_LENGTH)
                    .min(demo::CONTEXT_LENGTH),
            )
        } else {
            options.context_length
        },
        whole_context: options.whole_context && !is_demo,
        always_greedy: is_demo,
        prefix_cache: options.prefix_cache,
        // Its four small layers run faster than a GPU starts.
        force_cpu: is_demo || options.force_cpu,
        cache_dir: options.cache_dir,
        handle,
    })
}

async fn load_script(
    model: &str,
    path: &std::path::Path,
    vocabulary: Arc<Vocabulary>,
    progress: &mut impl FnMut(LoadProgress),
) -> Result<Arc<dyn Engine>, EngineError> {
    let start = Instant::now();
    let script = Script::read(path).map_err(|error| EngineError::Unavailable {
        model: model.to_owned(),
        reason: format!("{}: {error}", path.display()),
        hint: "a script is JSON or TOML with a list of generations".into(),
    })?;
    let wait = Duration::from_millis(script.load_ms);
    for quarter in 0..4u64 {
        progress(LoadProgress {
            stage: "reading weights",
            bytes: Some((quarter, 4)),
            elapsed: start.elapsed(),
        });
        tokio::time::sleep(wait / 4).await;
    }
    progress(LoadProgress {
        stage: "ready",
        bytes: Some((4, 4)),
        elapsed: start.elapsed(),
    });
    Ok(Arc::new(ScriptedEngine::new(script, vocabulary)))
}
