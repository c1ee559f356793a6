import os
import signal

import pytest
import torch
from filelock import FileLock
from hypothesis import settings
from torch.autograd import grad

from huashi._kernel.operator import NoKernelError
from tests.triton_launches import launches as launches  # a fixture

INTERPRET = os.environ.get("TRITON_INTERPRET") == "1"  # the Triton kernels, run by NumPy on the CPU
TOLERANCE = {  # of a kernel in this dtype against the reference in float64
    torch.float64: {"rtol": 1e-10, "atol": 1e-12},
    torch.float32: {"rtol": 2e-5, "atol": 2e-6},
    torch.bfloat16: {"rtol": 1.6e-2, "atol": 1e-3},
    torch.float16: {"rtol": 2e-3, "atol": 1e-4},
}
GRADIENT_TOLERANCE = TOLERANCE | {  # of a gradient, which half precision rounds more than once
    torch.bfloat16: {"rtol": 3e-2, "atol": 4e-3},
    torch.float16: {"rtol": 4e-3, "atol": 1e-3},
}

LONGEST = [  # files of twenty seconds and more, by the time they take: these are begun first
    "tests/test_contract.py",
    "tests/pooling/test_window_pools.py",
    "tests/test_readme.py",
    "tests/recipes/test_translate.py",
    "tests/test_triton.py",
    "tests/pooling/test_pool_tracing.py",
    "tests/convolution/test_stand_ins.py",
    "tests/test_run.py",
    "tests/pooling/test_order_statistics.py",
    "tests/recipes/test_slim.py",
    "tests/pooling/test_masked_pools.py",
    "tests/regularization/optimizer/test_proximal_steps.py",
    "tests/test_command_line.py",
    "tests/seq2seq/training/test_loop.py",
    "tests/recipes/test_lm.py",
    "tests/test_command_faults.py",
    "tests/seq2seq/architecture/test_learning.py",
    "tests/pooling/test_fold_rows.py",
    "tests/pooling/test_sequence.py",
    "tests/test_triton_pooling.py",
    "tests/recipes/test_own_file.py",
    "tests/_kernel/test_numba.py",
]

settings.register_profile("huashi", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("huashi")


def with_gradient(function, x, g):
    """Both ``y = function(x)`` and the gradient of ``(y * g).sum()`` in x."""
    x = x.detach().requires_grad_()
    y = function(x)
    return y.detach(), grad(y, x, g)[0]


def by_kernel(run, *reasons):
    """``run("kernel")``; ``run("auto")`` where no kernel serves, for one of these reasons."""
    try:
        return run("kernel")
    except NoKernelError as why:
        assert any(reason in str(why) for reason in reasons), why  # noqa: PT017
        return run("auto")


def pytest_configure(config):
    # A shell's background job ignores Ctrl-C, and so would every process that a test starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # of torch itself: at its first forward-mode derivative, and in compiling a gradient
    config.addinivalue_line("filterwarnings", "ignore:`torch.jit")
    config.addinivalue_line("filterwarnings", "ignore:.*Function'> should not be instantiated")
    config.addinivalue_line("filterwarnings", "ignore:TRITON_DEFAULT_FP_FUSION is unset")
    if INTERPRET:  # 0 / 0 and inf - inf are silent on a GPU
        config.addinivalue_line("filterwarnings", "ignore::RuntimeWarning:triton")


def pytest_collection_modifyitems(items):
    """Order the files so that two processes, each of which takes the next one, end together."""
    turns = {file: turn for turn, file in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(item.nodeid.partition("::")[0], len(turns)))


@pytest.fixture(
    scope="session",
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
            ],
        ),
    ],
)
def device(request):
    return request.param


@pytest.fixture(autouse=True)
def reproducible():
    """Seed, and fill every torch.empty with NaN, so that a kernel that skips a value is caught."""
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def one_thread():
    """For work so small that threads would only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def dates_run(tmp_path_factory):
    """A run folder of the recipe ``dates`` on three locales, trained in a minute."""
    from huashi.recipes import dates

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the processes of one test run train it once
        shared = shared.parent
    config = dates.Config(
        folder=shared / "dates",
        locales=("de", "en-US", "es"),
        held_out=("gl",),
        examples=6000,
        test_examples=200,
        embedding_size=32,
        hidden_size=64,
        lr=8e-3,
        batch_tokens=500,
        steps=900,
        validate_every=300,
    )
    threads = torch.get_num_threads()
    with FileLock(shared / "dates.lock"):
        run = dates.train(config)  # a finished one is only opened
    torch.set_num_threads(threads)
    return run


@pytest.fixture
def huashi(monkeypatch, capsysbinary, tmp_path_factory):
    """Run a command; return its exit code, standard output and standard error."""
    from huashi.__main__ import main

    def run(*arguments, stdin=""):
        typed = tmp_path_factory.mktemp("stdin") / "typed"
        typed.write_text(stdin)
        code = 0
        with typed.open() as file:
            monkeypatch.setattr("sys.stdin", file)
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as stop:
                code = stop.code or 0
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run
