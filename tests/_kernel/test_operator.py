"""Which implementation runs, and that asking costs neither an import nor a graph break."""

import asyncio
import subprocess
import sys
import threading

import pytest
import torch
from torch.autograd import forward_ad
from torch.testing import assert_close

from huashi import implementation
from huashi._kernel.operator import backward_of, declare, kernel_serves, without_kernel

# An operator whose kernel can be told from its reference: it is wrong by one.
_off_by_one = declare(
    "toy(Tensor x) -> Tensor",
    fake=torch.empty_like,
    example="tests.toy",
    uncovered={"scale": "the kernel only doubles"},
    cpu=lambda x: 2 * x + 1,
)


def toy(x, scale=2):
    if kernel_serves("toy", x, unless=scale != 2 and "scale"):
        return _off_by_one(x)
    return scale * x


def ran_kernel(x=None, run=toy):
    x = torch.ones(3) if x is None else x
    return bool((run(x) == 2 * x + 1).all())


def test_kernel_serves_unless_the_reference_is_asked_for():
    assert ran_kernel()
    with implementation("reference"):
        assert not ran_kernel()
        with implementation("kernel"):
            assert ran_kernel()
        assert not ran_kernel()
    assert ran_kernel()


def test_implementation_ends_with_an_error():
    with pytest.raises(KeyError), implementation("reference"):
        raise KeyError
    assert ran_kernel()


@pytest.mark.parametrize(
    ("x", "obstacle"),
    [
        (torch.ones(0), "x is empty"),
        (torch.ones(2, dtype=torch.float8_e4m3fn), "none exists for torch.float8_e4m3fn on cpu"),
        (torch.ones(2, device="meta"), "none exists for device meta"),
    ],
)
def test_no_kernel(x, obstacle):
    assert not kernel_serves("toy", x)
    with implementation("kernel"), pytest.raises(RuntimeError, match=f"serves toy: {obstacle}"):
        kernel_serves("toy", x)


def test_what_is_declared_as_not_covered_takes_the_reference():
    x = torch.ones(2)
    assert_close(toy(x, scale=5), 5 * x)
    with (
        implementation("kernel"),
        pytest.raises(RuntimeError, match="toy: the kernel only doubles"),
    ):
        toy(x, scale=5)
    with pytest.raises(KeyError):
        kernel_serves("toy", x, unless="nothing of the kind")


def test_a_kernel_is_imported_by_its_first_call():
    operator = declare(
        "halved(Tensor x) -> Tensor",
        fake=torch.empty_like,
        example="tests.halved",
        cpu="tests.nowhere:halved",
    )
    with pytest.raises(ModuleNotFoundError, match=r"tests\.nowhere"):
        operator(torch.ones(2))


def test_without_a_kernel():
    @without_kernel("torch is as fast")
    def _tripled(x):
        return 3 * x

    x = torch.ones(2)
    assert_close(_tripled(x), 3 * x)
    assert_close(torch.compile(_tripled, fullgraph=True, backend="eager")(x), 3 * x)
    with implementation("reference"):
        assert_close(_tripled(x), 3 * x)
    with implementation("kernel"), pytest.raises(RuntimeError, match="tripled: torch is as fast"):
        _tripled(x)


def test_functions_that_a_decorator_made_compile_one_by_one():
    """The compiler counts by code object, and refuses the ninth of the same."""

    functions = [
        *(torch.sin, torch.cos, torch.tan, torch.exp, torch.sinh),
        *(torch.cosh, torch.tanh, torch.atan, torch.sigmoid, torch.square),
    ]
    assert len(functions) > torch._dynamo.config.recompile_limit
    for function in functions:
        marked = without_kernel("torch has it")(lambda x, f=function: f(x))
        compiled = torch.compile(marked, fullgraph=True, backend="eager")
        assert_close(compiled(torch.ones(3)), function(torch.ones(3)))


def test_tensors_on_several_devices():
    assert kernel_serves("toy", torch.ones(2), torch.ones(2))
    assert not kernel_serves("toy", torch.ones(2), torch.ones(2, device="meta"))


def test_subclass_takes_the_reference():
    class Tagged(torch.Tensor):
        pass

    assert ran_kernel(torch.nn.Parameter(torch.ones(2)).detach())
    assert kernel_serves("toy", torch.nn.Parameter(torch.ones(2)))
    assert not kernel_serves("toy", torch.ones(2).as_subclass(Tagged))


def test_transforms_take_the_reference():
    x = torch.ones(2)
    assert not ran_kernel(x, torch.vmap(toy))
    assert not ran_kernel(x, lambda x: torch.func.jvp(toy, (x,), (x,))[0])
    assert_close(torch.func.grad(lambda x: toy(x).sum())(x), 2 * x)
    with forward_ad.dual_level():
        assert not ran_kernel(forward_ad.make_dual(x, x))
        assert ran_kernel(x)


def test_export_takes_the_reference():
    class Toy(torch.nn.Module):
        def forward(self, x):
            return toy(x)

    assert "huashi" not in torch.export.export(Toy(), (torch.ones(2),)).graph_module.code


def test_choice_is_of_one_thread():
    inside = threading.Event()
    results = []

    def other():
        inside.wait()
        results.append(ran_kernel())

    thread = threading.Thread(target=other)
    thread.start()
    with implementation("reference"):
        inside.set()
        thread.join()
    assert results == [True]


def test_choice_is_of_one_task():
    async def task(name, pause):
        with implementation(name):
            await asyncio.sleep(pause)
            return ran_kernel()

    async def both():  # the second enters after the first, and leaves after it
        return await asyncio.gather(task("reference", 0.01), task("kernel", 0.05))

    assert asyncio.run(both()) == [False, True]
    assert ran_kernel(run=torch.compile(toy, fullgraph=True, backend="eager"))


def test_choice_recompiles():
    compiled = torch.compile(toy, fullgraph=True, backend="eager")
    assert ran_kernel(run=compiled)
    with implementation("reference"):
        assert not ran_kernel(run=compiled)
    assert ran_kernel(run=compiled)


def test_choice_inside_a_compiled_function():
    def both(x):
        with implementation("reference"):
            y = toy(x)
        return y, toy(x)

    y, z = torch.compile(both, fullgraph=True, backend="eager")(torch.ones(2))
    assert_close((y, z), (torch.tensor([2.0, 2.0]), torch.tensor([3.0, 3.0])))
    assert ran_kernel()


def test_wrong_name():
    with pytest.raises(ValueError, match="got 'refrence'; did you mean 'reference'"):
        implementation("refrence").__enter__()


def test_backward_of_gives_a_gradient_with_a_graph():
    x, w = torch.randn(3, requires_grad=True), torch.randn(3)
    grads = backward_of(lambda x, w, c: c * x.pow(3) * w, (x, w), torch.ones(3), 2.0)
    assert_close(grads[0], 6 * x.square() * w)
    assert grads[1] is None
    assert_close(torch.autograd.grad(grads[0].sum(), x)[0], 12 * x * w)


def test_backward_of_counts_a_path_once():
    """Of x itself, and of what was made from it."""
    x = torch.tensor(3.0, requires_grad=True)
    square = x * x
    slopes = backward_of(lambda x, y: x * y, (x, square), torch.ones(()))
    assert [s.item() for s in slopes] == [9.0, 3.0]
    assert [s.item() for s in backward_of(torch.mul, (x, x), torch.ones(()))] == [3.0, 3.0]
    whole = slopes[0] + slopes[1] * 2 * x  # 3 x squared
    assert torch.autograd.grad(whole, x)[0].item() == 18.0


def test_import_loads_no_kernel_compiler():
    script = (
        "import sys, torch, huashi.entmax as entmax\n"
        "assert not {'numba', 'triton'} & set(sys.modules)\n"
        "entmax.entmax15(torch.ones(2))\n"
        "assert 'numba' in sys.modules and 'triton' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
