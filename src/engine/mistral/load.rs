//! Loading a checkpoint folder into mistral.rs: blocking, on a thread of its own.
//!
//! Paths are given one by one, so nothing looks for a hub, creates a cache folder or reads a token. Weights
//! are read ahead beside the load: mistral.rs maps the shards and tells nothing of its progress, and reading
//! them in order is both faster than its page faults and something to show.

use super::ledger::Ledger;
use super::read_ahead::ReadAhead;
use super::runner::{LoadedModel, Runner};
use super::{MistralEngine, Progress, Shared, message_of};
use crate::conversation::PromptProfile;
use crate::engine::checkpoint::Checkpoint;
use crate::engine::codec::Codec;
use crate::engine::fit::{self, Holding, KvShape, Room, SlidingLayers};
use crate::engine::memory;
use crate::engine::reduced::ReducedVocabulary;
use crate::engine::{EngineError, EngineInfo, LoadProgress, models};
use crate::harmony::vocab::{self, Vocabulary};
use mistralrs::core::{
    AdapterPaths, DefaultSchedulerMethod, DeviceMapMetadata, IsqOrganization, LocalModelPaths,
    MemoryGpuConfig, MemoryUsage, ModelPaths, NormalLoaderBuilder, NormalSpecificConfig,
    PagedAttentionConfig, PagedCacheType, SchedulerConfig,
};
use mistralrs::{AutoDeviceMapParams, Device, DeviceMapSetting, ModelDType};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// The context of a checkpoint that says none.
const UNSAID_CONTEXT: usize = 32_768;

/// On the plain cache a sequence, the prefix it came from and the copy between them exist at once.
const PLAIN_CACHE_COPIES: u64 = 3;

/// Prefix-cache entries of a full context each that are kept before an empty cache is started.
const ENTRIES_KEPT: u64 = 16;

const PAGE: usize = 32;

/// Says nothing of Harmony, so that the engine's own Harmony parser stays out.
const PLAIN_TEMPLATE: &str = "{% for message in messages %}{{ message['content'] }}{% endfor %}";

#[derive(Debug)]
pub(in crate::engine) struct LoadRequest {
    /// As the user named it.
    pub name: String,
    pub folder: PathBuf,
    pub profile: PromptProfile,
    /// `None`: the longest that fits.
    pub context_length: Option<usize>,
    /// Rather refuse than take a shorter context than the model's own.
    pub whole_context: bool,
    pub always_greedy: bool,
    pub prefix_cache: bool,
    pub force_cpu: bool,
    /// For the plain chat template.
    pub cache_dir: PathBuf,
    /// Where generations run.
    pub handle: Handle,
}

pub(in crate::engine) fn load(
    request: LoadRequest,
    vocabulary: Arc<Vocabulary>,
    progress: &Progress,
) -> Result<MistralEngine, EngineError> {
    let start = Instant::now();
    let report = |stage, bytes| {
        let _full = progress.try_send(LoadProgress {
            stage,
            bytes,
            elapsed: start.elapsed(),
        });
    };
    report("checking", None);
    let name = request.name.as_str();
    let config = Checkpoint::read_config(&request.folder).map_err(|e| damaged(name, &e))?;
    refuse_without_accelerator(name, config.is_gpt_oss() || config.is_mxfp4())?;
    let checkpoint = Checkpoint::open(&request.folder).map_err(|e| damaged(name, &e))?;
    let tokenizer = request.folder.join("tokenizer.json");
    if !tokenizer.is_file() {
        return Err(unavailable(
            name,
            format!("there is no {}", tokenizer.display()),
            RELOAD,
        ));
    }
    let codec = codec(name, &request.folder, &checkpoint)?;
    let most = checkpoint.config.max_position_embeddings;
    let most = most.unwrap_or(UNSAID_CONTEXT);
    let wanted = request.context_length;

    let device = device(name, request.force_cpu, config.is_gpt_oss())?;
    let on_cpu = matches!(device, Device::Cpu);
    let room = room(&device);
    let (dtype, holding) = choose_type(&checkpoint, on_cpu, wanted, most, room);
    let short = |shortage| EngineError::NotEnoughMemory(Box::new(shortage));
    let context =
        fit::choose_context(name, &checkpoint, holding, wanted, most, room).map_err(short)?;
    if request.whole_context && wanted.is_none() {
        // What is loaded beside it takes room that it would have alone.
        fit::choose_context(name, &checkpoint, holding, Some(most), most, room).map_err(short)?;
    }
    let element = holding.element;

    let reader = ReadAhead::start(&checkpoint, progress.clone(), start);
    let pipeline = build(&request, &checkpoint, &tokenizer, &device, dtype, context);
    let read_all = reader.finish();
    let (pipeline, scheduler, paged) = pipeline.map_err(|e| {
        unavailable(
            name,
            format!("mistral.rs could not load it: {}", message_of(&e)),
            RELOAD,
        )
    })?;
    if let Err(error) = read_all {
        tracing::warn!("reading the weights ahead failed: {error}");
    }
    report(
        "ready",
        Some((checkpoint.weight_bytes, checkpoint.weight_bytes)),
    );

    let kv = KvShape::of(&checkpoint, element);
    let one_context = kv.context_bytes(context as u64, SlidingLayers::KeptWhole);
    let budget = match memory::available_memory() {
        Some(free) => (free / 2)
            .min(one_context.saturating_mul(ENTRIES_KEPT))
            .max(one_context),
        None => one_context.saturating_mul(4),
    };
    // A paged cache has its own pool and its own eviction; ours only mirrors what it was given.
    let budget = if paged { u64::MAX } else { budget };
    // On the plain cache a sliding layer has only its window, and mistral.rs fails on a prefix that is longer.
    let windowed = !paged && kv.sliding_layers > 0;
    if windowed && request.prefix_cache {
        tracing::info!(
            "no prefix cache: {name} has sliding windows, which mistral.rs reuses on a paged cache only"
        );
    }
    let model = LoadedModel {
        pipeline,
        scheduler,
        prefix_cache: request.prefix_cache && !windowed,
    };
    let shared = Shared {
        info: EngineInfo {
            name: request.name.clone(),
            profile: request.profile,
            context_length: context,
            device: device_name(&device),
            protocol: None,
        },
        vocabulary,
        codec: Arc::new(codec),
        weights_per_token: checkpoint.traffic.per_token(&checkpoint.config, element),
        device,
        always_greedy: request.always_greedy,
        block: paged.then_some(PAGE),
        runner: Arc::new(Mutex::new(Runner::new(
            model,
            Ledger::new(kv.bytes_per_token(), budget),
        ))),
        table: Arc::default(),
        _in_use: models::mark_in_use(&request.folder),
        requests: AtomicUsize::new(1),
    };
    Ok(MistralEngine {
        shared: Arc::new(shared),
        handle: request.handle,
    })
}

const RELOAD: &str = "check the folder, or download the model again";

fn damaged(model: &str, error: &crate::engine::checkpoint::CheckpointError) -> EngineError {
    unavailable(model, error.to_string(), RELOAD)
}

fn unavailable(model: &str, reason: String, hint: &str) -> EngineError {
    EngineError::Unavailable {
        model: model.to_owned(),
        reason,
        hint: hint.to_owned(),
    }
}

const ACCELERATORS: &str = "use the built-in demo model (-m demo), or build Descant for your GPU: cargo install --path . --features cuda (or metal)";

const DRIVER: &str = "check the GPU's driver (descant doctor names it), use the built-in demo model (-m demo), or a server (--server URL)";

/// GPT-OSS's weights are MXFP4, which mistral.rs computes on CUDA and Metal only.
fn refuse_without_accelerator(model: &str, needs_one: bool) -> Result<(), EngineError> {
    if needs_one
        && !cfg!(any(
            feature = "cuda",
            feature = "metal",
            feature = "gpt-oss-on-cpu"
        ))
    {
        return Err(unavailable(
            model,
            "GPT-OSS needs a GPU, and this build of Descant has neither CUDA nor Metal".into(),
            ACCELERATORS,
        ));
    }
    Ok(())
}

fn device(model: &str, force_cpu: bool, needs_accelerator: bool) -> Result<Device, EngineError> {
    let device = if force_cpu || !cfg!(any(feature = "cuda", feature = "metal")) {
        Device::Cpu
    } else {
        mistralrs::best_device(false).map_err(|e| {
            unavailable(
                model,
                format!("the GPU cannot be used: {}", message_of(&e)),
                DRIVER,
            )
        })?
    };
    if needs_accelerator && matches!(device, Device::Cpu) && !cfg!(feature = "gpt-oss-on-cpu") {
        return Err(unavailable(
            model,
            "GPT-OSS needs a GPU, and none was found".into(),
            DRIVER,
        ));
    }
    Ok(device)
}

fn device_name(device: &Device) -> String {
    match device {
        Device::Cpu => "cpu".into(),
        // `best_device` takes the first.
        Device::Cuda(_) => "cuda:0".into(),
        Device::Metal(_) => "metal".into(),
    }
}

/// A reduced vocabulary where the folder has one; else the ids must be Harmony's.
fn codec(model: &str, folder: &Path, checkpoint: &Checkpoint) -> Result<Codec, EngineError> {
    let vocab_size = checkpoint.config.vocab_size;
    let path = folder.join("vocab.json");
    if path.is_file() && !checkpoint.config.is_gpt_oss() {
        let text = std::fs::read(&path)
            .map_err(|e| unavailable(model, format!("{}: {e}", path.display()), RELOAD))?;
        // A vocab.json of another tokenizer is no reduced vocabulary: then the model is not for us either.
        if let Ok(reduced) = ReducedVocabulary::parse(&text) {
            if reduced.len() == vocab_size {
                return Ok(Codec::Reduced(Box::new(reduced)));
            }
            return Err(unavailable(
                model,
                format!(
                    "{} has {} tokens and the weights have {vocab_size}",
                    path.display(),
                    reduced.len()
                ),
                RELOAD,
            ));
        }
    }
    if vocab_size > vocab::CALL as usize {
        return Ok(Codec::Harmony);
    }
    Err(unavailable(
        model,
        format!("its vocabulary of {vocab_size} tokens is not Harmony's, which Descant speaks"),
        "use a GPT-OSS model (-m gpt-oss-20b) or the built-in demo model (-m demo)",
    ))
}

/// What can still be had where the model is to lie.
fn room(device: &Device) -> Option<Room> {
    match device {
        Device::Cpu => memory::available_memory().map(Room::memory),
        // As the driver says: free memory of a CUDA device, what is left of a Metal device's working set.
        Device::Cuda(_) | Device::Metal(_) => {
            let free = MemoryUsage.get_memory_available(device).ok()?;
            Some(Room::gpu(free as u64))
        }
    }
}

/// On a CPU f32 is several times faster than f16 and twice as large: taken where it fits with a context of use.
fn choose_type(
    checkpoint: &Checkpoint,
    on_cpu: bool,
    wanted: Option<usize>,
    most: usize,
    room: Option<Room>,
) -> (ModelDType, Holding) {
    let paged = Holding {
        element: 2,
        sliding: SlidingLayers::KeptWhole,
        copies: 1,
    };
    if !on_cpu {
        return (ModelDType::Auto, paged);
    }
    let plain = |element| Holding {
        element,
        copies: PLAIN_CACHE_COPIES,
        ..paged
    };
    let useful = wanted.unwrap_or(UNSAID_CONTEXT).min(most);
    match room {
        Some(room) if plain(4).need(checkpoint, useful).total() > room.usable() => {
            (ModelDType::BF16, plain(2))
        }
        _ => (ModelDType::F32, plain(4)),
    }
}

type Built = (
    Arc<Mutex<dyn mistralrs::core::Pipeline>>,
    SchedulerConfig,
    bool,
);

fn build(
    request: &LoadRequest,
    checkpoint: &Checkpoint,
    tokenizer: &Path,
    device: &Device,
    dtype: ModelDType,
    context: usize,
) -> Result<Built, String> {
    let template = plain_template(&request.cache_dir).map_err(|e| e.to_string())?;
    let on_cpu = matches!(device, Device::Cpu);
    let loader = NormalLoaderBuilder::new(
        NormalSpecificConfig {
            topology: None,
            organization: IsqOrganization::Default,
            write_uqff: None,
            from_uqff: None,
            imatrix: None,
            calibration_file: None,
            hf_cache_path: None,
            matformer_config_path: None,
            matformer_slice_name: None,
        },
        None,
        None,
        Some(request.name.clone()),
        false,
        Some(template.path().display().to_string()),
    )
    .build(None)
    .map_err(chain)?;
    let paths: Box<dyn ModelPaths> = Box::new(LocalModelPaths::<PathBuf> {
        tokenizer_filename: tokenizer.to_owned(),
        config_filename: checkpoint.folder.join("config.json"),
        template_filename: None,
        filenames: checkpoint.shards.clone(),
        adapter_paths: AdapterPaths::None,
        // Its end tokens are not wanted and a damaged one would be met as a panic.
        gen_conf: None,
        preprocessor_config: None,
        processor_config: None,
        chat_template_json_filename: None,
    });
    let mapping = if on_cpu {
        DeviceMapSetting::Map(DeviceMapMetadata::dummy())
    } else {
        // Defaults to 4,096 tokens.
        DeviceMapSetting::Auto(AutoDeviceMapParams::Text {
            max_seq_len: context,
            max_batch_size: 1,
        })
    };
    let paging = if on_cpu {
        None
    } else {
        // Defaults to 90 % of the GPU's memory.
        let memory = MemoryGpuConfig::ContextSize(context);
        Some(PagedAttentionConfig::new(Some(PAGE), memory, PagedCacheType::Auto).map_err(chain)?)
    };
    let silent = true;
    let pipeline = loader
        .load_model_from_path(&paths, &dtype, device, silent, mapping, None, paging)
        .map_err(chain)?;
    let paged = pipeline.blocking_lock().get_metadata().cache_config.clone();
    let is_paged = paged.is_some();
    let scheduler = match paged {
        Some(config) => SchedulerConfig::PagedAttentionMeta {
            max_num_seqs: 1,
            config,
        },
        None => SchedulerConfig::DefaultScheduler {
            method: DefaultSchedulerMethod::Fixed(NonZeroUsize::MIN),
        },
    };
    Ok((pipeline, scheduler, is_paged))
}

fn chain(error: impl std::fmt::Display) -> String {
    message_of(&format!("{error:#}"))
}

/// A file that the loader reads once.
fn plain_template(cache_dir: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    crate::engine::demo::create_private(cache_dir)?;
    let mut file = tempfile::Builder::new()
        .prefix(".template-")
        .suffix(".jinja")
        .tempfile_in(cache_dir)?;
    file.write_all(PLAIN_TEMPLATE.as_bytes())?;
    Ok(file)
}
