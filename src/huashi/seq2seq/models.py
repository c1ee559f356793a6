"""Every model by name: from the JSON of a run folder to a module and back."""

from dataclasses import asdict, fields
from typing import Any

from huashi._checks import check_choice
from huashi.seq2seq.encoder_decoder import EncoderDecoder
from huashi.seq2seq.rnn import RNN

Shape = RNN
"""A frozen dataclass that says all of a model but its vocabulary."""

_SHAPES = {"rnn": RNN}


def describe(shape: Shape) -> dict[str, Any]:
    """``shape`` as JSON.

    >>> describe(RNN(hidden_size=64))["hidden_size"]
    64
    """
    kind = next(name for name, known in _SHAPES.items() if isinstance(shape, known))
    return {"kind": kind, **asdict(shape)}


def build(description: dict[str, Any], vocabulary_size: int) -> EncoderDecoder:
    """The model that :func:`describe` described, with weights drawn anew.

    Raises:
        ValueError: the description names no model, a field that the model does not have, or a value
            that it cannot have.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    check_choice("kind", kind, _SHAPES)
    shape = _SHAPES[kind]
    foreign = settings.keys() - {field.name for field in fields(shape)}
    if foreign:
        raise ValueError(f"the shape of a {kind} must not have {', '.join(sorted(foreign))}")
    try:
        return shape(**settings).build(vocabulary_size)
    except (TypeError, RuntimeError, OverflowError) as error:
        problem = str(error).splitlines()[0]
        raise ValueError(
            f"the shape of a {kind} must be one that can be built: {problem}"
        ) from None
