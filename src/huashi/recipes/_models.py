"""Architectures for small corpora by name, with the learning rates that were tuned for them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from huashi.seq2seq.architecture import Architecture, FusedArchitecture, architecture_of
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.models.convs2s.decoder import ConvDecoderShape
from huashi.seq2seq.models.convs2s.encoder import ConvEncoderShape
from huashi.seq2seq.models.lightconv import LightConvDecoderShape, LightConvEncoderShape
from huashi.seq2seq.models.rnn import RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.models.slicenet.coders import SliceNetDecoderShape, SliceNetEncoderShape
from huashi.seq2seq.models.transformer import TransformerDecoderShape, TransformerEncoderShape

Model = Literal["transformer", "convs2s", "rnn", "slicenet", "lightconv", "dynamicconv"]


def transformer(dropout: float = 0.3) -> Architecture:
    """Four narrow layers on either side, norms before them."""
    size: dict[str, Any] = {
        "embedding_size": 128,
        "layers": 4,
        "heads": 4,
        "feed_forward_size": 256,
        "norm": "pre",
        "dropout": dropout,
    }
    return Architecture(
        encoder=TransformerEncoderShape(**size),
        decoder=TransformerDecoderShape(**size),
        share="all",
    )


def convs2s(dropout: float = 0.2) -> Architecture:
    """Four and three layers of windows of three."""
    size: dict[str, Any] = {"embedding_size": 128, "dropout": dropout}
    return Architecture(
        encoder=ConvEncoderShape(layers=((192, 3),) * 4, attention_layers=3, **size),
        decoder=ConvDecoderShape(layers=((192, 3),) * 3, output_size=128, **size),
        share="all",
    )


def rnn(dropout: float = 0.3) -> Architecture:
    """A bidirectional GRU read by a GRU with attention; no step waits for the one before it."""
    size: dict[str, Any] = {"embedding_size": 192, "hidden_size": 256, "dropout": dropout}
    return Architecture(
        encoder=RNNEncoderShape(**size),
        decoder=RNNDecoderShape(
            attention=AttentionShape(score="scaled_dot"), input_feeding=False, **size
        ),
        share="embeddings",
    )


def slicenet(dropout: float = 0.2) -> Architecture:
    """Three and two modules of separable convolutions."""
    size: dict[str, Any] = {
        "embedding_size": 192,
        "dropout": dropout,
        "symbol_dropout": min(dropout, 0.2),
    }
    return Architecture(
        encoder=SliceNetEncoderShape(layers=3, **size),
        decoder=SliceNetDecoderShape(layers=2, attention="multi_head", **size),
        share="all",
    )


def lightconv(
    dropout: float = 0.3, convolution: Literal["lightweight", "dynamic"] = "lightweight"
) -> Architecture:
    """Four narrow layers of lightweight convolutions."""
    size: dict[str, Any] = {
        "embedding_size": 128,
        "heads": 4,
        "feed_forward_size": 256,
        "norm": "pre",
        "convolution": convolution,
        "dropout": dropout,
        "weight_dropout": min(dropout, 0.1),
    }
    kernels = (3, 7, 15, 31)
    return Architecture(
        encoder=LightConvEncoderShape(kernels=kernels, **size),
        decoder=LightConvDecoderShape(kernels=kernels, **size),
        share="all",
    )


def dynamicconv(dropout: float = 0.3) -> Architecture:
    """Four narrow layers of dynamic convolutions."""
    return lightconv(dropout, "dynamic")


MODELS: dict[str, tuple[Callable[..., Architecture], float]] = {
    "transformer": (transformer, 5e-3),
    "convs2s": (convs2s, 1e-3),
    "rnn": (rnn, 3e-3),
    "slicenet": (slicenet, 2e-3),
    "lightconv": (lightconv, 5e-3),
    "dynamicconv": (dynamicconv, 5e-3),
}


def writing_rnn(dropout: float = 0.2) -> Architecture:
    """A language model: an LSTM of two layers."""
    decoder = RNNDecoderShape(
        cell="lstm",
        embedding_size=128,
        hidden_size=384,
        layers=2,
        attention=None,
        input_feeding=False,
        dropout=dropout,
    )
    return Architecture(encoder=None, decoder=decoder)


def writing_transformer(dropout: float = 0.2) -> Architecture:
    """A language model: a narrow Transformer, norms before its layers."""
    decoder = TransformerDecoderShape(
        embedding_size=192,
        layers=4,
        heads=6,
        feed_forward_size=768,
        activation="gelu",
        norm="pre",
        dropout=dropout,
    )
    return Architecture(encoder=None, decoder=decoder, share="output")


LANGUAGE_MODELS: dict[str, tuple[Callable[..., Architecture], float]] = {
    "rnn": (writing_rnn, 2e-3),
    "transformer": (writing_transformer, 1e-3),
}


def model_named(
    name: str,
    path: Path | None = None,
    *,
    dropout: float | None = None,
    joint: bool = True,
    models: Mapping[str, tuple[Callable[..., Architecture], float]] = MODELS,
) -> tuple[Architecture | FusedArchitecture, float]:
    """An architecture and its learning rate: the one of that name, or that of a JSON file.

    Args:
        name: of one of ``models``.
        path: the file, in the place of the name.
        dropout: what the model has in the place of its own; other kinds of dropout in it (of
            symbols, of weights) are never above it.
        joint: whether source and target have one vocabulary, so that their embeddings can be one.
        models: those that have names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it does not describe an architecture, or ``dropout`` is given beside it.
    """
    if path is not None and dropout is not None:
        raise ValueError(
            f"dropout must not be given with an architecture, whose file says it, got {dropout}"
        )
    if path is None:
        make, lr = models[name]
        made = make() if dropout is None else make(dropout)
        apart = {"all": "output", "embeddings": "nothing"}
        return made if joint else replace(made, share=apart.get(made.share, made.share)), lr
    try:
        described = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(described, dict):
        raise ValueError(f"{path} must describe an architecture, got {str(described)[:60]}")
    return architecture_of(described), 1e-3
