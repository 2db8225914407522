"""The built-in demo model (demo/model) as a GGUF file: python3 convert.py OUT.gguf

GGUF is described in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The demo is a Llama, so nothing is
trained or lost: the weights are the same 16-bit floats, the rows of queries and keys in llama.cpp's order. Its
vocabulary has many tokens for the newline; llama.cpp wants every spelling once, so all but the first are spelled
<newline_N>. Ids are what counts: Descant sends and reads those.
"""

import json
import struct
import sys
from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "demo" / "model"
UINT32, FLOAT32, BOOL, STRING, ARRAY, INT32 = 4, 6, 7, 8, 9, 5
F32, F16 = 0, 1
NORMAL, CONTROL = 1, 3
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    out = text(key) + struct.pack("<I", kind)
    if kind == STRING:
        return out + text(value)
    if kind == ARRAY:
        of, values = value
        out += struct.pack("<IQ", of, len(values))
        return out + b"".join(text(v) if of == STRING else struct.pack("<i", v) for v in values)
    return out + struct.pack({UINT32: "<I", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def alphabet():
    """The printable stand-ins for bytes of GPT-2's byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def vocabulary():
    """Spellings, their kinds, and the merges that rank order gives."""
    table = json.loads((MODEL / "vocab.json").read_text())
    specials, letters = table["specials"], alphabet()
    spellings, kinds, seen = list(specials), [CONTROL] * len(specials), set()
    ranks = {bytes([b]): b for b in range(256)}
    for hexadecimal, rank in zip(table["tokens_hex"], table["o200k_ids"][len(specials):]):
        data = bytes.fromhex(hexadecimal)
        ranks[data] = rank
        spelling = "".join(letters[b] for b in data)
        if spelling in seen:
            spelling = f"<newline_{len(seen)}>"
        seen.add(spelling)
        spellings.append(spelling)
        kinds.append(NORMAL)
    merges = []
    for data, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [data[i:i + 1] for i in range(len(data))]
        while len(parts) > 2:
            pairs = [(ranks.get(a + b, rank), i) for i, (a, b) in enumerate(zip(parts, parts[1:]))]
            best, at = min(pairs)
            if best >= rank:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append(" ".join("".join(letters[b] for b in part) for part in parts))
    return spellings, kinds, merges, specials


def tensors():
    """Name and dtype, shape and bytes of every weight of the checkpoint."""
    raw = (MODEL / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    header.pop("__metadata__", None)
    for name, info in header.items():
        if info["dtype"] != "F16":
            sys.exit(f"{name} is {info['dtype']}, not F16")
        start, end = info["data_offsets"]
        yield name, info["shape"], data[start:end]


def reordered(shape, data, heads):
    """Rows from Hugging Face's order of the rotary halves to llama.cpp's: interleaved."""
    rows, width = shape[0], len(data) // shape[0]
    half = rows // heads // 2
    order = [head * 2 * half + part * half + i for head in range(heads) for i in range(half) for part in (0, 1)]
    return b"".join(data[row * width:(row + 1) * width] for row in order)


NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def converted(config):
    heads = config["num_attention_heads"]
    for name, shape, data in tensors():
        stem = name.removesuffix(".weight").removeprefix("model.")
        if stem == "embed_tokens":
            new = "token_embd"
        elif stem == "norm":
            new = "output_norm"
        else:
            _, layer, part = stem.split(".", 2)
            new = f"blk.{layer}.{NAMES[part]}"
        if new.endswith(("attn_q", "attn_k")):
            data = reordered(shape, data, heads)
        if len(shape) == 1:
            # llama.cpp wants the norms in 32 bits.
            values = struct.unpack(f"<{shape[0]}e", data)
            yield new, shape, F32, struct.pack(f"<{shape[0]}f", *values)
        else:
            yield new, shape, F16, data



def main(out):
    config = json.loads((MODEL / "config.json").read_text())
    spellings, kinds, merges, specials = vocabulary()
    entries = [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "demo"),
        entry("general.alignment", UINT32, ALIGNMENT),
        entry("llama.context_length", UINT32, config["max_position_embeddings"]),
        entry("llama.embedding_length", UINT32, config["hidden_size"]),
        entry("llama.block_count", UINT32, config["num_hidden_layers"]),
        entry("llama.feed_forward_length", UINT32, config["intermediate_size"]),
        entry("llama.attention.head_count", UINT32, config["num_attention_heads"]),
        entry("llama.attention.head_count_kv", UINT32, config["num_key_value_heads"]),
        entry("llama.rope.dimension_count", UINT32, config["head_dim"]),
        entry("llama.rope.freq_base", FLOAT32, config["rope_theta"]),
        entry("llama.attention.layer_norm_rms_epsilon", FLOAT32, config["rms_norm_eps"]),
        entry("llama.vocab_size", UINT32, config["vocab_size"]),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "gpt-4o"),
        entry("tokenizer.ggml.tokens", ARRAY, (STRING, spellings)),
        entry("tokenizer.ggml.token_type", ARRAY, (INT32, kinds)),
        entry("tokenizer.ggml.merges", ARRAY, (STRING, merges)),
        entry("tokenizer.ggml.bos_token_id", UINT32, specials.index("<|start|>")),
        entry("tokenizer.ggml.eos_token_id", UINT32, specials.index("<|return|>")),
        entry("tokenizer.ggml.eot_token_id", UINT32, specials.index("<|call|>")),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    infos, blobs, offset = [], [], 0
    for name, shape, kind, data in converted(config):
        # Dimensions go from the innermost out.
        dims = b"".join(struct.pack("<Q", size) for size in reversed(shape))
        infos.append(text(name + ".weight") + struct.pack("<I", len(shape)) + dims + struct.pack("<IQ", kind, offset))
        padded = data + b"\0" * (-len(data) % ALIGNMENT)
        blobs.append(padded)
        offset += len(padded)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries) + b"".join(infos)
    head += b"\0" * (-len(head) % ALIGNMENT)
    Path(out).write_bytes(head + b"".join(blobs))


if __name__ == "__main__":
    main(sys.argv[1])
