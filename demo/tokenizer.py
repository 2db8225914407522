"""The demo vocabulary: a small, canonical subset of o200k.

Every ordinary demo token is exactly one o200k token, so a table of o200k ids in demo-id order maps both ways. Text
is cut into runs of ASCII letters, of digits, and of one repeated byte; a name is therefore spelled with the same
tokens wherever it stands ("tally", " tally", "(tally", "_tally"), which is what lets a tiny model copy it.

A newline is one of `NEWLINES` tokens that all mean "\n": which one says how many newlines stand before it in its
message. So the model sees which line it is on, and does not lose its place among lines that begin or end alike.

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
NEWLINES = 48
LONGEST_RUN = 32
# No token for runs of these: they stand beside themselves for other reasons, as quotes and escapes do. A patch puts
# `-` and `+` before lines that may begin with one, so short runs of those are left apart too.
NO_RUNS = b"\n\r`\\\x00"
MARKS = b"+-"
SHORTEST_MARK_RUN = 4
PRETOKEN = re.compile(rb"[A-Za-z]+|[0-9]{1,3}|\n|([^A-Za-z0-9\n])\1*", re.DOTALL)


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
        self.ids = {token: len(SPECIALS) + i for i, token in reversed([*enumerate(tokens)])}
        ranks = dict(zip(tokens, o200k_ids[len(SPECIALS) :], strict=True))
        self.newline_ids = [i for i, token in enumerate(self.tokens) if token == b"\n"]
        self.letter_ranks = {t: r for t, r in ranks.items() if t.isalpha() and t.isascii()}
        self._pretoken_ids = lru_cache(maxsize=1 << 18)(self._encode_pretoken)

    @classmethod
    def load(cls, path: Path = MODEL_DIR / "vocab.json") -> Tokenizer:
        vocab = json.loads(path.read_text())
        return cls(vocab["o200k_ids"], [bytes.fromhex(t) for t in vocab["tokens_hex"]])

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of one message: newlines are counted from its beginning."""
        ids: list[int] = []
        newlines = 0
        for pretoken in PRETOKEN.finditer(text.encode()):
            if pretoken[0] == b"\n":
                ids.append(self.newline_ids[newlines % len(self.newline_ids)])
                newlines += 1
            else:
                ids += self._pretoken_ids(pretoken[0])
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")

    def letter_pieces(self) -> list[str]:
        """The multi-letter tokens, which random names are joined from."""
        return [t.decode() for t in self.letter_ranks if len(t) > 1]

    def _encode_pretoken(self, pretoken: bytes) -> tuple[int, ...]:
        if pretoken.isalpha():
            pieces = bpe(pretoken, self.letter_ranks)
        elif pretoken.isdigit():
            pieces = [pretoken]
        else:
            pieces = []
            while pretoken:
                run = next(n for n in range(min(len(pretoken), LONGEST_RUN), 0, -1) if pretoken[:n] in self.ids)
                pieces.append(pretoken[:run])
                pretoken = pretoken[run:]
        return tuple(self.ids[p] for p in pieces)


def choose_tokens(o200k: dict[bytes, int], words: Counter[str], required: set[str]) -> list[bytes]:
    """The 256 bytes, runs, numbers, the most frequent letter tokens with everything on their merge path, newlines."""
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
    runs = sorted(t for t in o200k if is_run(t))
    numbers = sorted((t for t in o200k if t.isdigit() and 1 < len(t) < 4), key=lambda t: (len(t), t))
    names = sorted(kept, key=lambda t: o200k[t])
    return [*(bytes([b]) for b in range(256)), *runs, *names, *numbers, *[b"\n"] * (NEWLINES - 1)]


def is_run(token: bytes) -> bool:
    """Whether a token repeats one byte that is neither letter nor digit, and counts as a run."""
    shortest = SHORTEST_MARK_RUN if token[:1] in MARKS else 2
    one = len(set(token)) == 1 and not token.isalnum() and token[0] < 128 and token[:1] not in NO_RUNS
    return one and shortest <= len(token) <= LONGEST_RUN


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
