"""Certificates: against a solver of convex problems that is known to be right, and by hand."""

import numpy as np
import pytest
import torch
from torch import nn, optim
from torch.testing import assert_close

from huashi.regularization import (
    AtMost,
    GroupHalf,
    GroupLasso,
    Groups,
    NOfM,
    Proximal,
    Slices,
    SparseGroupLasso,
    certify,
    exact_zeros,
    filters,
    kkt_gap,
    lambda_max,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def rows(parameter, count=4, name="w"):
    return Groups(name, (Slices(name, parameter, (count, parameter.numel() // count), (0,)),))


def regression(seed=0):
    """Data of 60 examples, and 24 weights in six groups of which two matter."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(60, 24)) * np.exp(generator.normal(size=24) / 4)
    w = np.zeros(24)
    w[4:8], w[12:16] = [1.0, 0.0, -2.0, 0.0], [0.3, 0.5, 0.0, -0.2]
    return np.asfortranarray(x), x @ w + 0.1 * generator.normal(size=60)


def skglm_weights(x, y, penalty):
    from skglm.datafits import QuadraticGroup
    from skglm.penalties import WeightedL1GroupL2
    from skglm.solvers import GroupBCD
    from skglm.utils.data import grp_converter

    indices, pointer = grp_converter(4, 24)
    l1 = getattr(penalty, "l1", 0.0)
    theirs = WeightedL1GroupL2(1.0, np.full(6, penalty.strength), np.full(24, l1), pointer, indices)
    solver = GroupBCD(tol=1e-10, max_iter=1000, fit_intercept=False, ws_strategy="fixpoint")
    return solver.solve(x, y, QuadraticGroup(pointer, indices), theirs)[0]


@pytest.mark.slow  # which is to compile skglm
@pytest.mark.filterwarnings("ignore")  # of its own making
@pytest.mark.parametrize(
    "penalty", [GroupLasso(strength=0.3), SparseGroupLasso(l1=0.1, strength=0.2)]
)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_agrees_with_skglm(penalty, optimizer):
    x, y = regression()
    want = skglm_weights(x, y, penalty)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    w = nn.Parameter(torch.zeros(24, dtype=torch.float64))
    groups, gram, moment = rows(w, 6), x.mT @ x / 60, x.mT @ y / 60
    inner = {"SGD": optim.SGD, "Adam": optim.Adam}[optimizer]([w], 0.2)
    proximal = Proximal(inner, [(groups, penalty)])
    for step in range(800):
        inner.param_groups[0]["lr"] = 0.2 * (
            1 if optimizer == "SGD" else 0.98 ** max(step - 400, 0)
        )
        w.grad = (gram @ w - moment).detach()
        proximal.step()
    assert_close(w.detach().numpy(), want, rtol=0, atol=1e-5)
    certificate = certify([(groups, penalty)], lambda: (x @ w - y).square().mean() / 2)
    assert certificate.gap < 1e-6
    assert certificate.zeros == (int((want.reshape(6, 4) == 0).all(1).sum()),)
    assert 0 < certificate.zeros[0] < 6


def golden(values):
    w = nn.Parameter(torch.tensor(values, dtype=torch.float64))
    y = torch.tensor([3.0, 4.0, 0.5, 0.2], dtype=torch.float64)
    return rows(w, 2), lambda: (2 * w - y).square().mean() / 2


def test_golden_gap_and_lambda_max():
    groups, loss = golden([0.9, 1.2, 0.0, 0.0])
    assert kkt_gap(groups, GroupLasso(), loss) < 1e-12
    assert lambda_max(groups, GroupLasso(), loss) == 2.5
    assert groups.gather().tolist() == [[0.9, 1.2], [0.0, 0.0]]  # as before
    assert lambda_max(groups, GroupLasso(strength=2.0), loss) == 1.25
    away, loss = golden([0.9, 1.7, 0.0, 0.0])
    # F' = (2 w - y) / 2 = (-0.6, -0.3), and w / ||w||
    direction = np.array([0.9, 1.7]) / np.hypot(0.9, 1.7)
    want = np.linalg.norm(np.array([-0.6, -0.3]) + direction)
    assert kkt_gap(away, GroupLasso(), loss) == pytest.approx(want)


def test_gradients_that_parameters_have_serve_as_well():
    groups, loss = golden([0.5, 1.2, 0.1, 0.0])
    want = kkt_gap(groups, GroupLasso(), loss)
    with pytest.raises(ValueError, match="loss must be given where parameters have no gradients"):
        kkt_gap(groups, GroupLasso())
    loss().backward()
    assert kkt_gap(groups, GroupLasso()) == want
    norms = groups.gather(lambda p: p.grad).norm(dim=1)
    assert lambda_max(groups, GroupLasso()) == pytest.approx(float(norms.max()))


def test_a_factor_of_lambda_max_holds_all_at_zero_or_not():
    x, y = map(torch.from_numpy, regression())
    w = nn.Parameter(torch.zeros(24, dtype=torch.float64))
    groups = rows(w, 6)

    def loss():
        return (x @ w - y).square().mean() / 2

    least = lambda_max(groups, GroupLasso(), loss)
    assert kkt_gap(groups, GroupLasso().scaled(1.001 * least), loss) == 0
    assert kkt_gap(groups, GroupLasso().scaled(0.999 * least), loss) > 0


def test_zeros_are_counted_by_equality():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1:3] = 0
        model[2].weight[0] = 1e-38
    assert exact_zeros(filters(model)) == {"0": 2, "2": 0}
    certificate = certify([(filters(model), GroupLasso())], lambda: model(torch.ones(1, 3)).sum())
    assert certificate.names == ("0", "2")
    assert certificate.zeros == (2, 0)
    assert [len(distance) for distance in certificate.distances] == [4, 2]
    assert str(certificate).endswith("2 of 6 groups zero")


def test_two_penalties_on_a_parameter_have_no_gap_of_their_own():
    groups, loss = golden([0.9, 1.2, 0.0, 0.0])
    with pytest.raises(ValueError, match="penalties must share no parameter, got 'w' in two"):
        certify([(groups, GroupLasso()), (groups, GroupLasso())], loss)


@pytest.mark.parametrize("penalty", [AtMost(groups=3), NOfM(n=2, m=4), GroupHalf()])
def test_no_factor_is_the_least_of_a_constraint_or_an_infinite_slope(penalty):
    layer = nn.Linear(4, 8)
    layer(torch.randn(3, 4)).square().mean().backward()
    with pytest.raises(ValueError, match=f"penalty must have .*, got {type(penalty).__name__}: "):
        lambda_max(filters(layer), penalty)
