"""The states of a model, taken apart by rows."""

import pytest
import torch

from huashi.seq2seq.search import select


def test_select_takes_rows_out_of_any_nest():
    state = {"a": torch.arange(3), "b": (torch.arange(6).view(3, 2), [None])}
    rows = select(state, torch.tensor([2, 2]))
    assert rows["a"].tolist() == [2, 2]
    assert rows["b"][0].tolist() == [[4, 5], [4, 5]]
    assert rows["b"][1] == [None]
    with pytest.raises(TypeError, match="state must be tensors in tuples, lists and dicts"):
        select({"a": 3}, torch.tensor([0]))
