"""All choices of a search in one place: what a translator and ``huashi predict`` offer alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from huashi._checks import check_choice, check_positive
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
from huashi.seq2seq.search.adjustments.context import Adjustment
from huashi.seq2seq.search.arguments import check_beam
from huashi.seq2seq.search.beam.rules import Semantics
from huashi.seq2seq.text.tokenizer import BOS, EOS, UNKNOWN, Tokenizer

Method = Literal["beam", "sample", "stochastic_beam"]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How the outputs of a model are looked for."""

    method: Method = "beam"
    """Look for the best outputs, draw some, or draw some that all differ."""
    beam: int = 5
    """Hypotheses kept alive; 1 is greedy search. The number of samples that are drawn is nbest."""
    nbest: int = 1
    """Outputs of each source, at most the beam."""
    semantics: Semantics = "huashi"
    """The rules of the beam search: Huashi's, or those of a project whose n-best lists it gives."""
    length_penalty: float | None = None
    """Exponent of the length that a score is divided by; by default that of the semantics."""
    coverage_penalty: float | None = None
    """Weight of a score for attending to all of the source; by default that of the semantics."""
    brevity_penalty: float | None = None
    """Weight of a penalty for outputs shorter than length_ratio times the source."""
    length_ratio: float = 1.0
    """Tokens of an output for one of the source, as the brevity penalty expects them."""
    patience: float | None = None
    """How many times the beam have to finish, for semantics that stop by count."""
    min_length: int = 0
    """The fewest tokens of an output, its end counted."""
    max_length: int | None = None
    """The most tokens of an output; by default twice the source's and 50, and not more than the
    decoder has learned positions for."""
    no_repeat_ngram: int | None = None
    """No n tokens in a row occur twice in an output."""
    repetition_penalty: float | None = None
    """Above 1, makes a token that was there already less likely."""
    suppress: tuple[str, ...] = ()
    """Tokens that do not occur, as they stand in the vocabulary."""
    unknown_penalty: float | None = None
    """Taken from the log-probability of the unknown token."""
    groups: int = 1
    """Groups of the beam that pay for saying what others have said (diverse beam search)."""
    diversity: float = 0.5
    """What they pay for a token."""
    diversity_discount: float = 0.0
    """How much of what two groups had in common counts at the next token; 0 for none."""
    sibling_rate: float | None = None
    """What a token's rank among those that follow the same hypothesis costs."""
    prefix_bias: float | None = None
    """From 0 to 1: makes a prefix likely; by default it is certain."""
    phrases_ordered: bool = False
    """Phrases have to follow one another in the order given."""
    temperature: float = 1.0
    """Of the samples: below 1 the likely is likelier."""
    top_k: int | None = None
    """Draw from the k likeliest tokens."""
    top_p: float | None = None
    """Draw from the likeliest tokens that have this probability together."""
    min_p: float | None = None
    """Draw from tokens at least this times as likely as the likeliest."""
    typical: float | None = None
    """Draw from the most typical tokens that have this probability together."""
    seed: int = 0
    """Of the samples. A source's samples depend on its number and the seed alone."""
    replace_unknown: bool = False
    """Put the source token that was attended to most in the place of an unknown token."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, ("beam", "sample", "stochastic_beam"))
        if self.method == "sample":
            check_positive("nbest", self.nbest)
        else:
            check_beam(self.beam, self.nbest, self.rules.length_penalty)
        check_positive("length_ratio", self.length_ratio)
        check_positive("groups", self.groups)
        if self.groups > 1 and self.sibling_rate is not None:
            raise ValueError("sibling_rate must not be given with groups")
        if self.beam % self.groups:
            raise ValueError(f"groups must divide the beam of {self.beam}, got {self.groups}")

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
        """What changes the log-probabilities, for a batch of sources."""
        found: list[Adjustment] = []
        if wishes.prefixes is not None:
            bias = self.prefix_bias
            prefixes = wishes.prefixes
            found.append(ForcedPrefix(prefixes) if bias is None else BiasedPrefix(prefixes, bias))
        if wishes.choices is not None:
            found.append(wishes.choices)
        if self.min_length > 1:
            found.append(MinLength(self.min_length))
        if self.no_repeat_ngram is not None:
            found.append(NoRepeatNgram(self.no_repeat_ngram))
        if self.repetition_penalty is not None:
            found.append(RepetitionPenalty(self.repetition_penalty))
        if self.suppress:
            found.append(Suppress(tokenizer.ids(self.suppress)))
        if self.unknown_penalty is not None:
            found.append(UnknownPenalty(UNKNOWN, self.unknown_penalty))
        return found


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the outputs of a batch of sources have to be like; an item is for a source."""

    prefixes: Sequence[Sequence[int]] | None = None
    """Token ids that an output begins with."""
    phrases: Sequence[Sequence[Sequence[int]]] | None = None
    """Token ids of phrases that are part of an output."""
    choices: InTrie | None = None
    """The only outputs that there are, for all sources."""
    keys: Sequence[int] | None = None
    """A number for each source that its samples depend on."""


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
        model: has ``step`` and ``alignment``.
        state: of its decoder before the first step.
        lengths: of the sources, their end counted, (sentences,).
        tokenizer: of the outputs.
        decoding: how to look for them.
        wishes: what they have to be like.
        observe: called at each step of a beam search.

    Raises:
        ValueError: phrases or a picture are asked for where no beam is searched.
    """
    options = {
        "bos": BOS,
        "eos": EOS,
        "max_length": _longest(model, lengths)
        if decoding.max_length is None
        else decoding.max_length,
        "adjustments": decoding.adjustments(tokenizer, wishes),
        "alignment": model.alignment,
    }
    plain = decoding.semantics == "huashi" and decoding.groups == 1 and wishes.phrases is None
    if decoding.method != "beam" and (wishes.phrases is not None or observe is not None):
        raise ValueError(f"method must be 'beam' for phrases and pictures, got {decoding.method!r}")
    if decoding.method != "beam":
        keys = None if wishes.keys is None else torch.tensor(wishes.keys)
        options |= {"generator": decoding.seed, "keys": keys}
    rules = decoding.rules
    if decoding.method == "sample":
        return sample(
            model.step,
            state,
            samples=decoding.nbest,
            length_penalty=rules.length_penalty,
            temperature=decoding.temperature,
            top_k=decoding.top_k,
            top_p=decoding.top_p,
            min_p=decoding.min_p,
            typical=decoding.typical,
            **options,
        )
    if decoding.method == "stochastic_beam":
        found = stochastic_beam_search(
            model.step, state, beam=decoding.beam, temperature=decoding.temperature, **options
        )
        return [some[: decoding.nbest] for some in found]
    unpenalised = not (rules.coverage_penalty or rules.brevity_penalty)
    if decoding.beam == 1 and plain and unpenalised and observe is None:
        return greedy_search(model.step, state, length_penalty=rules.length_penalty, **options)
    return beam_search(
        model.step,
        state,
        beam=decoding.beam,
        nbest=decoding.nbest,
        rules=rules,
        diversity=_diversity(decoding),
        constraints=None
        if wishes.phrases is None
        else Phrases(of_sentences=wishes.phrases, ordered=decoding.phrases_ordered),
        reference_lengths=decoding.length_ratio * lengths.double(),
        observe=observe,
        **options,
    )


def _longest(model: Any, lengths: Tensor) -> Tensor:
    """How long outputs may become by default, (sentences,)."""
    parts = [part for part in model.modules() if isinstance(part, EncoderDecoder)]
    readable = min((part.longest_target for part in parts), default=torch.inf)
    return (2 * lengths + 50).clamp(max=min(readable, 2**31))


def _diversity(decoding: Decoding) -> DiverseGroups | DiverseSiblings | None:
    if decoding.groups > 1:
        return DiverseGroups(
            groups=decoding.groups,
            strength=decoding.diversity,
            discount=decoding.diversity_discount,
        )
    if decoding.sibling_rate is not None:
        return DiverseSiblings(rate=decoding.sibling_rate)
    return None
