"""Greedy accuracy by kind, in PyTorch: a task counts when every assistant message equals the expected one to the letter.

What the assistant must say is a function of the request and of the tool outputs, and the tool outputs of a right
dialogue are known. So greedy decoding gives the right dialogue exactly when, fed the right dialogue, the model's most
likely token is right at every position it speaks; one forward pass decides.

    check.py CHECKPOINT_OR_MODEL_DIR [--per-kind 40] [--renames 100] [--seed 1] [--show 3]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from model import Config, Llama
from tasks import WEIGHTS, Task, TaskMaker, make_words
from tokenizer import Tokenizer
from words import load_real_files


def held_out_tasks(
    tokenizer: Tokenizer, sources: list[Path], per_kind: int, renames: int, seed: int, outcomes: bool = True
) -> list[Task]:
    """Tasks with names, files and contents that training never sees (its real text comes from other files)."""
    words = make_words(-1 - seed, tokenizer, load_real_files(sources, held_out=True))
    usual = TaskMaker(tokenizer, words, outcomes=False)
    tasks = [usual.make(kind) for kind in WEIGHTS for _ in range(renames if kind == "rename" else per_kind)]
    if outcomes:
        unusual = TaskMaker(tokenizer, words)
        while sum(not t.usual for t in tasks) < per_kind:
            task = unusual.make()
            if not task.usual:
                tasks.append(task)
    return tasks


@torch.no_grad()
def wrong_positions(model: Llama, task: Task) -> list[int]:
    """Positions of the tokens that greedy decoding gets wrong when everything before is right."""
    ids = torch.tensor(task.ids)
    best = model.logits(model(ids[None, :-1])).argmax(-1)[0]
    missed = (best != ids[1:]) & (torch.tensor(task.said[1:]) > 0)
    return (missed.nonzero().flatten() + 1).tolist()


def exact_by_kind(model: Llama, tasks: list[Task]) -> dict[str, str]:
    right: dict[str, list[bool]] = {}
    for task in tasks:
        right.setdefault(task.kind if task.usual else "unusual", []).append(not wrong_positions(model, task))
    return {kind: f"{sum(r)}/{len(r)}" for kind, r in right.items()}


def load_model(path: Path) -> Llama:
    """A training checkpoint, or a folder with `config.json` and `model.safetensors`."""
    if path.is_dir():
        from safetensors.torch import load_file

        hf = json.loads((path / "config.json").read_text())
        config = Config(**{k: hf[k] for k in Config.__dataclass_fields__})
        state = {k: v.float() for k, v in load_file(path / "model.safetensors").items()}
    else:
        saved = torch.load(path, weights_only=True)
        config, state = Config(**saved["config"]), saved["model"]
    model = Llama(config)
    model.load_state_dict(state)
    return model.eval()


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=Path)
    p.add_argument("--sources", type=Path, nargs="*", default=[Path(json.__file__).parent.parent])
    p.add_argument("--per-kind", type=int, default=40)
    p.add_argument("--renames", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=0, help="failures to print for each kind")
    args = p.parse_args()
    tokenizer = Tokenizer.load()
    model = load_model(args.model)
    tasks = held_out_tasks(tokenizer, args.sources, args.per_kind, args.renames, args.seed)
    print(exact_by_kind(model, tasks))
    shown: dict[str, int] = {}
    for task in tasks:
        if shown.get(task.kind, 0) < args.show and (missed := wrong_positions(model, task)):
            shown[task.kind] = shown.get(task.kind, 0) + 1
            at = missed[0]
            print(f"--- {task.kind}, {len(missed)} wrong of {sum(w > 0 for w in task.said)}\n{task.request}")
            print("...", repr(tokenizer.decode(task.ids[max(0, at - 40) : at])), "then", repr(tokenizer.decode(task.ids[at : at + 8])))


if __name__ == "__main__":
    main()
