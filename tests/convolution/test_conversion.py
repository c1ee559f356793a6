"""Plain convolutions of a model for others: which, what stays, and what is said of the rest."""

import copy
import importlib.util
import json

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.convolution import convert, cost
from huashi.convolution.conversion_kinds import KINDS
from huashi.convolution.module import ConvModule
from huashi.convolution.plain import Conv1d, Conv2d

EQUAL = {"deformable", "dynamic"}


@pytest.fixture(params=KINDS)
def kind(request):
    if not importlib.util.find_spec(f"huashi.convolution.{KINDS[request.param].place}"):
        pytest.skip("there is no such layer yet")
    return request.param


class Thin(ConvModule):
    """Through one channel, and out again."""

    dims = 2

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
        *,
        between=None,
    ):
        geometry = kernel_size, stride, padding, dilation, groups, padding_mode
        super().__init__(in_channels, out_channels, *geometry)
        made = {"device": device, "dtype": dtype}
        self.first = self.stage(in_channels, groups, 0, 1, groups=groups, bias=False, **made)
        self.between = nn.Identity() if between is None else between(groups)
        self.last = self.stage(groups, out_channels, groups=groups, bias=bias, **made)

    def forward(self, x):
        return self.last(self.between(self.first(x)))


def network():
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 3, groups=8, padding=1),
        nn.Conv2d(8, 6, (3, 5), padding="same", padding_mode="reflect", bias=False),
        nn.ConvTranspose2d(6, 4, 2, 2),
    )


@pytest.mark.parametrize("side", [9, 12])
def test_each_kind_stands_where_the_plain_one_stood(kind, side):
    model = network()
    x = torch.randn(2, 4, side, side)
    want = model.eval()(x)
    told = convert(model, kind)
    assert told.model is model
    places = {"0", "4"} - set(told.left)
    assert "0" in places
    assert set(told.converted) == places
    assert {name: told.left[name] for name in "235"} == {
        "2": "has one tap",
        "3": "has 8 groups",
        "5": "is transposed",
    }
    got = model(x)
    assert got.shape == want.shape
    assert all(told.converted[name].equal == (kind in EQUAL) for name in places)
    if kind in EQUAL:
        assert_close(got, want, rtol=1e-4, atol=1e-5)
    for name, layer in told.converted.items():
        assert type(model[int(name)]).__name__ == layer.after
        assert layer.parameters[1] == sum(p.numel() for p in model[int(name)].parameters())
    got.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_every_dimension(kind):
    for dims in KINDS[kind].dims:
        plain = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
        model = nn.Sequential(plain(4, 8, 3, 2, 1), nn.ReLU())
        x = torch.randn(2, 4, *(7, 6, 5)[:dims])
        want = model(x)
        assert list(convert(model, kind).converted) == ["0"]
        assert model(x).shape == want.shape


def test_what_has_no_such_dimension_is_left():
    model = nn.Sequential(nn.Conv1d(4, 8, 3))
    with pytest.warns(UserWarning, match="no layer was converted: 0 has 1 dimension, for which"):
        told = convert(model, "spatially_separable")
    assert told.left == {"0": "has 1 dimension, for which there is no such layer"}
    with pytest.warns(UserWarning, match="no layer was converted"):
        assert not convert(model, Conv2d).converted
    assert list(convert(model, Conv1d).converted) == ["0"]


@pytest.mark.parametrize("padding", [0, 1, "same", "valid", (2, 0)])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular", "replicate"])
def test_the_same_function_keeps_weights_and_results(padding, mode):
    plain = nn.Conv2d(3, 5, 3, padding=padding, dilation=2, padding_mode=mode)
    model = nn.Sequential(plain)
    x = torch.randn(2, 3, 9, 8)
    want, before = model(x), copy.deepcopy(model.state_dict())
    told = convert(model, Conv2d)
    assert type(model[0]) is Conv2d
    assert told.converted["0"].equal
    assert told.converted["0"].initialised == ()
    assert torch.equal(model(x), want)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_huashis_padding_goes_along():
    model = nn.Sequential(
        Conv2d(3, 4, 3, 2, padding="same_lower"), Conv2d(4, 4, 3, padding=[(0, 2), "same"])
    )
    x = torch.randn(1, 3, 8, 9)
    want = model(x)
    convert(model, Conv2d)
    assert torch.equal(model(x), want)
    convert(model, Thin)
    assert model[0].sides == ("same_lower", "same_lower")
    assert model[1].sides == ((0, 2), "same")


def test_what_is_not_equal_begins_anew_and_is_said_to():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1))
    told = convert(model, Thin)
    layer = told.converted["0"]
    assert (layer.before, layer.after, layer.equal) == ("Conv2d", "Thin", False)
    assert layer.initialised == ("first.weight", "last.weight", "last.bias")
    assert layer.parameters == (4 * 8 * 9 + 8, 4 * 9 + 8 + 8)
    assert str(told) == (
        "converted 1, left 0\n0: Conv2d -> Thin, 296 -> 52 parameters, re-initialised"
    )
    assert json.loads(json.dumps(told.to_dict()))["converted"]["0"]["after"] == "Thin"


def test_what_has_such_weights_and_means_something_else_begins_anew():
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    before = model[0].weight.clone()
    assert not convert(model, Doubled).converted["0"].equal
    assert not torch.equal(model[0].weight, before)


def test_device_dtype_mode_memory_and_training_go_along():
    plain = nn.Conv2d(4, 8, 3, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    plain.weight.requires_grad_(False)
    model = nn.Sequential(plain).eval()
    convert(model, Thin)
    new = model[0]
    assert {p.dtype for p in new.parameters()} == {torch.bfloat16}
    assert not new.training
    assert not any(p.requires_grad for p in new.parameters())
    assert new.first.weight.is_contiguous(memory_format=torch.channels_last)
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(4, 8, 3))
    convert(model, Thin)
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_where_by_pattern_list_and_predicate():
    def names(where):
        return list(convert(nn.Sequential(network(), network()), Thin, where).converted)

    assert names("0.*") == ["0.0", "0.2", "0.3", "0.4"]
    assert names(["0.0", "1.4"]) == ["0.0", "1.4"]
    assert names(lambda name, module: module.out_channels == 6) == ["0.4", "1.4"]
    assert names(None) == ["0.0", "0.4", "1.0", "1.4"]


def test_where_must_match_something():
    model = network()
    with pytest.raises(
        ValueError, match=r"where must match a convolution, got '9'; there are 0, 2"
    ):
        convert(model, Thin, ["0", "9"])
    with pytest.raises(ValueError, match="where must be true of a convolution"):
        convert(model, Thin, lambda name, module: False)
    with pytest.raises(ValueError, match="where must name a convolution, got an empty list"):
        convert(model, Thin, [])
    with pytest.raises(ValueError, match="model must have a convolution of one group with several"):
        convert(nn.Sequential(nn.Linear(3, 3), nn.Conv2d(3, 3, 1)), Thin)
    assert [type(one) for one in model] == [type(one) for one in network()]


def test_errors_change_nothing():
    model = network()
    with pytest.raises(ValueError, match="did you mean 'deformable'"):
        convert(model, "deformabel")
    with pytest.raises(TypeError, match="to must be a name or a class, got int"):
        convert(model, 3)
    with pytest.raises(TypeError, match=r"model must be a torch.nn.Module, got list"):
        convert([model], Thin)
    with pytest.raises(TypeError, match="betwen"):
        convert(model, Thin, betwen=nn.BatchNorm2d)
    with pytest.raises(ValueError, match="groups must divide in_channels, got 3 for 4"):
        convert(model, Thin, groups=3)
    assert [type(one) for one in model] == [type(one) for one in network()]


def test_options_go_to_the_new_layer():
    model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1))
    x = torch.randn(1, 4, 6, 7)
    convert(model, Thin, between=nn.BatchNorm2d)
    assert isinstance(model[0].between, nn.BatchNorm2d)
    for options, sides in (
        ({"kernel_size": 5}, ((2, 2), (2, 2))),
        ({"kernel_size": (7, 3)}, ((3, 3), (1, 1))),
        ({"dilation": 2}, ((2, 2), (2, 2))),
        ({"kernel_size": 5, "padding": "same"}, ("same", "same")),
    ):
        model = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1))
        convert(model, Thin, **options)
        assert model[0].sides == sides
        assert model(x).shape == (1, 8, 6, 7)
    with pytest.raises(ValueError, match="around the same centre: padding must be given"):
        convert(nn.Sequential(nn.Conv2d(4, 8, 3, padding=1)), Thin, kernel_size=4)


def test_shared_layers_are_converted_once():
    plain = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.ModuleDict({"a": plain, "b": nn.Sequential(plain), "c": nn.Conv2d(4, 4, 3)})
    told = convert(model, Thin, "b.*")
    assert list(told.converted) == ["a"]
    assert model["a"] is model["b"][0]
    assert isinstance(model["a"], Thin)


def test_a_convolution_itself():
    plain = nn.Conv2d(4, 8, 3)
    told = convert(plain, Thin)
    assert isinstance(told.model, Thin)
    assert list(told.converted) == [""]
    assert str(told).splitlines()[1].startswith("model: Conv2d -> Thin")


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_layers_with_other_code_are_left():
    class Odd(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) + 1

    class Named(nn.Conv2d):
        """Only another name."""

    hooked, own = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    hooked.register_forward_hook(lambda *_: None)
    own.forward = lambda x: x
    tied, other = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
    tied.weight = other.weight
    model = nn.ModuleDict(
        {
            "odd": Odd(4, 4, 3),
            "named": Named(4, 4, 3),
            "hooked": hooked,
            "own": own,
            "normed": torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)),
            "old_norm": torch.nn.utils.weight_norm(nn.Conv2d(4, 4, 3)),
            "lazy": nn.LazyConv2d(4, 3),
            "tied": tied,
            "other": other,
        }
    )
    told = convert(model, Thin)
    assert list(told.converted) == ["named"]
    assert told.left == {
        "odd": "has a forward of its own, as a Odd",
        "hooked": "has hooks, which are other code",
        "own": "has a forward of its own, as a Conv2d",
        "normed": "has parametrized weights",
        "old_norm": "has hooks, which are other code",
        "lazy": "has no weights yet: call the model once",
        "tied": "shares its weight with other",
        "other": "shares its weight with tied",
    }


def test_parts_of_converted_layers_are_left_alone():
    model = network()
    first = convert(model, Thin)
    inside = [id(part) for name in first.converted for part in model[int(name)].modules()]
    with pytest.raises(ValueError, match="model must have a convolution of one group with"):
        convert(model, Thin)
    again = [id(part) for name in first.converted for part in model[int(name)].modules()]
    assert inside == again


def test_a_converted_model_has_a_cost_of_its_own():
    model = network()
    before = cost(model, (1, 4, 8, 8))
    convert(model, Thin)
    after = cost(model, (1, 4, 8, 8))
    assert after.multiply_adds < before.multiply_adds
    assert after.within("0").multiply_adds == 16 * (4 * 9 + 8)


def test_kernels_of_several_sizes_see_further_around_the_same_places():
    pytest.importorskip("huashi.convolution.mixed")
    model = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1))
    x = torch.randn(1, 4, 9, 7)
    want = model(x).shape
    convert(model, "mixed")
    assert model[0].kernel_sizes == ((3, 3), (5, 5), (7, 7))
    assert model(x).shape == want
    model = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1))
    convert(model, "mixed", kernel_size=(3, 9))
    assert model[0].kernel_sizes == ((3, 3), (9, 9))
    assert model(x).shape == want
