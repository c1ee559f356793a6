"""Entmax and its losses, against what people use today.

    python -m benchmarks.entmax --device cpu

Contenders: ``eager`` is the reference, sorting and all; ``compiled`` is the same under
torch.compile; ``entmax`` is the package of that name, by the authors of the method; ``huashi`` is
ours. All in float32, on scores drawn from a normal distribution. Two sets of cases: 1.5-entmax in
the sizes of attention and of vocabularies, forward and forward+backward; and the family, sparsemax,
1.5-entmax, 1.3-entmax and the loss of each, forward+backward, without ``eager``.

The compiler does not get to the end of the 27 halvings of the formula of 1.3-entmax, which it
unrolls: there ``compiled`` compiles the part that they repeat, and torch runs the rest.
"""

import argparse
import json
import operator
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple
from unittest import mock

import torch
from torch import Tensor

from benchmarks.harness import compare, save, saved
from huashi.entmax import entmax, entmax15, entmax_loss, reference, sparsemax

CASES = {  # name: (rows, entries), share of entries masked by -inf
    "attention": ((512, 30), 0.0),  # a batch of 64, 8 heads, one decoding step: launch-bound
    "masked_attention": ((4096, 40), 0.5),  # the same for a whole target sentence
    "small_vocabulary": ((64, 512), 0.0),
    "vocabulary": ((2048, 32000), 0.0),  # the output of a translation model
}
FAMILY = "sparsemax", "1.5-entmax", "1.3-entmax"
FAMILY_CASES = "small_vocabulary", "vocabulary"


class Member(NamedTuple):
    """One alpha, and what computes it."""

    alpha: float
    ours: Callable[[Tensor], Tensor]
    theirs: Callable[[Tensor], Tensor]
    their_loss: Callable[[Tensor, Tensor], Tensor]


def family() -> dict[str, Member]:
    """The members, by name as in :data:`FAMILY`."""
    import entmax as package

    return {
        "sparsemax": Member(
            2.0,
            sparsemax,
            partial(package.sparsemax, dim=-1),
            package.SparsemaxLoss(reduction="sum"),
        ),
        "1.5-entmax": Member(
            1.5,
            entmax15,
            partial(package.entmax15, dim=-1),
            package.Entmax15Loss(reduction="sum"),
        ),
        "1.3-entmax": Member(
            1.3,
            partial(entmax, alpha=1.3),
            partial(package.entmax_bisect, alpha=1.3, dim=-1),
            package.EntmaxBisectLoss(1.3, reduction="sum"),
        ),
    }


def forward_backward(run, x, grad):
    x.grad = None
    run(x).backward(grad)
    return x.grad


def entmax15_rows(args: argparse.Namespace) -> Iterator[list[dict]]:
    """1.5-entmax alone, in all sizes."""
    import entmax as package

    contenders = {
        "eager": reference.entmax15,
        "compiled": torch.compile(reference.entmax15, dynamic=False),
        "entmax": partial(package.entmax15, dim=-1),
        "huashi": entmax15,
    }
    contenders = {name: run for name, run in contenders.items() if name not in args.without}
    for name in args.case:
        shape, masked = CASES[name]
        torch.manual_seed(0)
        x = torch.randn(shape)
        x = x.masked_fill(torch.rand(shape) < masked, -torch.inf).to(args.device)
        grad = torch.randn(shape).to(args.device)
        leaf = x.clone().requires_grad_()
        setting = {"peer": "entmax", "device": args.device, "rounds": args.rounds}
        case = {"case": name, "shape": shape, "dtype": "float32"}
        runs = {k: partial(run, x) for k, run in contenders.items()}
        yield compare(case | {"pass": "forward"}, runs, moved=2 * x.nbytes, **setting)
        runs = {k: partial(forward_backward, run, leaf, grad) for k, run in contenders.items()}
        # forward: x in, p out; backward: p and the gradient in, a gradient out
        yield compare(case | {"pass": "both"}, runs, moved=5 * x.nbytes, **setting)


def family_rows(args: argparse.Namespace) -> Iterator[list[dict]]:
    """Every member and its loss."""
    members = family()
    for size in [name for name in FAMILY_CASES if name in args.case]:
        shape = CASES[size][0]
        torch.manual_seed(0)
        x = torch.randn(shape).to(args.device).requires_grad_()
        grad = torch.randn(shape).to(args.device)
        target = torch.randint(shape[1], shape[:1]).to(args.device)
        setting = {"peer": "entmax", "device": args.device, "rounds": args.rounds}
        for name in args.member:
            member = members[name]
            torch.compiler.reset()  # it gives up on a function that it was to compile often
            case = {"shape": shape, "dtype": "float32", "pass": "both"}
            runs = _timed(_mappings(member), x, grad, args.without)
            yield compare(case | {"case": name}, runs, moved=5 * x.nbytes, **setting)
            one = torch.ones((), device=args.device)
            runs = _timed(_losses(member, target), x, one, args.without)
            # forward: x in; backward: x in, a gradient out
            yield compare(case | {"case": f"{name} loss"}, runs, moved=3 * x.nbytes, **setting)


def keep(name: str, rows: list[dict]) -> None:
    """Put rows into the results, in the place of those of the same case."""
    key = operator.itemgetter("case", "shape", "pass")
    new = {json.dumps(key(row)) for row in rows}
    save(name, [*(row for row in saved(name) if json.dumps(key(row)) not in new), *rows])


def _compiled(formula: Callable[[Tensor], Tensor], alpha: float) -> Callable[[Tensor], Tensor]:
    if alpha in (1.5, 2.0):
        return torch.compile(formula, dynamic=False)
    powers = torch.compile(reference._powers, dynamic=False)

    def in_parts(x: Tensor) -> Tensor:
        with mock.patch.object(reference, "_powers", powers):
            return formula(x)

    return in_parts


def _mappings(member: Member) -> dict[str, Callable[[Tensor], Tensor]]:
    def formula(x: Tensor) -> Tensor:
        return reference.probabilities(x, member.alpha)

    compiled = _compiled(formula, member.alpha)
    return {"compiled": compiled, "entmax": member.theirs, "huashi": member.ours}


def _losses(member: Member, target: Tensor) -> dict[str, Callable[[Tensor], Tensor]]:
    """Summed over the rows."""

    def formula(x: Tensor) -> Tensor:
        return reference.entmax_loss(x, target, member.alpha, -100, 0.0).sum()

    return {
        "compiled": _compiled(formula, member.alpha),
        "entmax": lambda x: member.their_loss(x, target),
        "huashi": lambda x: entmax_loss(x, target, member.alpha, reduction="sum"),
    }


def _timed(contenders: dict, x: Tensor, grad: Tensor, without: list[str]) -> dict:
    return {
        name: partial(forward_backward, run, x, grad)
        for name, run in contenders.items()
        if name not in without
    }


SETS = {"entmax": entmax15_rows, "entmax-family": family_rows}  # by the name of their results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--set", choices=SETS, nargs="*", default=list(SETS))
    parser.add_argument("--member", choices=FAMILY, nargs="*", default=list(FAMILY))
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    parser.add_argument("--dry-run", action="store_true", help="print the rows, do not keep them")
    args = parser.parse_args()
    for name in args.set:
        for rows in SETS[name](args):
            if not args.dry_run:
                keep(f"{name}-{args.device}", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """Microseconds of each contender, and how many times as fast as the peer ours is."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    lines = [["case", "shape", "pass", *(f"{n}, µs" for n in names), "times entmax", "GB/s (copy)"]]
    for _, group in groupby(rows, key=lambda row: (row["case"], row["shape"], row["pass"])):
        by_name = {row["contender"]: row for row in group}
        ours = by_name["huashi"]
        lines.append(
            [
                ours["case"].replace("_", " "),
                " × ".join(map(str, ours["shape"])),
                {"both": "forward + backward"}.get(ours["pass"], "forward"),
                *(
                    f"{by_name[name]['median_us']:,.0f}" if name in by_name else "–"
                    for name in names
                ),
                f"**{ours['times_peer']:.1f}**",
                f"{ours['gb_per_s']:.1f} ({ours['copy_gb_per_s']:.1f})",
            ]
        )
    return lines


TABLES = {
    f"{name}-{device}": (f"{name}-{device}", table) for name in SETS for device in ("cpu", "cuda")
}


if __name__ == "__main__":
    main()
