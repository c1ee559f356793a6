"""The recipe `translate`: the files that it reads, what it holds out, and what has changed since."""

import os
from dataclasses import replace

import pytest

from huashi.recipes import _translation, translate
from huashi.seq2seq import Translator
from huashi.seq2seq.training import Store
from tests.recipes.small_translator import TRAINING, small_config, write


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("corpus"))


def test_corpora_that_have_changed_are_refused(tmp_path, config):
    source, target = write(tmp_path, 60, 1)
    quick = replace(TRAINING, steps=2, validate_every=1, save_every=1, batch_tokens=60)
    toy = replace(
        config, source=(source,), target=(target,), folder=tmp_path / "run", training=quick
    )
    run = translate.train(toy)
    run.path("results.json").unlink()  # as if it had been interrupted
    translate.train(toy)
    run.path("results.json").unlink()
    source.write_text(source.read_text().replace("one", "won"))
    with pytest.raises(
        ValueError, match=r"must go on with the files that it was made of, got [^,]*1\.en changed"
    ):
        translate.train(toy)


def test_validation_files_that_have_changed_are_refused(tmp_path, config):
    held = write(tmp_path, 9, 4)
    quick = replace(TRAINING, steps=1, validate_every=1)
    toy = replace(
        config,
        validation_source=held[:1],
        validation_target=held[1:],
        folder=tmp_path / "run",
        training=quick,
    )
    translate.train(toy).path("results.json").unlink()  # as if it had been interrupted
    held[0].write_text("one\n" * 9)
    with pytest.raises(ValueError, match=r"go on with the files .* got [^,]*4\.en changed"):
        translate.train(toy)


def test_what_a_try_that_failed_has_prepared_is_not_of_another(tmp_path, config, capsys):
    """First with validation files and vocabularies apart, then with pairs held out and one."""
    quick = replace(TRAINING, steps=1, validate_every=1)
    first = replace(config, joint=False, tokenizer="character", folder=tmp_path / "run")
    short = replace(quick, batch_tokens=5)  # which fails once the tokens are written
    with pytest.raises(ValueError, match="batch_tokens must be >= 13"):
        translate.train(replace(first, architecture=None, model="rnn", training=short))
    assert (tmp_path / "run" / "target_tokenizer.json").exists()
    nothing = {"validation_source": (), "validation_target": ()}
    again = replace(config, folder=tmp_path / "run", training=quick, **nothing)
    run = translate.train(again)
    assert "588 pairs" in capsys.readouterr().err
    assert len(Translator.load(run).tokenizer.encode("one two")) == 2
    assert not run.path("target_tokenizer.json").exists()


def test_a_pipe_is_refused_by_its_name(tmp_path, config):
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(ValueError, match=r"read more than once, got .*pipe\.tsv"):
        translate.train(
            replace(config, source=(tmp_path / "pipe.tsv",), target=(), folder=tmp_path / "run")
        )


def test_swapped_languages_are_noticed(tmp_path, config):
    swapped = {
        "validation_source": config.validation_target,
        "validation_target": config.validation_source,
    }
    with pytest.raises(ValueError, match="validation_source and validation_target must be in the"):
        translate.train(replace(config, folder=tmp_path / "run", **swapped))


def test_pairs_that_are_too_long_are_counted(tmp_path, config, capsys):
    quick = replace(TRAINING, steps=1, validate_every=1, max_length=3)
    translate.train(replace(config, folder=tmp_path / "run", training=quick))
    sources = config.source[0].read_text().splitlines()
    longer = sum(len(line.split()) > 3 for line in sources)
    assert (
        f"600 pairs, {longer} of them longer than 3 tokens and left out" in capsys.readouterr().err
    )


def test_without_validation_pairs_are_held_out(tmp_path, config):
    quick = replace(TRAINING, steps=1, validate_every=1)
    nothing = {
        f"{name}_{side}": () for name in ("validation", "test") for side in ("source", "target")
    }
    run = translate.train(replace(config, folder=tmp_path / "run", training=quick, **nothing))
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["pairs"] == 600 / 50


def test_pairs_are_held_out_of_all_corpora_with_their_alignments(tmp_path, config):
    corpora = [write(tmp_path, count, seed) for count, seed in ((60, 5), (101, 6))]
    lines = [source.read_text().splitlines() for source, _ in corpora]
    for seed, texts in zip((5, 6), lines, strict=True):
        links = "".join(f"{len(text.split()) - 1}-0\n" for text in texts)
        (tmp_path / f"{seed}.links").write_text(links)
    quick = replace(TRAINING, steps=1, validate_every=1, guided_alignment=1.0, threads=1)
    nothing = dict.fromkeys(
        ("validation_source", "validation_target", "test_source", "test_target"), ()
    )
    several = replace(
        config,
        source=tuple(source for source, _ in corpora),
        target=tuple(target for _, target in corpora),
        alignments=(tmp_path / "5.links", tmp_path / "6.links"),
        folder=tmp_path / "run",
        training=quick,
        **nothing,
    )
    run = translate.train(several)  # a link of another pair would be of a token that it lacks
    pairs = translate.corpus(several).pairs("test")
    assert [pair.source for pair in pairs] == lines[0][::50] + lines[1][::50]
    store = Store(run.path("train.tokens"))
    assert len(store) == 60 - 2 + 101 - 3
    for source, _, links in store.records(range(len(store))):
        assert links.tolist() == [len(source) - 1, 0]
    run.path("held_out.json").unlink()  # as one of an earlier version has none
    assert not _translation.spreads_held_out(run.folder)
    pairs = translate.corpus(several, spread=False).pairs("test")
    assert [pair.source for pair in pairs] == (lines[0] + lines[1])[::50]


def test_columns_and_fields_say_where_the_two_sides_stand(tmp_path, config):
    (tmp_path / "a.tsv").write_text("V;PST\trun\tran\nV;PRS\tgo\tgoes\n")
    (tmp_path / "b.jsonl").write_text('{"en": "one", "de": "eins"}\n')
    places = {"columns": (1, 2), "fields": ("en", "de")}
    both = translate.Config(source=(tmp_path / "a.tsv", tmp_path / "b.jsonl"), **places)
    assert list(both.pairs()) == [("run", "ran"), ("go", "goes"), ("one", "eins")]
