"""Checks of the choices of a search: each in its range, and none that would do nothing."""

from dataclasses import fields
from typing import Any

from huashi._checks import check_choice, check_not_negative, check_positive, check_texts
from huashi.seq2seq.search.arguments import check_beam, check_length_penalty

METHODS = ("beam", "sample", "stochastic_beam")
_POSITIVE = (
    "nbest",
    "beam",
    "length_ratio",
    "max_length",
    "no_repeat_ngram",
    "repetition_penalty",
    "groups",
    "temperature",
    "top_k",
)
_NOT_NEGATIVE = (
    "min_length",
    "unknown_penalty",
    "diversity",
    "diversity_discount",
    "sibling_rate",
)
_SHARES = ("prefix_bias", "top_p", "min_p", "typical")
_ACTS_IN: dict[str, tuple[str, ...]] = {
    "beam": ("beam", "stochastic_beam"),
    "length_penalty": ("beam", "sample"),
    "temperature": ("sample", "stochastic_beam"),
    "seed": ("sample", "stochastic_beam"),
    **dict.fromkeys(("top_k", "top_p", "min_p", "typical"), ("sample",)),
    **dict.fromkeys(
        (
            "semantics",
            "coverage_penalty",
            "brevity_penalty",
            "length_ratio",
            "patience",
            "groups",
            "diversity",
            "diversity_discount",
            "sibling_rate",
            "phrases_ordered",
        ),
        ("beam",),
    ),
}  # of each option the methods; those that are not here act in all


def check_choices(decoding: Any) -> None:
    """Check the fields of a :class:`Decoding`, each by itself and together.

    Raises:
        ValueError: one is out of its range, contradicts another, or has another value than by
            default and would do nothing.
        TypeError: ``suppress`` is one text.
    """
    check_choice("method", decoding.method, METHODS)
    check_texts("suppress", decoding.suppress)
    _check_ranges(decoding)
    given = {f.name for f in fields(decoding) if getattr(decoding, f.name) != f.default}
    for name in sorted(given & set(_ACTS_IN)):
        if decoding.method not in _ACTS_IN[name]:
            methods = " or ".join(map(repr, _ACTS_IN[name]))
            raise ValueError(
                f"{name} must not be given unless method is {methods}, got "
                f"{getattr(decoding, name)!r} with {decoding.method!r}"
            )
    rules = decoding.rules
    check_length_penalty(rules.length_penalty)
    if decoding.method != "sample":
        check_beam(decoding.beam, decoding.nbest, rules.length_penalty)
    if decoding.beam % decoding.groups:
        raise ValueError(f"groups must divide the beam of {decoding.beam}, got {decoding.groups}")
    if decoding.groups > 1 and decoding.sibling_rate is not None:
        raise ValueError("sibling_rate must not be given with groups")
    _refuse(given & {"diversity", "diversity_discount"}, decoding.groups == 1, "groups above 1")
    _refuse(given & {"length_ratio"}, not rules.brevity_penalty, "a brevity_penalty")
    _refuse(given & {"patience"}, not rules.has_patience, "semantics that stop by count")


def _check_ranges(decoding: Any) -> None:
    """Each number by itself, and the lengths together."""
    for names, check in (
        (_POSITIVE, check_positive),
        (_NOT_NEGATIVE, check_not_negative),
        (_SHARES, _check_share),
    ):
        for name in names:
            if getattr(decoding, name) is not None:
                check(name, getattr(decoding, name))
    longest = decoding.max_length
    if longest is not None and decoding.min_length > longest:
        raise ValueError(
            f"min_length must be at most max_length ({longest}), got {decoding.min_length}"
        )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")


def _refuse(names: set[str], idle: bool, need: str) -> None:
    """Raise ValueError if options are given that do nothing without what they need."""
    if names and idle:
        raise ValueError(f"{' and '.join(sorted(names))} must not be given without {need}")
