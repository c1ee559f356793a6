"""Parts of sequence models: convolutions over time, attention, losses, dropout."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.same_bits.cases import FLOATS, Case, imported, seeded, values, with_grad

seq2seq = imported("huashi.seq2seq")


def convolution_cases() -> Iterator[Case]:
    for (shape, threads), dtype in itertools.product(
        {(2, 7, 6): (1,), (3, 16, 48): (1,), (9, 33, 50): (1, 2)}.items(), FLOATS
    ):
        label = f"{'x'.join(map(str, shape))}, {str(dtype)[6:]}"
        x = values("plain", shape, dtype, label)
        second = dtype == torch.float64 and x.numel() < 1000
        for taps, dilation, left, right in (
            (3, 1, 1, 1),
            (3, 2, 4, 0),
            (31, 1, 15, 15),
            (1, 1, 0, 0),
        ):
            weight = values("plain", (shape[2], taps), dtype, f"{taps}")
            run = partial(seq2seq.depthwise_conv1d, dilation=dilation, left=left, right=right)
            name = f"convolution/depthwise {taps} {dilation}/{label}"
            yield Case(name, run, [x, weight], threads, second)
        mask = torch.arange(shape[1]) < torch.arange(1, shape[0] + 1)[:, None] * 3
        for taps, padding, dropout in itertools.product((3, 4, 31), ("same", "left"), (0.0, 0.4)):
            options = {"padding": padding, "mask": mask, "dropout": dropout}
            weight = values("plain", (2, taps), dtype, f"{taps}")
            by_frame = values("plain", (*shape[:2], 2, taps), dtype, f"{taps}")
            kind = f"{taps} {padding} {dropout}/{label}"
            light = partial(seq2seq.lightweight_conv1d, **options)
            yield Case(f"convolution/lightweight {kind}", light, [x, weight], threads, second)
            dynamic = partial(seq2seq.dynamic_conv1d, **options)
            yield Case(f"convolution/dynamic {kind}", dynamic, [x, by_frame], threads, second)
        for separability in (0, -1, -2):
            torch.manual_seed(0)
            module = seq2seq.SubSeparableConv1d(shape[2], 8, 3, separability=separability)
            yield of_module(f"convolution/separable {separability}/{label}", module.to(dtype), x)


def attention_cases() -> Iterator[Case]:
    attend = imported(
        "huashi.seq2seq.operations.short_attention", "huashi.seq2seq.short_attention"
    ).short_attention
    sizes = (2, 3, 5, 7, 32), (3, 4, 16, 16, 32), (2, 2, 33, 64, 64), (2, 2, 5, 7, 20)
    for (rows, heads, targets, sources, size), dtype in itertools.product(sizes, FLOATS):
        label = f"{rows}x{heads}x{targets}x{sources}x{size}, {str(dtype)[6:]}"
        q = values("plain", (rows, heads, targets, size), dtype, "q")
        k, v = (values("plain", (rows, heads, sources, size), dtype, name) for name in "kv")
        padded = (torch.arange(sources) < torch.arange(1, rows + 1)[:, None] * 2)[:, None, None]
        causal = torch.ones(targets, sources, dtype=torch.bool).tril()
        none = torch.zeros(rows, 1, 1, sources, dtype=torch.bool)
        masks = {"all": None, "padded": padded, "causal": causal, "both": padded & causal}
        for name, mask in (masks | {"nothing": none}).items():
            run = partial(attend, mask=mask)
            second = dtype == torch.float64 and rows * targets < 20
            yield Case(f"attention/{name}/{label}", run, [q, k, v], (1, 2), second)
    q = values("odd", (2, 3, 5, 32), torch.float32, "odd")
    yield Case("attention/odd", lambda q: attend(q, q, q), [q])


def loss_cases() -> Iterator[Case]:
    losses = imported("huashi.seq2seq.operations.losses", "huashi.seq2seq.losses")
    linear = imported(
        "huashi.seq2seq.operations.linear_cross_entropy", "huashi.seq2seq.linear_cross_entropy"
    ).linear_cross_entropy
    for kind, smoothing, dtype in itertools.product(
        ("torch", "fairseq", "joey"), (0.0, 0.1), (torch.float32, torch.float64)
    ):
        label = f"{kind} {smoothing}, {str(dtype)[6:]}"
        scores = values("plain", (4, 7, 11), dtype, label)
        target = torch.randint(1, 11, (4, 7), generator=seeded(label))

        def smoothed(x: Tensor, target=target, smoothing=smoothing, kind=kind) -> Tensor:
            return losses.smoothed_nll(x.log_softmax(-1), target, smoothing, kind)

        yield Case(f"losses/smoothed/{label}", smoothed, [scores], (1,), True)
        for positions, vocabulary, bias in ((13, 29, True), (2100, 1200, False)):
            torch.manual_seed(0)
            layer = nn.Linear(16, vocabulary, bias=bias, dtype=dtype)
            target = torch.randint(1, vocabulary, (positions,), generator=seeded(label))
            features = values("plain", (positions, 16), dtype, label)

            def run(x: Tensor, *p: Tensor, layer=layer, t=target, s=smoothing, k=kind) -> Any:
                with torch.no_grad():
                    for mine, given in zip(layer.parameters(), p, strict=True):
                        mine.copy_(given)
                loss, likelihood = linear(x, layer, t, s, k)
                grads = torch.autograd.grad(loss, layer.parameters(), retain_graph=True)
                return loss, likelihood, *grads

            params = [p.detach() for p in layer.parameters()]
            yield Case(
                f"losses/linear {positions}/{label}", with_grad(run), [features, *params], (1, 2)
            )


def dropout_cases() -> Iterator[Case]:
    dropout = imported("huashi._dropout", "huashi.seq2seq.dropout").dropout
    for shape, p, dtype in itertools.product(((5, 7), (300, 128)), (0.0, 0.1, 0.5, 1.0), FLOATS):
        x = values("plain", shape, dtype, "dropout")
        name = f"dropout/{p}, {'x'.join(map(str, shape))}, {str(dtype)[6:]}"
        yield Case(name, partial(dropout, p=p), [x], (1, 2))


def of_module(name: str, module: nn.Module, x: Tensor) -> Case:
    """A module as a function of its input and parameters."""
    names, params = zip(*module.named_parameters(), strict=True)

    def run(x: Tensor, *given: Tensor) -> Any:
        return torch.func.functional_call(module, dict(zip(names, given, strict=True)), (x,))

    return Case(name, run, [x, *(p.detach() for p in params)])
