"""A model with Huashi's pools in the place of torch's: the same model."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import grad
from torch.testing import assert_close

from huashi import _accelerate as module
from huashi import accelerate

unpools = pytest.mark.filterwarnings("ignore:max_unpool")  # torch's own is not deterministic
X = {1: (2, 3, 15), 2: (2, 3, 9, 8), 3: (2, 3, 7, 6, 5)}
POOLS = [  # of each torch has one in each dimension
    ("MaxPool", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("MaxPool", {"kernel_size": 2, "dilation": 2, "return_indices": True}),
    ("AvgPool", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("AvgPool", {"kernel_size": 2, "count_include_pad": False, "padding": 1}),
    ("LPPool", {"norm_type": 2, "kernel_size": 2}),
    ("LPPool", {"norm_type": 4.0, "kernel_size": 3, "stride": 1}),
    ("AdaptiveMaxPool", {"output_size": 3, "return_indices": True}),
    ("AdaptiveMaxPool", {"output_size": 1}),
    ("AdaptiveAvgPool", {"output_size": 2}),
]


class Segmenter(nn.Module):
    """Down with indices, up by unpooling."""

    def __init__(self):
        super().__init__()
        self.inward = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.smooth = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.BatchNorm2d(6))
        self.unpool = nn.MaxUnpool2d(2)
        self.head = nn.ModuleDict({"pool": nn.AdaptiveAvgPool2d(2), "flat": nn.Flatten()})

    def forward(self, x):
        x = self.inward(x).relu()
        y, indices = self.pool(x)
        x = self.unpool(self.smooth(y), indices, output_size=x.shape)
        return self.head["flat"](self.head["pool"](x))


def is_ours(pool):
    return type(pool).__module__.startswith("huashi.pooling.")


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("name", "settings"), POOLS)
def test_a_replaced_pool_gives_the_same(name, settings, dims):
    torchs = getattr(nn, f"{name}{dims}d")(**settings).eval()
    ours = accelerate(torchs)
    assert is_ours(ours)
    assert type(ours).__name__ == type(torchs).__name__
    assert not ours.training
    for setting in torchs.__constants__:
        kept, value = getattr(ours, setting), getattr(torchs, setting)
        assert kept == (torchs.kernel_size if (setting, value) == ("stride", None) else value)
    x = torch.randn(X[dims], requires_grad=True)
    got, want = ours(x), torchs(x)
    if isinstance(want, tuple):
        assert torch.equal(got[1], want[1])
        got, want = got[0], want[0]
    assert_close(got, want)
    g = torch.randn_like(want)
    assert_close(grad(got, x, g), grad(want, x, g))


def test_every_pool_that_is_meant_is_replaced():
    assert {type(getattr(nn, f"{n}{d}d")(**s)) for n, s in POOLS for d in X} == set(module._POOLS)


def test_settings_of_all_kinds_are_taken_over():
    torchs = nn.MaxPool2d((3, 2), stride=[2, 1], padding=(1, 0))
    ours = accelerate(torchs)
    x = torch.randn(1, 2, 7, 7)
    assert is_ours(ours)
    assert torch.equal(ours(x), torchs(x))
    torchs = nn.AvgPool2d(3, divisor_override=4)
    assert_close(accelerate(torchs)(x), torchs(x))
    torchs = nn.AdaptiveAvgPool2d((None, 3))
    assert_close(accelerate(torchs)(x), torchs(x))


@unpools
def test_a_network_stays_what_it_was():
    model = Segmenter()
    old = copy.deepcopy(model)
    assert accelerate(model) is model
    ours = [is_ours(m) for m in (model.pool, model.smooth[0], model.head["pool"])]
    assert ours == [True] * 3
    assert type(model.unpool) is nn.MaxUnpool2d
    assert model.state_dict().keys() == old.state_dict().keys()
    assert [name for name, _ in model.named_modules()] == [name for name, _ in old.named_modules()]
    x = torch.randn(2, 3, 9, 7)
    for _ in range(2):  # in training, then in evaluation
        assert_close(model(x), old(x))
        assert_close(
            grad(model(x).sum(), model.inward.weight), grad(old(x).sum(), old.inward.weight)
        )
        model.eval(), old.eval()
    model.load_state_dict(old.state_dict())


@unpools
def test_indices_are_those_torch_unpools():
    pool, x = nn.MaxPool2d(2, return_indices=True), torch.randn(1, 2, 6, 6)
    y, indices = accelerate(pool)(x)
    unpool = nn.MaxUnpool2d(2)
    assert torch.equal(unpool(y, indices), unpool(*pool(x)))


def test_what_is_shared_stays_shared():
    pool = nn.MaxPool2d(2)
    inner = nn.Sequential(pool, pool)
    model = nn.ModuleList([pool, inner, inner, nn.MaxPool2d(2)])
    accelerate(model)
    assert is_ours(model[0])
    assert model[1] is model[2]
    assert model[0] is model[1][0] is model[1][1]
    assert model[3] is not model[0]


def test_the_training_flag_of_each_pool_is_kept():
    model = nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2).eval())
    accelerate(model)
    assert [pool.training for pool in model] == [True, False]


class OwnMaxPool2d(nn.MaxPool2d):
    def forward(self, x):
        return super().forward(x) + 1


def with_parameter(pool):
    pool.scale = nn.Parameter(torch.ones(()))
    return pool


def with_attribute(pool):
    pool.forward = lambda x: x
    return pool


def with_hook(pool, kind):
    getattr(pool, f"register_{kind}")(lambda *_: None)
    return pool


@pytest.mark.parametrize(
    "pool",
    [
        OwnMaxPool2d(2),
        with_parameter(nn.MaxPool2d(2)),
        with_attribute(nn.MaxPool2d(2)),
        with_hook(nn.MaxPool2d(2), "forward_hook"),
        with_hook(nn.MaxPool2d(2), "forward_pre_hook"),
        with_hook(nn.AvgPool2d(2), "full_backward_hook"),
        with_hook(nn.AvgPool2d(2), "state_dict_post_hook"),
        nn.LPPool2d(3, 2),
        nn.LPPool2d(2.5, 2),
        nn.LPPool2d(2, 2, ceil_mode=True),
        nn.LPPool2d(float("inf"), 2),
        nn.MaxPool2d((2,)),  # one number for two dimensions
        nn.FractionalMaxPool2d(2, 1),
        nn.MaxUnpool2d(2),
        nn.Conv2d(1, 1, 1),
    ],
    ids=repr,
)
def test_what_is_not_plain_is_left_alone(pool):
    model = nn.Sequential(pool)
    assert accelerate(pool) is pool
    assert accelerate(model)[0] is pool


def test_accelerating_twice_changes_nothing_more():
    model = accelerate(Segmenter())
    pools = list(model.modules())
    assert all(a is b for a, b in zip(pools, accelerate(model).modules(), strict=True))


@unpools
def test_can_be_copied_pickled_and_compiled():
    model = accelerate(Segmenter()).eval()
    x = torch.randn(1, 3, 6, 6)
    y = model(x)
    assert_close(copy.deepcopy(model)(x), y)
    assert_close(pickle.loads(pickle.dumps(model))(x), y)  # noqa: S301
    classifier = accelerate(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.AvgPool2d(2)))
    assert_close(torch.compile(classifier, fullgraph=True, backend="aot_eager")(x), classifier(x))


def test_only_a_module_can_be_accelerated():
    with pytest.raises(TypeError, match=r"^model must be a torch\.nn\.Module, got function$"):
        accelerate(lambda x: x)
