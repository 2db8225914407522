//! What decoding one token reads of the weights: the bound of a device's memory on its speed.

use super::ModelConfig;

/// Weights by how much of them one token touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All of it, at each token.
    dense: Weights,
    /// The chosen experts' share.
    experts: Weights,
    /// One row; nothing to speak of, unless it is the output projection too.
    embedding: Weights,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weights {
    /// Values of a floating type.
    values: u64,
    /// Bytes of packed types, which are read as they lie on disk.
    packed: u64,
}

impl Weights {
    fn bytes(self, element: u64) -> u64 {
        self.values * element + self.packed
    }
}

impl Traffic {
    /// Counts a tensor: `values` of a floating type, or `packed` bytes.
    pub(super) fn add(&mut self, name: &str, values: u64, packed: u64) {
        let weights = if name.contains(".experts.") {
            &mut self.experts
        } else if name.ends_with("embed_tokens.weight") {
            &mut self.embedding
        } else {
            &mut self.dense
        };
        weights.values += values;
        weights.packed += packed;
    }

    /// Bytes of weights read for one token when floating values are held in `element` bytes.
    pub fn per_token(&self, config: &ModelConfig, element: u64) -> u64 {
        let experts = match (config.num_local_experts, config.num_experts_per_tok) {
            (Some(all), Some(used)) if all > 0 => {
                self.experts.bytes(element) / all as u64 * used.min(all) as u64
            }
            _ => self.experts.bytes(element),
        };
        let head = if config.tie_word_embeddings {
            self.embedding.bytes(element)
        } else {
            0
        };
        self.dense.bytes(element) + experts + head
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn config(more: &serde_json::Value) -> ModelConfig {
        let mut config = serde_json::json!({
            "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64, "vocab_size": 201_088,
        });
        let more = more.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        serde_json::from_value(config).unwrap()
    }

    /// gpt-oss-20b's shapes; 3.71 GB a token in bf16 is the published arithmetic.
    #[test]
    fn gpt_oss_20b_reads_what_is_published() {
        const HIDDEN: u64 = 2880;
        let mut traffic = Traffic::default();
        traffic.add("model.embed_tokens.weight", 201_088 * HIDDEN, 0);
        traffic.add("lm_head.weight", 201_088 * HIDDEN, 0);
        for _ in 0..24 {
            let attention = HIDDEN * (4096 + 512 + 512) + 4096 * HIDDEN;
            traffic.add("model.layers.0.self_attn.q_proj.weight", attention, 0);
            traffic.add("model.layers.0.mlp.router.weight", 32 * HIDDEN, 0);
            // Gate and up, then down: half a byte a value, and a byte of scale for 32.
            let values = 32 * (2 * HIDDEN * HIDDEN + HIDDEN * HIDDEN);
            let packed = values / 2 + values / 32;
            traffic.add("model.layers.0.mlp.experts.gate_up_proj_blocks", 0, packed);
        }
        let moe = config(&serde_json::json!({"num_local_experts": 32, "num_experts_per_tok": 4}));
        let bytes = traffic.per_token(&moe, 2);
        assert!((3_690_000_000..3_730_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_tied_head_is_read_whole() {
        let mut traffic = Traffic::default();
        traffic.add("model.embed_tokens.weight", 1000, 0);
        traffic.add("model.norm.weight", 10, 0);
        assert_eq!(traffic.per_token(&config(&serde_json::json!({})), 4), 40);
        let tied = config(&serde_json::json!({"tie_word_embeddings": true}));
        assert_eq!(traffic.per_token(&tied, 4), 4040);
    }
}
