"""Penalties with what they are on."""

from collections.abc import Iterable, Sequence

from huashi.regularization.groups.slices import Groups
from huashi.regularization.penalties.penalty import Penalty

Pair = tuple[Groups | Sequence[Groups], Penalty]
"""Groups, or a list of them, and what each of them is penalised with."""


def flat_pairs(penalties: Iterable[Pair]) -> list[tuple[Groups, Penalty]]:
    """Each of the groups with its penalty."""
    pairs = []
    for pair in penalties:
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise TypeError(f"penalties must be pairs (groups, penalty), got {pair!r}")
        several, penalty = pair
        several = [several] if isinstance(several, Groups) else list(several)
        if not several:
            raise ValueError(f"groups of {penalty} must name a parameter, got none")
        pairs += [(groups, penalty) for groups in several]
    return pairs
