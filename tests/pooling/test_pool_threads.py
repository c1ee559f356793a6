"""Pools by several threads and processes at once."""

import sys
import threading

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close
from torch.utils.data import DataLoader, Dataset

from huashi import implementation, pooling
from huashi._kernel.numba import SERIAL_BELOW

POOLS = {
    "max": lambda x: pooling.max_pool2d(x, 3, 2, 1),
    "average": lambda x: pooling.avg_pool2d(x, 3, 2, 1),
    "gem": lambda x: pooling.gem_pool2d(x, 2, p=3),
}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def image(seed):
    x = torch.randn(2, 4, 48, 48, generator=torch.Generator().manual_seed(seed))
    assert x.numel() > SERIAL_BELOW  # so that the kernels run in parallel
    return x


def results(seed):
    """Values and gradients of every pool."""
    found = []
    for pool in POOLS.values():
        x = image(seed).requires_grad_()
        y = pool(x)
        found += [y.detach(), *grad(y.square().sum(), x)]
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_python_threads_do_not_disturb_one_another(threads, request):
    if threads == 2:
        request.getfixturevalue("two_threads")
    with implementation("reference"):
        wanted = [results(seed) for seed in range(4)]
    start, got = threading.Barrier(4), [[] for _ in wanted]

    def work(seed):
        start.wait()
        for _ in range(5):
            got[seed].append(results(seed))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed, want in enumerate(wanted):
        assert len(got[seed]) == 5
        for each in got[seed]:
            assert_close(each, want, rtol=2e-5, atol=2e-6)


class Pooled(Dataset):
    """Images pooled by the worker that loads them."""

    def __len__(self):
        return 6

    def __getitem__(self, seed):
        return torch.cat([t.flatten() for t in results(seed)])


@pytest.mark.skipif(sys.platform != "linux", reason="a fork is not safe elsewhere")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")  # that it is safe is tested
def test_forked_workers_pool_after_their_parent_did(two_threads):
    wanted = torch.stack([Pooled()[seed] for seed in range(6)])
    loader = DataLoader(
        Pooled(), batch_size=3, num_workers=2, multiprocessing_context="fork", timeout=60
    )
    assert_close(torch.cat(list(loader)), wanted)


def test_results_do_not_depend_on_the_number_of_threads(two_threads):
    """Neither a value nor a gradient: what adds up does so in one order."""
    by_two = results(7)
    torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(by_two, results(7), strict=True))
