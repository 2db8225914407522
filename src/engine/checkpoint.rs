//! A checkpoint folder, checked before a byte of weights is loaded.
//!
//! Reads `config.json` and the headers of the safetensors shards, so that a truncated download, a missing
//! shard or an absurd header is named here and not met by the loader as a panic. It loads nothing and knows
//! no engine; [`super::fit`] does the arithmetic with what it finds.

mod traffic;

pub use traffic::Traffic;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Larger headers than any real checkpoint has (gpt-oss-120b: 0.1 MB a shard). The format itself allows 100 MB, which
/// would take more memory to read than a refusal may.
const MAX_HEADER: u64 = 25_000_000;
/// No configuration or index is near this.
const MAX_JSON: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{}: {source}", .path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", .path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} is larger than {limit} bytes", .path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{}: {what}", .path.display())]
    Config { path: PathBuf, what: &'static str },
    #[error("no model.safetensors and no model.safetensors.index.json in {}", .0.display())]
    NoWeights(PathBuf),
    #[error("shard {shard} of {shards} is missing: {}", .path.display())]
    MissingShard {
        path: PathBuf,
        shard: usize,
        shards: usize,
    },
    #[error("{} is truncated: {have} bytes of {want}", .path.display())]
    Truncated { path: PathBuf, have: u64, want: u64 },
    #[error("{} has {have} bytes where its header accounts for {want}", .path.display())]
    Trailing { path: PathBuf, have: u64, want: u64 },
    #[error("{} is no safetensors file: its header would be {length} bytes long", .path.display())]
    AbsurdHeader { path: PathBuf, length: u64 },
    #[error("{} has a damaged header: {reason}", .path.display())]
    Header { path: PathBuf, reason: String },
    #[error("{}: tensor {tensor} has the type {dtype}, which no engine here computes with", .path.display())]
    Dtype {
        path: PathBuf,
        tensor: String,
        dtype: String,
    },
    #[error("tensor {tensor} is named by the index and is not in {}", .path.display())]
    MissingTensor { path: PathBuf, tensor: String },
}

/// What `config.json` says, as far as the engine must know it before loading.
#[derive(Debug, Clone, Deserialize)]
pub struct ModelConfig {
    #[serde(default)]
    pub model_type: String,
    #[serde(default)]
    pub architectures: Vec<String>,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub vocab_size: usize,
    pub max_position_embeddings: Option<usize>,
    pub sliding_window: Option<usize>,
    /// `sliding_attention` or `full_attention` by layer.
    pub layer_types: Option<Vec<String>>,
    pub num_local_experts: Option<usize>,
    pub num_experts_per_tok: Option<usize>,
    /// The input embedding is the output projection too.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    quantization_config: Option<Quantization>,
}

#[derive(Debug, Clone, Deserialize)]
struct Quantization {
    #[serde(default)]
    quant_method: String,
}

impl ModelConfig {
    /// GPT-OSS by its type, its architecture or its weights.
    pub fn is_gpt_oss(&self) -> bool {
        self.model_type == "gpt_oss" || self.architectures.iter().any(|a| a == "GptOssForCausalLM")
    }

    pub fn is_mxfp4(&self) -> bool {
        self.quantization_config
            .as_ref()
            .is_some_and(|q| q.quant_method.eq_ignore_ascii_case("mxfp4"))
    }

    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_dim(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }
}

/// A folder whose configuration and headers are in order.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub folder: PathBuf,
    pub config: ModelConfig,
    pub shards: Vec<PathBuf>,
    /// Bytes of tensors in all shards.
    pub weight_bytes: u64,
    /// Values in all tensors of a floating type (what would grow if loaded in a wider one).
    pub float_values: u64,
    /// Bytes those values take on disk.
    pub float_bytes: u64,
    pub traffic: Traffic,
}

impl Checkpoint {
    /// Reads `config.json` alone: enough to refuse a model that cannot run here.
    pub fn read_config(folder: &Path) -> Result<ModelConfig, CheckpointError> {
        let path = folder.join("config.json");
        let config: ModelConfig = read_json(&path)?;
        let what = if config.num_hidden_layers == 0 || config.num_hidden_layers > 10_000 {
            "num_hidden_layers is out of range"
        } else if config.num_attention_heads == 0 || config.key_value_heads() == 0 {
            "a number of attention heads is 0"
        } else if config.head_dim() == 0 || config.hidden_size == 0 {
            "hidden_size or head_dim is 0"
        } else if config.vocab_size == 0 {
            "vocab_size is 0"
        } else {
            return Ok(config);
        };
        Err(CheckpointError::Config { path, what })
    }

    /// Checks every shard's header.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let config = Self::read_config(folder)?;
        let expected = expected_tensors(folder)?;
        let mut checkpoint = Checkpoint {
            folder: folder.to_owned(),
            config,
            shards: Vec::new(),
            weight_bytes: 0,
            float_values: 0,
            float_bytes: 0,
            traffic: Traffic::default(),
        };
        let shards = expected.len();
        for (number, (name, tensors)) in expected.into_iter().enumerate() {
            let path = folder.join(name);
            if !path.is_file() {
                return Err(CheckpointError::MissingShard {
                    path,
                    shard: number + 1,
                    shards,
                });
            }
            checkpoint.add_shard(&path, &tensors)?;
            checkpoint.shards.push(path);
        }
        Ok(checkpoint)
    }

    fn add_shard(
        &mut self,
        path: &Path,
        expected: &BTreeSet<String>,
    ) -> Result<(), CheckpointError> {
        let metadata = read_header(path)?;
        let tensors = metadata.tensors();
        for (name, info) in &tensors {
            let bytes = (info.data_offsets.1 - info.data_offsets.0) as u64;
            self.weight_bytes += bytes;
            match info.dtype {
                Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 => {
                    let values = info.shape.iter().map(|&d| d as u64).product::<u64>();
                    self.float_values += values;
                    self.float_bytes += bytes;
                    self.traffic.add(name, values, 0);
                }
                // Packed or quantized weights, their scales, index tables.
                Dtype::U8
                | Dtype::I8
                | Dtype::I16
                | Dtype::I32
                | Dtype::U32
                | Dtype::I64
                | Dtype::F8_E4M3
                | Dtype::F8_E8M0
                | Dtype::F4 => self.traffic.add(name, 0, bytes),
                other => {
                    return Err(CheckpointError::Dtype {
                        path: path.to_owned(),
                        tensor: name.clone(),
                        dtype: format!("{other:?}"),
                    });
                }
            }
        }
        match expected.iter().find(|name| !tensors.contains_key(*name)) {
            Some(tensor) => Err(CheckpointError::MissingTensor {
                path: path.to_owned(),
                tensor: tensor.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The shards by file name, each with the tensors the index promises (none without an index).
fn expected_tensors(folder: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, CheckpointError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index_path = folder.join("model.safetensors.index.json");
    if index_path.is_file() {
        let index: Index = read_json(&index_path)?;
        let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (tensor, shard) in index.weight_map {
            // A name, never a path: an index cannot point outside its folder.
            if shard.contains(['/', '\\']) || !shard.ends_with(".safetensors") {
                return Err(CheckpointError::Config {
                    path: index_path,
                    what: "a shard's name is not that of a safetensors file in the folder",
                });
            }
            shards.entry(shard).or_default().insert(tensor);
        }
        if shards.is_empty() {
            return Err(CheckpointError::Config {
                path: index_path,
                what: "weight_map is empty",
            });
        }
        return Ok(shards);
    }
    if folder.join("model.safetensors").is_file() {
        return Ok(BTreeMap::from([(
            "model.safetensors".to_owned(),
            BTreeSet::new(),
        )]));
    }
    Err(CheckpointError::NoWeights(folder.to_owned()))
}

/// A shard's header, with its promised size compared to the file's.
fn read_header(path: &Path) -> Result<Metadata, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(read)?;
    let have = file.metadata().map_err(read)?.len();
    if have < 8 {
        return Err(CheckpointError::Truncated {
            path: path.to_owned(),
            have,
            want: 8,
        });
    }
    let mut length = [0u8; 8];
    file.read_exact(&mut length).map_err(read)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return Err(CheckpointError::AbsurdHeader {
            path: path.to_owned(),
            length,
        });
    }
    if have < 8 + length {
        return Err(CheckpointError::Truncated {
            path: path.to_owned(),
            have,
            want: 8 + length,
        });
    }
    let mut header = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut header).map_err(read)?;
    // Deserializing checks that the tensors cover the data without a gap and that shapes match sizes.
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|e| CheckpointError::Header {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
    let want = 8 + length + metadata.data_len() as u64;
    match have.cmp(&want) {
        std::cmp::Ordering::Less => Err(CheckpointError::Truncated {
            path: path.to_owned(),
            have,
            want,
        }),
        std::cmp::Ordering::Greater => Err(CheckpointError::Trailing {
            path: path.to_owned(),
            have,
            want,
        }),
        std::cmp::Ordering::Equal => Ok(metadata),
    }
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, CheckpointError> {
    let read = |source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    File::open(path)
        .map_err(read)?
        .take(MAX_JSON + 1)
        .read_to_end(&mut text)
        .map_err(read)?;
    if text.len() as u64 > MAX_JSON {
        return Err(CheckpointError::TooLarge {
            path: path.to_owned(),
            limit: MAX_JSON,
        });
    }
    serde_json::from_slice(&text).map_err(|source| CheckpointError::Json {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
