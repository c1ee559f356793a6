"""Architectures as JSON, for run folders and files of a user's own."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from huashi._checks import check_choice
from huashi.seq2seq.architecture.architecture import Architecture, FusedArchitecture
from huashi.seq2seq.architecture.kinds import DECODERS, ENCODERS
from huashi.seq2seq.model.protocol import EncoderDecoder


def describe(architecture: Architecture | FusedArchitecture) -> dict[str, Any]:
    """``architecture`` as JSON.

    >>> from huashi.seq2seq import RNNDecoderShape, RNNEncoderShape
    >>> part = RNNDecoderShape(hidden_size=64)
    >>> describe(Architecture(encoder=RNNEncoderShape(), decoder=part))["decoder"]["kind"]
    'rnn'
    """
    if isinstance(architecture, FusedArchitecture):
        return {name: describe(part) for name, part in vars(architecture).items()}
    description = asdict(architecture)
    for side, kinds in (("encoder", ENCODERS), ("decoder", DECODERS)):
        shape = getattr(architecture, side)
        if shape is None:
            continue
        kind = next(name for name, known in kinds.items() if type(shape) is known)
        description[side] = {"kind": kind, **description[side]}
    return description


def architecture_of(description: Mapping[str, Any]) -> Architecture | FusedArchitecture:
    """The architecture that :func:`describe` described.

    Raises:
        ValueError: the description lacks a part or names one that there is not, a field that the
            part does not have, or a value that it cannot have.
    """
    settings = dict(description)
    if "pretrained" in settings:
        for name, part in settings.items():
            if not isinstance(part, Mapping):
                raise ValueError(f"{name} must be the description of an architecture, got {part!r}")
            settings[name] = architecture_of(part)
        return _read(FusedArchitecture, settings, "a fused architecture")
    for side, kinds in (("encoder", ENCODERS), ("decoder", DECODERS)):
        part = settings.get(side)
        if side == "encoder" and side in settings and part is None:
            continue
        if not isinstance(part, Mapping):
            raise ValueError(f"{side} must be the description of a part, got {part!r}")
        part = dict(part)
        kind = part.pop("kind", None)
        check_choice("kind", kind, kinds)
        settings[side] = _read(kinds[kind], part, f"a {kind} {side}")
    return _read(Architecture, settings, "an architecture")


def build(
    description: Mapping[str, Any], vocabulary_size: int, target_vocabulary_size: int | None = None
) -> EncoderDecoder:
    """The model of a :func:`describe` description, with weights drawn anew.

    Raises:
        ValueError: as of :func:`architecture_of`, or the model cannot be built.
    """
    architecture = architecture_of(description)
    try:
        return architecture.build(vocabulary_size, target_vocabulary_size)
    except (TypeError, RuntimeError, ArithmeticError, AttributeError, MemoryError) as error:
        problem = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"the architecture must be one that can be built: {problem}") from None


def _read(kind: type, settings: Mapping[str, Any], what: str) -> Any:
    """A dataclass from JSON: lists become tuples, and dicts the dataclasses of the fields."""
    hints = get_type_hints(kind)
    foreign = settings.keys() - {field.name for field in fields(kind)}
    if foreign:
        raise ValueError(f"{what} must not have {', '.join(sorted(foreign))}")
    read = {}
    for name, value in settings.items():
        if isinstance(value, list):
            value = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        if isinstance(value, Mapping):
            kinds = get_args(hints[name]) or (hints[name],)
            part = next((k for k in kinds if isinstance(k, type) and is_dataclass(k)), None)
            if part is None:
                raise ValueError(f"{name} of {what} must not have parts, got {dict(value)}")
            value = _read(part, value, f"the {name} of {what}")
        read[name] = value
    try:
        return kind(**read)
    except TypeError as error:
        raise ValueError(f"{what} must be one that can be built: {error}") from None
