"""Compact models as files: they load onto full-size models, or run without any."""

import copy

import pytest
import safetensors.torch
import torch
from torch import nn

from huashi.regularization import compact, export_program, load_compact, save_compact
from tests.regularization.compaction.sparse_networks import call, difference, sparse
from tests.regularization.topologies import TOPOLOGIES


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_loads_onto_a_model_of_full_size(name, tmp_path):
    model, example = sparse(name)
    small = compact(model, example).model.eval()
    save_compact(tmp_path / "small.safetensors", small)
    fresh, _ = TOPOLOGIES[name]()
    before = str(fresh)
    loaded = load_compact(tmp_path / "small.safetensors", fresh).eval()
    assert str(fresh) == before
    assert str(loaded) == str(small)
    assert difference(call(loaded, example), call(small, example)) == 0
    assert len(list(loaded.parameters())) == len(list(small.parameters()))


@pytest.mark.parametrize("name", ["residual", "lstm", "attention", "several_outputs"])
def test_a_program_runs_with_torch_alone(name, tmp_path):
    model, example = sparse(name)
    small = compact(model, example).model
    export_program(tmp_path / "small.pt2", small, example)
    assert small.training
    run = torch.export.load(tmp_path / "small.pt2").module()
    small.eval()
    for x in (example, torch.cat([example] * 3)):
        assert difference(call(run, x), call(small, x)) < 1e-5


def test_a_new_bias_loads(tmp_path):
    model, example = sparse("sigmoid")
    small = compact(model, example).model.eval()
    assert small[2].bias is not None
    save_compact(tmp_path / "a", small)
    assert load_compact(tmp_path / "a", model)[2].bias is not None


def test_bad_files(tmp_path):
    path = tmp_path / "small.safetensors"
    model, example = sparse("plain")
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_compact(path, model)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load_compact(path, model)
    safetensors.torch.save_file({"a": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="holds no compact model"):
        load_compact(path, model)
    save_compact(path, compact(model, example).model)
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load_compact(path, model)


def test_other_architectures(tmp_path):
    path = tmp_path / "small.safetensors"
    model, example = sparse("plain")
    save_compact(path, compact(model, example).model)
    other, _ = TOPOLOGIES["flatten"]()
    with pytest.raises(ValueError, match="holds a BatchNorm2d as '1', where the model has ReLU"):
        load_compact(path, other)
    less = copy.deepcopy(model)
    del less[7]
    with pytest.raises(ValueError, match="holds a Linear as '7', where the model has nothing"):
        load_compact(path, less)
    more = copy.deepcopy(model).append(nn.Linear(4, 4))
    with pytest.raises(ValueError, match=r"lacks 8\.bias, and is that of another architecture"):
        load_compact(path, more)
    deep = copy.deepcopy(model)
    deep[0] = nn.Conv3d(3, 8, 3)
    with pytest.raises(ValueError, match="holds a Conv2d as '0', where the model has Conv3d"):
        load_compact(path, deep)
    narrow = copy.deepcopy(model)
    narrow[7] = nn.Linear(8, 3)
    with pytest.raises(ValueError, match=r"holds \(4, 4\) for 7\.weight, where .* has \(3, 8\)"):
        load_compact(path, narrow)


def test_what_was_there_stays_where_writing_fails(tmp_path):
    path = tmp_path / "small.safetensors"
    save_compact(path, nn.Linear(2, 2))
    before = path.read_bytes()
    broken = nn.Linear(2, 2)
    broken.weight = nn.Parameter(torch.empty(2, 2, device="meta"))
    with pytest.raises(Exception, match="meta"):
        save_compact(path, broken)
    assert path.read_bytes() == before
