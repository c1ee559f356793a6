"""Pooling over a sequence: k largest in order, k that follows the length, and chunks."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.nn import functional as F
from torch.testing import assert_close

from huashi.pooling.sequence.chunk_max import ChunkMaxPool1d, chunk_max_pool1d
from huashi.pooling.sequence.k_max import (
    DynamicKMaxPool1d,
    KMaxPool1d,
    dynamic_k_max_pool1d,
    k_max_pool1d,
)

INF, NAN = torch.inf, torch.nan
LEVELS = torch.tensor([-INF, -1.0, -0.0, 0.0, 1.0, 1.0, INF, NAN], dtype=torch.double)


def rows(shape, seed, kind="levels"):
    """Random rows: all different, or of few values, infinite ones and NaN among them."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "different":
        return torch.randn(shape, generator=generator, dtype=torch.double)
    return LEVELS[torch.randint(len(LEVELS), shape, generator=generator)]


def k_max_of(row, real, k):
    """Where the k largest of one row stand: by size, then by place; in order of place."""
    row = row.tolist()
    places = [i for i in range(len(row)) if real[i]]
    places.sort(key=lambda i: (not math.isnan(row[i]), 0.0 if math.isnan(row[i]) else -row[i], i))
    return sorted(places[:k])


@st.composite
def cases(draw):
    shape = (draw(st.integers(1, 3)), 2, draw(st.integers(1, 9)))
    seed = draw(st.integers(0, 999))
    x = rows(shape, seed, draw(st.sampled_from(["levels", "different"])))
    generator = torch.Generator().manual_seed(seed)
    how = draw(st.sampled_from(["all", "lengths", "mask", "both"]))
    options, real = {}, torch.ones(shape, dtype=torch.bool)
    if how in ("lengths", "both"):
        options["lengths"] = torch.randint(shape[-1] + 1, shape[:1], generator=generator)
        real = real & (torch.arange(shape[-1]) < options["lengths"][:, None, None])
    if how in ("mask", "both"):
        options["mask"] = torch.rand(shape, generator=generator) < 0.6
        real = real & options["mask"]
    return x, options, real


@given(cases(), st.data())
def test_k_max_is_what_one_row_at_a_time_gives(case, data):
    x, options, real = case
    k = data.draw(st.integers(1, x.shape[-1]))
    found = k_max_pool1d(x, k, **options, return_indices=True)
    for at in [(n, c) for n in range(x.shape[0]) for c in range(2)]:
        places = k_max_of(x[at], real[at], k)
        rest = k - len(places)
        assert found.indices[at].tolist() == places + [-1] * rest
        assert found.mask[at].tolist() == [True] * len(places) + [False] * rest
        want = torch.cat([x[at][places], torch.zeros(rest, dtype=x.dtype)])
        assert_close(found.values[at], want, rtol=0, atol=0, equal_nan=True)
    plain = k_max_pool1d(x, k, **options)
    assert_close(plain, found.values, rtol=0, atol=0, equal_nan=True)


def test_order_and_equals_are_where_the_usual_snippet_goes_wrong():
    x = torch.tensor([[1.0, 3.0, 0.0, 9.0, 5.0]])
    assert x.topk(3).values.tolist() == [[9.0, 5.0, 3.0]]
    assert k_max_pool1d(x, 3).tolist() == [[3.0, 9.0, 5.0]]
    for length in (4, 200):  # of equals torch.topk may take any, as it does here of 4
        flat = torch.zeros(1, length)
        assert k_max_pool1d(flat, 1, return_indices=True).indices.tolist() == [[0]]
        assert k_max_pool1d(flat, 3, return_indices=True).indices.tolist() == [[0, 1, 2]]


def test_one_row_with_equals_does_not_change_the_others():
    x = torch.randn(4, 3, 30)
    x[2, 1] = x[2, 1].round()
    found = k_max_pool1d(x, 7, return_indices=True)
    for n in range(4):
        alone = k_max_pool1d(x[n], 7, return_indices=True)
        assert torch.equal(alone.indices, found.indices[n])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_k_max_of_integers(dtype):
    least = torch.iinfo(dtype).min
    x = torch.tensor([[least, 4, least, 7, 4, 4]], dtype=dtype)
    y = k_max_pool1d(x, 3)
    assert (y.dtype, y.tolist()) == (dtype, [[4, 7, 4]])
    mask = torch.tensor([False, False, True, True, False, False])
    found = k_max_pool1d(x, 3, mask=mask, return_indices=True)
    assert found.indices.tolist() == [[2, 3, -1]]
    assert found.values.tolist() == [[least, 7, 0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_dtypes_and_devices(dtype, device):
    x = torch.randn(2, 3, 40, device=device).to(dtype)
    lengths = torch.tensor([40, 3], device=device)
    want = k_max_pool1d(x.double().cpu(), 5, lengths=lengths.cpu())
    got = k_max_pool1d(x, 5, lengths=lengths)
    assert got.dtype == dtype
    assert torch.equal(got.double().cpu(), want)
    got = chunk_max_pool1d(x, 3, lengths=lengths)
    assert torch.equal(
        got.double().cpu(), chunk_max_pool1d(x.double().cpu(), 3, lengths=lengths.cpu())
    )


@given(cases(), st.integers(1, 4), st.integers(0, 3), st.integers(1, 6))
def test_dynamic_k_follows_the_length_of_each_row(case, layers, before, k_top):
    x, options, real = case
    layer = max(layers - before, 1)
    values, mask = dynamic_k_max_pool1d(x, layer, layers, k_top=k_top, **options)
    most = max(k_top, math.ceil((layers - layer) / layers * x.shape[-1]))
    assert values.shape == mask.shape == (*x.shape[:-1], most)
    for at in [(n, c) for n in range(x.shape[0]) for c in range(2)]:
        s = int(real[at].sum())
        k = max(k_top, -(-(layers - layer) * s // layers))
        places = k_max_of(x[at], real[at], k)
        assert mask[at].tolist() == [i < min(k, s) for i in range(most)]
        want = F.pad(x[at][places], (0, most - len(places)))
        assert_close(values[at], want, rtol=0, atol=0, equal_nan=True)


def test_dynamic_k_as_in_the_paper():
    # of 3 convolutions, a sentence of 18 words, k_top = 3: 12, then 6 (section 3.3)
    x = torch.randn(1, 1, 18)
    widths = [dynamic_k_max_pool1d(x, layer, 3, k_top=3)[0].shape[-1] for layer in (1, 2, 3)]
    assert widths == [12, 6, 3]
    y, mask = dynamic_k_max_pool1d(x, 1, 3, k_top=3, lengths=torch.tensor([9]))
    assert mask.sum() == 6
    assert dynamic_k_max_pool1d(x, 2, 3, k_top=3, lengths=torch.tensor([10]))[1].sum() == 4  # 10/3
    y, mask = dynamic_k_max_pool1d(y, 3, 3, k_top=3, mask=mask)
    assert mask.all()
    assert torch.equal(y, k_max_pool1d(x[..., :9], 3))


@given(cases(), st.integers(1, 5))
def test_chunks_are_equal_parts_of_what_is_real(case, chunks):
    x, options, real = case
    y = chunk_max_pool1d(x, chunks, **options)
    assert y.shape == (*x.shape[:-1], chunks)
    for at in [(n, c) for n in range(x.shape[0]) for c in range(2)]:
        own = x[at][real[at]]
        s = len(own)
        for i in range(chunks):
            part = own[i * s // chunks : -(-(i + 1) * s // chunks)]
            want = part.max() if s else torch.tensor(-INF, dtype=x.dtype)
            assert_close(y[at][i], want, rtol=0, atol=0, equal_nan=True)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 99))
def test_equal_chunks_are_torchs_adaptive_bins(length, chunks, seed):
    x = rows((2, 3, length), seed, "different").requires_grad_()
    want = F.adaptive_max_pool1d(x, chunks)
    g = torch.randn_like(want)
    for lengths in (None, torch.tensor([length] * 2)):
        y = chunk_max_pool1d(x, chunks, lengths=lengths)
        assert torch.equal(y, want)
        assert_close(grad(y, x, g), grad(want, x, g, retain_graph=True))


def test_chunks_at_positions():
    x = (
        torch.tensor([[[3.0, 9.0, 1.0, 5.0, 4.0, 7.0]]])
        .expand(3, 1, 6)
        .contiguous()
        .requires_grad_()
    )
    positions = torch.tensor([[1, 5], [2, 2], [0, 4]])
    y = chunk_max_pool1d(x, 3, positions=positions, lengths=torch.tensor([6, 6, 4]))
    assert y[:, 0].tolist() == [[3, 9, 7], [9, -INF, 7], [-INF, 9, -INF]]
    slope = grad(y.clamp(min=-1).sum(), x)[0]
    assert slope[:, 0].tolist() == [[1, 1, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0]]
    mask = torch.tensor([True, False, True, True, True, True])
    y = chunk_max_pool1d(x, 2, positions=torch.tensor([3]), mask=mask)
    assert y[:, 0].tolist() == [[3, 7]] * 3  # positions count masked elements too
    assert chunk_max_pool1d(x[0], 2, positions=torch.tensor([2])).tolist() == [[9, 7]]


def test_the_first_of_equals_gets_the_gradient_of_a_chunk():
    x = torch.tensor([[5.0, 5.0, 1.0, -INF, -INF, 2.0]], requires_grad=True)
    mask = torch.tensor([True, True, True, False, True, False])
    y = chunk_max_pool1d(x, 2, positions=torch.tensor([3]), mask=mask)
    assert y.tolist() == [[5, -INF]]
    assert grad(y, x, torch.tensor([[1.0, 2.0]]))[0].tolist() == [[1, 0, 0, 0, 2, 0]]


def test_what_is_absent_has_no_gradient():
    x = torch.randn(2, 1, 6).index_fill(-1, torch.tensor([4, 5]), NAN).requires_grad_()
    lengths = torch.tensor([4, 0])
    for y in (
        k_max_pool1d(x, 5, lengths=lengths),
        dynamic_k_max_pool1d(x, 1, 2, k_top=2, lengths=lengths)[0],
        chunk_max_pool1d(x, 3, lengths=lengths).clamp(min=-9),
    ):
        assert y.isfinite().all()
        (slope,) = grad(y.sum(), x)
        assert slope[0, 0, :4].any()
        assert not slope[1].any()
        assert not slope[..., 4:].any()


LENGTHS = torch.tensor([7, 2])
RUNS = {
    "k_max": lambda x, n=LENGTHS: k_max_pool1d(x, 3),
    "k_max_lengths": lambda x, n=LENGTHS: k_max_pool1d(x, 3, lengths=n),
    "dynamic": lambda x, n=LENGTHS: dynamic_k_max_pool1d(x, 1, 3, k_top=2, lengths=n)[0],
    "chunk": lambda x, n=LENGTHS: chunk_max_pool1d(x, 2, lengths=n),
    "positions": lambda x, n=LENGTHS: chunk_max_pool1d(x, 2, positions=n[..., None] // 2),
}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


def test_derivatives_of_both_orders(run):
    x = torch.randn(2, 2, 7, dtype=torch.double, requires_grad=True)
    assert gradcheck(run, x, check_forward_ad=True)
    assert gradgradcheck(lambda x: run(x).sin(), x)


def test_vmap_is_the_batch(run):
    x = torch.randn(2, 3, 7)
    assert torch.equal(torch.vmap(run)(x, LENGTHS), run(x))
    few = x.round()
    assert torch.equal(torch.vmap(run)(few, LENGTHS), run(few))
    slopes = torch.vmap(torch.func.grad(lambda x, n: run(x, n).square().sum()))(x, LENGTHS)
    x = x.requires_grad_()
    assert_close(slopes, grad(run(x).square().sum(), x)[0])


@pytest.mark.parametrize("kind", ["different", "levels"])
def test_traces_without_graph_breaks_and_exports(run, kind):
    x = rows((2, 3, 7), 1, kind).nan_to_num().requires_grad_()
    want = run(x)
    got = torch.compile(run, fullgraph=True, backend="aot_eager")(x)
    assert torch.equal(got, want)
    g = torch.randn_like(want)
    assert_close(grad(got, x, g), grad(want, x, g))

    class Run(torch.nn.Module):
        def forward(self, x):
            return run(x)

    program = torch.export.export(Run(), (x.detach(),), strict=False)
    other = rows((2, 3, 7), 2, kind)
    assert_close(program.module()(other), run(other), rtol=0, atol=0, equal_nan=True)


def test_compiles():
    x = rows((2, 3, 7), 1).nan_to_num().requires_grad_()
    got, want = torch.compile(k_max_pool1d, fullgraph=True)(x, 3), k_max_pool1d(x, 3)
    assert torch.equal(got, want)
    assert torch.equal(grad(got.sum(), x)[0], grad(want.sum(), x)[0])


def test_inputs_of_any_layout():
    x = torch.randn(3, 8, 5).transpose(1, 2)
    for pool in (lambda x: k_max_pool1d(x, 3), lambda x: chunk_max_pool1d(x, 3)):
        assert torch.equal(pool(x), pool(x.contiguous()))
        assert torch.equal(pool(x)[1], pool(x[1]))
        assert pool(x[:0]).shape == (0, 5, 3)
    always = torch.tensor(True)
    assert torch.equal(chunk_max_pool1d(x, 3, mask=always), chunk_max_pool1d(x, 3))
    assert torch.equal(k_max_pool1d(x, 3, mask=always), k_max_pool1d(x, 3))
    some = torch.tensor([True, False, True])[:, None, None]
    mask = dynamic_k_max_pool1d(x, 1, 2, k_top=1, mask=some)[1]
    assert mask.sum(-1)[:, 0].tolist() == [4, 0, 4]
    assert chunk_max_pool1d(x, 3, mask=some)[1].isneginf().all()


def test_modules_are_the_functions():
    x, lengths = torch.randn(2, 3, 9), torch.tensor([9, 4])
    found = KMaxPool1d(3, return_indices=True)(x, lengths=lengths)
    assert torch.equal(found.values, KMaxPool1d(3)(x, lengths=lengths))
    assert torch.equal(found.values, k_max_pool1d(x, 3, lengths=lengths))
    got = DynamicKMaxPool1d(1, 2, k_top=2)(x, lengths=lengths)
    assert_close(got, dynamic_k_max_pool1d(x, 1, 2, k_top=2, lengths=lengths), rtol=0, atol=0)
    got = ChunkMaxPool1d(2)(x, lengths=lengths)
    assert torch.equal(got, chunk_max_pool1d(x, 2, lengths=lengths))
    got = ChunkMaxPool1d(2)(x, positions=lengths[:, None])
    assert torch.equal(got, chunk_max_pool1d(x, 2, positions=lengths[:, None]))
    assert repr(DynamicKMaxPool1d(1, 2, k_top=4)) == "DynamicKMaxPool1d(layer=1, layers=2, k_top=4)"


X = torch.ones(2, 3, 4)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: k_max_pool1d(X, 0), "k must be >= 1, got 0"),
        (lambda: k_max_pool1d(X, 5), r"k must be in \[1, 4\], the length of x, got 5"),
        (lambda: k_max_pool1d(X, 2, lengths=torch.tensor([1])), r"lengths must have shape \(2,\)"),
        (lambda: k_max_pool1d(X[0, 0], 2), r"x must have shape \(channel, length\)"),
        (lambda: dynamic_k_max_pool1d(X, 3, 2, k_top=1), r"layer must be in \[1, 2\], .* got 3"),
        (lambda: dynamic_k_max_pool1d(X, 0, 2, k_top=1), "layer must be >= 1, got 0"),
        (lambda: dynamic_k_max_pool1d(X, 1, 2, k_top=0), "k_top must be >= 1, got 0"),
        (lambda: chunk_max_pool1d(X, 0), "chunks must be >= 1, got 0"),
        (
            lambda: chunk_max_pool1d(X, 3, positions=torch.ones(2, 3).long()),
            r"positions must have shape \(2, 2\), where .* got \(2, 3\)",
        ),
        (lambda: KMaxPool1d(0), "k must be >= 1, got 0"),
        (lambda: ChunkMaxPool1d(-1), "chunks must be >= 1, got -1"),
        (lambda: DynamicKMaxPool1d(2, 1, k_top=1), r"layer must be in \[1, 1\]"),
    ],
)
def test_errors_name_the_argument(run, message):
    with pytest.raises(ValueError, match=message):
        run()


def test_kinds_are_checked():
    with pytest.raises(TypeError, match=r"k must be an int, got 2\.0"):
        k_max_pool1d(X, 2.0)
    with pytest.raises(TypeError, match=r"x must be a floating-point or integer tensor"):
        k_max_pool1d(X.bool(), 2)
    with pytest.raises(TypeError, match=r"positions must be an integer tensor, got torch.float32"):
        chunk_max_pool1d(X, 2, positions=torch.ones(2, 1))
