//! Small Llama checkpoints with seeded random weights and a vocabulary of bytes, for the engine's tests.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// Harmony's special tokens in the order of the reduced vocabulary, with their ids.
pub const SPECIALS: [(&str, u32); 8] = [
    ("<|start|>", 200_006),
    ("<|end|>", 200_007),
    ("<|message|>", 200_008),
    ("<|channel|>", 200_005),
    ("<|constrain|>", 200_003),
    ("<|return|>", 200_002),
    ("<|call|>", 200_012),
    ("<|reserved_200000|>", 200_000),
];

pub struct Shape {
    pub hidden: usize,
    pub layers: usize,
    pub heads: usize,
    pub key_value_heads: usize,
    pub intermediate: usize,
    pub context: usize,
    pub seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            hidden: 64,
            layers: 3,
            heads: 4,
            key_value_heads: 2,
            intermediate: 128,
            context: 2048,
            seed: 1,
        }
    }
}

/// Writes config.json, model.safetensors, tokenizer.json and vocab.json. `byte_ids[b]` is the Harmony id of
/// the byte `b`.
pub fn write(folder: &Path, shape: &Shape, byte_ids: &[u32; 256]) {
    std::fs::create_dir_all(folder).unwrap();
    let vocabulary = SPECIALS.len() + 256;
    write_weights(folder, shape, vocabulary);
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads, "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "max_position_embeddings": shape.context, "tie_word_embeddings": false,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    let ids: Vec<u32> = SPECIALS
        .iter()
        .map(|(_, id)| *id)
        .chain(byte_ids.iter().copied())
        .collect();
    let vocab = serde_json::json!({
        "specials": SPECIALS.map(|(name, _)| name),
        "o200k_ids": ids,
        "tokens_hex": (0..=255u8).map(|b| format!("{b:02x}")).collect::<Vec<_>>(),
    });
    std::fs::write(folder.join("vocab.json"), vocab.to_string()).unwrap();
}

fn write_weights(folder: &Path, shape: &Shape, vocabulary: usize) {
    let Shape {
        hidden,
        layers,
        intermediate,
        ..
    } = *shape;
    let key_values = hidden / shape.heads * shape.key_value_heads;
    let mut shapes: BTreeMap<String, Vec<usize>> = BTreeMap::from([
        ("model.embed_tokens.weight".into(), vec![vocabulary, hidden]),
        ("lm_head.weight".into(), vec![vocabulary, hidden]),
        ("model.norm.weight".into(), vec![hidden]),
    ]);
    for layer in 0..layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        shapes.insert(name("self_attn.q_proj"), vec![hidden, hidden]);
        shapes.insert(name("self_attn.k_proj"), vec![key_values, hidden]);
        shapes.insert(name("self_attn.v_proj"), vec![key_values, hidden]);
        shapes.insert(name("self_attn.o_proj"), vec![hidden, hidden]);
        shapes.insert(name("mlp.gate_proj"), vec![intermediate, hidden]);
        shapes.insert(name("mlp.up_proj"), vec![intermediate, hidden]);
        shapes.insert(name("mlp.down_proj"), vec![hidden, intermediate]);
        shapes.insert(name("input_layernorm"), vec![hidden]);
        shapes.insert(name("post_attention_layernorm"), vec![hidden]);
    }
    let mut rng = StdRng::seed_from_u64(shape.seed);
    let data: BTreeMap<String, Vec<u8>> = shapes
        .iter()
        .map(|(name, dims)| {
            // Wide enough for attention to look around, and for the best score to stand apart.
            let scale = match dims[..] {
                [_, width] if name.starts_with("lm_head") => 16.0 / (width as f32).sqrt(),
                [_, width] if !name.contains("embed") => 2.0 / (width as f32).sqrt(),
                _ => 1.0,
            };
            let values = (0..dims.iter().product::<usize>()).flat_map(|_| {
                let value = if name.contains("norm") {
                    1.0
                } else {
                    (rng.random::<f32>() * 2.0 - 1.0) * scale
                };
                value.to_le_bytes()
            });
            let mut values: Vec<u8> = values.collect();
            if name.starts_with("lm_head") {
                // Greedy, it never says a special token by itself.
                values[..SPECIALS.len() * hidden * size_of::<f32>()].fill(0);
            }
            (name.clone(), values)
        })
        .collect();
    let views = shapes.iter().map(|(name, dims)| {
        (
            name.clone(),
            TensorView::new(Dtype::F32, dims.clone(), &data[name]).unwrap(),
        )
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
}

/// A byte-level BPE without merges: mistral.rs wants one to decode with.
fn tokenizer() -> serde_json::Value {
    let printable = |b: u8| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut beyond = 0x100u32..;
    let characters = (0..=255u8).map(|b| {
        if printable(b) {
            char::from(b)
        } else {
            char::from_u32(beyond.next().unwrap()).unwrap()
        }
    });
    let mut vocab: BTreeMap<String, usize> = SPECIALS
        .iter()
        .enumerate()
        .map(|(id, (name, _))| ((*name).to_owned(), id))
        .collect();
    vocab.extend(
        characters
            .enumerate()
            .map(|(b, c)| (c.to_string(), SPECIALS.len() + b)),
    );
    let added: Vec<_> = SPECIALS
        .iter()
        .enumerate()
        .map(|(id, (name, _))| {
            serde_json::json!({"id": id, "content": name, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let byte_level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": []},
    })
}
