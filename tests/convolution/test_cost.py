"""What a model costs: as torch counts it, layer by layer, and the model stays as it was."""

import copy
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from huashi import implementation
from huashi.convolution import SubSeparableConv1d, cost, depthwise_conv1d
from huashi.convolution.counted_run import taken_apart
from huashi.convolution.plain import Conv2d


def as_torch_counts(module, *args, **kwargs):
    """Multiply-adds by torch's own counter, which counts two for each."""
    whole = sdpa_kernel(SDPBackend.MATH)  # attention in one piece is not counted on the CPU
    with torch.no_grad(), whole, FlopCounterMode(display=False) as counter:
        copy.deepcopy(module).eval()(*args, **kwargs)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


LAYERS = {
    "1-D": (lambda: nn.Conv1d(4, 6, 5, 2, 2), (2, 4, 21)),
    "2-D": (lambda: nn.Conv2d(3, 8, (3, 5), (1, 2), 1, (2, 1), bias=False), (2, 3, 11, 14)),
    "3-D": (lambda: nn.Conv3d(2, 4, 3), (1, 2, 5, 6, 7)),
    "grouped": (lambda: nn.Conv2d(8, 12, 3, groups=4), (2, 8, 7, 7)),
    "depthwise": (lambda: nn.Conv2d(8, 16, 3, groups=8, padding="same"), (2, 8, 7, 7)),
    "pointwise": (lambda: nn.Conv2d(8, 16, 1), (2, 8, 7, 7)),
    "reflect": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), (1, 4, 6, 6)),
    "transposed": (lambda: nn.ConvTranspose2d(6, 4, 3, 2, groups=2), (2, 6, 5, 5)),
    "without batch": (lambda: nn.Conv2d(3, 4, 3), (3, 6, 6)),
    "linear": (lambda: nn.Linear(5, 7), (2, 3, 5)),
    "attention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), [(2, 5, 8)] * 3),
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    "LSTM": (lambda: nn.LSTM(4, 6, 2, bidirectional=True), (5, 2, 4)),
    "same, of Huashi": (lambda: Conv2d(3, 4, 4, 2, padding="same"), (1, 3, 7, 8)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_counts_what_torch_counts(name):
    make, shape = LAYERS[name]
    module = make()
    shapes = shape if isinstance(shape, list) else [shape]
    with taken_apart():  # layers in one piece are not counted
        want = as_torch_counts(module, *(torch.randn(one) for one in shapes))
    assert want > 0
    assert cost(module, shape).multiply_adds == want


def test_by_hand():
    """The numbers of the worked example in the module of plain convolutions."""
    for layer, want in {
        nn.Conv2d(64, 128, 3, padding=1): 56 * 56 * 64 * 128 * 9,
        nn.Conv2d(64, 128, 3, 2, padding=1): 28 * 28 * 64 * 128 * 9,
        nn.Conv2d(64, 128, 3, padding=1, groups=4): 56 * 56 * 64 * 128 * 9 // 4,
        nn.ConvTranspose2d(64, 128, 3, 2, 1, 1): 56 * 56 * 64 * 128 * 9,
    }.items():
        told = cost(layer, (1, 64, 56, 56))
        assert told.multiply_adds == want
        assert told.parameters == layer.weight.numel() + 128
        assert told.activation_bytes == 4 * layer(torch.zeros(1, 64, 56, 56)).numel()


def test_a_row_for_each_layer():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 2)
    )
    told = cost(model.half(), (5, 3, 4, 4))
    rows = [(row.name, row.kind, row.output, row.activation_bytes) for row in told.layers]
    assert rows == [
        ("0", "Conv2d", (5, 8, 2, 2), 320),
        ("1", "BatchNorm2d", (5, 8, 2, 2), 320),
        ("2", "ReLU", (5, 8, 2, 2), 0),
        ("3", "Flatten", (5, 32), 0),
        ("4", "Linear", (5, 2), 20),
    ]
    assert [row.parameters for row in told.layers] == [224, 16, 0, 0, 66]
    assert told.multiply_adds == 5 * (8 * 4 * 27 + 32 * 2)
    *_, total = str(told).splitlines()
    assert total.split() == ["total", f"{told.multiply_adds:,}", "306", "660"]
    back = json.loads(json.dumps(told.to_dict()))
    assert back["multiply_adds"] == sum(row["multiply_adds"] for row in back["layers"])
    assert back["layers"][0]["output"] == [5, 8, 2, 2]


class TwoProducts(nn.Module):
    """Arithmetic of its own beside a layer of its own, which it calls twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.again = self.layer
        self.never = nn.Linear(3, 1)
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x, scale=1.0):
        x = self.layer(self.again(x)) * scale
        return torch.einsum("bi, ij -> bj", x, self.weight)


def test_shared_layers_count_twice_and_their_parameters_once():
    told = cost(TwoProducts(), (2, 4))
    assert {row.name: (row.calls, row.multiply_adds, row.parameters) for row in told.layers} == {
        "": (1, 2 * 4 * 6, 24),
        "layer": (2, 2 * 2 * 4 * 4, 16),
        "never": (0, 0, 4),
    }
    assert told.parameters == sum(p.numel() for p in TwoProducts().parameters())


def test_tied_weights_count_once():
    table, head = nn.Embedding(9, 8), nn.Linear(8, 9, bias=False)
    head.weight = table.weight
    told = cost(nn.Sequential(table, head), torch.zeros(2, 3, dtype=torch.long))
    assert told.parameters == 72
    assert told.multiply_adds == 2 * 3 * 8 * 9


@pytest.mark.parametrize(
    "given",
    [
        (2, 4),
        torch.Size((2, 4)),
        [(2, 4)],
        torch.zeros(2, 4),
        (torch.zeros(2, 4), 3.0),
        {"x": (2, 4)},
        {"x": torch.zeros(2, 4), "scale": 2.0},
    ],
)
def test_inputs_may_be_shapes_tensors_and_named(given):
    assert cost(TwoProducts(), given).multiply_adds == 2 * (2 * 4 * 4 + 4 * 6)


class Lively(nn.Module):
    """Changes its state, draws numbers, and looks at values."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks
        self.norm = nn.BatchNorm1d(4, momentum=None)
        self.register_buffer("calls", torch.zeros(()))
        self.seen = []

    def forward(self, x):
        self.calls += 1
        self.seen.append(len(x))
        x = self.norm(x) + torch.rand(4)
        if self.looks and bool(x.sum() > -1e9):
            x = x @ x.T
        return F.dropout(x, 0.5, training=True)


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_model_stays_as_it_was(looks, training):
    model = Lively(looks).train(training)
    ran = []
    model.norm.register_forward_hook(lambda *_: ran.append(1))
    before, hooks = copy.deepcopy(model.state_dict()), dict(model.norm._forward_hooks)
    random = torch.get_rng_state()
    told = cost(model, (3, 4))
    assert told.multiply_adds == (3 * 3 * 4 if looks else 0)
    assert torch.equal(random, torch.get_rng_state())
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert model.seen == []
    assert dict(model.norm._forward_hooks) == hooks
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert model.training == model.norm.training == training
    assert torch.backends.mha.get_fastpath_enabled()


def test_what_needs_values_runs_on_zeros():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(4, 6, batch_first=True)
            self.attend = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x, lengths):
            y, _ = self.rnn(x[:, : int(lengths.max())])
            return F.scaled_dot_product_attention(*[self.attend(y, y, y)[0]] * 3)

    x, lengths = torch.randn(2, 5, 4), torch.tensor([3, 2])
    by_layer = {row.name: row.multiply_adds for row in cost(Steps(), [x, lengths]).layers}
    assert by_layer["rnn"] == 2 * 3 * 4 * 6 * (4 + 6)
    assert by_layer["attend"] == 2 * 3 * (4 * 6 * 6 + 2 * 3 * 6)
    assert by_layer[""] == 2 * 2 * 3 * 3 * 6


def test_nothing_is_allocated():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(10**6, 10**6), nn.Linear(10**6, 2, bias=False))
    told = cost(model, (10**5, 10**6))
    assert told.multiply_adds == 10**17 + 2 * 10**11
    assert told.parameters == 10**12 + 3 * 10**6


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_weight_norm_and_lazy_layers():
    old = torch.nn.utils.weight_norm(nn.Linear(4, 3))
    new = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    for layer in (old, new, nn.LazyLinear(3)):
        assert cost(nn.Sequential(layer), (2, 4)).multiply_adds == 24


def test_huashis_own_operators():
    class Filters(nn.Module):
        def forward(self, x, weight):
            return depthwise_conv1d(x, weight, left=2)

    x, weight = torch.randn(2, 9, 5), torch.randn(5, 3)
    by_shapes = cost(Filters(), [(2, 9, 5), (5, 3)])
    assert by_shapes.multiply_adds == 2 * 9 * 5 * 3

    class Looking(Filters):
        def forward(self, x, weight):
            with implementation("kernel" if bool(x.isfinite().all()) else "auto"):
                return super().forward(x, weight)

    assert cost(Looking(), [x, weight]).multiply_adds == 2 * 9 * 5 * 3
    layer = SubSeparableConv1d(8, 6, 3, separability=0)
    assert cost(layer, (2, 7, 8)).multiply_adds == 2 * 7 * (8 * 3 + 8 * 6)


def test_a_part_of_a_model():
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)), nn.Linear(5, 6))
    told = cost(model, (1, 3))
    assert told.within("0").multiply_adds == 12 + 20
    assert told.within("0.1").parameters == 25
    with pytest.raises(ValueError, match="name must be one of a module that computes, got 'x'"):
        told.within("x")


def test_wrappers_are_left_off():
    model = nn.Sequential(nn.Linear(3, 4))
    want = cost(model, (2, 3))
    assert cost(torch.compile(model), (2, 3)) == want
    assert cost(nn.DataParallel(model), (2, 3)) == want
    compiled_inside = nn.Sequential(torch.compile(nn.Linear(3, 4)))
    assert cost(compiled_inside, (2, 3)).multiply_adds == want.multiply_adds


def test_errors_are_one_sentence():
    with pytest.raises(TypeError, match=r"module must be a torch.nn.Module, got int"):
        cost(3, (1, 3))
    with pytest.raises(TypeError, match="input_shape must be a shape, a tensor"):
        cost(nn.Linear(3, 4), 7)
    with pytest.raises(ValueError, match=r"sizes >= 0, got \(-1, 3\)"):
        cost(nn.Linear(3, 4), (-1, 3))
    with pytest.raises(
        ValueError, match=r"input_shape must be what the module takes, got \(1, 5\)"
    ):
        cost(nn.Linear(3, 4), (1, 5))


@pytest.mark.parametrize("name", ["ResNet", "ConvNext", "ViT", "Bert"])
def test_models_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    sizes = {
        "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        "ConvNext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
        "ViT": {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 32,
            "patch_size": 8,
        },
        "Bert": {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "vocab_size": 50,
            "attn_implementation": "eager",
        },
    }
    config = getattr(transformers, f"{name}Config")(**sizes[name])
    model = getattr(transformers, f"{name}Model")(config).eval()
    if name == "Bert":
        tokens = torch.zeros(2, 7, dtype=torch.long)
        given = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        want = as_torch_counts(model, **given)
    else:
        given = {"pixel_values": (2, 3, 32, 32)}
        if name == "ViT":
            model.set_attn_implementation("eager")
        want = as_torch_counts(model, torch.zeros(2, 3, 32, 32))
    told = cost(model, given)
    assert told.multiply_adds == want > 0
    assert told.parameters == sum(p.numel() for p in model.parameters())
