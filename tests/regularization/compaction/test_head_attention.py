"""Attention with fewer heads against torch's, of which the other heads are zero."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.regularization import compact

HEADS, KEPT = 4, [1, 2]


class Attend(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attend = nn.MultiheadAttention(8, HEADS, batch_first=True, **options)

    def forward(self, x):
        return self.attend(x, x, x, need_weights=False)[0]


def pair(**options):
    """torch's attention with two heads that add nothing, and what is left without them."""
    model = Attend(**options)
    gone = torch.tensor([head not in KEPT for head in range(HEADS)]).repeat_interleave(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
        model.attend.out_proj.weight[:, gone] = 0
    small = compact(model, torch.randn(2, 5, 8)).model
    assert small.attend.num_heads == 2
    return model.attend, small.attend


MASKS = {
    "none": dict,
    "bool": lambda: {"attn_mask": torch.ones(5, 6, dtype=torch.bool).triu(2)},
    "float": lambda: {"attn_mask": torch.randn(5, 6)},
    "each head": lambda: {"attn_mask": torch.randn(3 * HEADS, 5, 6)},
    "padding": lambda: {"key_padding_mask": torch.arange(6).expand(3, 6) > 3},
    "both": lambda: {
        "attn_mask": torch.randn(5, 6),
        "key_padding_mask": torch.arange(6).expand(3, 6).float(),
    },
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"add_bias_kv": True, "add_zero_attn": True}]
)
def test_gives_what_torch_gives(mask, options):
    full, small = pair(**options)
    query, key, value = torch.randn(3, 5, 8), torch.randn(3, 6, 8), torch.randn(3, 6, 8)
    masks = MASKS[mask]()
    want, weights = full(query, key, value, average_attn_weights=False, **masks)
    got, ours = small(query, key, value, average_attn_weights=False, **masks)
    assert_close(got, want)
    assert_close(ours, weights[:, KEPT])
    assert_close(small(query, key, value, **masks)[1], weights[:, KEPT].mean(1))
    assert small(query, key, value, need_weights=False, **masks)[1] is None


def test_without_a_batch_and_with_time_first():
    full, small = pair()
    x = torch.randn(5, 8)
    assert_close(small(x, x, x)[0], full(x, x, x)[0])
    full.batch_first = small.batch_first = False
    x = torch.randn(5, 3, 8)
    assert_close(small(x, x, x)[0], full(x, x, x)[0])
