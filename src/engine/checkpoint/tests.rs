use super::*;
use std::path::Path;

fn config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 16,
        "max_position_embeddings": 1024,
    })
}

/// A shard with tensors of the given types, 4 values each; `pad` bytes too many or too few at its end.
fn shard(path: &Path, tensors: &[(&str, &str, usize)], pad: isize) {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, dtype, bytes) in tensors {
        let shape = [bytes * 8 / bits(dtype)];
        header.insert(
            (*name).into(),
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [at, at + bytes]}),
        );
        at += bytes;
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.resize(file.len() + at.checked_add_signed(pad).unwrap(), 0);
    std::fs::write(path, file).unwrap();
}

fn bits(dtype: &str) -> usize {
    match dtype {
        "F64" | "I64" | "C64" => 64,
        "F32" | "I32" => 32,
        "BF16" | "F16" => 16,
        _ => 8,
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config().to_string()).unwrap();
    folder
}

fn error(folder: &Path) -> String {
    Checkpoint::open(folder).unwrap_err().to_string()
}

#[test]
fn counts_floats_and_packed_weights_apart() {
    let folder = folder();
    shard(
        &folder.path().join("model.safetensors"),
        &[("a", "BF16", 8), ("b", "F32", 16), ("c", "U8", 5)],
        0,
    );
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(checkpoint.weight_bytes, 29);
    assert_eq!((checkpoint.float_values, checkpoint.float_bytes), (8, 24));
    assert_eq!(checkpoint.shards, [folder.path().join("model.safetensors")]);
    assert_eq!(
        (
            checkpoint.config.key_value_heads(),
            checkpoint.config.head_dim()
        ),
        (1, 4)
    );
}

#[test]
fn an_index_names_the_shards() {
    let folder = folder();
    let index = serde_json::json!({"weight_map": {
        "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}});
    std::fs::write(
        folder.path().join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    shard(
        &folder.path().join("model-00001-of-00002.safetensors"),
        &[("a", "F32", 8)],
        0,
    );
    let missing = error(folder.path());
    assert!(
        missing.starts_with("shard 2 of 2 is missing: "),
        "{missing}"
    );
    assert!(
        missing.ends_with("model-00002-of-00002.safetensors"),
        "{missing}"
    );

    let second = folder.path().join("model-00002-of-00002.safetensors");
    shard(&second, &[("other", "F32", 8)], 0);
    assert!(error(folder.path()).starts_with("tensor b is named by the index and is not in"));
    shard(&second, &[("b", "F32", 8)], 0);
    assert_eq!(Checkpoint::open(folder.path()).unwrap().weight_bytes, 16);
}

#[test]
fn an_index_cannot_leave_its_folder() {
    let folder = folder();
    for name in [
        "../model.safetensors",
        "/etc/passwd",
        "weights.bin",
        "a\\b.safetensors",
    ] {
        let index = serde_json::json!({"weight_map": {"a": name}});
        std::fs::write(
            folder.path().join("model.safetensors.index.json"),
            index.to_string(),
        )
        .unwrap();
        assert!(error(folder.path()).contains("a shard's name"), "{name}");
    }
    std::fs::write(
        folder.path().join("model.safetensors.index.json"),
        r#"{"weight_map":{}}"#,
    )
    .unwrap();
    assert!(error(folder.path()).contains("weight_map is empty"));
}

#[test]
fn damaged_shards_are_told_apart() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    assert!(error(folder.path()).starts_with("no model.safetensors"));
    std::fs::write(&path, b"").unwrap();
    assert!(error(folder.path()).contains("is truncated: 0 bytes of 8"));
    std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(error(folder.path()).contains("its header would be 18446744073709551615 bytes long"));
    std::fs::write(&path, [1000u64.to_le_bytes().as_slice(), b"{}"].concat()).unwrap();
    assert!(error(folder.path()).contains("is truncated: 10 bytes of 1008"));
    std::fs::write(
        &path,
        [9u64.to_le_bytes().as_slice(), b"not json!"].concat(),
    )
    .unwrap();
    assert!(error(folder.path()).contains("damaged header"));
    shard(&path, &[("a", "F32", 64)], -1);
    assert!(error(folder.path()).contains("is truncated: "));
    shard(&path, &[("a", "F32", 64)], 3);
    assert!(error(folder.path()).contains("where its header accounts for"));
    shard(&path, &[("a", "C64", 64)], 0);
    assert!(error(folder.path()).contains("tensor a has the type C64"));
    shard(&path, &[("a", "F99", 64)], 0);
    assert!(error(folder.path()).contains("damaged header"));
}

#[test]
fn a_git_lfs_pointer_is_no_checkpoint() {
    let folder = folder();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 13\n";
    std::fs::write(folder.path().join("model.safetensors"), pointer).unwrap();
    assert!(error(folder.path()).contains("is no safetensors file"));
}

#[test]
fn damaged_configurations_are_told_apart() {
    let folder = folder();
    let path = folder.path().join("config.json");
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = config();
        changed[key] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        Checkpoint::read_config(folder.path())
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert!(
        with("num_hidden_layers", 0.into())
            .unwrap_err()
            .contains("num_hidden_layers")
    );
    assert!(
        with("num_attention_heads", 0.into())
            .unwrap_err()
            .contains("heads")
    );
    assert!(
        with("vocab_size", 0.into())
            .unwrap_err()
            .contains("vocab_size")
    );
    assert!(
        with("hidden_size", "many".into())
            .unwrap_err()
            .contains("config.json")
    );
    assert!(with("hidden_size", 8.into()).is_ok());
    std::fs::write(&path, "{").unwrap();
    assert!(
        Checkpoint::read_config(folder.path())
            .unwrap_err()
            .to_string()
            .contains("config.json")
    );
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(
        Checkpoint::read_config(folder.path()),
        Err(CheckpointError::Read { .. })
    ));
}

#[test]
fn knows_gpt_oss_by_any_of_its_marks() {
    let read = |key: &str, value: serde_json::Value| -> ModelConfig {
        let mut changed = config();
        changed[key] = value;
        serde_json::from_value(changed).unwrap()
    };
    assert!(read("model_type", "gpt_oss".into()).is_gpt_oss());
    assert!(read("architectures", serde_json::json!(["GptOssForCausalLM"])).is_gpt_oss());
    assert!(
        read(
            "quantization_config",
            serde_json::json!({"quant_method": "mxfp4"})
        )
        .is_mxfp4()
    );
    let plain = read("vocab_size", 16.into());
    assert!(!plain.is_gpt_oss() && !plain.is_mxfp4());
}
