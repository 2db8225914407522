use super::*;
use crate::engine::checkpoint::ModelConfig;
use std::io::Write;

/// Bytes of all tensors as `model.safetensors.index.json` of each model publishes them.
const PUBLISHED_20B: u64 = 13_761_264_768;
const PUBLISHED_120B: u64 = 65_248_815_744;
const GB: u64 = 1_000_000_000;
const GIB: u64 = 1 << 30;

fn checkpoint(config: serde_json::Value, weight_bytes: u64) -> Checkpoint {
    let config: ModelConfig = serde_json::from_value(config).unwrap();
    Checkpoint {
        folder: "/m".into(),
        config,
        shards: Vec::new(),
        weight_bytes,
        float_values: 0,
        float_bytes: 0,
        traffic: crate::engine::checkpoint::Traffic::default(),
    }
}

/// config.json as published, with what is said of each model's size.
fn config(layers: usize, experts: usize) -> serde_json::Value {
    let types = ["sliding_attention", "full_attention"].repeat(layers / 2);
    serde_json::json!({
        "model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"], "hidden_size": 2880,
        "num_hidden_layers": layers, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
        "vocab_size": 201_088, "max_position_embeddings": 131_072, "sliding_window": 128, "layer_types": types,
        "num_local_experts": experts, "quantization_config": {"quant_method": "mxfp4"},
    })
}

/// The tensors of GPT-OSS, name by name, as the published checkpoints have them.
fn tensors(layers: usize, experts: usize) -> Vec<(String, &'static str, Vec<usize>)> {
    let bf16 = |name: String, shape: &[usize]| (name, "BF16", shape.to_vec());
    let mut all = vec![
        bf16("model.embed_tokens.weight".into(), &[201_088, 2880]),
        bf16("lm_head.weight".into(), &[201_088, 2880]),
        bf16("model.norm.weight".into(), &[2880]),
    ];
    for layer in 0..layers {
        let name = |rest: &str| format!("model.layers.{layer}.{rest}");
        for (projection, out, into) in [
            ("q", 4096, 2880),
            ("k", 512, 2880),
            ("v", 512, 2880),
            ("o", 2880, 4096),
        ] {
            all.push(bf16(
                name(&format!("self_attn.{projection}_proj.weight")),
                &[out, into],
            ));
            all.push(bf16(
                name(&format!("self_attn.{projection}_proj.bias")),
                &[out],
            ));
        }
        all.push(bf16(name("self_attn.sinks"), &[64]));
        all.push(bf16(name("input_layernorm.weight"), &[2880]));
        all.push(bf16(name("post_attention_layernorm.weight"), &[2880]));
        all.push(bf16(name("mlp.router.weight"), &[experts, 2880]));
        all.push(bf16(name("mlp.router.bias"), &[experts]));
        for (projection, out) in [("gate_up", 5760), ("down", 2880)] {
            let expert = |rest: &str| name(&format!("mlp.experts.{projection}_proj{rest}"));
            all.push((expert("_blocks"), "U8", vec![experts, out, 90, 16]));
            all.push((expert("_scales"), "U8", vec![experts, out, 90]));
            all.push(bf16(expert("_bias"), &[experts, out]));
        }
    }
    all
}

/// A checkpoint of the true shape: the headers are there, the weights are holes that take no room.
fn of_true_shape(layers: usize, experts: usize) -> (tempfile::TempDir, Checkpoint) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("config.json"),
        config(layers, experts).to_string(),
    )
    .unwrap();
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in tensors(layers, experts) {
        let bytes = shape.iter().product::<usize>() * if dtype == "U8" { 1 } else { 2 };
        header.insert(
            name,
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [end, end + bytes]}),
        );
        end += bytes;
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = std::fs::File::create(dir.path().join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + end) as u64).unwrap();
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    (dir, checkpoint)
}

fn gpt_oss_20b() -> Checkpoint {
    checkpoint(config(24, 32), PUBLISHED_20B)
}

const ON_GPU: Holding = Holding {
    element: 2,
    sliding: SlidingLayers::KeptWhole,
    copies: 1,
};

#[test]
fn the_weights_are_the_published_ones() {
    let (_dir, small) = of_true_shape(24, 32);
    assert_eq!(small.weight_bytes, PUBLISHED_20B);
    assert_eq!(
        Need::of(&small, 2, 0, SlidingLayers::KeptWhole).weights,
        PUBLISHED_20B
    );
    let (_dir, large) = of_true_shape(36, 128);
    assert_eq!(large.weight_bytes, PUBLISHED_120B);
    // The model card: 12.8 and 60.8 GiB.
    let tenths = |bytes: u64| (bytes as f64 / GIB as f64 * 10.0).round() / 10.0;
    assert_eq!(
        (tenths(small.weight_bytes), tenths(large.weight_bytes)),
        (12.8, 60.8)
    );
    // MXFP4 blocks and scales stay as they are, whatever the rest is loaded as.
    let experts = 24 * (32 * 5760 * 90 * 17 + 32 * 2880 * 90 * 17);
    assert_eq!(small.weight_bytes - small.float_bytes, experts);
}

#[test]
fn what_fits_into_the_memory_of_known_devices() {
    let (_dir, small) = of_true_shape(24, 32);
    let (_dir, large) = of_true_shape(36, 128);
    let longest = |model: &Checkpoint, free: u64| {
        choose_context("m", model, ON_GPU, None, 131_072, Some(Room::gpu(free)))
    };
    // 16 GB of a GPU, nearly all of it free: 20b with some context; 24 GB: with all of it.
    let on_16 = longest(&small, 16 * GB).unwrap();
    assert!((4096..32_768).contains(&on_16), "{on_16}");
    assert_eq!(longest(&small, 24 * GB), Ok(131_072));
    assert_eq!(longest(&large, 80 * GB), Ok(131_072));
    assert!(longest(&large, 24 * GB).is_err() && longest(&small, 12 * GB).is_err());
    // The longest is the longest: a step more does not fit.
    let room = Room::gpu(16 * GB).usable();
    assert!(ON_GPU.need(&small, on_16).total() <= room);
    assert!(ON_GPU.need(&small, on_16 + CONTEXT_STEP).total() > room);
}

#[test]
fn the_cache_of_gpt_oss_20b_is_the_published_one() {
    let kv = KvShape::of(&gpt_oss_20b(), 2);
    assert_eq!(
        (kv.full_layers, kv.sliding_layers, kv.window),
        (12, 12, 128)
    );
    assert_eq!(kv.bytes_per_token(), 49_152);
    assert_eq!(
        kv.context_bytes(131_072, SlidingLayers::KeptWhole),
        49_152 * 131_072
    );
    assert_eq!(
        kv.context_bytes(131_072, SlidingLayers::Windowed),
        24_576 * (131_072 + 128)
    );
    assert_eq!(kv.context_bytes(100, SlidingLayers::Windowed), 49_152 * 100);
}

#[test]
fn a_model_without_sliding_layers_keeps_all() {
    let config = serde_json::json!({
        "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 6, "vocab_size": 1764,
        "sliding_window": 4096,
    });
    let kv = KvShape::of(&checkpoint(config, 0), 4);
    assert_eq!((kv.full_layers, kv.sliding_layers), (4, 0));
    assert_eq!(kv.bytes_per_token(), 2 * 4 * 6 * 32 * 4);
}

#[test]
fn a_wider_type_grows_the_floats_alone() {
    let mut model = gpt_oss_20b();
    (model.weight_bytes, model.float_values, model.float_bytes) = (1_000, 300, 600);
    let need = Need::of(&model, 4, 0, SlidingLayers::KeptWhole);
    assert_eq!(need.weights, 400 + 1_200);
    assert_eq!(
        Need::of(&model, 2, 0, SlidingLayers::KeptWhole).weights,
        1_000
    );
}

fn chosen(wanted: Option<usize>, free: u64) -> Result<usize, Shortage> {
    let room = Room {
        kind: "memory",
        free,
        reserve: 0,
    };
    choose_context(
        "gpt-oss-20b",
        &gpt_oss_20b(),
        ON_GPU,
        wanted,
        131_072,
        Some(room),
    )
}

#[test]
fn too_little_memory_is_a_table_with_a_way_out() {
    let need = ON_GPU.need(&gpt_oss_20b(), 32_768).total();
    assert_eq!(chosen(Some(32_768), need), Ok(32_768));
    let short = chosen(Some(32_768), need - 1).unwrap_err();
    assert_eq!(short.fits, Some(32_256));
    assert_eq!(
        short.to_string(),
        "gpt-oss-20b does not fit into the memory that is free\n\
         \x20 weights                 13,124 MiB\n\
         \x20 cache of 32,768 tokens   1,536 MiB\n\
         \x20 working memory           1,170 MiB\n\
         \x20 needed in all           15,830 MiB\n\
         \x20 memory free             15,829 MiB\n\
         \x20 of which is left alone       0 MiB\n\
         \x20 a context of 32,256 tokens fits: -c context=32256; or use another model (-m), or a server (--server URL)"
    );
    assert_eq!(
        chosen(Some(32_256), need - 1),
        Ok(32_256),
        "what it says is true"
    );
    let none = chosen(None, GIB).unwrap_err();
    assert_eq!((none.fits, none.context), (None, 4096));
    assert!(none.to_string().contains("-m demo"), "{none}");
}

#[test]
fn without_a_wish_the_context_is_what_fits() {
    let all = ON_GPU.need(&gpt_oss_20b(), 131_072).total();
    assert_eq!(chosen(None, all), Ok(131_072));
    assert_eq!(
        chosen(None, u64::MAX),
        Ok(131_072),
        "no longer than the model's own"
    );
    assert_eq!(chosen(None, all - 1), Ok(131_072 - CONTEXT_STEP));
    assert_eq!(chosen(Some(9_000), all), Ok(8_704), "in whole steps");
    assert_eq!(chosen(Some(300), all), Ok(300));
    let unknown = |wanted| choose_context("m", &gpt_oss_20b(), ON_GPU, wanted, 131_072, None);
    assert_eq!(
        (unknown(None), unknown(Some(65_536))),
        (Ok(32_768), Ok(65_536))
    );
}

#[test]
fn something_is_left_to_others() {
    assert_eq!(Room::gpu(80 * GIB).reserve, 80 * GIB / 50);
    assert_eq!(Room::gpu(8 * GIB).reserve, 512 << 20);
    assert_eq!(Room::gpu(1).usable(), 0);
    assert_eq!(Room::memory(64 * GIB).reserve, GIB);
}

#[test]
fn absurd_sizes_do_not_overflow() {
    let kv = KvShape {
        full_layers: 10_000,
        sliding_layers: 0,
        window: 0,
        heads: 1 << 20,
        head_dim: 1 << 20,
        element: 4,
    };
    assert_eq!(
        kv.context_bytes(u64::MAX, SlidingLayers::KeptWhole),
        u64::MAX
    );
}
