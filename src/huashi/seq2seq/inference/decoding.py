"""All choices of a search in one place: what a translator and ``huashi predict`` offer alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from huashi._field_docs import with_field_docs
from huashi.seq2seq.inference.choices import check_choices
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.search import (
    BeamStep,
    BiasedPrefix,
    DiverseGroups,
    DiverseSiblings,
    ForcedPrefix,
    Hypothesis,
    InTrie,
    MinLength,
    NoRepeatNgram,
    Phrases,
    RepetitionPenalty,
    Rules,
    Suppress,
    UnknownPenalty,
    beam_search,
    greedy_search,
    rules_of,
    sample,
    stochastic_beam_search,
)
from huashi.seq2seq.search.adjustments import Adjustment
from huashi.seq2seq.search.beam.rules import Semantics
from huashi.seq2seq.text.tokenizer import BOS, EOS, UNKNOWN, Tokenizer

Method = Literal["beam", "sample", "stochastic_beam"]


@with_field_docs
@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How the outputs of a model are searched for.

    Raises:
        ValueError: a field is out of its range, contradicts another, or has another value than by
            default and would do nothing, such as ``top_p`` in a beam search.
        TypeError: ``suppress`` is one text.
    """

    method: Method = "beam"
    """Search for the best outputs (beam), draw some at random (sample), or draw some that all
    differ (stochastic_beam)."""
    beam: int = 5
    """Hypotheses kept alive; 1 is greedy search. How many samples are drawn is nbest."""
    nbest: int = 1
    """Outputs of each source; at most the beam, unless they are samples."""
    semantics: Semantics = "huashi"
    """The rules of the beam search: Huashi's own, or those of the project whose n-best lists it
    shall give."""
    length_penalty: float | None = None
    """Exponent of the length that a score is divided by; by default that of the semantics."""
    coverage_penalty: float | None = None
    """Weight in the score of how well the source is attended to; by default that of the semantics.
    """
    brevity_penalty: float | None = None
    """Weight in the score of a penalty for outputs shorter than length_ratio times the source; by
    default that of the semantics."""
    length_ratio: float = 1.0
    """Tokens of an output for each token of the source, as the brevity penalty expects them."""
    patience: float | None = None
    """How many times the beam have to finish, under semantics that stop by count; by default 1."""
    min_length: int = 0
    """The fewest tokens of an output, its end counted."""
    max_length: int | None = None
    """The most tokens of an output, its end counted; by default twice those of the source and 50,
    and at most as many as the decoder has learned positions for."""
    no_repeat_ngram: int | None = None
    """No n tokens in a row occur twice in an output."""
    repetition_penalty: float | None = None
    """Above 1, makes tokens that the output has already less likely."""
    suppress: tuple[str, ...] = ()
    """Tokens that must not occur, written as in the vocabulary."""
    unknown_penalty: float | None = None
    """Subtracted from the log-probability of the unknown token."""
    groups: int = 1
    """Groups of the beam, each of which pays for tokens that others have chosen (diverse beam
    search); they divide the beam."""
    diversity: float = 0.5
    """What a group pays for a token."""
    diversity_discount: float = 0.0
    """How much of what two groups have in common still counts at the next token; 0 for none."""
    sibling_rate: float | None = None
    """What a token pays for its rank among those that follow the same hypothesis."""
    prefix_bias: float | None = None
    """From 0 to 1, how strongly a given prefix is preferred; by default it is forced."""
    phrases_ordered: bool = False
    """Given phrases have to follow one another in their order."""
    temperature: float = 1.0
    """Of samples: below 1 the likely becomes likelier."""
    top_k: int | None = None
    """Draw samples from the k likeliest tokens."""
    top_p: float | None = None
    """Draw samples from the likeliest tokens that together have this probability."""
    min_p: float | None = None
    """Draw samples from tokens at least this times as likely as the likeliest."""
    typical: float | None = None
    """Draw samples from the most typical tokens that together have this probability."""
    seed: int = 0
    """Of samples. Those of a source depend on its number and the seed, not on other sources."""
    replace_unknown: bool = False
    """Replace an unknown token by the source token that it attends to most."""

    def __post_init__(self) -> None:
        check_choices(self)

    @property
    def rules(self) -> Rules:
        """The rules of the semantics, with the penalties that are given."""
        given = {
            name: getattr(self, name)
            for name in ("length_penalty", "coverage_penalty", "brevity_penalty", "patience")
            if getattr(self, name) is not None
        }
        return replace(rules_of(self.semantics), **given)

    def adjustments(self, tokenizer: Tokenizer, wishes: "Wishes") -> list[Adjustment]:
        """What changes the log-probabilities of each step, for a batch of sources.

        A preferred prefix comes after what forbids tokens and what makes them less likely: it mixes
        with what is left of the distribution, made to sum to 1 where the semantics do so. What is
        forbidden stays so, also in a prefix.

        Args:
            tokenizer: of the outputs.
            wishes: what the outputs of each source must be like.
        """
        bans: list[Adjustment] = []
        if wishes.choices is not None:
            bans.append(wishes.choices)
        if self.min_length > 1:
            bans.append(MinLength(self.min_length))
        if self.no_repeat_ngram is not None:
            bans.append(NoRepeatNgram(self.no_repeat_ngram))
        if self.suppress:
            bans.append(Suppress(tokenizer.ids(self.suppress)))
        costs: list[Adjustment] = []
        if self.repetition_penalty is not None:
            costs.append(RepetitionPenalty(self.repetition_penalty))
        if self.unknown_penalty is not None:
            costs.append(UnknownPenalty(UNKNOWN, self.unknown_penalty))
        if wishes.prefixes is None:
            return [*bans, *costs]
        if self.prefix_bias is None:
            return [ForcedPrefix(wishes.prefixes), *bans, *costs]
        prefix = BiasedPrefix(wishes.prefixes, self.prefix_bias, self.rules.renormalise)
        return [*bans, *costs, prefix, *bans]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the outputs of a batch of sources must be like, beyond what all have in common.

    Each sequence has an item for each source.
    """

    prefixes: Sequence[Sequence[int]] | None = None
    """Token ids that the output begins with."""
    phrases: Sequence[Sequence[Sequence[int]]] | None = None
    """Phrases that the output contains, each of token ids."""
    choices: InTrie | None = None
    """The only outputs that are possible, for all sources."""
    keys: Sequence[int] | None = None
    """A number that stands for the source where samples are drawn; by default its place in the
    batch."""


def decode(
    model: Any,
    state: Any,
    lengths: Tensor,
    tokenizer: Tokenizer,
    decoding: Decoding,
    wishes: Wishes,
    observe: Callable[[BeamStep], None] | None = None,
) -> list[list[Hypothesis]]:
    """The outputs of a batch of sources.

    Args:
        model: has ``step`` and ``alignment``, and the decoders among its ``modules()``.
        state: of the model before the first step, one row a source.
        lengths: of the sources, their end counted, (sentences,), int64.
        tokenizer: of the outputs.
        decoding: how to search for them.
        wishes: what they must be like.
        observe: called after each step of a beam search.

    Returns:
        For each source its hypotheses, best first, or in the order of their numbers if they are
        independent samples.

    Raises:
        ValueError: phrases or ``observe`` are given, and the method is not ``beam``; a choice of
            ``decoding`` does nothing without prefixes, phrases or attention; or the search refuses
            an option.
    """
    _check_attention(model, decoding)
    if decoding.prefix_bias is not None and wishes.prefixes is None:
        raise ValueError("prefix_bias must not be given without prefixes")
    if decoding.phrases_ordered and wishes.phrases is None:
        raise ValueError("phrases_ordered must not be given without phrases")
    max_length = decoding.max_length
    options = {
        "bos": BOS,
        "eos": EOS,
        "max_length": _longest(model, lengths) if max_length is None else max_length,
        "adjustments": decoding.adjustments(tokenizer, wishes),
        "alignment": model.alignment,
    }
    if decoding.method == "beam":
        if _is_greedy(decoding, wishes) and observe is None:
            alpha = decoding.rules.length_penalty
            return greedy_search(model.step, state, length_penalty=alpha, **options)
        return _best(model, state, lengths, decoding, wishes, observe, options)
    if wishes.phrases is not None or observe is not None:
        raise ValueError(f"method must be 'beam' for phrases and pictures, got {decoding.method!r}")
    keys = None if wishes.keys is None else torch.tensor(wishes.keys)
    return _drawn(model, state, decoding, options | {"generator": decoding.seed, "keys": keys})


def _check_attention(model: Any, decoding: Decoding) -> None:
    """Raise if a choice needs attention to the source, and no part of the model has any."""
    parts = [part for part in model.modules() if isinstance(part, EncoderDecoder)]
    if not parts or any(part.attends for part in parts):
        return
    if decoding.method == "beam" and (weight := decoding.rules.coverage_penalty):
        raise ValueError(
            f"coverage_penalty must be 0 for a model without attention, got {weight} (semantics "
            f"{decoding.semantics})"
        )
    if decoding.replace_unknown:
        raise ValueError("replace_unknown must be False for a model without attention, got True")


def _is_greedy(decoding: Decoding, wishes: Wishes) -> bool:
    """Whether greedy search finds what the beam search would."""
    rules = decoding.rules
    return (
        decoding.beam == 1
        and decoding.groups == 1
        and decoding.semantics == "huashi"
        and not (rules.coverage_penalty or rules.brevity_penalty)
        and wishes.phrases is None
    )


def _best(
    model: Any,
    state: Any,
    lengths: Tensor,
    decoding: Decoding,
    wishes: Wishes,
    observe: Callable[[BeamStep], None] | None,
    options: dict[str, Any],
) -> list[list[Hypothesis]]:
    """The outputs by beam search."""
    constraints = None
    if wishes.phrases is not None:
        constraints = Phrases(of_sentences=wishes.phrases, ordered=decoding.phrases_ordered)
    return beam_search(
        model.step,
        state,
        beam=decoding.beam,
        nbest=decoding.nbest,
        rules=decoding.rules,
        diversity=_diversity(decoding),
        constraints=constraints,
        reference_lengths=decoding.length_ratio * lengths.double(),
        observe=observe,
        **options,
    )


def _drawn(
    model: Any, state: Any, decoding: Decoding, options: dict[str, Any]
) -> list[list[Hypothesis]]:
    """Outputs drawn at random, independent of one another or all different."""
    if decoding.method == "stochastic_beam":
        found = stochastic_beam_search(
            model.step, state, beam=decoding.beam, temperature=decoding.temperature, **options
        )
        return [some[: decoding.nbest] for some in found]
    return sample(
        model.step,
        state,
        samples=decoding.nbest,
        length_penalty=decoding.rules.length_penalty,
        temperature=decoding.temperature,
        top_k=decoding.top_k,
        top_p=decoding.top_p,
        min_p=decoding.min_p,
        typical=decoding.typical,
        **options,
    )


def _longest(model: Any, lengths: Tensor) -> Tensor:
    """The greatest length of the outputs by default, (sentences,), int64."""
    parts = [part for part in model.modules() if isinstance(part, EncoderDecoder)]
    readable = min((part.longest_target for part in parts), default=torch.inf)
    return (2 * lengths + 50).clamp(max=min(readable, 2**31))


def _diversity(decoding: Decoding) -> DiverseGroups | DiverseSiblings | None:
    """What makes the hypotheses of a beam differ, if anything does."""
    if decoding.groups > 1:
        return DiverseGroups(
            groups=decoding.groups,
            strength=decoding.diversity,
            discount=decoding.diversity_discount,
        )
    if decoding.sibling_rate is not None:
        return DiverseSiblings(rate=decoding.sibling_rate)
    return None
