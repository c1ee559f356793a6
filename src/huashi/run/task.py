"""What kind of run a folder holds, which says what can be done with it."""

from collections.abc import Mapping
from typing import Any

TRANSLATION = "translation"
"""Text to text: ``huashi predict``, :class:`huashi.seq2seq.Translator`."""
LANGUAGE_MODEL = "language model"
"""Text alone: ``huashi sample``, :class:`huashi.seq2seq.inference.language_model.LanguageModel`."""
NETWORK = "network"
"""A network that learns to have zero channels: ``huashi slim``."""
NETWORKS = "networks"
"""Several networks that are compared."""


def task_of(recipe: str, model: Mapping[str, Any]) -> str | None:
    """The task of a run that does not name it, as those of earlier versions do not.

    Args:
        recipe: name of its recipe.
        model: the description of its model.

    Returns:
        None where nothing tells.
    """
    shape = model.get("model")  # of a fused model, the part that learns
    shape = shape if isinstance(shape, dict) else model
    if "encoder" in shape:
        return LANGUAGE_MODEL if shape["encoder"] is None else TRANSLATION
    if recipe == "pooling_digits" or recipe.endswith(" path"):
        return NETWORKS
    return NETWORK if recipe in ("slim_digits", "slim_omniglot") else None
