"""1.5-entmax, forward and forward+backward, against what people use today.

    python -m benchmarks.entmax --device cpu

Contenders: ``eager`` is the reference, sorting and all; ``compiled`` is the same under
torch.compile; ``entmax`` is the package of that name, by the authors of the method; ``huashi`` is
:func:`huashi.seq2seq.entmax.entmax15`. All in float32, on scores drawn from a normal distribution.
"""

import argparse
from functools import partial

import entmax
import torch

from benchmarks.harness import compare, save
from huashi.seq2seq.entmax import entmax15, reference

CASES = {  # name: (rows, entries), share of entries masked by -inf
    "attention": ((512, 30), 0.0),  # a batch of 64, 8 heads, one decoding step: launch-bound
    "masked_attention": ((4096, 40), 0.5),  # the same for a whole target sentence
    "small_vocabulary": ((64, 512), 0.0),
    "vocabulary": ((2048, 32000), 0.0),  # the output of a translation model
}


def forward_backward(run, x, grad):
    x.grad = None
    run(x).backward(grad)
    return x.grad


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--case", choices=CASES, nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    args = parser.parse_args()

    contenders = {
        "eager": reference.entmax15,
        "compiled": torch.compile(reference.entmax15, dynamic=False),
        "entmax": partial(entmax.entmax15, dim=-1),
        "huashi": entmax15,
    }
    contenders = {name: run for name, run in contenders.items() if name not in args.without}
    rows = []
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
        rows += compare(case | {"pass": "forward"}, runs, moved=2 * x.nbytes, **setting)
        runs = {k: partial(forward_backward, run, leaf, grad) for k, run in contenders.items()}
        # forward: x in, p out; backward: p and the gradient in, a gradient out
        rows += compare(case | {"pass": "both"}, runs, moved=5 * x.nbytes, **setting)
    save(f"entmax-{args.device}", rows)


if __name__ == "__main__":
    main()
