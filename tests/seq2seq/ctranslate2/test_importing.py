"""Models of CTranslate2: their files, and the installed program's n-best lists from them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from huashi.__main__ import main
from huashi.seq2seq import Translator
from huashi.seq2seq.ctranslate2 import import_ctranslate2
from huashi.seq2seq.ctranslate2.model_file import read_model_file
from huashi.seq2seq.search import select
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

ctranslate2 = pytest.importorskip("ctranslate2")
transformers = pytest.importorskip("transformers")

TRAINED = Path(__file__).parents[3] / "../shared/data/aren-transliteration"
needs_trained = pytest.mark.skipif(not TRAINED.is_dir(), reason="needs ../shared/data")
WORDS = ["محمد", "سلام", "كتاب", "علي", "واشنطن", "برلين", "خ", "كريستوفر", "ماريا", "طوكيو"]
LETTERS = list("abcdefgh")
SPECIAL = ["<blank>", "<unk>", "<s>", "</s>"]


def name(text):
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def old_file(**arrays):
    """A model.bin of version 2, which counts numbers."""
    content = struct.pack("<I", 2) + name("TransformerBase") + struct.pack("<II", 2, len(arrays))
    for key, array in arrays.items():
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        size = struct.pack("<BI", array.itemsize, array.size)
        content += name(key) + shape + size + array.tobytes()
    return content


def test_reads_arrays(tmp_path):
    weight = np.array([[1.5, -2.0], [0.0, 4.0]], dtype=np.float32)
    quantised = np.array([[127, -64], [10, 20]], dtype=np.int8)
    scale = np.array([2.0, 10.0], dtype=np.float32)
    (tmp_path / "model.bin").write_bytes(
        old_file(a=weight, b=quantised, b_scale=scale, heads=np.array(4, dtype=np.int16))
    )
    file = read_model_file(tmp_path / "model.bin")
    assert (file.specification, file.revision) == ("TransformerBase", 2)
    assert file.arrays.keys() == {"a", "b", "heads"}
    assert_close(file.arrays["a"], torch.tensor(weight))
    assert_close(file.arrays["b"], torch.tensor([[63.5, -32.0], [1.0, 2.0]]))
    assert file.arrays["heads"].item() == 4


def test_a_file_that_is_cut_short_is_refused_wherever_it_ends(tmp_path):
    whole = old_file(a=np.ones((2, 3), dtype=np.float32), b=np.ones(2, dtype=np.float32))
    path = tmp_path / "model.bin"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="must be whole"):
            read_model_file(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (struct.pack("<I", 7), "version 2 to 6"),
        (struct.pack("<I", 2) + struct.pack("<H", 2) + b"\xff\0", "UTF-8"),
        (old_file(a=np.ones(2)), "known type"),
        (old_file(a=np.ones((2, 3), dtype=np.float32)).replace(b"\3\0\0\0", b"\4\0\0\0"), "shape"),
        (b"GGUF" + bytes(40), "version"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, complaint):
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_model_file(tmp_path / "model.bin")


def random_model(folder, *, quantization=None, positions=None, config=None, bias=True, **shape):
    """A Transformer of random weights, saved by the program's own writer."""
    from ctranslate2.specs import TransformerSpec

    draw = np.random.default_rng(0).normal
    size, hidden = 16, 32
    spec = TransformerSpec.from_config((1, 2), 4, **shape)

    def norm(layer):
        layer.gamma, layer.beta = draw(1, 0.1, (2, size)).astype(np.float32)

    def linear(layer, outputs, inputs):
        layer.weight = draw(0, 0.5, (outputs, inputs)).astype(np.float32)
        if bias:
            layer.bias = draw(0, 0.1, outputs).astype(np.float32)

    for side, tokens in ((spec.encoder, 10), (spec.decoder, 12)):
        embeddings = side.embeddings if side is spec.decoder else side.embeddings[0]
        embeddings.weight = draw(0, 1, (tokens, size)).astype(np.float32)
        if positions:
            side.position_encodings.encodings = draw(0, 1, (positions, size)).astype(np.float32)
        if shape.get("pre_norm", True):
            norm(side.layer_norm)
        if shape.get("layernorm_embedding"):
            norm(side.layernorm_embedding)
        for layer in side.layer:
            norm(layer.self_attention.layer_norm)
            linear(layer.self_attention.linear[0], 3 * size, size)
            linear(layer.self_attention.linear[1], size, size)
            if side is spec.decoder:
                norm(layer.attention.layer_norm)
                for part, times in zip(layer.attention.linear, (1, 2, 1), strict=True):
                    linear(part, times * size, size)
            norm(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, hidden, size)
            linear(layer.ffn.linear_1, size, hidden)
            if shape.get("ffn_glu"):
                linear(layer.ffn.linear_0_noact, hidden, size)
    linear(spec.decoder.projection, 12, size)
    spec.register_source_vocabulary([*SPECIAL, *LETTERS[:6]])
    spec.register_target_vocabulary([*SPECIAL, *LETTERS])
    for key, value in (config or {}).items():
        setattr(spec.config, key, value)
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))
    return folder


def activation(name):
    return getattr(ctranslate2.specs.common_spec.Activation, name)


def theirs(folder, source, **options):
    """The n-best list of one source; in company the program mixes up the sources' attention."""
    program = ctranslate2.Translator(str(folder), compute_type="float32", intra_threads=1)
    [found] = program.translate_batch(
        [source], return_scores=True, **{"beam_size": 4, "num_hypotheses": 4, **options}
    )
    return found.hypotheses, found.scores


def ours(found):
    """Without their ends, and by their names for the special tokens."""
    tokens = [one.tokens[:-1] if one.finished else one.tokens for one in found]
    return [["<blank>" if t == "<pad>" else t for t in some] for some in tokens]


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"pre_norm": False},
        {"positions": 9},
        {"activation": activation("SWISH"), "bias": False},
        {"activation": activation("GELU"), "alignment_heads": 0},
        {"quantization": "int8"},
        {"quantization": "int16"},
        {"quantization": "float16"},
        {"config": {"add_source_eos": True}},
        {"config": {"layer_norm_epsilon": 0.1, "decoder_start_token": "</s>"}},
    ],
    ids=repr,
)
def test_random_models_give_the_programs_nbest(tmp_path, shape):
    folder = random_model(tmp_path / "theirs", **shape)
    import_ctranslate2(folder, tmp_path / "run", tokens="character")
    options = {"length_penalty": 0.8, "coverage_penalty": 0.2}
    translator = Translator.load(tmp_path / "run")
    found = translator.search(
        ["abc", "fedcb"],
        semantics="ctranslate2",
        beam=4,
        nbest=4,
        min_length=2,
        max_length=7,
        **options,
    )
    for source, some in zip(["abc", "fedcb"], found, strict=True):
        hypotheses, scores = theirs(folder, list(source), max_decoding_length=7, **options)
        assert ours(some) == hypotheses
        assert_close([one.score for one in some], scores, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported") / "run"
    import_ctranslate2(TRAINED, folder, tokens="character")
    return Translator.load(folder)


@needs_trained
@pytest.mark.parametrize(
    ("options", "their_options"),
    [
        ({}, {}),
        ({"length_penalty": 0.0}, {"length_penalty": 0.0}),
        ({"coverage_penalty": 0.3, "length_penalty": 0.6},) * 2,
        ({"no_repeat_ngram": 2, "patience": 2.0}, {"no_repeat_ngram_size": 2, "patience": 2.0}),
        ({"min_length": 9}, {"min_decoding_length": 8}),
        ({"max_length": 4, "unknown_penalty": torch.inf}, {"max_decoding_length": 4}),
    ],
    ids=lambda options: ",".join(options) or "default",
)
def test_the_trained_model_gives_the_programs_nbest(trained, options, their_options):
    options = {"beam": 5, "nbest": 5, "min_length": 2, "max_length": 30, **options}
    found = trained.search(WORDS, semantics="ctranslate2", **options)
    settings = {"max_decoding_length": 30, "disable_unk": "unknown_penalty" in options}
    for word, some in zip(WORDS, found, strict=True):
        settings |= {"beam_size": 5, "num_hypotheses": 5, **their_options}
        hypotheses, scores = theirs(TRAINED, list(word), **settings)
        assert ours(some) == hypotheses
        assert_close([one.score for one in some], scores, rtol=0, atol=1e-4)


@needs_trained
def test_the_program_itself_depends_on_company(trained):
    """With a coverage penalty its scores are of another attention once a neighbour is done."""
    program = ctranslate2.Translator(str(TRAINED), intra_threads=1)
    options = {"beam_size": 5, "coverage_penalty": 0.3, "return_scores": True}
    together = program.translate_batch([list(word) for word in WORDS], **options)
    alone = [program.translate_batch([list(word)], **options)[0] for word in WORDS]
    differing = [
        abs(a.scores[0] - b.scores[0]) > 1e-3 for a, b in zip(together, alone, strict=True)
    ]
    assert any(differing)


class OneSource(transformers.PreTrainedModel, transformers.GenerationMixin):
    """The decoder of a model with one source in sight, as transformers wants a model."""

    config_class = transformers.PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, model, state, size):
        super().__init__(transformers.PretrainedConfig(vocab_size=size, num_hidden_layers=1))
        self.decoder, self.output, self.source = model.decoder, model.output, state

    def forward(self, input_ids, **_):
        state = select(self.source, torch.zeros(len(input_ids), dtype=torch.long))
        features, _ = self.decoder(input_ids, state)
        return transformers.modeling_outputs.CausalLMOutput(logits=self.output(features))


def up_to_end(tokens):
    """Without what pads a sequence: EOS again where the padding is token 0."""
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


@needs_trained
@pytest.mark.parametrize(
    ("options", "their_options"),
    [
        ({}, {}),
        ({"length_penalty": 0.0}, {"length_penalty": 0.0}),
        (
            {"length_penalty": 2.0, "no_repeat_ngram": 2},
            {"length_penalty": 2.0, "no_repeat_ngram_size": 2},
        ),
        (
            {"repetition_penalty": 1.3, "min_length": 6},
            {"repetition_penalty": 1.3, "min_new_tokens": 5},
        ),
        ({"max_length": 4}, {"max_new_tokens": 4}),
    ],
    ids=lambda options: ",".join(options) or "default",
)
@torch.inference_mode()
def test_the_trained_model_gives_the_nbest_of_transformers(trained, options, their_options):
    options = {"beam": 5, "nbest": 5, "max_length": 30, **options}
    settings = {"num_beams": 5, "num_return_sequences": 5, "max_new_tokens": 30, **their_options}
    settings |= {"output_scores": True, "return_dict_in_generate": True, "use_cache": False}
    settings |= {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    tokenizer = trained.target_tokenizer
    for word in WORDS[:6]:
        [found] = trained.search([word], semantics="hf", **options)
        source = torch.tensor([trained.tokenizer.encode(word)])
        state = trained.model.encode(source, torch.tensor([len(word)]))
        model = OneSource(trained.model, state, len(tokenizer))
        out = model.generate(torch.full((1, 1), BOS), do_sample=False, **settings)
        wanted = [up_to_end(row) for row in out.sequences[:, 1:].tolist()]
        assert [tokenizer.ids(one.tokens) for one in found] == wanted
        scores = torch.tensor([one.score for one in found])
        assert_close(scores, out.sequences_scores, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        ({"activation": "Tanh"}, "activation"),
        ({"alignment_layer": 0}, "alignment_layer must be the last, 1, got 0"),
        ({"layernorm_embedding": True}, "layernorm_embedding"),
        ({"ffn_glu": True}, "linear_0_noact"),
        ({"config": {"add_source_bos": True}}, "add_source_bos must be false"),
        ({"config": {"decoder_start_token": None}}, "decoder_start_token must be given"),
    ],
    ids=repr,
)
def test_what_it_does_not_have_is_refused(tmp_path, shape, complaint):
    if "activation" in shape:
        shape = {"activation": activation(shape["activation"])}
    folder = random_model(tmp_path / "theirs", **shape)
    with pytest.raises(ValueError, match=complaint):
        import_ctranslate2(folder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_damaged_folders_are_refused(tmp_path):
    folder = random_model(tmp_path / "theirs")
    run = tmp_path / "run"
    vocabulary = folder / "source_vocabulary.json"
    good = vocabulary.read_text()
    for content, complaint in (
        (good[:-5], "is damaged"),
        (json.dumps([*SPECIAL, "a", "a"]), "'a' twice"),
        (json.dumps([*SPECIAL, *map(str, range(99))]), "a row for each token"),
        (json.dumps({"a": 1}), "list of tokens"),
    ):
        vocabulary.write_text(content)
        with pytest.raises(ValueError, match=complaint):
            import_ctranslate2(folder, run)
    vocabulary.unlink()
    with pytest.raises(FileNotFoundError, match="source_vocabulary"):
        import_ctranslate2(folder, run)
    vocabulary.write_text(good)
    (folder / "config.json").write_text("[")
    with pytest.raises(ValueError, match=r"config.json is damaged"):
        import_ctranslate2(folder, run)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_what_is_there_is_not_overwritten(tmp_path):
    folder = random_model(tmp_path / "theirs")
    import_ctranslate2(folder, tmp_path / "run")
    with pytest.raises(ValueError, match="run must be a new or an empty folder"):
        import_ctranslate2(folder, tmp_path / "run")


def test_from_the_command_line(tmp_path, capsys):
    folder, run = random_model(tmp_path / "theirs"), tmp_path / "run"
    (tmp_path / "lines.txt").write_text("a b c\nf e\n")
    main(["import", str(folder), str(run)])
    main(["predict", str(run), str(tmp_path / "lines.txt"), "--max-length", "6"])
    translations = Translator.load(run).translate(["a b c", "f e"], max_length=6)
    assert capsys.readouterr().out.splitlines() == [f"run: {run}", *translations]
    with pytest.raises(SystemExit) as stop:
        main(["import", str(folder), str(run)])
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(run)])
    assert stop.value.code == 2
    assert "data must be given for" in capsys.readouterr().err
