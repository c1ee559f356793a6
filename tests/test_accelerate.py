"""A model with Huashi's pools in the place of torch's: the same model."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.autograd import grad
from torch.testing import assert_close
from torch.utils.mkldnn import to_mkldnn

from huashi import Acceleration, accelerate, acceleration, restore
from huashi import _accelerate as module

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
    return type(pool).__module__ == module.__name__


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize(("name", "settings"), POOLS)
def test_a_replaced_pool_gives_the_same(name, settings, dims):
    torchs = getattr(nn, f"{name}{dims}d")(**settings).eval()
    ours = accelerate(copy.deepcopy(torchs))
    assert is_ours(ours)
    assert isinstance(ours, type(torchs))
    assert repr(ours) == repr(torchs)
    assert not ours.training
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
    x = torch.randn(1, 2, 7, 7)
    want = torchs(x)
    assert torch.equal(accelerate(torchs)(x), want)
    for torchs in (
        nn.AvgPool2d(3, divisor_override=4),
        nn.AdaptiveAvgPool2d((None, 3)),
        nn.MaxPool2d((2,)),
        nn.MaxPool2d(9, 4, ceil_mode=True),  # a window larger than its input
    ):
        want = torchs(x)
        assert_close(accelerate(torchs)(x), want)


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
    assert len(acceleration(model).accelerated) == 3
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
    assert acceleration(pool).accelerated == {"": "MaxPool2d"}
    unpool = nn.MaxUnpool2d(2)
    assert torch.equal(unpool(y, indices), unpool(*restore(pool)(x)))


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


def with_forward(pool):
    pool.forward = lambda x: x
    return pool


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (OwnMaxPool2d(2), "is a subclass, OwnMaxPool2d"),
        (with_forward(nn.MaxPool2d(2)), "has a forward of its own"),
        (nn.LPPool2d(3, 2), "has an exponent that is not even"),
        (nn.LPPool2d(2.5, 2), "has an exponent that is not even"),
        (nn.LPPool2d(2, 2, ceil_mode=True), "has ceil mode, in which torch divides by full"),
        (nn.MaxPool2d(2, padding=-1), "has settings that Huashi refuses: padding must be >= 0"),
    ],
    ids=repr,
)
def test_what_means_something_else_is_left_alone(pool, why):
    kind = type(pool)
    with pytest.warns(UserWarning, match=f"^no pool was accelerated: 0 {why}"):
        model = accelerate(nn.Sequential(pool))
    assert type(model[0]) is kind
    assert acceleration(model).left["0"].startswith(why)
    assert not acceleration(model).accelerated


@pytest.mark.parametrize(
    "other", [nn.FractionalMaxPool2d(2, 1), nn.MaxUnpool2d(2), nn.Conv2d(1, 1, 1)], ids=repr
)
def test_what_is_no_pool_of_these_is_not_spoken_of(other):
    kind = type(other)
    assert type(accelerate(other)) is kind
    assert acceleration(other) == Acceleration()


def test_hooks_and_attributes_stay_and_act():
    pool, called = nn.MaxPool2d(2), []
    pool.scale = nn.Parameter(torch.ones(()))
    pool._is_hf_initialized = True
    pool.register_forward_hook(lambda *_: called.append("after"))
    pool.register_forward_pre_hook(lambda *_: called.append("before"))
    assert accelerate(pool) is pool
    assert is_ours(pool)
    pool(torch.rand(1, 1, 4, 4))
    assert called == ["before", "after"]
    assert [name for name, _ in pool.named_parameters()] == ["scale"]


def test_models_of_transformers():
    transformers = pytest.importorskip("transformers")
    settings = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    model = transformers.ResNetModel(transformers.ResNetConfig(**settings)).eval()
    x = torch.rand(2, 3, 64, 64)
    want = model(x).last_hidden_state
    assert len(acceleration(accelerate(model)).accelerated) == 2
    assert_close(model(x).last_hidden_state, want)


@unpools
def test_restoring_gives_the_model_back():
    model, old = Segmenter(), Segmenter()
    restore(accelerate(model))
    pairs = zip(model.modules(), old.modules(), strict=True)
    assert all(type(ours) is type(theirs) for ours, theirs in pairs)
    assert not acceleration(model).accelerated
    assert set(acceleration(model).left.values()) == {"was not accelerated"}


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Flatten()).eval()


@pytest.mark.parametrize("strict", [False, True])
def test_exports_hold_the_operators_of_torch(strict):
    x, model = torch.rand(1, 3, 14, 12), accelerate(net())
    size = {2: torch.export.Dim("h", min=10), 3: torch.export.Dim("w", min=10)}
    program = torch.export.export(model, (x,), dynamic_shapes=(size,), strict=strict)
    targets = {str(node.target) for node in program.graph.nodes}
    assert targets >= {"aten.max_pool2d.default", "aten.avg_pool2d.default"}
    larger = torch.rand(1, 3, 20, 18)
    assert_close(program.module()(larger), model(larger))


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_onnx_files_hold_pools(dynamo, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    file = tmp_path / "model.onnx"
    model = accelerate(net())
    torch.onnx.export(model, (torch.rand(1, 3, 12, 12),), file, dynamo=dynamo, verbose=False)
    nodes = {node.op_type for node in onnx.load(file).graph.node}
    assert nodes >= {"MaxPool", "AveragePool"}


def test_fx_keeps_accelerated_pools_whole():
    x, model = torch.rand(1, 3, 12, 12), accelerate(net())
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"][1:3] == [*"12"]
    assert is_ours(traced.get_submodule("1"))
    assert_close(traced(x), model(x))


def test_tables_by_class_find_accelerated_pools():
    pool = accelerate(nn.MaxPool2d(2))
    assert {nn.MaxPool2d: "a maximum"}[type(pool)] == "a maximum"
    assert type(pool) == nn.MaxPool2d  # noqa: E721
    assert type(pool) is not nn.MaxPool2d
    assert type(pool) not in (nn.MaxPool1d, nn.AvgPool2d, type(accelerate(nn.AvgPool2d(2))))


@pytest.mark.filterwarnings("ignore")  # torch.ao is to go; it warns of that and of its observers
def test_quantisation_by_fx_finds_accelerated_pools():
    fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    mapping = torch.ao.quantization.get_default_qconfig_mapping("x86")
    x, model, graphs = torch.rand(2, 3, 14, 14), net(), []
    for each in (model, accelerate(copy.deepcopy(model))):
        prepared = fx.prepare_fx(each, mapping, (x,))
        prepared(x)
        quantised_model = fx.convert_fx(prepared)
        graphs.append(str(quantised_model.graph))
        assert len(acceleration(quantised_model).left) == (2 if each is model else 0)
        quantised_model(x)
    assert graphs[0] == graphs[1]


@pytest.mark.parametrize("through", [torch.jit.script, lambda m: torch.jit.trace(m, X_NET)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript(through):
    model = accelerate(net())
    before = list(model.modules())
    assert_close(through(model)(X_NET), model(X_NET))
    assert all(a is b for a, b in zip(model.modules(), before, strict=True))
    assert acceleration(model).accelerated


X_NET = torch.rand(1, 3, 12, 12)


def quantised(x):
    return torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8)


@pytest.mark.parametrize(
    ("pool", "of"),
    [
        (nn.AvgPool2d(2), torch.Tensor.long),
        (nn.MaxPool2d(2), torch.Tensor.long),
        (nn.MaxPool2d(2), quantised),
        (nn.AdaptiveAvgPool2d(1), quantised),
        (nn.MaxPool2d(2), lambda x: x.to("meta")),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_only_torch_takes_goes_to_torch(pool, of):
    x = of(torch.arange(128).view(1, 2, 8, 8))
    want = pool(x)
    got = accelerate(pool)(x)
    assert (got.dtype, got.shape, got.device) == (want.dtype, want.shape, want.device)
    if not x.is_meta:
        assert torch.equal(got, want)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.MaxPool2d(2), nn.AvgPool2d(2)])
def test_models_in_mkldnn_go_to_torch(pool):
    x = torch.rand(1, 3, 8, 8)
    want = pool(x)
    got = accelerate(to_mkldnn(nn.Sequential(pool)))(x.to_mkldnn())
    assert_close(got.to_dense(), want)


def test_mkldnn_tensors_go_to_torch():
    x = torch.rand(1, 2, 8, 8)
    got = accelerate(nn.MaxPool2d(2))(x.to_mkldnn())
    assert_close(got.to_dense(), nn.functional.max_pool2d(x, 2))


@pytest.mark.parametrize(
    ("pool", "shape"),
    [
        (nn.AdaptiveAvgPool2d(1), (2, 3, 4, 5, 6)),  # as video models call it
        (nn.AdaptiveAvgPool2d(1), (4, 5)),
        (nn.AdaptiveAvgPool3d(1), (4, 5, 6)),
        (nn.AdaptiveAvgPool2d(1), (2, 0, 4, 5)),
        (nn.AdaptiveAvgPool1d(2), (0, 3, 4)),
    ],
)
def test_shapes_that_only_torch_takes_go_to_torch(pool, shape):
    x = torch.rand(shape)
    want = pool(x)
    assert_close(accelerate(pool)(x), want)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_go_to_torch():
    rows = [torch.rand(3, 8), torch.rand(3, 8)]
    got = accelerate(nn.MaxPool1d(2))(torch.nested.nested_tensor(rows))
    assert_close(torch.stack(got.unbind()), nn.MaxPool1d(2)(torch.stack(rows)))


@pytest.mark.parametrize(
    "pool",
    [
        *(nn.MaxPool3d(2), nn.AvgPool3d(2), nn.LPPool3d(2, 2)),
        *(nn.AdaptiveAvgPool3d(3), nn.AdaptiveMaxPool3d(3), nn.AdaptiveAvgPool3d(1)),
    ],
)
def test_memory_formats_of_volumes_are_those_of_torch(pool):
    """So that a view of the result that works with torch's pool works with an accelerated one."""
    x = torch.rand(2, 3, 6, 6, 6).contiguous(memory_format=torch.channels_last_3d)
    want = pool(x)
    got = accelerate(pool)(x)
    assert_close(got, want)
    assert got.is_contiguous() == want.is_contiguous()


@pytest.mark.parametrize("dims", [2, 3])
def test_one_bin_of_channels_last_stays_channels_last_for_what_follows(dims):
    pool, upsample = getattr(nn, f"AdaptiveAvgPool{dims}d")(1), nn.Upsample(scale_factor=4)
    x = torch.rand(2, 4, *[6] * dims)
    x = x.contiguous(memory_format=(torch.channels_last, torch.channels_last_3d)[dims - 2])
    want = pool(x)
    got = accelerate(copy.deepcopy(pool))(x)
    assert got.stride() == want.stride()
    assert upsample(got).stride() == upsample(want).stride()


def test_a_setting_that_is_changed_later_counts():
    pool = accelerate(nn.LPPool2d(2, 2))
    pool.ceil_mode = True
    other = nn.LPPool2d(2, 2, ceil_mode=True)
    assert_close(pool(torch.ones(1, 1, 3, 3)), other(torch.ones(1, 1, 3, 3)))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kind", ["MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"])
def test_autocast_computes_in_the_dtype_of_torch(kind, dims):
    pool, x = getattr(nn, f"{kind}{dims}d")(2), torch.rand(X[dims]).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        want = pool(x)
        assert accelerate(pool)(x).dtype == want.dtype


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
