"""Search: right where brute force can tell, and the same for a sentence in any company."""

import functools
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from huashi.seq2seq import Architecture, AttentionShape, RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.search import (
    Hypothesis,
    beam_search,
    greedy_search,
    sample,
    stochastic_beam_search,
)
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

TOKEN_0, END = 0, 1  # of the table models: what the first step reads, and what ends a sequence


@st.composite
def tables(draw):
    """Log-probabilities from token to token, some of them -inf."""
    size = draw(st.integers(2, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    logits = 2 * torch.randn(size, size, generator=generator, dtype=torch.double)
    impossible = torch.rand(size, size, generator=generator) < draw(st.sampled_from([0, 0.4]))
    impossible[:, TOKEN_0] = False
    return logits.masked_fill(impossible, -torch.inf).log_softmax(-1)


def search(table, sentences=1, **options):
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    return beam_search(step, torch.zeros(sentences), bos=TOKEN_0, eos=END, **options)


def all_sequences(table, max_length, alpha):
    """Every possible sequence with its score, best first, by trying them all."""
    others = [token for token in range(len(table)) if token != END]
    found = []
    for length in range(1, max_length + 1):
        for body in itertools.product(others, repeat=length - 1):
            tokens = [*body, END]
            total = sum(table[a, b].item() for a, b in itertools.pairwise([TOKEN_0, *tokens]))
            if total > -torch.inf:
                found.append((total / length**alpha, tokens))
    return sorted(found, reverse=True)


PENALTIES = st.sampled_from([-0.5, 0.0, 0.6, 1.0, 2.0])


@given(tables(), st.integers(1, 5), PENALTIES)
def test_a_wide_beam_finds_what_brute_force_finds(table, max_length, alpha):
    wanted = all_sequences(table, max_length, alpha)
    found = search(table, beam=400, max_length=max_length, length_penalty=alpha)[0]
    if not wanted:
        assert [h.finished for h in found] == [False]
        return
    assert_close([h.score for h in found], [score for score, _ in wanted])
    assert sorted(h.tokens for h in found) == sorted(tokens for _, tokens in wanted)
    assert all(h.exact and h.finished for h in found)


@given(tables(), st.integers(1, 5), PENALTIES, st.integers(1, 4))
def test_exact_is_a_proof(table, max_length, alpha, beam):
    wanted = all_sequences(table, max_length, alpha)
    found = search(table, beam=beam, max_length=max_length, length_penalty=alpha)[0]
    for rank, hypothesis in enumerate(found):
        if hypothesis.exact:
            assert_close(hypothesis.score, wanted[rank][0])


def test_a_narrow_beam_does_not_claim_what_it_cannot_know():
    # 0 is the likeliest at first and leads nowhere; 2 is second, and ends well
    table = torch.tensor([[0.50, 0.05, 0.45], [0.1, 0.8, 0.1], [0.005, 0.99, 0.005]]).log()
    narrow = search(table, beam=1, max_length=4, length_penalty=0.0)[0][0]
    wide = search(table, beam=50, max_length=4, length_penalty=0.0)[0][0]
    assert (wide.tokens, wide.exact) == ([2, END], True)
    assert narrow.score < wide.score
    assert not narrow.exact


def table_of(size, **ways):
    """Log-probabilities from token to token; ``_2={1: 0.9}`` is the row of token 2."""
    table = torch.zeros(size, size)
    for name, row in ways.items():
        for token, probability in row.items():
            table[int(name[1:]), token] = probability
    return table.log()


def test_a_finished_hypothesis_does_not_stop_a_better_one_that_still_grows():
    table = table_of(4, _0={END: 0.4, 2: 0.35, 3: 0.25}, _2={END: 1.0}, _3={END: 1.0})
    [best] = search(table, beam=2, nbest=1, max_length=4, length_penalty=1.0)[0]
    assert best.tokens == [2, END]  # log(0.35) / 2 is above log(0.4)


def test_what_was_never_a_candidate_counts_against_exactness_too():
    # 3, the third best of the first step, is no candidate of a beam of one, but its way is the best
    table = table_of(6, _0={END: 0.5, 2: 0.3, 3: 0.2}, _2={END: 1.0}, _3={4: 1.0}, _4={5: 1.0}, _5={END: 1.0})  # fmt: skip
    [narrow] = search(table, beam=1, max_length=6, length_penalty=1.0)[0]
    assert (narrow.tokens, narrow.exact) == ([2, END], False)
    best = search(table, beam=3, max_length=6, length_penalty=1.0)[0][0]
    assert (best.tokens, best.exact) == ([3, 4, 5, END], True)


@given(tables(), st.integers(1, 5), PENALTIES)
def test_scores_are_those_of_the_tokens(table, max_length, alpha):
    for h in search(table, beam=3, max_length=max_length, length_penalty=alpha)[0]:
        steps = itertools.pairwise([TOKEN_0, *h.tokens])
        assert_close(h.token_scores, [table[a, b].item() for a, b in steps])
        if h.finished:
            assert_close(h.score, sum(h.token_scores) / len(h.tokens) ** alpha)
            assert h.tokens[-1] == END
            assert len(h.tokens) <= max_length


def test_no_way_to_end_gives_the_prefix_unfinished():
    table = torch.tensor([[0.0, -torch.inf], [0.0, -torch.inf]])
    [[found]] = search(table, beam=2, max_length=3)
    assert (found.tokens, found.finished, found.exact) == ([0, 0], False, False)
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    [[found]] = greedy_search(step, torch.zeros(1), bos=TOKEN_0, eos=END, max_length=3)
    assert (found.tokens, found.finished) == ([0, 0], False)


def test_a_model_that_gives_nan_is_given_up_at_the_limit():
    table = torch.full((3, 3), torch.nan)
    [best] = search(table, beam=2, max_length=4)[0]
    assert not best.finished
    assert not best.exact


def test_max_length_is_one_for_all_or_one_for_each():
    table = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
    found = search(table, sentences=2, beam=1, max_length=torch.tensor([2, 4]), length_penalty=-1)
    assert [[len(h.tokens) for h in nbest] for nbest in found] == [[2], [4]]
    assert found[0] == search(table, beam=1, max_length=2, length_penalty=-1)[0]


def models():
    """Small recurrent models with sharp outputs, in float64 so that ties are real ties."""
    size = {"embedding_size": 8, "hidden_size": 12, "dropout": 0.0}
    additive = AttentionShape(score="additive", mapping="entmax15")
    for encoder, decoder in (
        (RNNEncoderShape(**size), RNNDecoderShape(**size)),
        (
            RNNEncoderShape(layers=2, **size),
            RNNDecoderShape(
                cell="lstm",
                layers=2,
                attend="before",
                attention=additive,
                input_feeding=False,
                **size,
            ),
        ),
    ):
        torch.manual_seed(1)
        model = Architecture(encoder=encoder, decoder=decoder).build(9).double().eval()
        torch.nn.init.normal_(model.output.layer.weight, std=2.0)
        yield model


MODELS = list(models())


def translate(model, sources, searcher):
    lengths = torch.tensor([len(source) for source in sources])
    padded = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(source) for source in sources], batch_first=True, padding_value=PAD
    )
    with torch.inference_mode():
        state = model.encode(padded, lengths)
    limit = 2 * lengths + 3
    return searcher(
        model.step, state, bos=BOS, eos=EOS, max_length=limit, alignment=model.alignment
    )


def five_best(*args, **options):
    return beam_search(*args, beam=5, **options)


@settings(max_examples=25)
@given(
    st.sampled_from(MODELS),
    st.sampled_from([five_best, greedy_search]),
    st.lists(st.lists(st.integers(4, 8), min_size=1, max_size=7), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_sentence_is_searched_as_if_it_were_alone(model, searcher, sources, random):
    """The same n-best alone, in any batch, in any order, under any padding."""
    order = list(range(len(sources)))
    random.shuffle(order)
    shuffled = translate(model, [sources[i] for i in order], searcher)
    for place, i in enumerate(order):
        [alone] = translate(model, [sources[i]], searcher)
        together = shuffled[place]
        assert [h.tokens for h in together] == [h.tokens for h in alone]
        assert_close([h.score for h in together], [h.score for h in alone], rtol=0, atol=1e-9)
        assert [h.exact for h in together] == [h.exact for h in alone]
        width = len(sources[i])
        for a, b in zip(together, alone, strict=True):
            assert_close(a.alignment[:, :width], b.alignment, rtol=0, atol=1e-9)
            assert not a.alignment[:, width:].any()


@pytest.mark.parametrize("model", MODELS)
def test_beam_scores_are_those_of_the_full_pass(model):
    source = [4, 5, 6, 7]
    for h in translate(model, [source], five_best)[0]:
        prefix = torch.tensor([[BOS, *h.tokens[:-1]]])
        with torch.inference_mode():
            logits = model(torch.tensor([source]), torch.tensor([4]), prefix)
        scores = logits.log_softmax(-1)[0].gather(1, torch.tensor(h.tokens)[:, None])[:, 0]
        assert_close(torch.tensor(h.token_scores).double(), scores, rtol=0, atol=1e-6)


def test_no_sentences_no_hypotheses():
    assert search(torch.zeros(2, 2), sentences=0, beam=2, max_length=3) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"beam": 0}, "beam must be > 0, got 0"),
        ({"beam": 2, "nbest": 3}, r"nbest must be from 1 to beam \(2\), got 3"),
        ({"max_length": 0}, "max_length must be >= 1, got 0"),
        (
            {"max_length": torch.tensor([1, 2])},
            r"max_length must be one number or have shape \(1,\)",
        ),
    ],
)
def test_errors_name_the_argument(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        search(torch.zeros(2, 2), **({"max_length": 3, "beam": 2} | options))


def test_hypotheses_are_plain_data():
    best = search(torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log(), beam=1, max_length=2)[0][0]
    assert isinstance(best, Hypothesis)
    assert isinstance(best.score, float)
    assert all(isinstance(token, int) for token in best.tokens)


def reward(log_probs, context):
    """2 more for token 3."""
    log_probs = log_probs.clone()
    log_probs[..., 3] += 2.0
    return log_probs


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_no_bound_holds_where_a_token_is_rewarded(beam):
    table = table_of(4, _0={END: 0.6, 2: 0.4}, _2={3: 0.9, END: 0.1}, _3={END: 1.0})
    options = {"length_penalty": 0.0, "nbest": 1, "adjustments": [reward]}
    [best] = search(table, beam=beam, max_length=5, **options)[0]
    assert best.tokens == [2, 3, END]
    assert best.score == pytest.approx(math.log(0.4 * 0.9) + 2)
    assert best.exact == (beam > 1)  # a beam of one drops something


def test_an_adjustment_that_says_so_keeps_the_bound():
    def less(log_probs, context):
        return log_probs - 1

    table = table_of(4, _0={END: 0.6, 2: 0.4}, _2={3: 0.9, END: 0.1}, _3={END: 1.0})
    lengths = []
    for less.rewards in (True, False):
        steps = []
        options = {"length_penalty": 0.0, "nbest": 1, "adjustments": [less]}
        search(table, beam=1, max_length=5, observe=steps.append, **options)
        lengths.append(len(steps))
    assert lengths[1] == 1 < lengths[0]


SEARCHERS = {
    "greedy": greedy_search,
    "beam": beam_search,
    "sample": functools.partial(sample, generator=0),
    "stochastic": functools.partial(stochastic_beam_search, beam=2, generator=0),
}


@pytest.mark.parametrize("searcher", SEARCHERS.values(), ids=SEARCHERS)
@pytest.mark.parametrize(
    ("table", "options", "complaint"),
    [
        (torch.ones(4, 4), {}, "step must return log-probabilities, at most 0, got 1"),
        (torch.zeros(4, 4), {"eos": 4}, "eos must be an id from 0 to 3, got 4"),
        (torch.zeros(4, 4), {"eos": -1}, "eos must be an id from 0 to 3, got -1"),
    ],
)
def test_every_search_refuses_what_no_model_gives(searcher, table, options, complaint):
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    with pytest.raises(ValueError, match=complaint):
        searcher(step, torch.zeros(1), **{"bos": 0, "eos": END, "max_length": 4, **options})


@pytest.mark.parametrize("searcher", [greedy_search, beam_search, sample])
@pytest.mark.parametrize("penalty", [math.nan, math.inf, 90.0, -90.0])
def test_a_length_penalty_that_scores_cannot_hold_is_refused(searcher, penalty):
    table = table_of(3, _0={2: 1.0}, _2={END: 0.5, 2: 0.5})
    step = lambda tokens, state: (table[tokens], state)  # noqa: E731
    options = {"bos": 0, "eos": END, "max_length": 9}
    with pytest.raises(ValueError, match="length_penalty must"):
        searcher(step, torch.zeros(1), length_penalty=penalty, **options)
    # as great as it may be, with impossible tokens
    [found, *_] = searcher(step, torch.zeros(1), length_penalty=30.0, **options)[0]
    assert -1 < found.score <= 0


@pytest.mark.parametrize("searcher", SEARCHERS.values(), ids=SEARCHERS)
def test_every_search_ends_where_a_model_gives_nan(searcher):
    step = lambda tokens, state: (torch.full((len(tokens), 3), torch.nan), state)  # noqa: E731
    [[found, *_]] = searcher(step, torch.zeros(1), bos=0, eos=END, max_length=4)
    assert not found.exact
