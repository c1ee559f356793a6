"""Only what is in a trie is found, by any search."""

import pytest
import torch

from huashi.seq2seq.search import AllowedTokens, InTrie, beam_search, sample
from tests.seq2seq.search.sampling.test_ancestral import END, OPTIONS, step


@pytest.mark.parametrize("beam", [1, 3, 20])
def test_only_what_is_in_the_trie_is_found(beam):
    sequences = [[2, 0], [0], [2, 2]]
    wanted = {(*sequence, END) for sequence in sequences}
    options = {**OPTIONS, "adjustments": [InTrie(sequences)]}
    [found] = beam_search(step, torch.zeros(1), beam=beam, **options)
    assert {tuple(h.tokens) for h in found if h.finished} <= wanted
    if beam == 20:
        assert {tuple(h.tokens) for h in found} == wanted
    [drawn] = sample(step, torch.zeros(1), samples=20, generator=0, **options)
    assert {tuple(h.tokens) for h in drawn} <= wanted

    def allowed(_, tokens):  # of hypotheses that no sequence begins with nothing is asked for
        begun = [s for s in wanted if s[: len(tokens)] == tuple(tokens)]
        return {s[len(tokens)] for s in begun if len(s) > len(tokens)}

    options["adjustments"] = [AllowedTokens(allowed)]
    [again] = beam_search(step, torch.zeros(1), beam=beam, **options)
    assert again == found
