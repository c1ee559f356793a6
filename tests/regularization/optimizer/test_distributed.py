"""Two processes with half of each batch end where one with all of it does."""

import torch
from torch import distributed, nn, optim
from torch.testing import assert_close

from huashi.regularization import GroupLasso, LinearWarmUp, Proximal, exact_zeros, filters


def trained(rank=0, ranks=1):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    groups = filters(model)
    whole = nn.parallel.DistributedDataParallel(model) if ranks > 1 else model
    optimizer = Proximal(
        optim.AdamW(whole.parameters(), 0.02),
        [(groups, GroupLasso(strength=0.1))],
        schedule=LinearWarmUp(steps=20),
    )
    data = torch.Generator().manual_seed(1)
    for _ in range(150):
        x = torch.randn(8, 6, generator=data, dtype=torch.float64)
        mine = x.chunk(ranks)[rank]
        optimizer.zero_grad()
        (whole(mine) - mine[:, :2]).square().mean().backward()
        optimizer.step()
    return {"zeros": exact_zeros(groups), **model.state_dict()}


def one_of_two(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    torch.save(trained(rank, 2), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_end_where_one_does(tmp_path):
    torch.multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    alone = trained()
    assert alone["zeros"] == first.pop("zeros") == second.pop("zeros")
    assert 0 < sum(alone.pop("zeros").values()) < 10
    for name, weight in alone.items():
        assert torch.equal(first[name], second[name])
        assert_close(first[name], weight, rtol=1e-9, atol=1e-12)
