"""A run that begins with the weights and the tokens of another one."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from huashi._checkpoint import grow_rows
from huashi.run import Run, open_run
from huashi.run.configuration import flat
from huashi.run.task import LANGUAGE_MODEL, TRANSLATION
from huashi.seq2seq.architecture import architecture_of, describe
from huashi.seq2seq.inference.loading import model_of, tokenizers_of
from huashi.seq2seq.text.corpus import Pair
from huashi.seq2seq.text.tokenizer import Kind, Tokenizer
from huashi.seq2seq.text.vocabulary_growth import grow, kind_of


def grown_tokenizers(
    config: Any, pairs: Callable[[Literal["train"]], Iterable[Pair]], tags: Sequence[str]
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of the run to begin from, with what of the corpus they lack.

    Args:
        config: with the run, ``init_from``, and how to make tokens.
        pairs: gives those of the training, anew at each call.
        tags: of the sources.

    Raises:
        ValueError: they are of another kind, or joint where these are not to be.
    """
    run = open_run(config.init_from, TRANSLATION)
    source, target = tokenizers_of(run)
    kinds = {"tokenizer": config.tokenizer, "target_tokenizer": target_kind(config)}
    _check_same(run, {"joint": source is target}, {"joint": config.joint})
    _check_same(run, dict(zip(kinds, map(kind_of, (source, target)), strict=True)), kinds)
    size = config.vocabulary_size
    texts = (text for pair in pairs("train") for text in pair)
    if source is target:
        both = grow(source, texts, size, tags=tags)
        return both, both
    sources = (pair.source for pair in pairs("train"))
    targets = (pair.target for pair in pairs("train"))
    return grow(source, sources, size, tags=tags), grow(target, targets, size)


def grown_tokenizer(config: Any, pieces: Iterable[str]) -> Tokenizer:
    """The tokenizer of the language model to begin from, with what of a text it lacks.

    Args:
        config: with the run, ``init_from``, and how to make tokens.
        pieces: of the text.

    Raises:
        ValueError: it is of another kind.
    """
    run = open_run(config.init_from, LANGUAGE_MODEL)
    tokenizer, _ = tokenizers_of(run)
    _check_same(run, {"tokenizer": kind_of(tokenizer)}, {"tokenizer": config.tokenizer})
    return grow(tokenizer, pieces, config.vocabulary_size)


def target_kind(config: Any) -> Kind:
    """The kind of tokenizer of the targets: that of the sources unless it is given."""
    return config.tokenizer if config.target_tokenizer is None else config.target_tokenizer


def check_another(name: str, origin: Path | None, folder: Path) -> None:
    """Raise if a run is to begin from itself."""
    if origin is not None and Path(origin).resolve() == Path(folder).resolve():
        raise ValueError(f"{name} must be another run than that of the training, got {origin}")


def check_origin(run: Run, model: dict[str, Any]) -> None:
    """Raise unless the weights of a run mean the same in another model.

    Their architectures have to be the same in all but rates of dropout.

    Args:
        run: the run to begin from.
        model: the description of the model.

    Raises:
        ValueError: naming what differs.
    """
    pair = (flat(describe(architecture_of(one))) for one in (run.model, model))
    was, wanted = ({k: v for k, v in one.items() if "dropout" not in k} for one in pair)
    differing = [
        f"{name} {was.get(name)} for {wanted.get(name)}"
        for name in sorted(was.keys() | wanted.keys())
        if was.get(name) != wanted.get(name)
    ]
    if differing:
        raise ValueError(
            "init_from must be a run of this architecture (--model, --architecture), got one with "
            f"{', '.join(differing[:4])}{', ...' if len(differing) > 4 else ''}"
        )


def take_over(run: Run, model: Any, tokenizers: Sequence[Tokenizer]) -> str:
    """Fill a model with the best weights of a run of fewer tokens; say what is taken over.

    Args:
        run: the run to begin from.
        model: of the same architecture.
        tokenizers: of its sources and targets, grown from those of the run.

    Raises:
        FileNotFoundError: the run has no weights yet.
    """
    smaller = model_of(run, run, "cpu")
    grow_rows(smaller, model)
    new = [len(now) - len(was) for now, was in zip(tokenizers, tokenizers_of(run), strict=True)]
    told = f"{new[0]} new ones" if tokenizers[0] is tokenizers[1] else f"{new} new ones a side"
    return (
        f"begins with the weights and the tokens of {run.folder} and {told}, whose embeddings are "
        "drawn; optimiser, rate, steps and best score begin anew"
    )


def _check_same(run: Run, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name, value in found.items():
        if wanted[name] != value:
            raise ValueError(
                f"{name} must be {value} as in init_from {run.folder}, got {wanted[name]}"
            )
