"""Trains the demo model on endless random tasks.

A worker process makes batches of dialogues of similar length (so padding is small and no attention mask is needed);
only what the assistant says is learnt. Checkpoints, a log and the evaluation by kind go to `--out`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import random
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F

from check import exact_by_kind, held_out_tasks
from model import Config, Llama
from muon import Muon
from tasks import Task, TaskMaker, make_words
from tokenizer import SACRIFICE, Tokenizer
from words import load_real_files

Batch = tuple[torch.Tensor, torch.Tensor]


def to_batch(tasks: list[Task]) -> Batch:
    """Token ids and the weights of what was said, padded on the right to a multiple of 16."""
    longest = -(-max(len(t.ids) for t in tasks) // 16) * 16 + 1
    ids = torch.full((len(tasks), longest), SACRIFICE)
    said = torch.zeros((len(tasks), longest), dtype=torch.uint8)
    for row, task in enumerate(tasks):
        ids[row, : len(task.ids)] = torch.tensor(task.ids)
        said[row, : len(task.said)] = torch.tensor(task.said)
    return ids, said


def produce(queue: mp.Queue, args: argparse.Namespace) -> None:
    """Fills the queue with batches of about `--tokens` tokens, for ever."""
    os.nice(5)
    torch.set_num_threads(1)
    tokenizer = Tokenizer.load()
    words = make_words(args.seed, tokenizer, load_real_files(args.sources, held_out=False), rare=args.rare)
    maker = TaskMaker(tokenizer, words)
    rng = random.Random(args.seed)
    made = 0
    while True:
        pool = []
        while len(pool) < 1500:
            progress = min(1.0, made / (args.grow * 1e6)) if args.grow else 1.0
            words.size = args.size + (1 - args.size) * progress if rng.random() < 0.9 else 1.0
            longest = args.short + (args.longest - args.short) * progress
            task = maker.make()
            if len(task.ids) <= longest:
                pool.append(task)
                made += len(task.ids)
        pool.sort(key=lambda t: len(t.ids))
        batches: list[list[Task]] = [[]]
        for task in pool:
            if (len(batches[-1]) + 1) * len(task.ids) > args.tokens:
                batches.append([])
            batches[-1].append(task)
        rng.shuffle(batches)
        for batch in batches:
            ids, said = to_batch(batch)
            queue.put((ids.numpy(), said.numpy()))


def loss_of(model: torch.nn.Module, head: Llama, batch: Batch) -> torch.Tensor:
    ids, said = batch
    hidden = model(ids[:, :-1])
    wanted = said[:, 1:] > 0
    weights = said[:, 1:][wanted]
    losses = F.cross_entropy(head.logits(hidden[wanted]).float(), ids[:, 1:][wanted], reduction="none")
    return (losses * weights).sum() / len(weights)


def parse_args() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--sources", type=Path, nargs="*", default=[Path(json.__file__).parent.parent], help="folders of real text")
    p.add_argument("--resume", type=Path, help="checkpoint, or one with weights alone, to go on from")
    p.add_argument("--minutes", type=float, default=60, help="time to train; the learning rate falls to zero over it")
    p.add_argument("--cooldown", type=float, default=0.4, help="share of the time over which the learning rate falls")
    p.add_argument("--tokens", type=int, default=2048, help="tokens a batch of dialogues of similar length")
    p.add_argument("--accumulate", type=int, default=1, help="such batches a step and process")
    p.add_argument("--lr", type=float, default=0.012, help="for the matrices (Muon)")
    p.add_argument("--adam-lr", type=float, default=0.003, help="for embeddings and norms")
    p.add_argument("--size", type=float, default=0.15, help="size of the first tasks")
    p.add_argument("--short", type=int, default=320, help="longest dialogue at first, in tokens")
    p.add_argument("--longest", type=int, default=1100, help="longest dialogue later")
    p.add_argument("--grow", type=float, default=10, help="million tokens made until the tasks are full size; 0: at once")
    p.add_argument("--rare", type=float, default=0.12, help="share of rare tokens in lines of random tokens")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1, help="for each process")
    p.add_argument("--hidden", type=int, default=192)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--heads", type=int, default=6)
    p.add_argument("--mlp", type=int, default=512)
    p.add_argument("--save-every", type=float, default=4, help="minutes between checkpoints")
    p.add_argument("--check-every", type=float, default=10, help="minutes between evaluations")
    p.add_argument("--ranks", type=int, default=2, help="training processes")
    p.add_argument("--port", type=int, default=29511)
    return p.parse_args()


def join(rank: int, args: argparse.Namespace) -> None:
    """Connects the training processes; each makes its own data and they add up their gradients."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(args.port))
    dist.init_process_group("gloo", rank=rank, world_size=args.ranks)


def add_up(parameters: list[torch.nn.Parameter], extra: list[float], ranks: int) -> list[float]:
    """Averages the gradients over all processes, and gives the sums of the `extra` numbers."""
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None] + [torch.tensor(extra)])
    dist.all_reduce(flat)
    at = 0
    for p in parameters:
        p.grad = flat[at : at + p.numel()].view_as(p) / ranks
        at += p.numel()
    return flat[at:].tolist()


def train(rank: int, args: argparse.Namespace) -> None:
    join(rank, args)
    args.seed = args.seed * 100 + rank
    queue: mp.Queue = mp.Queue(maxsize=16)
    mp.Process(target=produce, args=(queue, args), daemon=True).start()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed // 100)
    tokenizer = Tokenizer.load()
    model = Llama(Config(len(tokenizer), args.hidden, args.layers, args.heads, args.mlp))
    parameters = list(model.parameters())
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.01)
    optimizers = {"muon": Muon(matrices, lr=args.lr), "adam": adam}
    done = {"tokens": 0, "seconds": 0.0, "steps": 0}
    if args.resume:
        saved = torch.load(args.resume, weights_only=True)
        model.load_state_dict(saved["model"])
        done = saved["done"]
        for name, optimizer in optimizers.items():
            if name in saved:
                optimizer.load_state_dict(saved[name])
    forward = torch.compile(model, dynamic=True)
    tests = held_out_tasks(tokenizer, args.sources, per_kind=15, renames=30, seed=99) if rank == 0 else []

    began = saved_at = checked_at = time.time()
    before = done["seconds"]
    losses: list[float] = []
    share = 0.0
    while share < 1:
        batches = [[torch.from_numpy(a) for a in queue.get()] for _ in range(args.accumulate)]
        loss = torch.zeros(())
        for ids, said in batches:
            with torch.autocast("cpu", torch.bfloat16):
                part = loss_of(forward, model, (ids, said)) / args.accumulate
            part.backward()
            loss += part.detach()
        now = (time.time() - began) / (60 * args.minutes) if rank == 0 else 0.0
        tokens = sum(ids.numel() for ids, _ in batches)
        share, total_loss, total_tokens = add_up(parameters, [now, loss.item(), tokens], args.ranks)
        factor = min(1.0, (len(losses) + 1) / 50, max(0.0, (1 - share) / args.cooldown))
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer, rate in ((optimizers["muon"], args.lr), (adam, args.adam_lr)):
            optimizer.param_groups[0]["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad()
        losses.append(total_loss / args.ranks)
        done["tokens"] += int(total_tokens)
        done["steps"] += 1
        done["seconds"] = before + time.time() - began
        if rank:
            continue
        if len(losses) % 50 == 0:
            print(f"{done['seconds'] / 60:6.1f} min  step {done['steps']}  {done['tokens'] / 1e6:6.2f} M  "
                  f"loss {sum(losses[-50:]) / 50:.4f}  x{factor:.2f}", flush=True)
        if share >= 1 or time.time() - saved_at > 60 * args.save_every:
            save(args.out, model, optimizers, done)
            saved_at = time.time()
        if share >= 1 or time.time() - checked_at > 60 * args.check_every:
            print("exact:", exact_by_kind(model, tests), flush=True)
            checked_at = time.time()


def main() -> None:
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    ranks = [mp.Process(target=train, args=(rank, args)) for rank in range(1, args.ranks)]
    for process in ranks:
        process.start()
    train(0, args)
    for process in ranks:
        process.join()


def save(out: Path, model: Llama, optimizers: dict[str, torch.optim.Optimizer], done: dict[str, float]) -> None:
    states = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
    shape = {k: v for k, v in vars(model.config).items()}
    torch.save({"model": model.state_dict(), "config": shape, "done": done, **states}, out / "new.pt")
    os.replace(out / "new.pt", out / "checkpoint.pt")


if __name__ == "__main__":
    main()
