"""Searches by every preset, from a table of transitions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.same_bits.cases import Case, imported, values, with_grad

search = imported("huashi.seq2seq.search")


def search_cases() -> Iterator[Case]:
    tokens, sentences = 23, 5
    table = values("plain", (tokens, tokens, tokens), torch.float32, "table").mul(2)
    table[..., 1] += 1  # the end
    table[..., 0] = -torch.inf  # the beginning
    attends = values("plain", (tokens, 4), torch.float32, "attention").softmax(-1)

    def step(token: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        before, bias = state
        return (table[before, token] + bias).log_softmax(-1), (token, bias)

    def alignment(state: tuple[Tensor, Tensor]) -> Tensor:
        return attends[state[0]]

    options = {"bos": 0, "eos": 1, "max_length": 12, "alignment": alignment}
    ways: dict[str, Callable] = {"greedy": partial(search.greedy_search, **options)}
    for preset in search.PRESETS:
        for beam, nbest in ((1, 1), (4, 2), (6, 6)):
            ways[f"beam {preset}, {beam} {nbest}"] = partial(
                search.beam_search, semantics=preset, beam=beam, nbest=nbest, **options
            )
    few = partial(search.beam_search, beam=4, **options)
    lengths = torch.arange(sentences) + 3
    rules = search.Rules(coverage_penalty=0.3, brevity_penalty=0.5, patience=2.0)
    ways |= {
        "beam, rules": partial(few, rules=rules, reference_lengths=lengths.float()),
        "beam, excess": partial(few, rules=search.Rules(coverage_penalty=0.3, coverage="excess")),
        "beam, groups": partial(few, diversity=search.DiverseGroups(groups=2)),
        "beam, siblings": partial(few, diversity=search.DiverseSiblings()),
        "beam, phrases": partial(
            few, constraints=search.Phrases(of_sentences=[[[5, 6]], [], [[7]], [[8, 9], [3]], []])
        ),
        "sample": partial(search.sample, samples=3, generator=7, **options),
        "sample, top": partial(search.sample, top_k=5, top_p=0.8, generator=7, **options),
        "sample, typical": partial(
            search.sample, temperature=0.7, typical=0.8, min_p=0.02, generator=7, **options
        ),
        "stochastic beam": partial(search.stochastic_beam_search, beam=4, generator=7, **options),
    }
    for name, adjustments in {
        "filters": (search.Temperature(0.8), search.TopK(9), search.TopP(0.9), search.MinP(0.01)),
        "entropy": (search.Typical(0.9), search.Epsilon(0.001), search.Eta(0.001)),
        "repetition": (search.NoRepeatNgram(2), search.RepetitionPenalty(1.2)),
        "vocabulary": (
            search.MinLength(4),
            search.Suppress([4, 5]),
            search.SuppressAtBegin([6]),
            search.UnknownPenalty(7, 0.5),
        ),
        "forced": (search.ForcedPrefix([[5, 6], [4], [], [9, 8, 7], [3]]),),
        "biased": (search.BiasedPrefix([[5, 6], [4], [], [9, 8, 7], [3]], 0.5),),
        "trie": (search.InTrie([[5, 6, 1], [4, 4, 1], [3, 1]]),),
    }.items():
        ways[f"beam, {name}"] = partial(few, adjustments=adjustments)
    for name, way in ways.items():

        def run(bias: Tensor, way: Callable = way) -> Any:
            return way(step, (torch.zeros(sentences, dtype=torch.long), bias))

        bias = values("plain", (sentences, tokens), torch.float32, "bias")
        yield Case(f"search/{name}", with_grad(run), [bias])
