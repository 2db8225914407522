use super::*;
use crate::engine::checkpoint::ModelConfig;

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

/// config.json of gpt-oss-20b, as published.
fn gpt_oss_20b() -> Checkpoint {
    let types = ["sliding_attention", "full_attention"].repeat(12);
    let config = serde_json::json!({
        "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201_088, "max_position_embeddings": 131_072,
        "sliding_window": 128, "layer_types": types,
    });
    checkpoint(config, 13_761_264_768)
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

#[test]
fn too_little_memory_is_refused_with_the_numbers() {
    let need = Need::of(&gpt_oss_20b(), 2, 32_768, SlidingLayers::KeptWhole);
    assert!(
        need.check("gpt-oss-20b", "memory", 32_768, need.total())
            .is_ok()
    );
    let error = need
        .check("gpt-oss-20b", "memory", 32_768, need.total() - 1)
        .unwrap_err();
    let EngineError::NotEnoughMemory {
        ref model,
        need_mib,
        have_mib,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(
        model.contains("weights 13124 MiB") && model.contains("32768 tokens 1536 MiB"),
        "{model}"
    );
    assert_eq!(need_mib, need.total().div_ceil(MIB));
    assert_eq!(have_mib, (need.total() - 1) / MIB);
}

#[test]
fn the_hint_names_a_context_that_fits() {
    let need = Need::of(&gpt_oss_20b(), 2, 131_072, SlidingLayers::KeptWhole);
    let free = need.weights + need.runtime + 49_152 * 20_000;
    let error = need.check("m", "memory", 131_072, free).unwrap_err();
    assert!(error.to_string().contains("-c context=19968"), "{error}");
    let small = Need::of(&gpt_oss_20b(), 2, 19_968, SlidingLayers::KeptWhole);
    assert!(
        small.check("m", "memory", 19_968, free).is_ok(),
        "the hint is true"
    );
    let none = need.check("m", "memory", 131_072, 1 << 30).unwrap_err();
    assert!(none.to_string().contains("-m demo"), "{none}");
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

#[test]
fn reads_meminfo() {
    let text = "MemTotal:       32000000 kB\nMemFree:         1 kB\nMemAvailable:   20000000 kB\n";
    assert_eq!(available_in(text), Some(20_000_000 * 1024));
    assert_eq!(available_in("MemTotal: 1 kB\n"), None);
    assert_eq!(available_in("MemAvailable: many kB\n"), None);
    #[cfg(target_os = "linux")]
    assert!(available_memory().unwrap() > MIB);
}
