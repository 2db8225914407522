#!/usr/bin/env python3
"""Makes a checkpoint of GPT-OSS's exact shape with random weights, so that speed can be measured without the hub.

    scripts/random-gpt-oss.py --shape 20b ~/models/random-20b      13.76 GB, as openai/gpt-oss-20b
    scripts/random-gpt-oss.py --shape tiny /tmp/tiny               52 MB, for scripts/gpt-oss-on-cpu.sh

Then `descant bench -m ~/models/random-20b`. What such a model says is noise.

Only the standard library is used. Tensor names, types and shapes are those of the published safetensors
(https://huggingface.co/openai/gpt-oss-20b); the MXFP4 layout is that of the Open Compute Project's "Microscaling
Formats (MX)" v1.0: blocks of 32 four-bit values, two in a byte, with a scale of 8 bits each. The same seed gives the
same bytes.
"""

import argparse
import array
import base64
import glob
import json
import os
import random
import shutil
import struct
import sys

SHAPES = {
    "20b": dict(layers=24, hidden=2880, intermediate=2880, heads=64, kv_heads=8, head=64, experts=32, context=131072),
    "120b": dict(layers=36, hidden=2880, intermediate=2880, heads=64, kv_heads=8, head=64, experts=128, context=131072),
    # Every mechanism at a size that a CPU can run: yarn, sinks, windows on every other layer, experts.
    "tiny": dict(layers=4, hidden=64, intermediate=64, heads=4, kv_heads=2, head=32, experts=8, context=131072),
}
VOCABULARY = 201_088
EXPERTS_PER_TOKEN = 4
WINDOW = 128
BLOCK = 32
SHARD = 4_800_000_000
# From openai-harmony's o200k_harmony; the ids between are reserved.
SPECIALS = {
    199998: "<|startoftext|>", 199999: "<|endoftext|>", 200002: "<|return|>", 200003: "<|constrain|>",
    200005: "<|channel|>", 200006: "<|start|>", 200007: "<|end|>", 200008: "<|message|>", 200012: "<|call|>",
}
# Odd, so that no two rows of a tensor begin at the same place of it.
POOL = 1_048_573


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--shape", choices=SHAPES, default="20b")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", help="o200k_base.tiktoken; the default is the one in cargo's registry")
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    if os.path.isdir(args.folder) and os.listdir(args.folder):
        sys.exit(f"{args.folder} is not empty; name a new folder or remove it first")
    vocabulary = args.vocabulary or find_vocabulary()
    tensors = list(tensors_of(shape))
    total = sum(size(kind, dims) for _, kind, dims, _ in tensors)
    os.makedirs(args.folder, exist_ok=True)
    free = shutil.disk_usage(args.folder).free
    if total * 1.01 > free:
        sys.exit(f"needs {total / 1e9:.2f} GB and {args.folder} has {free / 1e9:.2f} GB free")
    write_json(args.folder, "config.json", config(shape))
    write_json(args.folder, "tokenizer.json", tokenizer(vocabulary))
    write_weights(args.folder, tensors, random.Random(args.seed), total)
    print(f"{args.folder}: {args.shape}, {total:,} bytes of weights", file=sys.stderr)


def find_vocabulary():
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    found = glob.glob(f"{home}/registry/src/*/tiktoken-rs-*/assets/o200k_base.tiktoken")
    if not found:
        sys.exit("no o200k_base.tiktoken in cargo's registry: run `cargo fetch` first, or name it with --vocabulary")
    return sorted(found)[-1]


def tensors_of(s):
    """Name, type, dimensions and what fills it, in the order of the layers."""
    hidden, inner = s["hidden"], s["intermediate"]
    query, key = s["heads"] * s["head"], s["kv_heads"] * s["head"]
    yield "model.embed_tokens.weight", "BF16", (VOCABULARY, hidden), "normal"
    for layer in range(s["layers"]):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", "BF16", (hidden,), "one"
        for name, rows, columns in (("q", query, hidden), ("k", key, hidden), ("v", key, hidden), ("o", hidden, query)):
            yield f"{at}self_attn.{name}_proj.weight", "BF16", (rows, columns), "normal"
            yield f"{at}self_attn.{name}_proj.bias", "BF16", (rows,), "normal"
        yield at + "self_attn.sinks", "BF16", (s["heads"],), "normal"
        yield at + "post_attention_layernorm.weight", "BF16", (hidden,), "one"
        yield at + "mlp.router.weight", "BF16", (s["experts"], hidden), "normal"
        yield at + "mlp.router.bias", "BF16", (s["experts"],), "normal"
        for name, rows, columns in (("gate_up", 2 * inner, hidden), ("down", hidden, inner)):
            expert = f"{at}mlp.experts.{name}_proj_"
            yield expert + "blocks", "U8", (s["experts"], rows, columns // BLOCK, BLOCK // 2), "bytes"
            yield expert + "scales", "U8", (s["experts"], rows, columns // BLOCK), "scales"
            yield expert + "bias", "BF16", (s["experts"], rows), "normal"
    yield "model.norm.weight", "BF16", (hidden,), "one"
    yield "lm_head.weight", "BF16", (VOCABULARY, hidden), "normal"


def size(kind, dims):
    count = 2 if kind == "BF16" else 1
    for dim in dims:
        count *= dim
    return count


def pools(rng):
    """What tensors are filled from, as bytes."""
    def bf16(value):
        return struct.unpack("<I", struct.pack("<f", value))[0] >> 16

    normal = array.array("H", (bf16(rng.gauss(0, 0.05)) for _ in range(POOL)))
    # 2^(120-127) times at most 6: as large as trained weights are.
    scales = array.array("B", (rng.randint(117, 120) for _ in range(POOL)))
    if sys.byteorder == "big":
        normal.byteswap()
    return {
        "normal": normal.tobytes(),
        "one": struct.pack("<H", bf16(1.0)) * POOL,
        "bytes": rng.randbytes(POOL),
        "scales": scales.tobytes(),
    }


def write_weights(folder, tensors, rng, total):
    filled = pools(rng)
    shards, used = [[]], 0
    for tensor in tensors:
        if used and used + size(*tensor[1:3]) > SHARD:
            shards.append([])
            used = 0
        shards[-1].append(tensor)
        used += size(*tensor[1:3])
    where, done = {}, 0
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for tensor, kind, dims, _ in shard:
            end = offset + size(kind, dims)
            header[tensor] = {"dtype": kind, "shape": dims, "data_offsets": [offset, end]}
            where[tensor], offset = name, end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, kind, dims, fill in shard:
                pool, left = filled[fill], size(kind, dims)
                start = rng.randrange(POOL) * (len(pool) // POOL)
                while left:
                    part = pool[start:start + left]
                    file.write(part)
                    left, start = left - len(part), 0
                done += size(kind, dims)
                if sys.stderr.isatty():
                    print(f"\r{done / 1e9:6.2f} of {total / 1e9:.2f} GB", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if len(shards) > 1:
        write_json(folder, "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})


def config(s):
    kinds = ["sliding_attention", "full_attention"]
    return {
        "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "attention_bias": True,
        "eos_token_id": 200002, "pad_token_id": 199999, "hidden_act": "silu", "head_dim": s["head"],
        "hidden_size": s["hidden"], "intermediate_size": s["intermediate"], "num_hidden_layers": s["layers"],
        "num_attention_heads": s["heads"], "num_key_value_heads": s["kv_heads"],
        "num_local_experts": s["experts"], "num_experts_per_tok": EXPERTS_PER_TOKEN,
        "experts_per_token": EXPERTS_PER_TOKEN, "layer_types": [kinds[n % 2] for n in range(s["layers"])],
        "sliding_window": WINDOW, "max_position_embeddings": s["context"], "initial_context_length": 4096,
        "rope_theta": 150000, "rope_scaling": {
            "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "original_max_position_embeddings": 4096, "truncate": False,
        },
        "rms_norm_eps": 1e-05, "swiglu_limit": 7.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY, "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router",
                                       "model.embed_tokens", "lm_head"],
        },
    }


def tokenizer(path):
    """Every token of o200k under its id, without merges: nothing is encoded with it, only decoded."""
    shown = [n for span in ((33, 127), (161, 173), (174, 256)) for n in range(*span)]
    # GPT-2's alphabet: a printable character for each byte.
    letters = {byte: chr(byte) for byte in shown}
    for place, byte in enumerate(byte for byte in range(256) if byte not in letters):
        letters[byte] = chr(256 + place)
    vocabulary = {}
    with open(path, "rb") as file:
        for line in file:
            token, rank = line.split()
            vocabulary["".join(letters[byte] for byte in base64.b64decode(token))] = int(rank)
    specials = [
        {"id": n, "content": SPECIALS.get(n, f"<|reserved_{n}|>"), "special": True, "single_word": False,
         "lstrip": False, "rstrip": False, "normalized": False}
        for n in range(199998, VOCABULARY)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "added_tokens": specials,
        "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": vocabulary, "merges": []},
    }


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
