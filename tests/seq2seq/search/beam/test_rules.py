"""Beam search under every rule: right where brute force can tell, and as the projects have it."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from huashi.seq2seq.search import PRESETS, MinLength, Rules, beam_search, rules_of

START, END = 0, 1  # of the table models: what the first step reads, and what ends a sequence
SOURCE = 3  # positions that the tables attend to


@st.composite
def tables(draw, biggest=4):
    """Log-probabilities from token to token, some of them -inf."""
    size = draw(st.integers(2, biggest))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    logits = 2 * torch.randn(size, size, generator=generator, dtype=torch.double)
    impossible = torch.rand(size, size, generator=generator) < draw(st.sampled_from([0, 0.4]))
    impossible[:, START] = False
    return logits.masked_fill(impossible, -torch.inf).log_softmax(-1)


def attention_of(table):
    """Attention of each token to the source, as sure as it may be."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(table), SOURCE, generator=generator).double().mul(2).softmax(-1)


def search(table, **options):
    attends = attention_of(table)

    def step(tokens, state):
        return table[tokens], tokens

    options = {"bos": START, "eos": END, "alignment": lambda tokens: attends[tokens], **options}
    return beam_search(step, torch.zeros(1, dtype=torch.long), **options)[0]


def score_of(table, tokens, rules, reference):
    """By the definition, of one sequence."""
    ways = list(itertools.pairwise([START, *tokens]))
    total, n = sum(table[a, b].item() for a, b in ways), len(tokens)
    lp = ((rules.length_base + n + rules.length_offset) / (rules.length_base + 1)) ** (
        rules.length_penalty
    )
    seen = sum(attention_of(table)[a] for a, _ in ways).tolist()
    coverage = {
        "log": sum(math.log(min(c, 1)) for c in seen),
        "excess": -sum(max(c - 1, 0) for c in seen),
    }[rules.coverage]
    brevity = min(0, 1 - reference / n)
    return total / lp + rules.coverage_penalty * coverage + rules.brevity_penalty * brevity


def all_sequences(table, max_length, rules, reference):
    """Every possible sequence with its score, best first, by trying them all."""
    others = [token for token in range(len(table)) if token != END]
    found = []
    for length in range(1, max_length + 1):
        for body in itertools.product(others, repeat=length - 1):
            score = score_of(table, [*body, END], rules, reference)
            if score > -math.inf:
                found.append((score, [*body, END]))
    return sorted(found, reverse=True)


RULES = st.builds(
    Rules,
    candidates=st.sampled_from([1, 2]),
    finish=st.sampled_from(["beam", "any"]),
    keep=st.sampled_from(["nbest", "beam"]),
    length_penalty=st.sampled_from([-0.5, 0.0, 0.6, 1.0, 2.0]),
    length_base=st.sampled_from([0.0, 1.0, 5.0]),
    length_offset=st.sampled_from([0, 1]),
    coverage=st.sampled_from(["log", "excess"]),
    coverage_penalty=st.sampled_from([0.0, 0.2, 1.0]),
    brevity_penalty=st.sampled_from([0.0, 0.5]),
)


@given(tables(), st.integers(1, 5), RULES, st.integers(1, 6))
def test_a_wide_beam_finds_what_brute_force_finds(table, max_length, rules, reference):
    wanted = all_sequences(table, max_length, rules, reference)
    options = {"rules": rules, "reference_lengths": torch.tensor([float(reference)])}
    found = search(table, beam=400, max_length=max_length, **options)
    if not wanted:
        assert [h.finished for h in found] == [False]
        return
    assert_close([h.score for h in found], [score for score, _ in wanted])
    assert sorted(h.tokens for h in found) == sorted(tokens for _, tokens in wanted)
    assert all(h.exact and h.finished for h in found)


PRUNED = st.builds(replace, RULES, prune=st.sampled_from([None, 0.5, 3.0]))
ANY_RULES = st.builds(
    replace,
    PRUNED,
    keep=st.sampled_from(["nbest", "beam", "first"]),
    stop=st.sampled_from(["safe", "estimate", "count", "top", "count_or_top"]),
    limit=st.sampled_from(["end", "cut"]),
    patience=st.sampled_from([0.5, 1.0, 2.0]),
)


@given(tables(), st.integers(1, 5), ANY_RULES, st.integers(1, 4))
def test_exact_is_a_proof_under_any_rules(table, max_length, rules, beam):
    wanted = all_sequences(table, max_length, rules, reference=4.0)
    options = {"rules": rules, "reference_lengths": 4.0}
    found = search(table, beam=beam, max_length=max_length, **options)
    scores = [h.score for h in found if h.finished]
    assert scores == sorted(scores, reverse=True)
    for rank, hypothesis in enumerate(h for h in found if h.finished):
        assert_close(hypothesis.score, score_of(table, hypothesis.tokens, rules, 4.0))
        if hypothesis.exact:
            assert_close(hypothesis.score, wanted[rank][0])


W1, W2, FILL = 1, 2, 3
WORKED = [  # fairseq's test of its sequence generator: EOS, w1, w2 after each prefix
    {
        (): (0.0, 0.9, 0.1),
        (W1,): (1.0, 0.0, 0.0),
        (W2,): (0.0, 0.9, 0.1),
        (W2, W1): (0.0, 0.1, 0.9),
        (W2, W2): (0.6, 0.2, 0.2),
        (W2, W1, W2): (1.0, 0.0, 0.0),
        (W2, W1, W1): (1.0, 0.0, 0.0),
    },
    {
        (): (0.0, 0.7, 0.3),
        (W1,): (0.25, 0.35, 0.4),
        (W2,): (0.0, 0.1, 0.9),
        (W1, W2): (0.6, 0.4, 0.0),
        (W2, W2): (0.01, 0.0, 0.99),
        (W2, W2, W2): (0.1, 0.5, 0.4),
        (W1, W2, W1): (1.0, 0.0, 0.0),
    },
]


def worked_step(tokens, state):
    sentences, prefixes = state
    prefixes = torch.cat([prefixes, tokens[:, None]], 1)
    rows = [
        WORKED[sentence].get(tuple(prefix[1:]), (1.0, 0.0, 0.0))
        for sentence, prefix in zip(sentences.tolist(), prefixes.tolist(), strict=True)
    ]
    return torch.tensor(rows).log(), (sentences, prefixes)


@pytest.mark.parametrize(
    ("options", "wanted"),  # tokens less EOS, and the probability of each token
    [
        (
            {},
            [
                [([W1], [0.9, 1]), ([W2, W1, W2], [0.1, 0.9, 0.9, 1])],
                [([W1, W2, W1], [0.7, 0.4, 0.4, 1]), ([W1, W2], [0.7, 0.4, 0.6])],
            ],
        ),
        (
            {"length_penalty": 0.0},
            [
                [([W1], [0.9, 1]), ([W2, W1, W2], [0.1, 0.9, 0.9, 1])],
                [([W1, W2], [0.7, 0.4, 0.6]), ([W1, W2, W1], [0.7, 0.4, 0.4, 1])],
            ],
        ),
        (
            {"length_penalty": 0.6},
            [
                [([W1], [0.9, 1]), ([W2, W1, W2], [0.1, 0.9, 0.9, 1])],
                [([W1, W2], [0.7, 0.4, 0.6]), ([W1, W2, W1], [0.7, 0.4, 0.4, 1])],
            ],
        ),
        (
            {"length_penalty": 5.0},
            [
                [([W2, W1, W2], [0.1, 0.9, 0.9, 1]), ([W1], [0.9, 1])],
                [([W1, W2, W1], [0.7, 0.4, 0.4, 1]), ([W1, W2], [0.7, 0.4, 0.6])],
            ],
        ),
        (
            {"max_length": 3},
            [
                [([W1], [0.9, 1]), ([W2, W2], [0.1, 0.1, 0.6])],
                [([W1, W2], [0.7, 0.4, 0.6]), ([W2, W2], [0.3, 0.9, 0.01])],
            ],
        ),
    ],
)
def test_the_worked_example_of_fairseq(options, wanted):
    state = torch.arange(2), torch.empty(2, 0, dtype=torch.long)
    options = {"beam": 2, "bos": FILL, "eos": 0, "max_length": 9, "semantics": "fairseq", **options}
    alpha = options.get("length_penalty", 1.0)
    for found, expected in zip(beam_search(worked_step, state, **options), wanted, strict=True):
        assert [h.tokens for h in found] == [[*tokens, 0] for tokens, _ in expected]
        for hypothesis, (_, probabilities) in zip(found, expected, strict=True):
            scores = torch.tensor(probabilities).log()
            assert_close(torch.tensor(hypothesis.token_scores), scores)
            score = scores.sum().item() / len(scores) ** alpha
            assert hypothesis.score == pytest.approx(score, abs=1e-5)


def test_presets_can_be_changed_rule_by_rule():
    table = torch.tensor([[0.6, 0.4], [0.1, 0.9]]).double().log()
    options = {"beam": 2, "max_length": 3, "alignment": None}
    plain = search(table, semantics="fairseq", length_penalty=0.0, **options)
    assert plain == search(table, rules=replace(PRESETS["fairseq"], length_penalty=0.0), **options)


def test_rules_that_cut_give_what_stands_at_the_limit():
    table = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).double().log()
    cut = search(table, beam=1, max_length=3, semantics="hf")
    assert (cut[0].tokens, cut[0].finished, cut[0].exact) == ([0, 0, 0], False, False)
    whole = search(table, beam=1, max_length=3, semantics="fairseq")
    assert (whole[0].tokens, whole[0].finished) == ([0, 0, END], True)


def test_tensor2tensor_returns_what_is_alive_where_nothing_has_finished():
    """The corner case of its own test: the probabilities of two steps, 1 ends a sequence."""
    steps = torch.tensor([[0.2, 0.1, 0.7], [0.4, 0.1, 0.5]]).log()
    options = {"bos": 0, "eos": END, "max_length": 2, "semantics": "tensor2tensor"}

    def step(tokens, at):
        return steps[at], at + 1

    [[best]] = beam_search(step, torch.zeros(1, dtype=torch.long), beam=1, **options)
    assert (best.tokens, best.finished, best.exact) == ([2, 2], False, False)
    assert best.score == pytest.approx(math.log(0.7 * 0.5))
    ended = beam_search(step, torch.zeros(1, dtype=torch.long), beam=3, **options)[0]
    assert all(h.tokens[-1] == END for h in ended)


@pytest.mark.parametrize("semantics", ["hf", "ctranslate2", "tensor2tensor"])
def test_as_many_tokens_as_there_may_be_can_be_asked_for(semantics):
    table = torch.tensor([[0.1, 0.5, 0.4], [1 / 3] * 3, [0.1, 0.8, 0.1]]).double().log()
    options = {"beam": 3, "nbest": 1, "max_length": 3, "semantics": semantics}
    [best] = search(table, adjustments=[MinLength(3, count_eos=False)], **options)
    assert len(best.tokens) == 3
    assert END not in best.tokens
    [best] = search(table, adjustments=[MinLength(3)], **options)
    assert best.tokens.index(END) == 2


def test_patience_waits_for_more():
    """The better hypothesis is the longer one, which counting two does not wait for."""
    rows = {0: {END: 0.4, 2: 0.35, 3: 0.25}, 2: {END: 0.2, 3: 0.8}, 3: {END: 0.99, 2: 0.01}}
    table = torch.zeros(4, 4, dtype=torch.double)
    for token, row in rows.items():
        for after, probability in row.items():
            table[token, after] = probability
    rules = replace(PRESETS["fairseq"], length_penalty=1.0)
    hasty = search(table.log(), beam=2, max_length=6, rules=rules)
    patient = search(table.log(), beam=2, max_length=6, rules=replace(rules, patience=3.0))
    assert patient[0].score > hasty[0].score
    assert patient[0].tokens == [2, 3, END]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"semantics": "fairsek"}, "semantics must be one of .*; did you mean 'fairseq'"),
        ({"semantics": "gnmt", "alignment": None}, "alignment must be given for a coverage pen"),
        ({"rules": Rules(brevity_penalty=1.0)}, "reference_lengths must be given for a brevity"),
        ({"reference_lengths": torch.zeros(4)}, r"reference_lengths must be one number or have"),
    ],
)
def test_a_wrong_option_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        search(torch.zeros(2, 2), beam=2, max_length=3, **options)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"keep": "all"}, "keep must be one of"),
        ({"stop": "never"}, "stop must be one of"),
        ({"patience": 0}, "patience must be > 0, got 0"),
        ({"coverage_penalty": -1}, "coverage_penalty must be >= 0, got -1"),
        ({"length_penalty": math.nan}, "length_penalty must be finite, got nan"),
        ({"length_offset": -1}, "length_offset must leave a length above 0, got -1"),
    ],
)
def test_a_wrong_rule_is_refused(rule, complaint):
    with pytest.raises(ValueError, match=complaint):
        Rules(**rule)


def test_every_preset_searches():
    table = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]).double().log()
    for name in PRESETS:
        assert rules_of(name) is PRESETS[name]
        found = search(table, beam=3, max_length=8, semantics=name)
        assert found[0].score == max(h.score for h in found)
