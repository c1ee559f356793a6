"""The recipe `lm`, at toy size: a text becomes a writer with a score."""

import json
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from huashi.__main__ import main
from huashi.recipes import lm
from huashi.recipes._models import LANGUAGE_MODELS, model_named
from huashi.run import Run
from huashi.seq2seq import Architecture, RNNDecoderShape, TransformerDecoderShape, Translator
from huashi.seq2seq.architecture import describe
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.text.tokenizer import Tokenizer, train_tokenizer

LINE = "the quick brown fox jumps over the lazy dog"
SETTINGS = {
    "steps": 200,
    "batch_tokens": 512,
    "lr": 1e-2,
    "warmup": 10,
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "validate_every": 100,
    "threads": 1,
    "accelerator": "cpu",
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text").write_text(f"{LINE}\n" * 200)
    small = folder / "model.json"
    architecture = Architecture(
        encoder=None,
        decoder=RNNDecoderShape(
            embedding_size=16, hidden_size=48, attention=None, input_feeding=False, dropout=0.0
        ),
    )
    small.write_text(json.dumps(describe(architecture)))
    return lm.Config(
        text=(folder / "text",),
        folder=folder / "run",
        context=32,
        architecture=small,
        training=lm.Training(**SETTINGS),
    )


@pytest.fixture(scope="module")
def run(config):
    return lm.train(config)


def test_learns_to_write(run):
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["bits per character"] < 0.3
    assert scores["characters"] == 10 * (len(LINE) + 1) - 1  # the first one nothing predicts
    writer = LanguageModel.load(run)
    [text] = writer.sample("the quick", tokens=len(LINE) * 3, temperature=0.1)
    assert f"{LINE}\n{LINE}" in f"the quick{text}"
    assert "Samples" in run.path("report.html").read_text()
    assert lm.evaluate(run) == run.results


@pytest.mark.parametrize("kind", ["word", "bpe", "unigram"])
def test_words_and_subwords(tmp_path, config, kind):
    quick = replace(config.training, steps=100)
    run = lm.train(replace(config, tokenizer=kind, folder=tmp_path / "run", training=quick))
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["bits per character"] < 0.5
    assert scores["unknown tokens, %"] == 0
    assert len(run.results["samples"]) == 3
    writer = LanguageModel.load(run)
    [text] = writer.sample("the quick", tokens=6, temperature=0.1)
    assert LINE.startswith(f"the quick{text}"[: len(LINE)])
    assert text.startswith(" brown")


def test_unknown_words_are_counted(tmp_path, config):
    quick = replace(config.training, steps=2)
    few = replace(
        config, tokenizer="word", vocabulary_size=7, folder=tmp_path / "run", training=quick
    )
    run = lm.train(few)
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert 50 < scores["unknown tokens, %"] < 100
    [text] = LanguageModel.load(run).sample("unheard-of", tokens=3)
    assert text.startswith(" ")
    assert len(text.split()) == 3


def test_from_the_command_line(run, capsys):
    main(
        ["sample", str(run.folder), "--prompt", "the lazy", "--tokens", "4", "--temperature", "0.1"]
    )
    assert capsys.readouterr().out == "the lazy dog\n"[: len("the lazy dog")] + "\n"
    main(["evaluate", str(run.folder)])
    assert "bits per character" in capsys.readouterr().out


def test_samples_are_a_matter_of_the_seed(run):
    writer = LanguageModel.load(run)
    options = {"tokens": 20, "temperature": 3.0}
    three = writer.sample("the", samples=3, generator=5, **options)
    assert len(set(three)) == 3
    assert writer.sample("the", samples=2, generator=5, **options) == three[:2]
    assert writer.sample("the", generator=6, **options) != three[:1]
    with pytest.raises(ValueError, match=r"prompt must have at least one token .*, got ''"):
        writer.sample("")
    with pytest.raises(ValueError, match="tokens must be > 0, got 0"):
        writer.sample("the", tokens=0)


@pytest.fixture(params=["rnn", "transformer"])
def writer(request):
    tokenizer = train_tokenizer(["abcdefgh"], "character", 20)
    decoders = {
        "rnn": RNNDecoderShape(
            embedding_size=8, hidden_size=8, attention=None, input_feeding=False
        ),
        "transformer": TransformerDecoderShape(
            embedding_size=8,
            layers=1,
            heads=2,
            feed_forward_size=16,
            positions="learned",
            max_length=6,
        ),
    }
    model = Architecture(encoder=None, decoder=decoders[request.param]).build(len(tokenizer))
    return LanguageModel(model.double(), tokenizer, context=6)


def test_bits_are_those_of_each_token_after_what_a_window_shows(writer):
    text = "abcdefghhgfedcbaacegbdfh"
    ids = writer.tokenizer.encode(text)
    none = torch.zeros(1, 1, dtype=torch.long)
    total = 0.0
    with torch.no_grad():
        for place in range(1, len(ids)):
            first = 0 if place <= 6 else (place - 4) // 3 * 3  # windows begin every three tokens
            known = torch.tensor([ids[first:place]])
            assert 3 <= place - first <= 6 or first == 0
            logits = writer.model(none, none[:, 0] + 1, known)[0, -1]
            total -= logits.log_softmax(-1)[ids[place]].item()
    found = writer.bits_per_character(text, batch=2)
    assert_close(found, total / math.log(2) / (len(text) - 1))
    with pytest.raises(ValueError, match="text must have at least two tokens, got 1"):
        writer.bits_per_character("a")


def test_writes_on_beyond_its_context(writer):
    """Learned positions end at six tokens; the text does not."""
    [text] = writer.sample("abcdefghabc", tokens=40, generator=1)
    assert len(text) == 40
    counts = Counter(writer.sample("ab", tokens=1, samples=3000, generator=2))
    known = torch.tensor([writer.tokenizer.encode("ab")])
    none = torch.zeros(1, 1, dtype=torch.long)
    with torch.no_grad():
        p = writer.model(none, none[:, 0] + 1, known)[0, -1, 4:].softmax(-1)
    for token, share in zip("abcdefgh", p.tolist(), strict=True):
        assert_close(counts[token] / 3000, share, rtol=0, atol=0.04)


def test_lines_by_themselves_help_a_translator(tmp_path, config, dates_run):
    """A model of sentences has the vocabulary of a translator, and is fused with it."""
    (tmp_path / "dates").write_text(
        "".join(
            f"19{y:02}-0{m}-1{d}\n" for y in range(60, 80) for m in range(1, 9) for d in range(9)
        )
    )
    sentences = lm.Config(
        text=(tmp_path / "dates",),
        unit="line",
        tokenizer_of=dates_run.folder,
        architecture=config.architecture,
        folder=tmp_path / "run",
        training=lm.Training(**SETTINGS | {"steps": 150}),
    )
    run = lm.train(sentences)
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["perplexity"] < 6
    assert run.results["samples"] == []
    translator = Translator.load(dates_run, language_model=run, language_model_weight=0.1)
    assert translator.translate(["3. Mai 1979"]) == ["1979-05-03"]


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_every_model_has_a_learning_rate_and_takes_dropout(name):
    architecture, lr = model_named(name, dropout=0.5, models=LANGUAGE_MODELS)
    assert 0 < lr < 0.1
    assert architecture.decoder.dropout == 0.5
    assert architecture.build(40)


def replace_setting(name, value):
    return lm.Training(**SETTINGS | {name: value})


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"text": ()}, "text must name at least one file"),
        ({"unit": "word"}, "unit must be one of 'text', 'line'"),
        ({"unit": "line", "context": 64}, "context must not be given with unit line, .* got 64"),
        ({"training": replace_setting("max_length", 60)}, "max_length must not be given with unit"),
        ({"training": replace_setting("buffer", 2)}, "buffer must not be given with unit text"),
        ({"training": replace_setting("decay", 0.5)}, "decay must not be given with schedule cos"),
        ({"training": replace_setting("momentum", 0.5)}, "momentum must not be given with optimi"),
        ({"training": replace_setting("minimum_risk", 0.5)}, "minimum_risk must be 0 for a langu"),
        ({"tokenizer_of": "x", "tokenizer": "word"}, "tokenizer must not be given with tokenizer_"),
        ({"tokenizer_of": "x", "vocabulary_size": 9}, "vocabulary_size must not be given with tok"),
        ({"context": 10**6}, "context must be less than the .* tokens of the text, got 1000000"),
    ],
)
def test_wrong_input_is_refused(tmp_path, config, wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        lm.train(replace(config, folder=tmp_path / "run", **wrong))


def test_a_short_or_another_text_is_refused(tmp_path, config, run):
    (tmp_path / "short").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"text must have 20 lines .* got 2"):
        lm.train(replace(config, text=(tmp_path / "short",), folder=tmp_path / "run"))
    with pytest.raises(ValueError, match="must be the run of a language model"):
        LanguageModel.load(Run.start(tmp_path / "other", "dates", config, {"encoder": {}}))


def test_small_files_of_its_own_are_taken_and_empty_ones_told(tmp_path, config):
    quick = replace(config.training, steps=1, validate_every=1)
    for name, text in (("text", LINE), ("validation", "the fox"), ("test", "")):
        (tmp_path / name).write_text(text)
    own = {name: (tmp_path / name,) for name in ("text", "validation", "test")}
    small = replace(config, folder=tmp_path / "run", training=quick, **own)
    with pytest.raises(ValueError, match=r"test must hold text, got none in .*test$"):
        lm.train(small)
    (tmp_path / "test").write_text("fox\n")
    words = replace(small, tokenizer="word", context=4)
    with pytest.raises(ValueError, match=r"test must have at least two tokens, got 1 in .*test$"):
        lm.train(words)
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()
    assert list(lm.part_of(small, "train")) == [f"{LINE}\n"]  # one line is enough
    (tmp_path / "text").write_text("")
    with pytest.raises(ValueError, match=r"text must hold text, got none in .*text$"):
        lm.train(small)


@pytest.mark.parametrize("unit", ["text", "line"])
def test_blank_lines_and_runs_of_spaces_are_no_part_of_what_words_cost(tmp_path, config, unit):
    """A model of words predicts neither, so that neither makes a word or a character cheaper."""
    quick = replace(config.training, steps=1, validate_every=1)
    words = replace(config, tokenizer="word", unit=unit, training=quick)
    run = lm.train(replace(words, folder=tmp_path / "run", context=32 if unit == "text" else 128))
    found = []
    for end, space in (("\n", " "), ("\n" * 9, "   ")):
        (tmp_path / "data").write_text(f"{LINE}{end}".replace(" ", space) * 5)
        rows = lm.evaluate(run, text=[tmp_path / "data"])["scores"]
        found.append({row["measure"]: row["value"] for row in rows})
    assert found[0] == found[1]
    assert found[0]["perplexity of a word"] == found[0]["perplexity of a token"]
    known = "ends of lines are no tokens" if unit == "text" else "the end of each sentence"
    assert known in found[0]["counted as words"]
    characters = 5 * (len(LINE) + 1) - (unit == "text") * len("the ")
    assert found[0]["characters"] == characters


def test_files_of_its_own_to_validate_and_test_on(tmp_path, config, huashi):
    for name, count in (("validation", 3), ("test", 2)):
        (tmp_path / name).write_text(f"{LINE}\n" * count)
    quick = replace(config.training, steps=2, validate_every=1)
    own = {"validation": (tmp_path / "validation",), "test": (tmp_path / "test",)}
    parts = {name: list(lm.part_of(replace(config, **own), name)) for name in ("train", *own)}
    assert {name: len(pieces) for name, pieces in parts.items()} == {
        "train": 200,
        "validation": 3,
        "test": 2,
    }
    for alone, rest in (("validation", "test"), ("test", "validation")):
        one = replace(config, **{alone: own[alone]})
        assert [len(list(lm.part_of(one, name))) for name in ("train", rest)] == [190, 10]
    run = lm.train(replace(config, folder=tmp_path / "run", training=quick, **own))
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    bits = scores["bits per character"] * scores["characters"]
    assert (scores["characters"], scores["words"]) == (2 * 44 - 1, 2 * 10)
    assert_close(math.log2(scores["perplexity of a word"]), bits / 20, rtol=1e-3, atol=0)
    assert_close(
        math.log2(scores["perplexity of a token"]), bits / scores["tokens"], rtol=1e-3, atol=0
    )
    (tmp_path / "test").write_text("the lazy fox\n")
    code, out, _ = huashi("evaluate", run.folder, "--data", tmp_path / "test")
    assert code == 0
    assert "characters 12" in " ".join(out.split())
    (tmp_path / "test").write_text("")
    assert huashi("evaluate", run.folder, "--data", tmp_path / "test")[::2][0] == 2
    code, _, err = huashi("evaluate", run.folder, "--data", tmp_path / "test", "--beam", 2)
    assert (code, err) == (2, "huashi: beam must not be given for a language model, got 2\n")
    code, _, err = huashi("evaluate", run.folder, "--beam", 2)
    assert (code, err) == (2, "huashi: beam must not be given without data, got 2\n")


def test_a_sentence_by_itself_ends_in_a_token_of_its_own(tmp_path, config):
    quick = replace(config.training, steps=2, validate_every=1)
    lines = replace(
        config, unit="line", tokenizer="word", context=128, folder=tmp_path / "run", training=quick
    )
    scores = {row["measure"]: row["value"] for row in lm.train(lines).results["scores"]}
    assert scores["words"] == scores["tokens"] == 10 * 10  # as it is counted for PTB
    assert_close(scores["perplexity of a word"], scores["perplexity"], rtol=1e-3, atol=0)


def test_no_running_text_from_a_model_of_lines(run, config, tmp_path, huashi):
    lines = replace(config.training, steps=1)
    one = lm.train(replace(config, unit="line", context=128, folder=tmp_path / "r", training=lines))
    with pytest.raises(ValueError, match="language model of running text, got one of lines"):
        LanguageModel.load(one)
    for command in (["sample", run.folder], ["evaluate", run.folder], ["evaluate", one.folder]):
        code, out, err = huashi(*command, "--device", "foo")
        assert (code, out) == (2, "")
        assert "huashi: device must be one of this machine, got foo: " in err


def test_a_long_prompt_costs_no_more_memory_than_its_length(run):
    """Of a model with input feeding and without attention: the default of a decoder alone."""
    shape = RNNDecoderShape(embedding_size=4, hidden_size=6, attention=None)
    tokenizer = Tokenizer.load(run.path("tokenizer.json"))
    model = Architecture(encoder=None, decoder=shape).build(len(tokenizer))
    writer = LanguageModel(model, tokenizer, context=8)
    assert writer.sample(f"{LINE}\n" * 4, tokens=3)
    assert writer.bits_per_character(f"{LINE}\n" * 4) > 0


def test_a_run_begins_with_the_weights_of_another(run, config, tmp_path, capsys):
    """What the other run has learned is there at once, beside a character that it did not know."""
    (tmp_path / "new").write_text(f"{LINE}!\n" * 40)
    quick = replace(config.training, steps=1, validate_every=1, lr=1e-9)
    begun = replace(
        config,
        text=(tmp_path / "new",),
        init_from=run.folder,
        folder=tmp_path / "run",
        training=quick,
    )
    second = lm.train(begun)
    assert "and 1 new ones" in capsys.readouterr().err
    scores = {row["measure"]: row["value"] for row in second.results["scores"]}
    assert scores["bits per character"] < 1  # of which the new one has most
    before, after = (Tokenizer.load(one.path("tokenizer.json")) for one in (run, second))
    assert after.tokens(range(len(after))) == [*before.tokens(range(len(before))), "!"]
    with pytest.raises(ValueError, match="init_from must be a run of this architecture"):
        lm.train(replace(begun, folder=tmp_path / "other", architecture=None))
    with pytest.raises(ValueError, match=r"tokenizer must be character as in init_from .* got bpe"):
        lm.train(replace(begun, folder=tmp_path / "kind", tokenizer="bpe"))
    with pytest.raises(ValueError, match="init_from must be another run than that of the training"):
        lm.train(replace(begun, init_from=begun.folder))
    with pytest.raises(ValueError, match="tokenizer_of must not be given with init_from"):
        replace(begun, tokenizer_of=run.folder)
