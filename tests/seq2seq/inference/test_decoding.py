"""Every choice of a search, through the translator, as a user makes it."""

import math
from contextlib import nullcontext

import pytest
import torch

from huashi.run import Run
from huashi.seq2seq import (
    Architecture,
    ConvDecoderShape,
    ConvEncoderShape,
    RNNDecoderShape,
    RNNEncoderShape,
    Tokenizer,
    train_tokenizer,
)
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.inference.decoding import Decoding, Wishes, decode
from huashi.seq2seq.inference.translator import Translator
from huashi.seq2seq.search import InTrie
from huashi.seq2seq.text.tokenizer import EOS

SOURCES = ["3. Mai 1979", "June 12, 1999", "3 de mayo de 2011"]


@pytest.fixture(scope="module")
def translator(dates_run):
    return Translator.load(dates_run.folder)


@pytest.mark.parametrize(
    "options",
    [
        {"semantics": "gnmt"},
        {"semantics": "hf", "length_penalty": 0.5},
        {"semantics": "fairseq", "patience": 2.0},
        {"semantics": "opennmt", "coverage_penalty": 0.2},
        {"semantics": "ctranslate2", "brevity_penalty": 0.3},
        {"groups": 2, "beam": 4, "diversity_discount": 0.5},
        {"sibling_rate": 0.1},
        {"min_length": 3, "max_length": 20},
        {"repetition_penalty": 1.01, "unknown_penalty": 5.0},
        {"method": "stochastic_beam", "temperature": 0.1},
        {"method": "sample", "temperature": 0.1, "top_k": 3},
        {"beam": 1},
    ],
    ids=str,
)
def test_a_sure_model_gives_its_answer_by_any_search(translator, options):
    best = translator.translate(SOURCES, **options)
    assert best == ["1979-05-03", "1999-06-12", "2011-05-03"]


@pytest.mark.parametrize("positions", [6, 70])
def test_outputs_are_no_longer_than_the_decoder_has_positions(positions):
    """Beyond them is an error, for a source or where it was asked for, and never by default."""
    size = {"embedding_size": 8, "dropout": 0.0}
    architecture = Architecture(
        encoder=ConvEncoderShape(layers=((8, 3),), attention_layers=1, positions=9, **size),
        decoder=ConvDecoderShape(layers=((8, 3),), positions=positions, **size),
    )
    tokenizer = train_tokenizer(["abcdefgh"], "character", 12)
    model = architecture.build(len(tokenizer))
    torch.nn.init.constant_(model.output.layer.bias[3:4], -99.0)  # it never ends by itself
    assert model.longest_target == positions
    translator = Translator(model, tokenizer)
    for method in ("beam", "sample"):
        [[found]] = translator.search(["abcde"], method=method)
        assert len(found.tokens) == min(positions, 2 * 6 + 50)
    with pytest.raises(ValueError, match=f"at most the {positions} positions"):
        translator.search(["abcde"], max_length=positions + 1)
    with pytest.raises(ValueError, match="source must have at most the 9 positions"):
        translator.search(["abcdefghabc"])


def test_what_is_suppressed_or_repeated_does_not_occur(translator):
    assert "9" not in translator.translate(SOURCES[:1], suppress=("9",))[0]
    text = translator.translate(SOURCES[:1], no_repeat_ngram=1)[0]
    assert len(set(text)) == len(text)


def test_prefixes_phrases_and_choices(translator):
    prefixes = ["20", "", "19"]
    begun = translator.translate(SOURCES, prefixes=prefixes)
    assert all(text.startswith(p) for text, p in zip(begun, prefixes, strict=True))
    assert begun[1] == "1999-06-12"
    assert translator.translate(SOURCES, prefixes=prefixes, prefix_bias=0.0)[0] == "1979-05-03"
    holding = translator.translate(SOURCES, phrases=[["77"], [], ["5", "88"]])
    assert "77" in holding[0]
    assert holding[1] == "1999-06-12"
    assert "88" in holding[2]
    choices = ["1979-05-04", "2011-05-03", "2011"]
    assert translator.translate(SOURCES[:1], choices=choices) == ["1979-05-04"]


def test_samples_of_a_source_are_its_own(translator):
    options = {"method": "sample", "nbest": 3, "temperature": 3.0, "keys": [7, 8, 9]}
    together = translator.search(SOURCES, **options)
    [alone] = translator.search(SOURCES[2:], **{**options, "keys": [9]})
    assert [t.text for t in together[2]] == [t.text for t in alone]
    assert len({t.text for best in together for t in best}) > 3
    other = translator.search(SOURCES, **options, seed=1)
    assert [t.text for t in other[0]] != [t.text for t in together[0]]


def test_a_search_can_be_looked_at(translator):
    considered, found = translator.explain(SOURCES[0], beam=3, nbest=2)
    by_number = {one.number: one for one in considered}
    ends = [one for one in considered if one.finished]
    assert found[0].score == max(one.score for one in ends)
    [best] = [one for one in ends if one.score == found[0].score]
    way = []
    while best is not None:
        way.append(best.token)
        best = by_number.get(best.parent)
    assert way[::-1] == found[0].tokens
    for one in considered:
        parent = by_number.get(one.parent)
        assert one.length == (1 if parent is None else parent.length + 1)
        assert parent is None or parent.kept
    assert sum(one.kept for one in considered if one.length == 2) == 3


def test_an_ensemble_of_a_model_with_itself_is_the_model(translator, dates_run):
    for mean in ("probabilities", "log_probabilities"):
        both = Translator.load(dates_run.folder, dates_run.folder, mean=mean)
        found, wanted = (t.search(SOURCES, nbest=3) for t in (both, translator))
        for some, others in zip(found, wanted, strict=True):
            assert [t.text for t in some] == [t.text for t in others]
            scores = torch.tensor([[t.score for t in best] for best in (some, others)])
            torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-5)


def test_a_language_model_has_a_say(dates_run, tmp_path):
    tokenizer = Tokenizer.load(dates_run.path("tokenizer.json"))
    decoder = RNNDecoderShape(embedding_size=8, hidden_size=8, attention=None)
    architecture = Architecture(encoder=None, decoder=decoder)
    model = architecture.build(len(tokenizer))
    torch.nn.init.zeros_(model.output.layer.weight)
    [wished] = tokenizer.ids("8")
    model.output.layer.bias.data.zero_()[wished] = 9.0  # it knows one word
    run = Run.start(tmp_path / "lm", "dates", Decoding(), describe(architecture))
    run.keep("tokenizer.json", tokenizer.to_json())
    run.save_model(model)
    options = {"language_model": run.folder, "language_model_weight": 9.0}
    fused = Translator.load(dates_run.folder, **options)
    assert "8888" in fused.translate(SOURCES[:1], max_length=12)[0]
    options["language_model_weight"] = 0.0
    assert Translator.load(dates_run.folder, **options).translate(SOURCES[:1]) == ["1979-05-03"]


def test_runs_with_other_tokenizers_do_not_go_together(dates_run, tmp_path):
    tokenizer = train_tokenizer(["abc"], "character")
    parts = {"encoder": RNNEncoderShape(), "decoder": RNNDecoderShape()}
    run = Run.start(tmp_path / "other", "dates", Decoding(), describe(Architecture(**parts)))
    run.keep("tokenizer.json", tokenizer.to_json())
    with pytest.raises(ValueError, match="other must have the tokenizer of"):
        Translator.load(dates_run.folder, run.folder)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"method": "bean"}, "method must be one of .*; did you mean 'beam'"),
        ({"nbest": 9}, r"nbest must be from 1 to beam \(5\), got 9"),
        ({"groups": 2}, "groups must divide the beam of 5, got 2"),
        ({"length_ratio": 0}, "length_ratio must be > 0, got 0"),
        ({"prefix_bias": 0.5}, "prefix_bias must not be given without prefixes"),
        ({"phrases_ordered": True}, "phrases_ordered must not be given without phrases"),
        ({"prefixes": ["a"]}, "prefixes must be 3, one a source, got 1"),
        ({"suppress": ("nosuch",)}, "token must be one of the vocabulary, got 'nosuch'"),
        ({"method": "sample", "phrases": [[], [], []]}, "method must be 'beam' for phrases"),
    ],
)
def test_a_wrong_choice_is_refused(translator, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        translator.search(SOURCES, **options)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"prefix_bias": 7.0}, "prefix_bias must be from 0 to 1, got 7.0"),
        ({"top_p": 7.0, "method": "sample"}, "top_p must be from 0 to 1, got 7.0"),
        ({"temperature": 0.0, "method": "sample"}, "temperature must be > 0, got 0.0"),
        ({"no_repeat_ngram": 0}, "no_repeat_ngram must be > 0, got 0"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be > 0, got 0.0"),
        ({"max_length": 0}, "max_length must be > 0, got 0"),
        ({"min_length": -3}, "min_length must be >= 0, got -3"),
        (
            {"min_length": 10, "max_length": 5},
            r"min_length must be at most max_length \(5\), got 10",
        ),
        ({"unknown_penalty": -1.0}, "unknown_penalty must be >= 0, got -1.0"),
        ({"diversity": -1.0}, "diversity must be >= 0, got -1.0"),
        ({"sibling_rate": -1.0}, "sibling_rate must be >= 0, got -1.0"),
        ({"length_penalty": float("nan")}, "length_penalty must be finite, got nan"),
        ({"coverage_penalty": -1.0}, "coverage_penalty must be >= 0, got -1.0"),
    ],
)
def test_a_number_out_of_its_range_is_refused_where_it_is_given(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        Decoding(**options)


@pytest.mark.parametrize(
    ("options", "need"),
    [
        ({"top_p": 0.5}, "unless method is 'sample', got 0.5 with 'beam'"),
        ({"temperature": 0.1}, "unless method is 'sample' or 'stochastic_beam', got 0.1"),
        ({"seed": 1}, "unless method is 'sample' or 'stochastic_beam', got 1"),
        ({"typical": 0.5, "method": "stochastic_beam"}, "unless method is 'sample', got 0.5"),
        ({"length_penalty": 0.5, "method": "stochastic_beam"}, "unless method is 'beam' or 'sampl"),
        ({"groups": 5, "method": "sample"}, "unless method is 'beam', got 5 with 'sample'"),
        ({"beam": 7, "method": "sample"}, "unless method is 'beam' or 'stochastic_beam', got 7"),
        ({"semantics": "hf", "method": "sample"}, "unless method is 'beam', got 'hf'"),
        ({"diversity": 0.7}, "without groups above 1"),
        ({"diversity_discount": 0.7, "sibling_rate": 0.1}, "without groups above 1"),
        ({"length_ratio": 1.2}, "without a brevity_penalty"),
        ({"patience": 3.0}, "without semantics that stop by count"),
        ({"patience": 3.0, "semantics": "hf"}, "without semantics that stop by count"),
        (
            {"patience": 3.0, "semantics": "ctranslate2", "length_penalty": 0.0},
            "without semantics that stop by count",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(options, need):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must not be given {need}"):
        Decoding(**options)


def test_a_preferred_prefix_mixes_with_what_bans_have_left():
    """p' = (1 - b) p + b [w], where EOS is forbidden at first and p sums to 1 again."""
    p = torch.tensor([0.0, 0.0, 0.0, 0.3, 0.2, 0.5])

    class Model(torch.nn.Module):
        def step(self, tokens, state):
            return p.log().expand(len(tokens), -1), state

        def alignment(self, state):
            return torch.ones(len(state), 1)

    options = {"beam": 3, "nbest": 3, "min_length": 2, "max_length": 2, "prefix_bias": 0.5}
    search = (Model(), torch.zeros(1), torch.tensor([1]), train_tokenizer(["a"], "character"))
    for semantics, four in (("ctranslate2", 0.5 * 0.2 / 0.7 + 0.5), ("hf", 0.5 * 0.2 + 0.5)):
        decoding = Decoding(semantics=semantics, **options)
        [found] = decode(*search, decoding, Wishes(prefixes=[[4]]))
        first = {h.tokens[0]: h.token_scores[0] for h in found}
        assert first[4] == pytest.approx(math.log(four))
    decoding = Decoding(semantics="ctranslate2", **options)
    [found] = decode(*search, decoding, Wishes(prefixes=[[4]], choices=InTrie([[5]])))
    assert [h.tokens for h in found] == [[5, EOS]]  # the prefix is none of the choices


def test_a_text_is_no_list_of_texts(translator):
    for options in ({}, {"prefixes": "1979-05-0"}, {"phrases": ["1", "2", "3"]}, {"choices": "1"}):
        sources = SOURCES if options else "3. Mai 1979"
        with pytest.raises(TypeError, match="must be a list of texts, got one: '"):
            translator.translate(sources, **options)
    with pytest.raises(TypeError, match="suppress must be a list of texts, got one: '9'"):
        Decoding(suppress="9")
    with pytest.raises(TypeError, match="texts must be a list of texts, got one: 'ein Haus'"):
        train_tokenizer("ein Haus")


def test_unknown_options_are_refused(translator):
    with pytest.raises(TypeError, match="beem"):
        translator.search(SOURCES, beem=3)


@pytest.mark.parametrize("attention", [None, AttentionShape()])
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"coverage_penalty": 0.5}, "coverage_penalty must be 0"),
        ({"semantics": "gnmt"}, "coverage_penalty must be 0 .* got 0.2"),
        ({"replace_unknown": True}, "replace_unknown must be False"),
        ({"replace_unknown": True, "method": "sample"}, "replace_unknown must be False"),
    ],
    ids=str,
)
def test_what_needs_attention_is_refused_without_it(options, name, attention):
    tokenizer = train_tokenizer(SOURCES, "character")
    architecture = Architecture(
        encoder=RNNEncoderShape(embedding_size=8, hidden_size=8),
        decoder=RNNDecoderShape(embedding_size=8, hidden_size=8, attention=attention),
    )
    model = Translator(architecture.build(len(tokenizer)), tokenizer)
    assert model.search(["Mai"], max_length=3)
    refused = nullcontext() if attention else pytest.raises(ValueError, match=name)
    with refused:
        model.search(["Mai"], max_length=3, **options)
    if not attention and options.get("semantics"):
        assert model.search(["Mai"], max_length=3, coverage_penalty=0.0, **options)
