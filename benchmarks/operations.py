"""Every operation that has a kernel, by its example call: kernel against definition.

    python -m benchmarks.operations [--only max_pool2d entmax15]

The list is that of the declarations: an operation that is added is timed here without being named.
``reference`` is the plain definition, which serves where no kernel does. Inputs are float32, those
of the examples in a batch that makes a million elements: for pools many planes of 4 x 6, which is
hard on kernels. ``benchmarks.pooling`` has the sizes of known networks, and the peers.
"""

import argparse
import contextlib
from functools import partial
from itertools import groupby

import torch

from benchmarks.harness import compare, ratio, save
from huashi import implementation
from huashi._kernel.operator import NoKernelError
from huashi.bench import tracked
from huashi.bench.warm_up import enlarged, examples

ELEMENTS = 2**20


def with_kernels(names):
    """The first example of each public function that runs by kernels alone."""
    found = {}
    for example in examples():
        if names and example.function.__name__ not in names:
            continue
        if example.function not in {one.function for one in found.values()}:
            with contextlib.suppress(NoKernelError), implementation("kernel"):
                example(*enlarged(example, torch.float32, elements=1))
                found[example.name] = example
    return found


def inference(mode, example, tensors):
    with torch.no_grad(), implementation(mode):
        torch.manual_seed(0)  # of those that draw
        return example(*tensors)


def both(mode, example, leaves, weights):
    with implementation(mode):
        torch.manual_seed(0)
        return torch.autograd.grad(example(*leaves), leaves[0], weights)[0]


def measure(name, example, rounds):
    """The rows of one operation, in both passes where it has a gradient."""
    tensors = enlarged(example, torch.float32, ELEMENTS)
    case = {"operation": name, "shape": list(tensors[0].shape)}
    modes = {"reference": "reference", "huashi": "kernel"}
    options = {"device": "cpu", "rounds": rounds, "peer": "reference"}
    runs = {who: partial(inference, mode, example, tensors) for who, mode in modes.items()}
    y = runs["huashi"]()
    rows = compare(case | {"pass": "forward"}, runs, moved=tensors[0].nbytes + y.nbytes, **options)
    leaves = [x.requires_grad_() for x in tensors]
    if not example(*leaves).requires_grad:
        return rows
    weights = torch.randn_like(y)
    runs = {who: partial(both, mode, example, leaves, weights) for who, mode in modes.items()}
    moved = 2 * (tensors[0].nbytes + y.nbytes)
    return rows + compare(case | {"pass": "both"}, runs, moved=moved, **options)


def table(rows):
    """Milliseconds of definition and kernel, and the ratio, in both passes."""
    lines = [["operation", "shape", *("definition, ms", "kernel, ms", "times as fast") * 2]]
    lines[0][2:] = [f"{head}{end}" for end in ("", ", with gradient") for head in lines[0][2:5]]
    for name, of_name in groupby(rows, key=lambda row: row["operation"]):
        timed = {(row["pass"], row["contender"]): row for row in of_name}
        line = [f"`{name.removeprefix('huashi.')}`"]
        line.append(" × ".join(map(str, timed["forward", "huashi"]["shape"])))
        for passes in ("forward", "both"):
            if (passes, "huashi") not in timed:
                line += ["–"] * 3
                continue
            reference, ours = timed[passes, "reference"], timed[passes, "huashi"]
            line += [f"{row['median_us'] / 1e3:.2f}" for row in (reference, ours)]
            line.append(f"**{ratio(ours['times_peer'])}**")
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="names of public functions")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    rows = []
    for name, example in tracked(list(with_kernels(args.only).items()), lambda item: item[0]):
        rows += measure(name, example, args.rounds)
    if not args.only:
        save("operations", rows)


if __name__ == "__main__":
    main()
