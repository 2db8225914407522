//! The demo checkpoint with an idle query head beside each of its own: the same model, for a build with CUDA.
//!
//! mistral.rs 0.8.1 built with CUDA turns the queries and keys of a model that has as many heads of both on the GPU,
//! wherever the model is (`layers.rs`, `RotaryEmbedding::forward`): on the CPU such a model fails at its first token.
//! The demo has six of both and runs on the CPU. With six more query heads, whose weights are zero and whose output is
//! multiplied by zero, it takes the other way and says what it said. A Llama that names the size of its heads is
//! called Mistral there.

use safetensors::SafeTensors;
use safetensors::tensor::{TensorView, serialize};
use serde_json::{Value, json};
use std::collections::HashMap;

/// `config.json` and `model.safetensors` with twice the query heads.
///
/// # Errors
/// Neither is what the demo's are.
pub(super) fn add(config: &[u8], weights: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut config: Value = serde_json::from_slice(config).map_err(wrong)?;
    let count = |name: &str| {
        let count = config.get(name).and_then(Value::as_u64);
        let count = count.and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| format!("the demo's configuration has no {name}"))
    };
    let (heads, head) = (count("num_attention_heads")?, count("head_dim")?);
    config["num_attention_heads"] = json!(2 * heads);
    config["architectures"] = json!(["MistralForCausalLM"]);
    config["model_type"] = json!("mistral");
    config["sliding_window"] = Value::Null;

    let tensors = SafeTensors::deserialize(weights).map_err(wrong)?;
    let mut widened = Vec::new();
    for (name, tensor) in tensors.iter() {
        let mut shape = tensor.shape().to_vec();
        let bytes = tensor.data();
        let bytes = match shape.as_mut_slice() {
            // A row an output: so many rows a head.
            [rows, columns] if name.ends_with(".q_proj.weight") && *rows == heads * head => {
                *rows *= 2;
                with_zeros(bytes, head * *columns * tensor.dtype().bitsize() / 8)
            }
            // A column an input: so many columns a head.
            [_, columns] if name.ends_with(".o_proj.weight") && *columns == heads * head => {
                *columns *= 2;
                with_zeros(bytes, head * tensor.dtype().bitsize() / 8)
            }
            _ => bytes.to_vec(),
        };
        widened.push((name.to_owned(), tensor.dtype(), shape, bytes));
    }
    let views = widened.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        view.map(|view| (name.as_str(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let kind = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let weights = serialize(views, Some(kind)).map_err(wrong)?;
    Ok((config.to_string().into_bytes(), weights))
}

fn wrong(error: impl std::fmt::Display) -> String {
    format!("the demo's checkpoint: {error}")
}

/// Each piece of `length` bytes with as many zeros behind it.
fn with_zeros(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut wide = Vec::with_capacity(2 * bytes.len());
    for piece in bytes.chunks(length.max(1)) {
        wide.extend_from_slice(piece);
        wide.resize(wide.len() + piece.len(), 0);
    }
    wide
}
