"""Groups: what is in them, that reading and writing agree, and what is refused."""

import pytest
import torch
from torch import nn

from huashi.regularization import (
    Groups,
    Slices,
    blocks,
    columns,
    embedding_rows,
    filters,
    heads,
    hidden_units,
    kernel_shapes,
    layers,
    norm_scales,
    projected_heads,
)

MODEL = nn.ModuleDict(
    {
        "linear": nn.Linear(6, 4),
        "conv": nn.Conv2d(4, 6, 3, groups=2),
        "transposed": nn.ConvTranspose1d(4, 6, 5, groups=2),
        "norm": nn.BatchNorm2d(6),
        "attention": nn.MultiheadAttention(8, 2, add_bias_kv=True),
        "cross": nn.MultiheadAttention(8, 4, kdim=6, vdim=5, bias=False),
        "table": nn.Embedding(9, 8),
        "lstm": nn.LSTM(3, 5, 2, bidirectional=True),
        "gru": nn.GRU(3, 5, bias=False),
    }
)
KINDS = {  # name: (groups of the model, shapes)
    "filters": (
        lambda: filters(MODEL, ["linear", "conv", "transposed"]),
        [(4, 6), (6, 18), (6, 10)],
    ),
    "with bias": (lambda: filters(MODEL, ["linear", "conv"], bias=True), [(4, 7), (6, 19)]),
    "columns": (
        lambda: columns(MODEL, ["linear", "conv", "transposed"]),
        [(6, 4), (4, 27), (4, 15)],
    ),
    "kernel shapes": (lambda: kernel_shapes(MODEL), [(9, 12), (5, 12)]),
    "blocks": (lambda: blocks(MODEL, 2, ["linear", "conv"]), [(6, 4), (3, 36)]),
    "layers": (lambda: layers(MODEL, "linear"), [(1, 28)]),
    "layers without bias": (lambda: layers(MODEL, "linear", bias=False), [(1, 24)]),
    "heads": (lambda: heads(MODEL), [(2, 148), (4, 54)]),
    "embedding rows": (lambda: embedding_rows(MODEL), [(9, 8)]),
    "hidden units": (lambda: hidden_units(MODEL), [(5, 216), (5, 24)]),
    "norm scales": (lambda: norm_scales(MODEL), [(6, 1)]),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_sizes(kind):
    make, shapes = KINDS[kind]
    assert [tuple(groups.gather().shape) for groups in make()] == shapes
    assert [len(groups) for groups in make()] == [shape[0] for shape in shapes]


def test_what_is_read_can_be_written(kind):
    for groups in KINDS[kind][0]():
        grads = {part.parameter: torch.zeros_like(part.parameter) for part in groups.parts}
        matrix = torch.randn_like(groups.gather())
        groups.scatter_(matrix, grads.__getitem__)
        torch.testing.assert_close(groups.gather(grads.__getitem__), matrix)
        assert sum(int((grad != 0).sum()) for grad in grads.values()) == matrix.numel()
        assert not groups.overlaps()


def test_a_filter_is_what_writes_a_channel():
    for name, groups in zip(
        ("conv", "transposed"), filters(MODEL, ["conv", "transposed"], bias=True), strict=True
    ):
        layer = MODEL[name]
        x = torch.randn(1, 4, 7, 7) if name == "conv" else torch.randn(1, 4, 7)
        with torch.no_grad():
            old = groups.gather().clone()
            groups.scatter_(old * (torch.arange(6) != 4)[:, None])
            y = layer(x)
            assert groups.zeros().tolist() == [False] * 4 + [True, False]
            groups.scatter_(old)
        assert y.movedim(1, 0).flatten(1).any(1).tolist() == [True] * 4 + [False, True]


def test_a_column_is_what_reads_a_channel():
    for name, groups in zip(
        ("conv", "transposed"), columns(MODEL, ["conv", "transposed"]), strict=True
    ):
        layer = MODEL[name]
        x = torch.randn(1, 4, 7, 7) if name == "conv" else torch.randn(1, 4, 7)
        other = x.clone()
        other[:, 3] = 9.0
        with torch.no_grad():
            old = groups.gather().clone()
            groups.scatter_(old * (torch.arange(4) != 3)[:, None])
            assert torch.equal(layer(x), layer(other))
            groups.scatter_(old)


def test_a_head_that_is_zero_adds_nothing():
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    [groups] = heads(layer)
    with torch.no_grad():
        groups.scatter_(groups.gather() * torch.tensor([[1.0], [0.0]]))
    layer.out_proj.weight.data[:, 4:] = 9.0
    x = torch.randn(2, 5, 8)
    y = layer(x, x, x)[0]
    layer.out_proj.weight.data[:, 4:] = -9.0
    assert torch.equal(layer(x, x, x)[0], y)


def test_a_unit_that_is_zero_stays_zero():
    for layer in (nn.LSTM(3, 5, 2), nn.GRU(3, 5), nn.RNN(3, 5)):
        [groups] = hidden_units(layer)
        with torch.no_grad():
            groups.scatter_(groups.gather() * (torch.arange(5) != 2)[:, None])
        assert layer(torch.randn(4, 2, 3))[0].flatten(0, 1).any(0).tolist() == [
            *(True, True, False, True, True)
        ]


def test_projections_of_your_own():
    model = nn.ModuleDict({name: nn.Linear(8, 8) for name in "qkvo"})
    groups = projected_heads(model, ["q", "k", "v"], ["o"], 4)
    assert groups.gather().shape == (4, 3 * (16 + 2) + 16)
    with pytest.raises(ValueError, match="rows and columns must name linear layers, got 'x'"):
        projected_heads(model, ["x"], ["o"], 4)
    with pytest.raises(ValueError, match="count must divide the 8 features of 'q', got 3"):
        projected_heads(model, ["q"], ["o"], 3)


def test_a_shared_parameter_comes_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    assert [groups.name for groups in filters(nn.Sequential(first, second, first))] == ["0"]


def test_zeros_are_exact():
    layer = nn.Linear(2, 4)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([[0.0, -0.0], [1e-45, 0.0], [float("nan"), 0.0], [1.0, 2.0]])
    [groups] = filters(layer)
    assert groups.zeros().tolist() == [True, False, False, False]


def test_channels_last_and_gradients_are_read():
    layer = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)
    layer(torch.randn(1, 4, 5, 5)).sum().backward()
    [groups] = filters(layer)
    torch.testing.assert_close(groups.gather(lambda p: p.grad), layer.weight.grad.flatten(1))
    with torch.no_grad():
        groups.scatter_(torch.zeros(6, 36))
    assert not layer.weight.any()


def test_picked_rows():
    p = nn.Parameter(torch.arange(12.0).reshape(6, 2))
    part = Slices("p", p, (6, 2), (0,), torch.tensor([[0, 5], [1, 2]]))
    groups = Groups("p", (part,))
    assert groups.gather().tolist() == [[0, 1, 10, 11], [2, 3, 4, 5]]
    assert not groups.overlaps()
    twice = Groups("p", (Slices("p", p, (6, 2), (0,), torch.tensor([[0, 1], [1, 2]])),))
    assert twice.overlaps()
    both = Groups("p", (part, Slices("p", p, (6, 2), (0,), torch.tensor([[3], [0]]))))
    assert both.overlaps()


def test_what_is_refused():
    p = nn.Parameter(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="groups 'a' must hold a parameter, got none"):
        Groups("a", ())
    with pytest.raises(ValueError, match="parts of groups 'a' must be equally many"):
        Groups("a", (Slices("p", p, (2, 3), (0,)), Slices("p", p, (2, 3), (1,))))
    with pytest.raises(
        ValueError, match=r"names must name parameters of Linear, .*, got 'nothing'"
    ):
        filters(MODEL, ["linear", "nothing"])
    with pytest.raises(ValueError, match=r"names must name parameters of RNN, LSTM, GRU, got '\*'"):
        hidden_units(nn.Linear(2, 2))
    with pytest.raises(
        ValueError, match=r"size must divide both sides of linear.weight, \(4, 6\), got 4"
    ):
        blocks(MODEL, 4, "linear")
    with pytest.raises(ValueError, match="size must be > 0, got 0"):
        blocks(MODEL, 0)
    with pytest.raises(ValueError, match="names must name a batch normalization with scales"):
        norm_scales(nn.BatchNorm2d(3, affine=False))
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got list"):
        filters([])
