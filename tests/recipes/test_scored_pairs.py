"""What is wrong with the files of a training is said before its first step."""

import json
from dataclasses import replace

import pytest

from huashi.recipes import _translation, translate
from huashi.run import Run
from huashi.seq2seq.architecture import Architecture, describe
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.models.rnn import RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape
from huashi.seq2seq.training import Store, Training, fit

SIZE = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.0}
NARROW = {"embedding_size": 8, "layers": 1, "heads": 2, "feed_forward_size": 8}
QUICK = Training(
    steps=2,
    validate_every=2,
    save_every=1,
    batch_tokens=200,
    max_length=9,
    threads=1,
    accelerator="cpu",
)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def without_reports(monkeypatch):
    """Pictures take longer than these trainings."""
    monkeypatch.setattr(_translation, "write_report", lambda run, results: None)


def rnn():
    attention = AttentionShape(score="scaled_dot")
    decoder = RNNDecoderShape(attention=attention, input_feeding=False, **SIZE)
    return Architecture(encoder=RNNEncoderShape(**SIZE), decoder=decoder)


def transformer(encoder=None, **options):
    size = NARROW | options
    return Architecture(
        encoder=TransformerEncoderShape(**size | (encoder or {})),
        decoder=TransformerDecoderShape(**size),
    )


def write(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def config(tmp_path):
    lines = [f"w{i % 9} x{i % 5} y" for i in range(60)]
    write(tmp_path / "model.json", [json.dumps(describe(rnn()))])
    return translate.Config(
        source=(write(tmp_path / "a.src", lines),),
        target=(write(tmp_path / "a.tgt", [line.upper() for line in lines]),),
        folder=tmp_path / "run",
        tokenizer="word",
        architecture=tmp_path / "model.json",
        beam=1,
        training=QUICK,
    )


def has_trained(config):
    return (config.folder / "checkpoint.safetensors").exists()


def content(folder):
    """Every file of a run but the lock, which lives as long as the one who holds it."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def with_test(config, sources, targets, joint=True):
    folder = config.folder.parent
    own = {
        "test_source": (write(folder / "t.src", sources),),
        "test_target": (write(folder / "t.tgt", targets),),
    }
    return replace(config, joint=joint, **own)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize(
    ("sources", "targets", "complaint"),
    [
        (["w1"] * 1200, ["W1"] * 1100 + [" "] + ["W1"] * 99, r"t\.tgt:1101: target must not be"),
        (["w1"] * 3, ["W1"] * 2, r"t\.tgt:3: line must exist"),
        ([], [], "test must hold at least one pair, got none"),
    ],
)
def test_a_test_is_read_through_before_the_training(config, joint, sources, targets, complaint):
    faulty = with_test(config, sources, targets, joint)
    with pytest.raises(ValueError, match=complaint):
        translate.train(faulty)
    assert not has_trained(faulty)
    write(faulty.test_source[0], ["w1"])
    write(faulty.test_target[0], ["W1"])
    if joint:
        assert translate.train(faulty).results  # once it is mended


def test_a_test_without_a_tag_of_the_training_is_refused_before_it(config):
    tagged = replace(with_test(config, ["w1"], ["W1"]), tags=("<2de>",))
    with pytest.raises(ValueError, match=r"test_tags must be tags of the training, <2de>, .* 'w1'"):
        translate.train(tagged)
    assert not has_trained(config)


def test_a_test_beyond_the_learned_positions_is_refused_before_the_training(config):
    learned = transformer(positions="learned", max_length=12)
    write(config.architecture, [json.dumps(describe(learned))])
    with pytest.raises(ValueError, match=r"sources of the test must have at most 12 .* got 13 in"):
        translate.train(with_test(config, ["w1", "w1 " * 12], ["W1", "W1"]))
    assert not has_trained(config)


@pytest.mark.parametrize("lines", [[], ["one"]])
def test_a_corpus_with_nothing_to_train_on_is_told(config, lines):
    write(config.source[0], lines)
    write(config.target[0], lines)
    part = "source must hold .* pair to train on" if lines else "files of the training must hold"
    with pytest.raises(ValueError, match=f"{part}.* got none"):
        translate.train(config)


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_pair_is_as_long_as_its_longer_side(config, side, capsys):
    [path] = getattr(config, side)
    write(path, ["w1 " * 5000, *path.read_text().splitlines()[1:]])  # the first one is held out
    translate.train(config)
    told = " ".join(capsys.readouterr().err.split())
    assert "of 2 pairs of the validation 1 are longer than 9 tokens and left out" in told


def test_pairs_that_are_too_long_are_not_validated_on(config, capsys):
    for path in (config.source[0], config.target[0]):
        lines = path.read_text().splitlines()
        write(path, ["w1 " * 5000, *lines[1:]])  # the first one is held out
    run = translate.train(config)
    told = " ".join(capsys.readouterr().err.split())
    assert "of 2 pairs of the validation 1 are longer than 9 tokens and left out" in told
    scores = {row["measure"]: row["value"] for row in run.results["scores"]}
    assert scores["pairs"] == 1
    assert translate.evaluate(run) == run.results
    long = with_test(config, ["w1 " * 12, "w1"], ["W1", "W1"])
    run = translate.train(replace(long, folder=config.folder.parent / "long"))
    told = " ".join(capsys.readouterr().err.split())
    assert "of 2 pairs of the test 1 are longer than 9 tokens and translated all the same" in told
    assert run.results["scores"][0] == {"measure": "pairs", "value": 2}


def test_what_is_refused_with_more_steps_leaves_the_run_as_it_was(config, monkeypatch):
    validated = replace(config, validation_source=config.source, validation_target=config.target)
    run = translate.train(validated)
    before = content(run.folder)
    more = replace(validated, training=replace(QUICK, steps=4))
    was = config.target[0].read_text()
    config.target[0].write_text(was.replace("W1", "W2"))
    with pytest.raises(ValueError, match=r"must go on with the files .* got [^,]*a\.tgt changed"):
        translate.train(more)
    assert content(run.folder) == before
    config.target[0].write_text(was)

    def fail(*arguments, **options):
        raise ValueError("before the first step")

    monkeypatch.setattr(_translation, "fit", fail)
    with pytest.raises(ValueError, match="before the first step"):
        translate.train(more)
    assert content(run.folder) == before
    monkeypatch.setattr(_translation, "fit", fit)
    assert translate.train(validated).results == Run(run.folder).results
    done = translate.train(more)
    assert (done.results is None, done.config["training"]["steps"]) == (False, 4)
    assert Run(run.folder).config["training"]["steps"] == 4


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ({"heads": 4}, r"decoder\.heads 2 for 4, encoder\.heads 2 for 4$"),
        ({"activation": "gelu"}, r"decoder\.activation relu for gelu"),
    ],
)
def test_the_weights_of_another_architecture_are_not_taken_over(config, other, complaint):
    write(config.architecture, [json.dumps(describe(transformer()))])
    first = translate.train(config)
    write(config.architecture, [json.dumps(describe(transformer(**other)))])
    begun = replace(config, init_from=first.folder, folder=config.folder.parent / "second")
    with pytest.raises(ValueError, match=complaint):
        translate.train(begun)
    write(config.architecture, [json.dumps(describe(transformer(dropout=0.5)))])
    assert translate.train(begun).results  # dropout may be another


def test_only_rows_of_the_vocabulary_may_be_new(config):
    write(config.architecture, [json.dumps(describe(transformer(positions="learned")))])
    first = translate.train(config)
    longer = transformer(positions="learned", max_length=2048)
    write(config.architecture, [json.dumps(describe(longer))])
    begun = replace(config, init_from=first.folder, folder=config.folder.parent / "second")
    with pytest.raises(ValueError, match=r"decoder\.max_length 1024 for 2048"):
        translate.train(begun)


@pytest.fixture
def aligned(config):
    """Two corpora with tags and alignments."""
    folder = config.folder.parent
    links = [f"{i % 3}-0" for i in range(60)]
    return replace(
        config,
        source=config.source * 2,
        target=config.target * 2,
        tags=("<2de>", "<2fr>"),
        alignments=(write(folder / "1.links", links), write(folder / "2.links", links)),
        training=replace(QUICK, guided_alignment=1.0),
    )


def test_links_are_of_the_texts_without_their_tags(aligned):
    run = translate.train(aligned)
    store = Store(run.path("train.tokens"))
    kept = [i % 3 + 1 for i in range(60) if i % 50] * 2
    assert [links.tolist() for _, _, links in store.records(range(len(store)))] == [
        [source, 0] for source in kept
    ]


def test_a_wrong_link_is_told_by_its_file_and_line(aligned):
    path = aligned.alignments[1]
    lines = path.read_text().splitlines()
    write(path, [*lines[:59], "3-0"])
    with pytest.raises(ValueError, match=r"2\.links:60: .* 3 source and 3 target .* got 3-0"):
        translate.train(aligned)
    write(aligned.alignments[0], lines[1:])
    write(path, ["0-0", *lines])  # as many in all
    with pytest.raises(ValueError, match=r"1\.links:60: line must exist, as it does in .*a\.src"):
        translate.train(aligned)
    with pytest.raises(ValueError, match="alignments must be 2, one for each source file, got 1"):
        replace(aligned, alignments=aligned.alignments[:1])


def test_a_complete_run_whose_files_have_changed_says_so(config, capsys):
    run = translate.train(config)
    capsys.readouterr()
    assert translate.train(config).results == run.results
    assert capsys.readouterr().err == ""
    write(config.source[0], ["another"])
    assert translate.train(config).results == run.results
    told = " ".join(capsys.readouterr().err.split())
    assert "is complete and stays as it is, its scores are those of before" in told
    assert "a.src changed since" in told.replace(" ", "").replace("changedsince", " changed since")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"decay": 0.5}, "decay must not be given with schedule inverse_sqrt, .* got 0.5"),
        ({"momentum": 0.5}, "momentum must not be given with optimizer adam"),
        ({"optimizer": "nag", "betas": (0.5, 0.5)}, "betas must not be given with optimizer nag"),
        ({"risk_samples": 3}, "risk_samples must not be given without minimum_risk"),
        (
            {"smoothing": "joey", "label_smoothing": 0.0},
            "smoothing must not be given without label",
        ),
    ],
)
def test_options_that_could_not_act_are_refused(config, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        translate.train(replace(config, training=replace(QUICK, **settings)))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"tags": ("",)}, "tags must be words such as <2de>"),
        ({"validation_tags": ("<s>",)}, "validation_tags must be words"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1, got 1.5"),
        ({"vocabulary_size": 10**23}, "vocabulary_size must be at most"),
        ({"tags": ("<\udcff>",)}, r"tags must be text in UTF-8, got '<\\udcff>'"),
    ],
)
def test_wrong_values_are_told_by_their_name(config, wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        translate.train(replace(config, **wrong))
    assert not config.folder.exists()
