"""Whether all operations give the same bits: write a file before a change, compare after it.

    python -m benchmarks.same_bits write FILE
    python -m benchmarks.same_bits compare FILE --only pooling/max entmax

Outputs, gradients and, of small inputs, gradients of gradients, with seeded inputs: odd shapes,
ties, NaN and infinities; sizes that the kernels do serially and with threads; one thread and two.
A file holds for the machine and the versions of the libraries that wrote it. It has a hash of each
tensor, a hash that takes every NaN for the same, and the values of small ones. The exit code of
``compare`` is 1 where a tensor differs in more than the bits of NaN: which NaN a sum gives depends
on where a vector register begins, and is another one in each run.

The folder serves on the code of earlier versions too.
"""

import argparse
import hashlib
import itertools
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.same_bits.cases import Case, seeded
from benchmarks.same_bits.entmax import entmax_cases
from benchmarks.same_bits.models import model_cases
from benchmarks.same_bits.other_pools import other_pool_cases
from benchmarks.same_bits.regularization import penalty_cases, prox_cases
from benchmarks.same_bits.searches import search, search_cases
from benchmarks.same_bits.sequence_parts import (
    attention_cases,
    convolution_cases,
    dropout_cases,
    loss_cases,
)
from benchmarks.same_bits.window_pools import integer_cases, pool_cases

MOST_KEPT = 256  # numbers of a tensor whose values are kept
GROUPS: dict[str, tuple[Callable[[], Iterator[Case]], ...]] = {
    "pooling": (pool_cases, integer_cases, other_pool_cases),
    "entmax": (entmax_cases,),
    "convolution": (convolution_cases,),
    "attention": (attention_cases,),
    "losses": (loss_cases,),
    "dropout": (dropout_cases,),
    "prox": (prox_cases,),
    "penalties": (penalty_cases,),
    "search": (search_cases,),
    "models": (model_cases,),
}


def tensors(found: Any) -> list[Tensor]:
    """All tensors of a result, other numbers as tensors."""
    if isinstance(found, Tensor):
        return [found]
    if isinstance(found, search.Hypothesis):
        numbers = found.tokens, [found.score], found.token_scores, [found.finished, found.exact]
        rest = [] if found.alignment is None else [found.alignment]
        return [torch.tensor(some, dtype=torch.float64) for some in numbers] + rest
    if isinstance(found, list | tuple):
        return [one for some in found for one in tensors(some)]
    return [] if found is None else [torch.tensor(found)]


def results(case: Case) -> Iterator[tuple[str, Tensor]]:
    """Every tensor that a case gives, by name."""
    torch.manual_seed(0)
    with torch.no_grad():
        plain = tensors(case.function(*case.inputs))
    yield from ((f"inference {i}", y) for i, y in enumerate(plain))
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in case.inputs]
    torch.manual_seed(0)
    outputs = tensors(case.function(*leaves))
    yield from ((f"output {i}", y.detach()) for i, y in enumerate(outputs))
    wanted = [x for x in leaves if x.requires_grad]
    with_slope = [y for y in outputs if y.requires_grad]
    if not with_slope:
        return
    weights = [torch.randn(y.shape, generator=seeded("grad")).to(y.dtype) for y in with_slope]
    options: dict[str, Any] = {"allow_unused": True, "create_graph": case.second}
    grads = torch.autograd.grad(with_slope, wanted, weights, **options)
    grads = [torch.zeros(()) if g is None else g for g in grads]
    yield from ((f"gradient {i}", g.detach()) for i, g in enumerate(grads))
    smooth = [g.square().sum() for g in grads if g.requires_grad]
    if smooth:
        again = torch.autograd.grad(sum(smooth), wanted, allow_unused=True)
        again = [torch.zeros(()) if g is None else g for g in again]
        yield from ((f"second gradient {i}", g) for i, g in enumerate(again))


def run_all(only: Sequence[str]) -> Iterator[tuple[str, Tensor | str]]:
    """Every result of the cases whose names begin so."""
    for group, makers in GROUPS.items():
        if only and not any(o.startswith(group) or group.startswith(o) for o in only):
            continue
        for number, case in enumerate(itertools.chain.from_iterable(make() for make in makers)):
            if only and not case.name.startswith(tuple(only)):
                continue
            if number % 200 == 0:
                print(f"{number} {case.name}", file=sys.stderr, flush=True)
            for threads in case.threads:
                torch.set_num_threads(threads)
                name = f"{case.name}, {threads} thread{'s' * (threads > 1)}"
                try:
                    for part, found in results(case):
                        yield f"{name}: {part}", found
                except Exception as error:  # which is a result too
                    yield f"{name}: error", f"{type(error).__name__}: {error}"


def described(found: Tensor | str) -> list[str]:
    """Shape, dtype and strides; hash of the bits; hash with every NaN the same."""
    if isinstance(found, str):
        return [found, "", ""]
    strides = found.stride() if found.numel() else ()
    strides = [
        s for s, n in zip(strides, found.shape, strict=False) if n > 1
    ]  # others mean nothing
    plain = found.detach().contiguous()
    alike = torch.where(plain.isnan(), torch.zeros_like(plain), plain)
    known = plain.isnan() if plain.is_floating_point() else plain
    kind = f"{str(found.dtype)[6:]} {tuple(found.shape)} strides {strides}"
    return [kind, hash_of(plain), hash_of(alike) + hash_of(known)]


def hash_of(x: Tensor) -> str:
    return hashlib.blake2b(x.flatten().view(torch.uint8).numpy().data, digest_size=8).hexdigest()


def write(path: Path, only: Sequence[str]) -> None:
    known, kept, errors = {}, {}, 0
    for name, found in run_all(only):
        known[name] = described(found)
        if isinstance(found, Tensor) and found.numel() <= MOST_KEPT:
            kept[name] = found.detach().clone(memory_format=torch.contiguous_format)
        if isinstance(found, str):
            errors += 1
            print(f"{name}: {found}", file=sys.stderr)
    save_file(kept, path, {"known": json.dumps(known)})
    print(f"{len(known)} results in {path}, {errors} of them errors")


def compare(path: Path, only: Sequence[str]) -> int:
    """Print what differs; return how many results do."""
    differing, of_nan, seen = 0, 0, set()
    with safe_open(path, "pt") as file:
        known = json.loads(file.metadata()["known"])
        kept = set(file.keys())
        for name, found in run_all(only):
            seen.add(name)
            now, before = described(found), known.get(name, ["nothing", "", ""])
            if (now[0], now[2]) != (before[0], before[2]):
                differing += 1
                old = file.get_tensor(name) if name in kept else None
                print(f"{name}: {difference(before[0], now[0], old, found)}", flush=True)
            elif now != before:
                of_nan += 1
    for name in known:
        if name not in seen and (not only or name.startswith(tuple(only))):
            differing += 1
            print(f"{name}: no longer there")
    print(f"{len(seen)} results compared, {differing} differ, {of_nan} others in the bits of NaN")
    return differing


def difference(before: str, now: str, old: Tensor | None, new: Any) -> str:
    """What to say of two results: kinds or messages, and where they were kept the values."""
    if before != now:
        return f"{now}, was {before}"
    if old is None:
        return "other values"
    apart = (old != new) & ~(old.isnan() & new.isnan())
    if not apart.any():
        return "other signs of zero"
    away = (old.double() - new.double()).abs()[apart].nan_to_num(nan=math.inf)
    return f"{int(apart.sum())} of {old.numel()} values, at most {away.max():.3g} apart"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of names, like entmax")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.what == "write":
        write(args.file, args.only)
    else:
        sys.exit(compare(args.file, args.only) > 0)


if __name__ == "__main__":
    main()
