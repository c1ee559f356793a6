"""The vocabularies of a CTranslate2 folder, and their tokens in Huashi's order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from huashi.seq2seq.text.tokenizer import BOS, SPECIAL_TOKENS

_NEVER = -1e9  # the logit of a token that they do not have


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one side: Huashi's special tokens, then all others in their order."""

    tokens: list[str]
    rows: list[int | None]
    """Where each stands in their tables; None for a special token that they lack."""
    start: int | None
    """Where the token stands that an output begins with; they may take another than BOS."""

    def inputs(self, table: Tensor) -> Tensor:
        """Their embeddings in this order, zeros for what they lack."""
        rows = list(self.rows)
        rows[BOS] = self.start
        return _arranged(table, rows, 0.0)

    def outputs(self, table: Tensor) -> Tensor:
        """Their weights or biases before the logits in this order; what they lack is impossible."""
        return _arranged(table, self.rows, _NEVER if table.ndim == 1 else 0.0)


def read_vocabulary(
    folder: Path, side: Literal["source", "target"], config: Mapping[str, Any]
) -> Vocabulary:
    """The vocabulary of one side, or the one of both.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: it is damaged, or has a token twice.
    """
    theirs = _tokens(folder, side)
    unknown = config["unk_token"]
    if unknown not in theirs:  # the program appends it too
        theirs.append(unknown)
    places: dict[str, int] = {}
    for place, token in enumerate(theirs):
        if places.setdefault(token, place) != place:
            raise ValueError(f"the {side} vocabulary must have a token once, got {token!r} twice")
    padding = "<pad>" if "<pad>" in places else "<blank>"
    special = (padding, unknown, config["bos_token"], config["eos_token"])
    others = [token for token in theirs if token not in special]
    for token in others:
        if token in SPECIAL_TOKENS:
            raise ValueError(f"{token} must not be an ordinary token of the {side} vocabulary")
    return Vocabulary(
        tokens=[*SPECIAL_TOKENS, *others],
        rows=[places.get(token) for token in (*special, *others)],
        start=places.get(config["decoder_start_token"]),
    )


def _tokens(folder: Path, side: str) -> list[str]:
    """Their tokens in their order."""
    names = [f"{which}_vocabulary.{kind}" for which in (side, "shared") for kind in ("json", "txt")]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{folder} must hold one of {', '.join(names)}, got none")
    try:
        text = path.read_bytes().decode()
        tokens = text.removesuffix("\n").split("\n") if path.suffix == ".txt" else json.loads(text)
    except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{path} must hold a list of tokens")
    return tokens


def _arranged(table: Tensor, rows: list[int | None], missing: float) -> Tensor:
    """The rows of ``table`` in that order, ``missing`` where there is none.

    Raises:
        ValueError: the table has not a row for each token.
    """
    last = max(row for row in rows if row is not None)
    if len(table) <= last:
        raise ValueError(f"the model must have a row for each token, {last + 1}, got {len(table)}")
    places = torch.tensor([len(table) if row is None else row for row in rows])
    padded = torch.cat([table, table.new_full((1, *table.shape[1:]), missing)])
    return padded[places]
