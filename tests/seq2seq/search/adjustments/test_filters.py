"""Filters: the examples of transformers' tests, and transformers itself on any scores."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers.generation import logits_process as theirs

from huashi.seq2seq.search import (
    Context,
    Epsilon,
    Eta,
    MinP,
    Temperature,
    TopK,
    TopP,
    Typical,
)

FILTERS = [TopK(3), TopP(0.7), MinP(0.2), Typical(0.6), Epsilon(0.05), Eta(0.1)]


def context_of(rows, alive=1):
    history = torch.zeros(rows, alive, 0, dtype=torch.long)
    return Context(history, 1, torch.arange(rows), torch.full((rows,), 9), bos=0, eos=1)


def filtered(adjust, scores):
    """Of (rows, vocabulary)."""
    return adjust(scores[:, None], context_of(len(scores)))[:, 0]


@pytest.mark.parametrize(
    ("adjust", "before", "after"),
    [
        (TopP(0.8), [[0.3, 0.1, 0.1, 0.5], [0.15, 0.3, 0.3, 0.25]], [[0.3, 0, 0, 0.5], [0, 0.3, 0.3, 0.25]]),
        (MinP(0.05), [[0.9, 0.0274, 0.047, 0.0274]], [[0.9, 0, 0.047, 0]]),
        (Typical(0.5), [[0.97, 0.01, 0.01, 0.01], [0.4, 0.2, 0.2, 0.2]], [[0.97, 0, 0, 0], [0, 0.2, 0.2, 0.2]]),
        (Epsilon(0.1), [[0.87, 0.099, 0.001, 0.03], [0.4, 0.299, 0.101, 0.2]], [[0.87, 0, 0, 0], [0.4, 0.299, 0.101, 0.2]]),
        (Eta(0.0625), [[0, 0.1, 0.8, 0.1], [0.01, 0.04, 0.9, 0.05]], [[0, 0.1, 0.8, 0.1], [0, 0, 0.9, 0]]),
        (TopK(2), [[0.3, 0.1, 0.2, 0.4], [0.4, 0.2, 0.2, 0.2]], [[0.3, 0, 0, 0.4], [0.4, 0.2, 0.2, 0.2]]),
        (TopP(0.0), [[0.4, 0.4, 0.2]], [[0.4, 0, 0]]),
        (TopP(1.0), [[0.4, 0.4, 0.2]], [[0.4, 0.4, 0.2]]),
        (TopP(0.1, keep=2), [[0.5, 0.2, 0.3]], [[0.5, 0, 0.3]]),
        (MinP(1.0, keep=2), [[0.5, 0.2, 0.3]], [[0.5, 0, 0.3]]),
        (Epsilon(0.9, keep=2), [[0.5, 0.2, 0.3]], [[0.5, 0, 0.3]]),
    ],
)  # fmt: skip
def test_examples(adjust, before, after):
    assert_close(filtered(adjust, torch.tensor(before).log()).exp(), torch.tensor(after))


@st.composite
def scores(draw):
    """Of a few rows, from flat to sharp, some -inf, not always normalised."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    rows, size = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    x = draw(st.sampled_from([0.1, 1.0, 5.0])) * torch.randn(rows, size, generator=generator)
    impossible = torch.rand(x.shape, generator=generator) < draw(st.sampled_from([0, 0.5]))
    impossible[:, 0] = False
    return x.masked_fill(impossible, -torch.inf) - draw(st.sampled_from([0, 3.0]))


PAIRS = [
    (Temperature, theirs.TemperatureLogitsWarper, st.floats(0.1, 3.0)),
    (TopK, theirs.TopKLogitsWarper, st.integers(1, 40)),
    (TopP, theirs.TopPLogitsWarper, st.floats(0.01, 0.99)),
    (MinP, theirs.MinPLogitsWarper, st.floats(0.01, 0.99)),
    (Typical, theirs.TypicalLogitsWarper, st.floats(0.01, 0.99)),
    (Epsilon, theirs.EpsilonLogitsWarper, st.floats(0.001, 0.99)),
    (Eta, theirs.EtaLogitsWarper, st.floats(0.001, 0.99)),
]


@given(st.data(), scores(), st.sampled_from(PAIRS), st.integers(1, 3))
def test_transformers_does_the_same(data, x, pair, keep):
    ours, warper, values = pair
    value = data.draw(values)
    options = () if ours in (Temperature, TopK) else (keep,)
    wanted = warper(value, **({"min_tokens_to_keep": keep} if options else {}))(None, x)
    assert_close(filtered(ours(value, *options), x), wanted)


@pytest.mark.parametrize("adjust", [*FILTERS, Temperature(0.7)])
def test_each_row_is_filtered_alone(adjust):
    x = torch.randn(3, 2, 11)
    before = x.clone()
    together = adjust(x, context_of(3, 2))
    for i in range(3):
        for k in range(2):
            assert torch.equal(filtered(adjust, x[i, None, k])[0], together[i, k])
    assert torch.equal(x, before)  # out of place


@pytest.mark.parametrize("adjust", FILTERS)
def test_a_row_of_nothing_stays_one_and_gives_no_nan(adjust):
    x = torch.randn(2, 7).log_softmax(-1)
    x[0] = -torch.inf
    assert filtered(adjust, x)[0].isneginf().all()
    assert not filtered(adjust, x).isnan().any()
    assert (filtered(adjust, x)[1] > -torch.inf).any()


@pytest.mark.parametrize("adjust", FILTERS)
def test_half_precision_keeps_its_dtype_and_something(adjust):
    x = torch.randn(2, 500).log_softmax(-1).bfloat16()
    found = filtered(adjust, x)
    assert found.dtype == x.dtype
    assert (found > -torch.inf).any(-1).all()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Temperature(0.0), "temperature must be > 0, got 0.0"),
        (lambda: Temperature(1e-38), "temperature must be 1e-30 to 1e30, got 1e-38"),
        (lambda: Temperature(1e38), "temperature must be 1e-30 to 1e30, got 1e"),
        (lambda: Temperature(math.inf), "temperature must be finite, got inf"),
        (lambda: TopK(0), "k must be > 0, got 0"),
        (lambda: TopP(1.5), "p must be from 0 to 1, got 1.5"),
        (lambda: MinP(-0.1), "min_p must be from 0 to 1, got -0.1"),
        (lambda: Typical(math.nan), "mass must be from 0 to 1, got nan"),
        (lambda: Epsilon(2.0), "epsilon must be from 0 to 1, got 2.0"),
        (lambda: Eta(0.1, keep=0), "keep must be > 0, got 0"),
    ],
)
def test_errors_name_the_argument(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
