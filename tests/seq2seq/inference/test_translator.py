"""From text to text with a trained model."""

import random

import pytest
import torch
from torch.testing import assert_close

from huashi.run import Run
from huashi.seq2seq import Translator
from huashi.seq2seq.text.metrics import text_scores


@pytest.fixture(scope="module")
def translator(dates_run):
    return Translator.load(dates_run.folder)


SOURCES = [
    "Donnerstag, 3. Mai 1979",
    "<en-US> 7/4/1976",
    "3 de mayo de 2011",
    "June 12, 1999",
    "☃",
    "x" * 90,
]


def test_translates_what_it_learned(translator):
    assert translator.translate(SOURCES[:4]) == [
        "1979-05-03",
        "1976-07-04",
        "2011-05-03",
        "1999-06-12",
    ]


def test_company_does_not_matter(translator):
    """Together, alone, shuffled, in small batches, float32: the same texts and scores."""
    options = {"beam": 4, "nbest": 4}
    together = translator.search(SOURCES, **options)
    order = random.Random(0).sample(range(len(SOURCES)), len(SOURCES))
    shuffled = translator.search([SOURCES[i] for i in order], batch_tokens=60, **options)
    for i, source in enumerate(SOURCES):
        [alone] = translator.search([source], **options)
        for other in (together[i], shuffled[order.index(i)]):
            assert [t.text for t in other] == [t.text for t in alone]
            assert_close([t.score for t in other], [t.score for t in alone], rtol=0, atol=1e-5)
            for a, b in zip(other, alone, strict=True):
                assert_close(a.alignment, b.alignment, rtol=0, atol=1e-4)


def test_a_translation_tells_how_it_came_about(translator):
    [[best, second]] = translator.search(["3. Mai 1979"], beam=5, nbest=2)
    assert best.text == "1979-05-03"
    assert best.finished
    assert best.score >= second.score
    assert best.source_tokens == [*"3. Mai 1979", "</s>"]
    assert best.tokens == [*"1979-05-03", "</s>"]
    assert_close(best.score, sum(best.token_scores) / len(best.tokens))
    assert best.alignment.shape == (11, 12)
    assert_close(best.alignment.sum(1), torch.ones(11))


def test_greedy_search_agrees_where_the_model_is_sure(translator):
    assert translator.translate(SOURCES[:4], beam=1) == translator.translate(SOURCES[:4])


def test_an_empty_source_has_an_empty_translation(translator):
    assert translator.translate(["", "3. Mai 1979", ""]) == ["", "1979-05-03", ""]
    assert translator.translate(["   ", "\u3000\t"]) == ["", ""]
    assert translator.translate([]) == []


def test_length_is_bounded(translator):
    [[cut]] = translator.search(["3. Mai 1979"], max_length=4)
    assert len(cut.tokens) == 4


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"beam": 0}, "beam must be > 0, got 0"),
        ({"beam": 3, "nbest": 4}, r"nbest must be from 1 to beam \(3\), got 4"),
        ({"max_length": 0}, "max_length must be > 0, got 0"),
    ],
)
def test_errors_name_the_argument(translator, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        translator.search(["3. Mai 1979"], **options)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_run_is_a_clear_error(dates_run, tmp_path, name):
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / file).write_bytes(dates_run.path(file).read_bytes())
    assert Translator.load(tmp_path).translate(["3. Mai 1979"]) == ["1979-05-03"]
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=name):
        Translator.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=name):
        Translator.load(tmp_path)


def test_a_model_of_another_shape_is_refused(dates_run, tmp_path):
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / file).write_bytes(dates_run.path(file).read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"hidden_size": 64', '"hidden_size": 32'))
    with pytest.raises(ValueError, match=r"model\.safetensors holds \(\d+.* where the model has"):
        Translator.load(Run(tmp_path))


def test_text_scores_name_their_signature():
    scores = text_scores(["the cat sat", "on a mat"], ["the cat sat", "on the mat"])
    assert scores["exact match, %"] == 50.0
    assert "tok:13a" in scores["BLEU signature"]
    assert "nc:6" in scores["chrF signature"]
    with pytest.raises(ValueError, match="found and wanted must have one length > 0, got 1 and 0"):
        text_scores(["a"], [])
