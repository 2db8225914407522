//! Does a checkpoint fit, and with how long a context? Arithmetic over sizes, and the refusal with its numbers.
//!
//! Pure; sizes are bytes unless they say otherwise. The one thing to know: on an engine that pages its
//! cache (CUDA, Metal) sliding-window layers are kept whole, so gpt-oss-20b takes 49,152 bytes a token.

use super::checkpoint::Checkpoint;

const MIB: u64 = 1 << 20;

/// What activations, the tokenizer and the runtime take beside weights and cache, as seen with small
/// checkpoints; a prompt's logits come on top of it.
const RUNTIME: u64 = 256 * MIB;

/// Prompt tokens whose logits are held at once while a prompt is computed.
const PREFILL_CHUNK: u64 = 1024;

/// The engine's caches grow in steps of so many tokens and refuse a last step beyond the model's length.
pub const CONTEXT_STEP: usize = 512;

/// A coding turn needs more than this; less is not offered.
const LEAST_CONTEXT: usize = 4096;

/// Where the memory is not known: a context that a coding turn fits in (1.6 GB for gpt-oss-20b).
const MODEST_CONTEXT: usize = 32_768;

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
        let config = &checkpoint.config;
        let chunk = context.min(PREFILL_CHUNK);
        let logits = (config.vocab_size as u64)
            .saturating_mul(4)
            .saturating_mul(chunk);
        // Scores of every head, where attention is not computed in pieces.
        let scores = (config.num_attention_heads as u64)
            .saturating_mul(element)
            .saturating_mul(chunk * chunk);
        Need {
            weights: (checkpoint.weight_bytes - checkpoint.float_bytes)
                .saturating_add(checkpoint.float_values.saturating_mul(element)),
            cache: KvShape::of(checkpoint, element).context_bytes(context, sliding),
            runtime: RUNTIME.saturating_add(logits).saturating_add(scores),
        }
    }

    pub fn total(&self) -> u64 {
        self.weights
            .saturating_add(self.cache)
            .saturating_add(self.runtime)
    }
}

/// How a device holds a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Bytes of a floating weight and of a cache element.
    pub element: u64,
    pub sliding: SlidingLayers,
    /// Contexts that exist at once.
    pub copies: u64,
}

impl Holding {
    /// What `checkpoint` takes with a context of so many tokens.
    pub fn need(&self, checkpoint: &Checkpoint, context: usize) -> Need {
        let mut need = Need::of(checkpoint, self.element, context as u64, self.sliding);
        need.cache = need.cache.saturating_mul(self.copies);
        need
    }

    /// The longest context up to `most`, in whole steps, that fits into `room` bytes; 0 where none does.
    pub fn longest(&self, checkpoint: &Checkpoint, most: usize, room: u64) -> usize {
        let fits = |steps: usize| self.need(checkpoint, steps * CONTEXT_STEP).total() <= room;
        let (mut low, mut high) = (0, most / CONTEXT_STEP);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        low * CONTEXT_STEP
    }
}

/// The room there is, and what has to be left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// `memory` or `GPU memory`.
    pub kind: &'static str,
    pub free: u64,
    /// Not to be taken: what is told is an estimate, and others use it too.
    pub reserve: u64,
}

impl Room {
    /// The machine's own memory.
    pub fn memory(free: u64) -> Room {
        Room {
            kind: "memory",
            free,
            reserve: (free / 20).min(1 << 30),
        }
    }

    /// An accelerator's: mistral.rs leaves as much alone, and would put layers elsewhere otherwise.
    pub fn gpu(free: u64) -> Room {
        Room {
            kind: "GPU memory",
            free,
            reserve: (free / 50).max(512 * MIB).min(free),
        }
    }

    pub fn usable(&self) -> u64 {
        self.free - self.reserve
    }
}

/// A model that does not fit: what it takes by part, what there is, and what would fit. Sizes in MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub model: String,
    pub kind: &'static str,
    pub context: usize,
    pub weights: u64,
    pub cache: u64,
    pub runtime: u64,
    pub free: u64,
    pub reserve: u64,
    /// A shorter context with which it would fit.
    pub fits: Option<usize>,
}

impl Shortage {
    pub fn need(&self) -> u64 {
        self.weights
            .saturating_add(self.cache)
            .saturating_add(self.runtime)
    }
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shortage {
            model,
            kind,
            context,
            ..
        } = self;
        writeln!(f, "{model} does not fit into the {kind} that is free")?;
        let cache = format!("cache of {} tokens", grouped(*context as u64));
        let needed = "needed in all".to_owned();
        let rows = [
            ("weights".to_owned(), self.weights),
            (cache, self.cache),
            ("working memory".to_owned(), self.runtime),
            (needed, self.need()),
            (format!("{kind} free"), self.free),
            ("of which is left alone".to_owned(), self.reserve),
        ];
        let name = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let width = rows
            .iter()
            .map(|(_, mib)| grouped(*mib).len())
            .max()
            .unwrap_or(0);
        for (label, mib) in rows {
            writeln!(f, "  {label:<name$}  {:>width$} MiB", grouped(mib))?;
        }
        match self.fits {
            Some(tokens) => write!(
                f,
                "  a context of {} tokens fits: -c context={tokens}; or use another model (-m), or a server (--server URL)",
                grouped(tokens as u64)
            ),
            None => write!(
                f,
                "  no context makes it fit: close other programs, use another model (-m demo is built in), or a server (--server URL)"
            ),
        }
    }
}

/// The context to load with, and what it takes. A wanted one is taken as it is; without one it is the longest that
/// fits, up to `most`.
///
/// # Errors
/// Where the wanted context does not fit, or none that is of use.
pub fn choose_context(
    model: &str,
    checkpoint: &Checkpoint,
    holding: Holding,
    wanted: Option<usize>,
    most: usize,
    room: Option<Room>,
) -> Result<usize, Shortage> {
    let at_hand = wanted.unwrap_or(most).min(most);
    let at_hand = if at_hand > CONTEXT_STEP {
        at_hand / CONTEXT_STEP * CONTEXT_STEP
    } else {
        at_hand
    };
    let Some(room) = room else {
        // Where nothing says what there is, what is modest.
        return Ok(wanted.map_or(at_hand.min(MODEST_CONTEXT), |_| at_hand));
    };
    let need = holding.need(checkpoint, at_hand);
    if need.total() <= room.usable() {
        return Ok(at_hand);
    }
    let longest = holding.longest(checkpoint, at_hand, room.usable());
    let useful = longest >= LEAST_CONTEXT;
    if wanted.is_none() && useful {
        return Ok(longest);
    }
    let shown = if wanted.is_none() {
        LEAST_CONTEXT.min(at_hand)
    } else {
        at_hand
    };
    let need = holding.need(checkpoint, shown);
    let mib = |bytes: u64| bytes.div_ceil(MIB);
    Err(Shortage {
        model: model.to_owned(),
        kind: room.kind,
        context: shown,
        weights: mib(need.weights),
        cache: mib(need.cache),
        runtime: mib(need.runtime),
        free: room.free / MIB,
        reserve: mib(room.reserve),
        fits: useful.then_some(longest),
    })
}

/// `131,072`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
