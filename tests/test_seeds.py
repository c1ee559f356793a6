"""Seeds of any size are seeds, each one of its own."""

import pytest
import torch

from huashi._seeds import torch_seed


@pytest.mark.parametrize("size", [2**12, 2**31, 2**63, 2**64, 2**200])
def test_torch_takes_what_any_seed_becomes(size):
    drawn = []
    for seed in (size - 1, size, size + 1):
        torch.manual_seed(torch_seed(seed))
        drawn.append(torch.rand(1).item())
    assert len(set(drawn)) == 3


def test_what_torch_takes_stays_as_it_is():
    assert torch_seed(2**63 - 1) == 2**63 - 1
