//! `safety.md` H5 through the program: what cannot be loaded is refused with the reason and a way out, exit code 4, and
//! little memory of its own, whatever the checkpoint claims.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod support;

use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use support::Bench;

/// A tensor's name, type and shape.
type Tensor = (&'static str, &'static str, Vec<u64>);

fn config(folder: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let mut config = json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 4, "vocab_size": 201_088, "max_position_embeddings": 4096,
    });
    edit(&mut config);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), "{}").unwrap();
}

/// A shard whose data is a hole of the right size, but for `cut` bytes at its end.
fn shard(folder: &Path, name: &str, tensors: &[Tensor], cut: u64) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let width = match *dtype {
            "F32" => 4,
            "C64" => 8,
            _ => 2,
        };
        let bytes = shape.iter().product::<u64>() * width;
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [end, end + bytes]});
        header.insert((*name).to_owned(), entry);
        end += bytes;
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = std::fs::File::create(folder.join(name)).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + end - cut).unwrap();
}

fn tensor() -> Tensor {
    ("model.embed_tokens.weight", "BF16", vec![201_088, 64])
}

fn too_large(folder: &Path) {
    config(folder, |_| {});
    // 8 TB, of which no byte is on the disk.
    shard(
        folder,
        "model.safetensors",
        &[("w", "F32", vec![1 << 20, 1 << 21])],
        0,
    );
}

fn truncated(folder: &Path) {
    config(folder, |_| {});
    shard(folder, "model.safetensors", &[tensor()], 1);
}

fn wrong_dtype(folder: &Path) {
    config(folder, |_| {});
    shard(folder, "model.safetensors", &[("w", "C64", vec![4, 4])], 0);
}

fn missing_tensor(folder: &Path) {
    config(folder, |_| {});
    shard(folder, "model-1.safetensors", &[tensor()], 0);
    let index = json!({"weight_map": {"model.embed_tokens.weight": "model-1.safetensors", "lm_head.weight": "model-1.safetensors"}});
    std::fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

fn missing_shard(folder: &Path) {
    missing_tensor(folder);
    std::fs::remove_file(folder.join("model-1.safetensors")).unwrap();
}

fn absurd_header(folder: &Path) {
    config(folder, |_| {});
    let mut bytes = u64::MAX.to_le_bytes().to_vec();
    bytes.extend_from_slice(b"{}");
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
}

/// As long as is read at all, and nothing in it.
fn huge_header(folder: &Path) {
    config(folder, |_| {});
    let mut file = std::fs::File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&25_000_000_u64.to_le_bytes()).unwrap();
    file.set_len(100 << 20).unwrap();
}

fn no_gpu(folder: &Path) {
    config(folder, |config| config["model_type"] = "gpt_oss".into());
    shard(folder, "model.safetensors", &[tensor()], 0);
}

fn absurd_heads(folder: &Path) {
    config(folder, |config| {
        config["num_key_value_heads"] = 40_000_000.into()
    });
    shard(folder, "model.safetensors", &[tensor()], 0);
}

#[test]
fn what_cannot_be_loaded_is_refused_with_need_have_and_remedy() {
    let gpu = cfg!(any(feature = "cuda", feature = "metal"));
    type Case = (&'static str, fn(&Path), &'static [&'static str]);
    let cases: [Case; 9] = [
        (
            "too large",
            too_large,
            &[
                "does not fit",
                "weights",
                "needed in all",
                "memory free",
                "-m demo",
            ],
        ),
        (
            "a cache too large",
            absurd_heads,
            &["does not fit", "cache of 4,096 tokens", "--server"],
        ),
        (
            "truncated",
            truncated,
            &["model.safetensors is truncated", "download the model again"],
        ),
        (
            "wrong type",
            wrong_dtype,
            &["tensor w has the type C64", "check the folder"],
        ),
        (
            "missing tensor",
            missing_tensor,
            &["tensor lm_head.weight is named by the index"],
        ),
        ("missing shard", missing_shard, &["shard 1 of 1 is missing"]),
        (
            "absurd header",
            absurd_header,
            &["18446744073709551615 bytes long"],
        ),
        ("huge header", huge_header, &["damaged header"]),
        (
            "no GPU",
            no_gpu,
            &["GPT-OSS needs a GPU", "-m demo", "--features cuda"],
        ),
    ];
    for (what, make, words) in cases {
        if gpu && what == "no GPU" {
            continue;
        }
        let bench = Bench::new();
        make(&bench.work().join("m"));
        let mut child = bench
            .command(&[
                "--once",
                "-m",
                "./m",
                "-c",
                "sandbox.enabled=false",
                "hello",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The most memory that it held is a counter of the system's; it is read until the process is gone.
        let status = format!("/proc/{}/status", child.id());
        let mut peak_kib = 0;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib =
                line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
            peak_kib = peak_kib.max(kib.unwrap_or(0));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{what}: {said}");
        for word in words {
            assert!(said.contains(word), "{what}: {word} is missing in\n{said}");
        }
        // 200 MB is the figure; where there is no /proc nothing is measured.
        assert!(peak_kib < 200_000, "{what}: {peak_kib} KiB");
        eprintln!("{what}: at most {} MiB", peak_kib >> 10);
    }
}
