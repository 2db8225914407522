"""The demo vocabulary: a small, canonical subset of o200k.

Every ordinary demo token is exactly one o200k token, so a table of o200k ids in demo-id order maps both ways. Text
is cut into maximal runs of ASCII letters, maximal runs of spaces, and single bytes; a name is therefore spelled with
the same tokens wherever it stands ("tally", " tally", "(tally", "_tally"), which is what lets a tiny model copy it.

Run as a program it chooses the vocabulary: `tokenizer.py O200K_FILE [SOURCE_DIR ...]` writes `model/vocab.json` and
`model/golden.json`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

MODEL_DIR = Path(__file__).resolve().parent / "model"

# Harmony's special tokens in demo-id order (0, 1, ...), with their o200k ids. The last is never part of a prompt: the
# engine is handed it in place of the real stop token.
SPECIALS: dict[str, int] = {
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|channel|>": 200005,
    "<|constrain|>": 200003,
    "<|return|>": 200002,
    "<|call|>": 200012,
    "<|reserved_200000|>": 200000,
}
START, END, MESSAGE, CHANNEL, CONSTRAIN, RETURN, CALL, SACRIFICE = range(len(SPECIALS))

LETTER_TOKENS = 1500
LONGEST_SPACE_RUN = 32
PRETOKEN = re.compile(rb"[A-Za-z]+| +|[\x00-\xff]")


def load_o200k(path: Path) -> dict[bytes, int]:
    """Reads a `.tiktoken` file: one base64 token and its rank a line."""
    pairs = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def bpe(run: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    """Byte pair encoding: merges the adjacent pair of lowest rank, the leftmost first, until none is in `ranks`."""
    parts = [run[i : i + 1] for i in range(len(run))]
    while len(parts) > 1:
        best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
        if parts[best] + parts[best + 1] not in ranks:
            break
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    return parts


class Tokenizer:
    """Encodes ordinary text to demo ids and back. Special tokens are never read out of text."""

    def __init__(self, o200k_ids: list[int], tokens: list[bytes]) -> None:
        """`tokens[i]` are the bytes of demo id `len(SPECIALS) + i`; `o200k_ids` covers all ids, specials first."""
        self.o200k_ids = o200k_ids
        self.tokens = [name.encode() for name in SPECIALS] + tokens
        self.ids = {token: len(SPECIALS) + i for i, token in enumerate(tokens)}
        ranks = dict(zip(tokens, o200k_ids[len(SPECIALS) :], strict=True))
        self.letter_ranks = {t: r for t, r in ranks.items() if t.isalpha() and t.isascii()}
        self.space_runs = sorted((t for t in tokens if not t.strip(b" ")), key=len, reverse=True)
        self._pretoken_ids = lru_cache(maxsize=1 << 18)(self._encode_pretoken)

    @classmethod
    def load(cls, path: Path = MODEL_DIR / "vocab.json") -> Tokenizer:
        vocab = json.loads(path.read_text())
        return cls(vocab["o200k_ids"], [bytes.fromhex(t) for t in vocab["tokens_hex"]])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        return [i for pretoken in PRETOKEN.findall(text.encode()) for i in self._pretoken_ids(pretoken)]

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")

    def letter_pieces(self) -> list[str]:
        """The multi-letter tokens, which random names are joined from."""
        return [t.decode() for t in self.letter_ranks if len(t) > 1]

    def _encode_pretoken(self, pretoken: bytes) -> tuple[int, ...]:
        if pretoken[:1] == b" ":
            pieces = []
            rest = len(pretoken)
            while rest:
                run = next(r for r in self.space_runs if len(r) <= rest)
                pieces.append(run)
                rest -= len(run)
        else:
            pieces = bpe(pretoken, self.letter_ranks)
        return tuple(self.ids[p] for p in pieces)


def choose_tokens(o200k: dict[bytes, int], words: Counter[str], required: set[str]) -> list[bytes]:
    """The 256 bytes, the space runs, and the most frequent letter tokens with everything on their merge path."""
    letters = {t: r for t, r in o200k.items() if t.isalpha() and t.isascii()}
    counts: Counter[bytes] = Counter()
    for word, n in words.items():
        for piece in bpe(word.encode(), letters):
            counts[piece] += n

    kept: set[bytes] = set()

    def keep(token: bytes) -> None:
        if len(token) == 1 or token in kept:
            return
        kept.add(token)
        below = {t: r for t, r in letters.items() if r < letters[token] and t in token}
        for part in bpe(token, below):
            keep(part)

    for word in required:
        for piece in bpe(word.encode(), letters):
            keep(piece)
    for token, _ in counts.most_common():
        if len(kept) >= LETTER_TOKENS:
            break
        keep(token)
    spaces = [b" " * n for n in range(2, LONGEST_SPACE_RUN + 1) if b" " * n in o200k]
    return [bytes([b]) for b in range(256)] + spaces + sorted(kept, key=lambda t: o200k[t])


def count_words(sources: Iterable[Path]) -> Counter[str]:
    words: Counter[str] = Counter()
    for source in sources:
        for path in sorted(source.rglob("*.py"))[:1500]:
            words.update(re.findall(r"[A-Za-z]+", path.read_text(errors="ignore")))
    return words


def main() -> None:
    from texts import FIXED_TEXTS, GOLDEN_TEXTS

    o200k_path, *sources = map(Path, sys.argv[1:])
    o200k = load_o200k(o200k_path)
    words = count_words(sources or [Path(json.__file__).parent.parent])
    required = {w for text in FIXED_TEXTS for w in re.findall(r"[A-Za-z]+", text)}
    tokens = choose_tokens(o200k, words, required)
    ids = [*SPECIALS.values(), *(o200k[t] for t in tokens)]
    MODEL_DIR.mkdir(exist_ok=True)
    vocab = {"specials": list(SPECIALS), "o200k_ids": ids, "tokens_hex": [t.hex() for t in tokens]}
    (MODEL_DIR / "vocab.json").write_text(json.dumps(vocab, separators=(",", ":")) + "\n")
    tokenizer = Tokenizer.load()
    golden = [{"text": t, "ids": tokenizer.encode(t)} for t in GOLDEN_TEXTS]
    (MODEL_DIR / "golden.json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")
    print(len(tokenizer), "ids;", len(GOLDEN_TEXTS), "golden texts")


if __name__ == "__main__":
    main()
