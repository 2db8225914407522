//! Does a checkpoint fit? Arithmetic over sizes, and the refusal with its numbers.
//!
//! Pure but for [`available_memory`]. Sizes are bytes. The one thing to know: on an engine that pages its
//! cache (CUDA, Metal) sliding-window layers are kept whole, so gpt-oss-20b takes 49,152 bytes a token.

use super::EngineError;
use super::checkpoint::Checkpoint;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// What activations, the tokenizer and the runtime take beside weights and cache, as seen with small
/// checkpoints; a prompt's logits come on top of it.
const RUNTIME: u64 = 256 * MIB;

/// Prompt tokens whose logits are held at once while a prompt is computed.
const PREFILL_CHUNK: u64 = 1024;

/// How a model caches keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    pub full_layers: u64,
    pub sliding_layers: u64,
    /// Tokens that a sliding layer sees.
    pub window: u64,
    pub heads: u64,
    pub head_dim: u64,
    /// Bytes of one key or value element.
    pub element: u64,
}

/// What becomes of a sliding layer's tokens that left the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlidingLayers {
    /// Kept like a full layer's: PagedAttention.
    KeptWhole,
    /// Only the window is kept.
    Windowed,
}

impl KvShape {
    pub fn of(checkpoint: &Checkpoint, element: u64) -> Self {
        let config = &checkpoint.config;
        let layers = config.num_hidden_layers as u64;
        let sliding = match (&config.layer_types, config.sliding_window) {
            (Some(types), Some(_)) => {
                types.iter().filter(|t| *t == "sliding_attention").count() as u64
            }
            _ => 0,
        };
        KvShape {
            full_layers: layers.saturating_sub(sliding),
            sliding_layers: sliding.min(layers),
            window: config.sliding_window.unwrap_or(0) as u64,
            heads: config.key_value_heads() as u64,
            head_dim: config.head_dim() as u64,
            element,
        }
    }

    /// Keys and values of one token in one layer.
    fn layer_token(&self) -> u64 {
        2 * self.heads * self.head_dim * self.element
    }

    /// Bytes of one more token while no sliding layer is full.
    pub fn bytes_per_token(&self) -> u64 {
        (self.full_layers + self.sliding_layers) * self.layer_token()
    }

    /// The cache of a whole context.
    pub fn context_bytes(&self, context: u64, sliding: SlidingLayers) -> u64 {
        let held = match sliding {
            SlidingLayers::KeptWhole => context,
            SlidingLayers::Windowed => context.min(self.window),
        };
        self.layer_token().saturating_mul(
            self.full_layers.saturating_mul(context) + self.sliding_layers.saturating_mul(held),
        )
    }
}

/// What a model takes, by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub weights: u64,
    pub cache: u64,
    pub runtime: u64,
}

impl Need {
    /// `element`: bytes of a floating weight and of a cache element as loaded.
    pub fn of(checkpoint: &Checkpoint, element: u64, context: u64, sliding: SlidingLayers) -> Self {
        let logits = checkpoint.config.vocab_size as u64 * 4 * context.min(PREFILL_CHUNK);
        Need {
            weights: checkpoint.weight_bytes - checkpoint.float_bytes
                + checkpoint.float_values.saturating_mul(element),
            cache: KvShape::of(checkpoint, element).context_bytes(context, sliding),
            runtime: RUNTIME + logits,
        }
    }

    pub fn total(&self) -> u64 {
        self.weights
            .saturating_add(self.cache)
            .saturating_add(self.runtime)
    }

    /// Refuses when `available` bytes are too few.
    pub fn check(
        &self,
        model: &str,
        kind: &'static str,
        context: usize,
        available: u64,
    ) -> Result<(), EngineError> {
        if self.total() <= available {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(MIB);
        let room = available
            .saturating_sub(self.weights)
            .saturating_sub(self.runtime);
        let tokens = (context as u64 * (room / 1024))
            .checked_div(self.cache / 1024)
            .unwrap_or(0);
        let hint = if tokens >= 4096 {
            format!(
                "a context of {} tokens would fit: -c context={}",
                tokens / 512 * 512,
                tokens / 512 * 512
            )
        } else {
            "close other programs, or use the built-in demo model (-m demo)".to_owned()
        };
        Err(EngineError::NotEnoughMemory {
            model: format!(
                "{model} (weights {} MiB, a context of {context} tokens {} MiB, working memory {} MiB)",
                mib(self.weights),
                mib(self.cache),
                mib(self.runtime)
            ),
            kind,
            need_mib: mib(self.total()),
            have_mib: available / MIB,
            hint,
        })
    }
}

/// Memory that programs can still get without swapping; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    available_in(&std::fs::read_to_string(Path::new("/proc/meminfo")).ok()?)
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
