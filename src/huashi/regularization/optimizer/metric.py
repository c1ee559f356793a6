r"""What an optimiser divides the mean of the gradients by, read from its state.

A step of any of them is :math:`-\eta\, m / h`, with m a mean of the gradients so far, in which
their shares add up to 1. With a proximal step in the same h it rests where m and the penalty are in
balance, so that both together solve what the user wrote:

- SGD: h = 1. With momentum its buffer is no mean but a sum of gradients with shares that add up to
  some gain, 1 at first and :math:`1 / (1 - \mu)` after a while; then h = 1 / gain.
- RMSprop with momentum sums gradients that were divided by the h of their own step; 1 / h is the
  same sum of theirs.
- Adam and its relatives: :math:`h = \sqrt{\hat v} + \epsilon`, with the constants of each.
- Adadelta: the root of its mean squared gradient over that of its mean squared steps.

Weight decay that is decoupled, as AdamW's, is a force of its own on the same h.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.optim import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
)

KNOWN = (SGD, Adam, NAdam, RAdam, Adamax, Adagrad, RMSprop, Adadelta)  # AdamW is an Adam


class Metric(NamedTuple):
    """A step was ``-rate * m / h``; both may be scaled by a common factor."""

    h: Tensor | None
    """Shaped like the parameter; None for 1 everywhere."""
    rate: float


def count_gradients(optimizer: Optimizer, group: dict, parameter: nn.Parameter) -> None:
    """Keep what a momentum that just took another gradient adds up to, in the optimiser's state."""
    if not isinstance(optimizer, SGD | RMSprop) or not group["momentum"]:
        return
    state = optimizer.state[parameter]
    if isinstance(optimizer, RMSprop):
        now = _rmsprop_h(group, state).reciprocal_()
        before = state.get("inverse_h")
        state["inverse_h"] = now if before is None else now.add_(before, alpha=group["momentum"])
    else:
        before = state.get("gain")  # torch's first buffer is the gradient itself, not dampened
        kept = 1 - group["dampening"]
        state["gain"] = 1.0 if before is None else group["momentum"] * before + kept


def metric(optimizer: Optimizer, group: dict, parameter: nn.Parameter) -> Metric:
    """The metric of the step that ``optimizer`` has just made.

    Args:
        optimizer: one of ``KNOWN``.
        group: the one of its ``param_groups`` that holds the parameter.
        parameter: one that had a gradient.
    """
    state, lr = optimizer.state[parameter], float(group["lr"])
    if isinstance(optimizer, SGD):
        gain = state.get("gain", 1.0) if group["momentum"] else 1.0
        return Metric(None, lr * (1 + group["momentum"] * gain if group["nesterov"] else gain))
    if isinstance(optimizer, RMSprop):
        if group["momentum"] and "inverse_h" in state:
            return Metric(state["inverse_h"].reciprocal(), lr)
        return Metric(_rmsprop_h(group, state), lr)
    if isinstance(optimizer, Adadelta):
        size = (state["square_avg"] + group["eps"]).sqrt_()
        return Metric(size.div_((state["acc_delta"] + group["eps"]).sqrt_()), lr)
    done = float(state["step"])
    if isinstance(optimizer, Adagrad):
        return Metric(
            state["sum"].sqrt().add_(group["eps"]), lr / (1 + (done - 1) * group["lr_decay"])
        )
    if isinstance(optimizer, Adamax):
        return Metric(state["exp_inf"], lr)
    beta1, beta2 = group["betas"]
    bias = 1 - beta2**done
    if isinstance(optimizer, RAdam):
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * done * beta2**done / bias
        if length <= 5:
            return Metric(None, lr)
        part = (length - 4) * (length - 2) / length / ((longest - 4) * (longest - 2) / longest)
        return Metric(state["exp_avg_sq"].sqrt().add_(group["eps"]), lr * (part * bias) ** 0.5)
    if isinstance(optimizer, NAdam):
        lr *= _nadam_gain(group, done, beta1, float(state["mu_product"]))
    square = state["max_exp_avg_sq" if group.get("amsgrad") else "exp_avg_sq"]
    root = bias**0.5  # of the bias: on h and rate alike, which saves a pass over h
    return Metric(square.sqrt().add_(group["eps"] * root), lr * root)


def _rmsprop_h(group: dict, state: dict) -> Tensor:
    """What RMSprop divides the gradient of this step by."""
    square = state["square_avg"]
    if group["centered"]:
        square = square.addcmul(state["grad_avg"], state["grad_avg"], value=-1)
    return square.sqrt().add_(group["eps"])


def _nadam_gain(group: dict, done: float, beta1: float, product: float) -> float:
    now, following = (
        beta1 * (1 - 0.5 * 0.96 ** (steps * group["momentum_decay"])) for steps in (done, done + 1)
    )
    mean = 1 - beta1**done
    return (1 - now) / (1 - product) + following * mean / (1 - product * following)
