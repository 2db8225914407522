#!/usr/bin/env python3
"""Runs the real program, with its built-in demo model, over held-out tasks.

Each task gets a fresh folder with its file and one to three unrelated ones. It counts when the answer and the whole
tree afterwards are right byte for byte. Needs only Python; exits 1 below the targets (see `TARGETS`).

    demo/eval.py --binary target/release/descant --per-kind 40 --renames 100 --seed 1 [--json out.json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import texts
from tasks import WEIGHTS, Task, TaskMaker, make_words
from tokenizer import Tokenizer
from words import Words, load_real_files

# Share that must be right of the kinds of each group together.
TARGETS = {("change", "create", "delete", "compute", "show"): 0.95, ("rename",): 0.5}


@dataclass
class Outcome:
    """What came of one task; `problem` is empty when everything was right."""

    kind: str
    request: str
    problem: str
    seconds: float


def read_tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".git" not in p.parts}


def to_bytes(files: dict[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


def add_decoys(task: Task, words: Words) -> None:
    """Puts one to three unrelated files into the tree, before and after."""
    for _ in range(words.rng.randint(1, 3)):
        path = f"decoy_{words.letters()}/{words.letters()}.txt"
        task.files[path] = task.after[path] = "\n".join(words.lines(5)) + "\n"


def compare(task: Task, answer: str, tree: dict[str, bytes], python_missing: bool) -> str:
    """The first difference to what was expected, or nothing."""
    expected = to_bytes(task.after)
    for path in sorted(expected.keys() | tree.keys()):
        if expected.get(path) != tree.get(path):
            return f"{path}: expected {expected.get(path)!r}, got {tree.get(path)!r}"
    answers = [task.answer] + ([texts.NO_PYTHON] if python_missing and task.kind == "compute" else [])
    if answer not in answers:
        return f"expected the answer {task.answer!r}, got {answer!r}"
    return ""


def run_task(command: list[str], task: Task, timeout: float, python_missing: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="descant-eval-") as scratch:
        work, home = Path(scratch, "work"), Path(scratch, "home")
        for folder in (work, home):
            folder.mkdir()
        for path, content in to_bytes(task.files).items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(content)
        environment = {**os.environ, "HOME": str(home), "DESCANT_HOME": str(home / "descant"), "NO_COLOR": "1"}
        began = time.monotonic()
        try:
            done = subprocess.run(
                [*command, "--", task.request], cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(task.kind, task.request, f"no end within {timeout} s", timeout)
        answer = done.stdout.decode(errors="replace").removesuffix("\n")
        problem = compare(task, answer, read_tree(work), python_missing)
        if problem and done.returncode:
            problem += f" (exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:].strip()})"
        return Outcome(task.kind, task.request, problem, time.monotonic() - began)


def report(outcomes: list[Outcome], show: int) -> bool:
    """Prints the table and the first failures by kind; says whether all targets are met."""
    def tell(name: str, mine: list[Outcome], target: float) -> bool:
        right = sum(not o.problem for o in mine)
        mean = sum(o.seconds for o in mine) / len(mine)
        asked = f"target {target:.0%}" if target else ""
        print(f"{name:8} {right:4}/{len(mine):<4} {right / len(mine):7.1%}  {mean:.2f} s each  {asked}")
        return right >= target * len(mine)

    for kind in WEIGHTS:
        if mine := [o for o in outcomes if o.kind == kind]:
            tell(kind, mine, 0)
    print()
    met = True
    for group, target in TARGETS.items():
        if mine := [o for o in outcomes if o.kind in group]:
            met &= tell(group[0] if len(group) == 1 else "together", mine, target)
    for kind in WEIGHTS:
        for outcome in [o for o in outcomes if o.kind == kind and o.problem][:show]:
            print(f"\n--- {kind}: {outcome.request}\n{outcome.problem}")
    return met


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, required=True)
    p.add_argument("--model", default="demo")
    p.add_argument("--per-kind", type=int, default=40)
    p.add_argument("--renames", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--kinds", nargs="*", choices=list(WEIGHTS), default=list(WEIGHTS))
    p.add_argument("--sources", type=Path, nargs="*", default=[Path(json.__file__).parent.parent])
    p.add_argument("--without-python", action="store_true", help="no container engine here: compute may say so")
    p.add_argument("--timeout", type=float, default=60)
    p.add_argument("--show", type=int, default=2, help="failures to print for each kind")
    p.add_argument("--json", type=Path, help="write every outcome here")
    args = p.parse_args()
    tokenizer = Tokenizer.load()
    words = make_words(-1_000_000 - args.seed, tokenizer, load_real_files(args.sources, held_out=True))
    maker = TaskMaker(tokenizer, words, outcomes=False)
    command = [str(args.binary.resolve()), "--once", "--apply", "all", "--model", args.model]
    outcomes = []
    for kind in args.kinds:
        for _ in range(args.renames if kind == "rename" else args.per_kind):
            task = maker.make(kind)
            add_decoys(task, words)
            outcomes.append(run_task(command, task, args.timeout, args.without_python))
            print(".x"[bool(outcomes[-1].problem)], end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    met = report(outcomes, args.show)
    if args.json:
        args.json.write_text(json.dumps([asdict(o) for o in outcomes], indent=1, ensure_ascii=False) + "\n")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
