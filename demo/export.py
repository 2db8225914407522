"""Writes the model folder that the program embeds: weights, configuration, tokenizer. `export.py CHECKPOINT [--to DIR]`.

`vocab.json` and `golden.json` come from `tokenizer.py`. The weights are stored as 16-bit floats and read back to check
that the folder alone gives the checkpoint's answers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from check import load_model
from model import Llama
from tokenizer import MODEL_DIR, SACRIFICE, SPECIALS, START, Tokenizer


def config_of(model: Llama) -> dict[str, object]:
    c = model.config
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": c.vocab_size,
        "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size,
        "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_attention_heads,
        "head_dim": c.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": c.max_position_embeddings,
        "rope_theta": c.rope_theta,
        "rms_norm_eps": c.rms_norm_eps,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "bos_token_id": START,
        "eos_token_id": SACRIFICE,
        "torch_dtype": "float16",
    }


def byte_characters() -> dict[int, str]:
    """GPT-2's printable stand-in for every byte, as byte-level tokenizers write them."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}


def tokenizer_json(tokenizer: Tokenizer) -> dict[str, object]:
    """A byte-level BPE without merges: right ids and right decoding. The program encodes by itself (README)."""
    characters = byte_characters()
    vocab: dict[str, int] = {}
    for i, token in enumerate(tokenizer.tokens):
        name = "".join(characters[b] for b in token)
        vocab[name if name not in vocab else f"{name}{i}"] = i  # the further newlines
    assert len(vocab) == len(tokenizer)
    added = [
        {"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, name in enumerate(SPECIALS)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": [],
        },
    }


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=None if path.name == "tokenizer.json" else 2, ensure_ascii=False) + "\n")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--to", type=Path, default=MODEL_DIR)
    args = p.parse_args()
    model, tokenizer = load_model(args.checkpoint), Tokenizer.load()
    args.to.mkdir(parents=True, exist_ok=True)
    weights = args.to / "model.safetensors"
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, weights, metadata={"format": "pt"})
    write_json(args.to / "config.json", config_of(model))
    write_json(args.to / "generation_config.json", {"bos_token_id": START, "eos_token_id": SACRIFICE, "do_sample": False})
    write_json(args.to / "tokenizer.json", tokenizer_json(tokenizer))

    ids = torch.tensor([tokenizer.encode("In a.txt, change `one` to `two`.")])
    with torch.no_grad():
        gap = (model(ids) - load_model(args.to)(ids)).abs().max().item()
    assert gap < 0.05, f"the exported weights differ from the checkpoint by {gap}"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {weights.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
