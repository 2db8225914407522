"""Random names, paths, lines and files.

Diversity decides whether the model learns to copy instead of to recall: two thirds of everything is made of joined
vocabulary pieces, random letters, numbers and punctuation; the rest comes from real source files.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterable
from pathlib import Path

EXTENSIONS = "py rs js ts txt md toml json yaml yml cfg ini c h cpp go java sh html css csv lock sql rb".split()
REAL_SUFFIXES = {".py", ".rs", ".js", ".ts", ".md", ".toml", ".txt", ".rst", ".json", ".c", ".h", ".yml", ".sh", ".html"}
PUNCTUATION = string.punctuation.replace("`", "")
UNICODE = "äöüßéèñçøåλπΩжяшאبあ漢字한글€→“”–…✓🎉"
LONGEST_LINE = 100
# Numbers and runs, which are tokens of their own.
RARE = [f"{n:0{d}}" for d in (2, 3) for n in range(10**d)] + [c * n for c in PUNCTUATION + " \t" for n in range(2, 34)]
CODE_SHAPES = [
    "{i} = {n}", "{i} = {i} + {n}", "{i} = {i}({i}, {i})", "def {i}({i}, {i}={n}):", "return {i}", "return {i} {o} {i}",
    "let {i} = {n};", "let mut {i}: u{n} = {i};", "const {i} = \"{w} {w}\";", "fn {i}({i}: {i}) -> {i} {{", "}}", "else:",
    "if {i} {o} {n}:", "if ({i} {o} {i}) {{", "for {i} in {i}:", "while {i} < {n}:", "import {i}", "from {i} import {i}",
    "use {i}::{i};", "{i}.{i}({n})", "print({i})", "print(f\"{w}: {{{i}}}\")", "# {w} {w} {w}", "// {w} {w}", "- {w} {w} {w}",
    "{i}: {n}", "{i}: \"{w}\",", "\"{w}\": {n},", "[{w}]", "{w} = \"{w}\"", "{w} = {n}", "<{w} {w}=\"{w}\">{w}</{w}>", "* {w}: {w}",
    "{i} += {i}[{n}]", "{i} -= {n}", "self.{i} = {i}", "assert {i} == {n}", "{i}({i}, '{w}', {n});", "export {w}={i}", "## {w} {w}",
    "{i} = [{n}, {n}, {n}]", "{i} = {i} if {i} else {n}", "#[{i}({i})]", "@{i}", "case {n}: {i}();", "{w},{n},{n},{w}", "{n} {n} {n}",
    "{w} {w} {w} {w} {w}.", "The {w} of {w} is {n}.", "{w}, {w} and {w}; {w}?", "{i}->{i} = &{i};", "{i} = {i} * ({n} - {i}) / {n}",
]
OPERATORS = ["==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "and", "or", "&&", "||", "is"]


def load_real_files(sources: Iterable[Path], held_out: bool, most: int = 4000) -> list[list[str]]:
    """Files below `sources` as lists of lines; one path in ten, chosen by its name, is held out for evaluation.

    Python's `encodings` are left out: they are tables of numbers, and there are many of them.
    """
    files = []
    for source in sources:
        paths = sorted(p for p in source.rglob("*") if p.suffix in REAL_SUFFIXES and "encodings" not in p.parts)
        random.Random(7).shuffle(paths)
        for path in paths[:most]:
            if not path.is_file() or (sum(map(ord, path.name)) % 10 == 0) != held_out:
                continue
            lines = path.read_text(errors="ignore")[:60_000].split("\n")
            lines = [line for line in lines if len(line) <= LONGEST_LINE and line.replace("\t", "").isprintable()]
            if len(lines) > 8:
                files.append(lines)
    return files


class Words:
    """A source of random text. `size` in (0, 1] shortens lines and files (the curriculum); `rare` is the share of
    `RARE` in lines of random tokens, for training: no file is like that, but each must be learnt."""

    def __init__(
        self, rng: random.Random, pieces: list[str], real: list[list[str]], size: float = 1.0, rare: float = 0.0
    ) -> None:
        self.rng = rng
        self.pieces = pieces
        self.real = real
        self.size = size
        self.rare = rare

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def letters(self, most: int = 8) -> str:
        return "".join(self.rng.choices(string.ascii_lowercase, k=self.rng.randint(1, most)))

    def word(self) -> str:
        r = self.rng.random()
        if r < 0.4:
            word = self.rng.choice(self.pieces)
        elif r < 0.75:
            word = "".join(self.rng.choices(self.pieces, k=self.rng.randint(2, 3)))
        else:
            word = self.letters()
        r = self.rng.random()
        if r < 0.55:
            return word.lower()
        if r < 0.7:
            return word.capitalize()
        return word.upper() if r < 0.76 else word

    def identifier(self) -> str:
        parts = [self.word()[:14] for _ in range(self.rng.choices((1, 2, 3), (5, 4, 2))[0])]
        r = self.rng.random()
        if r < 0.5:
            name = "_".join(parts)
        elif r < 0.75:
            name = parts[0] + "".join(p.capitalize() for p in parts[1:])
        elif r < 0.82:
            name = "_".join(parts).upper()
        else:
            name = "_".join(p.lower() for p in parts)
        if self.chance(0.15):
            name += str(self.rng.randint(0, 10 ** self.rng.randint(1, 3)))
        return "_" + name if self.chance(0.04) else name

    def number(self) -> str:
        if self.rare and self.chance(2 * self.rare):
            return "".join(f"{self.rng.randrange(1000):03}" for _ in range(self.rng.randint(1, 4)))
        digits = self.rng.randint(1, 6) if self.chance(0.4) else self.rng.randint(1, 2)
        n = str(self.rng.randrange(10**digits))
        r = self.rng.random()
        if r < 0.15:
            return f"{n}.{self.rng.randrange(100)}"
        return f"0x{int(n):x}" if r < 0.2 else n

    def path(self) -> str:
        folders = [self._path_part() for _ in range(self.rng.choices((0, 1, 2, 3), (35, 40, 20, 5))[0])]
        stem = self._path_part()
        if self.chance(0.12):
            stem += "." + self.letters(4)
        if self.chance(0.9):
            stem += "." + (self.rng.choice(EXTENSIONS) if self.chance(0.8) else self.letters(4))
        return "/".join([*folders, stem])

    def _path_part(self) -> str:
        joint = self.rng.choice("-__.")
        part = joint.join(self.word() for _ in range(self.rng.choices((1, 2, 3), (6, 3, 1))[0]))
        if self.chance(0.15):
            part += str(self.rng.randrange(100))
        if self.chance(0.01):
            part += self.rng.choice(UNICODE[:20])
        return part[:24].strip(".")

    def soup(self) -> str:
        """A line of random tokens with random spacing."""
        items = []
        for _ in range(self.rng.randint(1, max(2, int(12 * self.size)))):
            r = self.rng.random()
            if self.rare and self.chance(self.rare):
                items.append(self.rng.choice(RARE))
            elif r < 0.35:
                items.append(self.identifier())
            elif r < 0.5:
                items.append(self.word())
            elif r < 0.6:
                items.append(self.number())
            elif r < 0.9:
                items.append("".join(self.rng.choices(PUNCTUATION, k=self.rng.choice((1, 1, 1, 2, 3)))))
            elif r < 0.92:
                items.append(self.rng.choice(PUNCTUATION) * self.rng.randint(2, 6))
            elif r < 0.94:
                items.append(self.foreign())
            elif r < 0.95:
                items.append("\t")
            elif r < 0.96:
                items.append(f"`{self.word()}`")
            else:
                items.append(f'"{self.word()}"')
        joints = self.rng.choices((" ", "", "  ", ", "), (70, 24, 3, 3), k=len(items))
        line = "".join(a + b for a, b in zip(items, joints, strict=True))
        return line[: int(LONGEST_LINE * self.size)].strip(" ") or "x"

    def foreign(self) -> str:
        """One to five characters beyond ASCII."""
        if self.chance(0.3):
            return self.rng.choice(UNICODE)
        first = self.rng.choice((0xC0, 0x390, 0x410, 0x5D0, 0x620, 0x900, 0x3041, 0x4E00, 0x7000, 0xAC00, 0x2190, 0x1F300))
        return "".join(chr(first + self.rng.randrange(60)) for _ in range(self.rng.randint(1, 5)))

    def shaped(self) -> str:
        """A line in the shape of code or prose, with random names."""
        line = re.sub(
            r"\{([iwno])\}",
            lambda m: {
                "i": self.identifier, "w": self.word, "n": self.number, "o": lambda: self.rng.choice(OPERATORS)
            }[m[1]](),
            self.rng.choice(CODE_SHAPES),
        )
        return line.replace("{{", "{").replace("}}", "}")[:LONGEST_LINE].strip()

    def line(self) -> str:
        """One line without its indentation, never empty."""
        r = self.rng.random()
        if r < 0.34:
            return self.soup()
        if r < 0.7 or not self.real:
            return self.shaped()
        line = self.rng.choice(self.rng.choice(self.real)).strip()
        return line[: max(12, int(LONGEST_LINE * self.size))].strip() or self.shaped()

    def count(self, most: int) -> int:
        """A number of lines: mostly few, sometimes many."""
        most = max(1, int(most * self.size))
        return self.rng.randint(1, most) if self.chance(0.6) else self.rng.randint(1, max(1, most // 2))

    def lines(self, n: int) -> list[str]:
        """A file of `n` lines: a real passage, or lines of every sort with indentation and gaps."""
        if self.chance(0.3) and self.real:
            source = self.rng.choice(self.real)
            start = self.rng.randrange(max(1, len(source) - n))
            passage = [line[: max(16, int(LONGEST_LINE * self.size))] for line in source[start : start + n]]
            if any(line.strip() for line in passage):
                return passage
        indents = self.rng.choice((["", "    ", "        "], ["", "  ", "    "], ["", "\t", "\t\t"], [""]))
        if self.chance(0.12):
            indents = [self.rng.choice((" ", " ", "\t")) * self.rng.randint(0, 24) for _ in range(4)]
        lines: list[str] = []
        for _ in range(n):
            if lines and self.chance(0.08):
                lines.append("")
                continue
            if lines and self.chance(0.08):
                line = self.edit(self.rng.choice(lines)) or self.line()
            else:
                line = self.rng.choice(indents) + self.line()
            lines.append(line + ("  " if self.chance(0.01) else ""))
        return lines

    def edit(self, line: str) -> str:
        """`line` with one small change: a token replaced, dropped, doubled or inserted."""
        parts = re.findall(r"\w+|[^\w\s]+|\s+", line)
        places = [i for i, part in enumerate(parts) if not part.isspace()]
        if not places:
            return self.line()
        i = self.rng.choice(places)
        part, r = parts[i], self.rng.random()
        if r < 0.6:
            if part.isdigit():
                parts[i] = self.number()
            elif re.match(r"\w", part):
                parts[i] = self.identifier() if self.chance(0.7) else self.number()
            else:
                parts[i] = self.rng.choice(OPERATORS[:10]) if self.chance(0.5) else self.rng.choice(PUNCTUATION)
        elif r < 0.7:
            parts[i] = ""
        elif r < 0.85:
            parts[i] = part + " " + self.identifier()
        elif r < 0.93:
            parts.append(self.rng.choice(PUNCTUATION) if self.chance(0.5) else " " + self.word())
        else:
            parts[i] = part + self.rng.choice(string.ascii_letters + string.digits)
        return "".join(parts)

    def note(self) -> str:
        """What a user might write when declining."""
        words = [self.word() if self.chance(0.9) else self.number() for _ in range(self.rng.randint(1, 8))]
        note = " ".join(words)
        if self.chance(0.3):
            note = note.replace(" ", self.rng.choice((", ", ": ", "; ", " - ", "/", " '")), 1)
        return note + self.rng.choice(("", "", ".", "!", "?"))
