"""A Transformer of CTranslate2 as a run folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from huashi._files import atomic_folder
from huashi.run import Run
from huashi.seq2seq.architecture import Architecture, describe
from huashi.seq2seq.ctranslate2.model_file import read_model_file
from huashi.seq2seq.ctranslate2.vocabulary import Vocabulary, read_vocabulary
from huashi.seq2seq.ctranslate2.weights import (
    Arrays,
    alignment_heads_of,
    shape_of,
    weights_of,
)
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape
from huashi.seq2seq.text.tokenizer import tokenizer_of

_CONFIG = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "decoder_start_token": "<s>",
    "add_source_bos": False,
    "add_source_eos": False,
    "layer_norm_epsilon": None,
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The configuration of a run that was imported."""

    tokens: str
    """How a text comes to be tokens."""


def import_ctranslate2(
    folder: str | Path, run: str | Path, *, tokens: Literal["character", "word"] = "word"
) -> Run:
    """Make a run folder of a Transformer of CTranslate2.

    The program's own search is ``semantics="ctranslate2"``, by default with ``beam=2`` and
    ``min_length=2``.

    Args:
        folder: with ``model.bin`` and the vocabularies; it is only read.
        run: the run folder, which must be new or empty; it appears once it is complete.
        tokens: how a text comes to be tokens: by characters, or by the spaces between them. Texts
            for a model of subwords have to be cut into these before.

    Returns:
        The run. Its special tokens are Huashi's, and those that the model lacks are never
        predicted; the others are the model's, in their order.

    Raises:
        FileNotFoundError: a file of the folder is not there.
        ValueError: a file is damaged, the model is no Transformer that Huashi has, or the run
            folder is not empty.
    """
    folder, run = Path(folder), Path(run)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(f"run must be a new or an empty folder, got {run}")
    config = _config(folder)
    source = read_vocabulary(folder, "source", config)
    target = read_vocabulary(folder, "target", config)
    tokenizers = [tokenizer_of(side.tokens, tokens) for side in (source, target)]
    architecture, model = _model(folder / "model.bin", config, source, target)

    with atomic_folder(run) as unfinished:
        new = Run.start(unfinished, "imported", Imported(tokens=tokens), describe(architecture))
        tokenizers[0].save(new.path("tokenizer.json"))
        tokenizers[1].save(new.path("target_tokenizer.json"))
        new.save_model(model)
        new.release()
    return Run(run)


def _config(folder: Path) -> dict[str, Any]:
    """The settings of the program, those of its ``config.json`` first."""
    path = folder / "config.json"
    found = {}
    if path.is_file():
        try:
            found = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged: {error}") from None
        if not isinstance(found, dict):
            raise ValueError(f"{path} must hold a JSON object, got {found!r}")
    config = _CONFIG | found
    if config["add_source_bos"]:
        raise ValueError(f"add_source_bos must be false in {path}: no source here begins with BOS")
    if config["decoder_start_token"] is None:
        raise ValueError(f"decoder_start_token must be given in {path}, got null")
    return config


def _model(
    path: Path, config: dict[str, Any], source: Vocabulary, target: Vocabulary
) -> tuple[Architecture, EncoderDecoder]:
    arrays = Arrays(path, read_model_file(path))
    architecture = Architecture(
        encoder=TransformerEncoderShape(**shape_of(arrays, "encoder", config)),
        decoder=TransformerDecoderShape(
            **shape_of(arrays, "decoder", config), alignment_heads=alignment_heads_of(arrays)
        ),
        share="nothing",
        source_end=bool(config["add_source_eos"]),
    )
    weights = weights_of(arrays, source, target)
    arrays.check_all_taken()
    model = architecture.build(len(source.tokens), len(target.tokens))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} must hold a Transformer that fits together: {error}") from None
    return architecture, model
