"""Slimming a network: group lasso and compaction beside pruning by magnitude and by group norms.

    python -m benchmarks.slim train      # trains what is not trained yet, in benchmarks/scratch
    python -m benchmarks.slim measure    # latencies of all that is there, interleaved; saves rows
    python -m benchmarks.slim path       # accuracy against latency on the digits, as huashi path

All contenders of a seed begin from one network, trained without a penalty for ``dense_steps``, and
have the same number of steps in all:

- ``dense``: trained on to the end.
- ``huashi``: group lasso by proximal steps in the metric of AdamW, compacted, trained on.
- ``magnitude``: weight decay, then the filters of least norm cut in every layer alike, trained on.
- ``torch-pruning``: its GroupNormPruner, whose regulariser acts before the cut, trained on.

The peers are cut to the FLOPs of ours. Our strength was set after two or three trials on the
validation part of seed 0; the peers have their default regulariser, and a weight decay of 0.1.
Accuracy is that on the test. Channels are rounded to multiples of 8 for all. Latency is on one
thread.
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import machine, save
from huashi.recipes import _slim, _slimming, slim_digits, slim_omniglot
from huashi.regularization import compact

SCRATCH = Path(__file__).parent / "scratch"
SEEDS = {"digits": (0, 1, 2), "omniglot": (0, 1, 2)}
BATCHES = 1, 64
ROUNDS = 25
WHAT = "train", "measure", "path"
PEER_DECAY = 0.1  # of the peers, decoupled; ours has that of the recipe


def config_of(task, seed, data):
    if task == "digits":
        return slim_digits, slim_digits.Config(seed=seed)
    return slim_omniglot, slim_omniglot.Config(seed=seed, data=data)


def flops(model, example):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        copy.deepcopy(model).eval()(example)
    return counter.get_total_flops()


def adamw(model, config, weight_decay):
    return torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=weight_decay)


def dense(start, data, config, target):
    model = copy.deepcopy(start)
    rest = config.steps - config.dense_steps + config.fine_tune_steps
    _slim.train_steps(model, adamw(model, config, config.weight_decay), data, config, rest)
    return model


def huashi(start, data, config, target):
    model = copy.deepcopy(start)
    optimizer = _slim.penalised(model, data.example, config, config.strength, 0)
    _slim.train_steps(model, optimizer, data, config, config.steps - config.dense_steps)
    small = compact(model.eval(), data.example, round_to=8).model
    _slim.fine_tune(small, data, config, config.fine_tune_steps)
    return small


def pruner_of(kind, model, data, share):
    import torch_pruning as tp

    importance = tp.importance.GroupMagnitudeImportance(p=2)
    options = {"pruning_ratio": share, "ignored_layers": [model[-1]], "round_to": 8}
    return getattr(tp.pruner, kind)(model, data.example, importance, **options)


def cut_to(kind, model, data, target):
    """Prune by the least share that comes down to the FLOPs of ours."""
    for percent in range(10, 96, 2):
        twin = copy.deepcopy(model).eval()
        pruner_of(kind, twin, data, percent / 100).step()
        if flops(twin, data.example) <= target:
            break
    return twin


def magnitude(start, data, config, target):
    model = copy.deepcopy(start)
    steps = config.steps - config.dense_steps
    _slim.train_steps(model, adamw(model, config, PEER_DECAY), data, config, steps)
    small = cut_to("MagnitudePruner", model, data, target)
    _slim.fine_tune(small, data, config, config.fine_tune_steps)
    return small


class Regularised:
    """An optimiser that lets a pruner of torch-pruning add to the gradients."""

    def __init__(self, optimizer, pruner, model):
        self.optimizer, self.pruner, self.model = optimizer, pruner, model
        self.param_groups, self.zero_grad = optimizer.param_groups, optimizer.zero_grad
        pruner.update_regularizer()

    def step(self):
        self.pruner.regularize(self.model)
        self.optimizer.step()


def torch_pruning(start, data, config, target):
    model = copy.deepcopy(start)
    pruner = pruner_of("GroupNormPruner", model, data, 0.5)
    steps = config.steps - config.dense_steps
    optimizer = Regularised(adamw(model, config, config.weight_decay), pruner, model)
    _slim.train_steps(model, optimizer, data, config, steps)
    small = cut_to("GroupNormPruner", model, data, target)
    _slim.fine_tune(small, data, config, config.fine_tune_steps)
    return small


CONTENDERS = {
    "dense": dense,
    "huashi": huashi,
    "magnitude": magnitude,
    "torch-pruning": torch_pruning,
}


def warm_up(data, config):
    """What all contenders begin from."""
    model = _slim.model_of(config, data.classes)
    optimizer = adamw(model, config, config.weight_decay)
    images, labels = data.training
    steps = _slim.batches(len(labels), config.batch_size, config.dense_steps, config.seed)
    for step, batch in enumerate(steps):
        optimizer.param_groups[0]["lr"] = config.lr * min((step + 1) / _slim.WARM_UP, 1)
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def train(task, seed, archive):
    """Train all contenders of a seed; keep each as it is done."""
    recipe, config = config_of(task, seed, archive)
    data = recipe.read(config)
    start, target = None, 0
    for name, make in CONTENDERS.items():
        path = SCRATCH / f"{task}-{seed}-{name}.pt"
        if not path.exists():
            start = start or warm_up(data, config)
            torch.manual_seed(seed)
            begun = time.perf_counter()
            model = make(start, data, config, target).eval()
            seconds = round(time.perf_counter() - begun, 1)
            SCRATCH.mkdir(exist_ok=True)
            keep = {"test": _slim.accuracy(model, data.test), "seconds": seconds, "model": model}
            torch.save(keep, path)
            print(task, seed, name, keep["test"], seconds, flush=True)
        if name == "huashi":
            target = flops(opened(path)["model"], data.example)


def opened(path):
    return torch.load(path, weights_only=False)  # written by this script


@torch.inference_mode()
def latencies(models, example, batch):
    """Seconds of a call of each, medians of interleaved rounds; and their quartiles' distance."""
    x = example.repeat(batch, 1, 1, 1)
    repeats = 20 if batch == 1 else 1
    times = {name: [] for name in models}
    for model in models.values():
        model(x)
    for _ in range(ROUNDS):
        for name, model in models.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                model(x)
            times[name].append((time.perf_counter() - begun) / repeats)
    return {name: statistics.median(found) for name, found in times.items()}


def measure(archive):
    torch.set_num_threads(1)
    rows = []
    for task, seeds in SEEDS.items():
        for seed in seeds:
            recipe, config = config_of(task, seed, archive)
            paths = {name: SCRATCH / f"{task}-{seed}-{name}.pt" for name in CONTENDERS}
            if not all(path.exists() for path in paths.values()):
                print(f"{task} {seed} is not trained", file=sys.stderr)
                continue
            kept = {name: opened(path) for name, path in paths.items()}
            models: dict[str, nn.Module] = {name: found["model"] for name, found in kept.items()}
            example = recipe.read(config).example
            spent = {batch: latencies(models, example, batch) for batch in BATCHES}
            before = flops(models["dense"], example)
            for name, model in models.items():
                row = {
                    "task": task,
                    "seed": seed,
                    "contender": name,
                    "test": kept[name]["test"],
                    "lost": round(kept["dense"]["test"] - kept[name]["test"], 2),
                    "parameters": sum(p.numel() for p in model.parameters()),
                    "fewer_flops": round(100 * (1 - flops(model, example) / before), 1),
                    "training_seconds": kept[name]["seconds"],
                    "steps": config.steps + config.fine_tune_steps,
                }
                for batch, times in spent.items():
                    row[f"ms_{batch}"] = round(1e3 * times[name], 3)
                    row[f"times_dense_{batch}"] = round(times["dense"] / times[name], 2)
                print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)
                rows.append(row | machine("cpu"))
    save("slim", rows)


def path():
    with tempfile.TemporaryDirectory() as folder:
        config = slim_digits.Config(folder=Path(folder) / "run")
        how = slim_digits.PATH, slim_digits.POINT_STEPS
        points = _slimming.path(slim_digits, "slim_digits", config, *how).results["points"]
    save("slim-path", [point | machine("cpu") for point in points])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=WHAT, nargs="*", default=list(WHAT))
    parser.add_argument("--task", choices=SEEDS, nargs="*", default=list(SEEDS))
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/omniglot/images_background_small1.zip")
    )
    parser.add_argument("--seeds", type=int, nargs="*", help="of those that a task has")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if "train" in args.what:
        for task in args.task:
            if task == "omniglot" and not args.data.exists():
                print(f"there is no {args.data}: omniglot is left out", file=sys.stderr)
                continue
            for seed in args.seeds or SEEDS[task]:
                train(task, seed, args.data)
    if "measure" in args.what:
        measure(args.data)
    if "path" in args.what:
        path()


def table(rows: list[dict]) -> list[list[str]]:
    """By task and contender, means over the seeds ± the standard deviation of a seed."""
    lines = [
        [
            "task, contender",
            "seeds",
            "test accuracy, %",
            "points lost",
            "parameters",
            "fewer FLOPs, %",
            "times as fast, batch 1",
            "times as fast, batch 64",
        ]
    ]
    for name in dict.fromkeys((row["task"], row["contender"]) for row in rows):
        same = [row for row in rows if (row["task"], row["contender"]) == name]

        def spread(key: str, digits: int = 2, same: list[dict] = same) -> str:
            values = [row[key] for row in same]
            shown = f"{statistics.mean(values):,.{digits}f}"
            if len(values) == 1:
                return shown
            return f"{shown} ± {statistics.stdev(values):,.{digits}f}"

        cells = spread("test"), spread("lost"), spread("parameters", 0), spread("fewer_flops", 1)
        fast = spread("times_dense_1"), spread("times_dense_64")
        lines.append([", ".join(name), str(len(same)), *cells, *fast])
    return lines


def note(rows: list[dict]) -> str:
    return "One thread, all contenders of a seed interleaved; of "


def path_table(rows: list[dict]) -> list[list[str]]:
    """By strength of the penalty: what a small network scores, and how fast it is."""
    names = [
        "strength",
        "test, %",
        "zero groups",
        "parameters",
        "fewer FLOPs, %",
        "times as fast, batch 1",
        "times as fast, batch 64",
    ]
    cells = [
        [f"{row[name]:,}" if name == "parameters" else row[name] for name in names] for row in rows
    ]
    return [names, *([str(cell) for cell in row] for row in cells)]


def path_note(rows: list[dict]) -> str:
    return "One thread of "


TABLES = {"slim": ("slim", table, note), "slim-path": ("slim-path", path_table, path_note)}


if __name__ == "__main__":
    main()
