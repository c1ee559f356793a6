r"""Training with penalties on groups of weights, by any optimiser, to exact zeros.

After a step of the optimiser, from w to u, each penalty R moves the weights on:

.. math:: w^+ = \arg\min_x \tfrac12 \sum_i \tfrac{h_i}{\eta} (x_i - u_i)^2 + R(x)

with learning rate :math:`\eta` and h what the optimiser divides the mean gradient by (see
:mod:`huashi.regularization.optimizer.metric`), so that it rests only where the loss and R are in
balance.

Yun, Lozano, Yang: Adaptive Proximal Gradient Methods for Structured Neural Networks (2021). Deleu,
Bengio: Structured Sparsity Inducing Adaptive Optimizers for Deep Learning (2021). Chen et al.:
Half-Space Proximal Stochastic Gradient Method for Group-Sparsity Regularized Problem (2021). Xiao:
Dual Averaging Methods for Regularized Stochastic Learning and Online Optimization (2010).
"""

from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from huashi._checks import check_choice, check_not_negative
from huashi.regularization.groups.slices import Groups
from huashi.regularization.optimizer.metric import KNOWN, Metric, count_gradients, metric
from huashi.regularization.optimizer.penalty_pairs import Pair, flat_pairs
from huashi.regularization.penalties.constraints import AtMost, NOfM
from huashi.regularization.penalties.penalty import Penalty

Step = Literal["metric", "decoupled", "subgradient", "half_space", "dual_averaging"]
STEPS: tuple[Step, ...] = ("metric", "decoupled", "subgradient", "half_space", "dual_averaging")


Method = TypeVar("Method", bound=Callable)


def _not_compiled(method: Method) -> Method:
    """What a compiled step leaves as it is; the step of the optimiser is compiled."""
    return torch.compiler.disable(method)  # pyright: ignore[reportReturnType]


class Proximal(Optimizer):
    """An optimiser and penalties on groups of what it trains.

    Use it in place of the optimiser: schedulers, gradient scaling and accumulation, closures and
    distributed training work as before; a step that a gradient scaler leaves out moves nothing.
    Several penalties move the weights one after the other, in the order given.

    A group in which a parameter has no gradient, or a learning rate of 0, is left to the optimiser.

    What ``step`` solves, with F the loss and R the penalties:

    - ``"metric"``: F + R. The proximal step in the metric of the optimiser: for SGD the plain one
      of the learning rate, times the gain of a momentum; for Adam and the like in h.
    - ``"decoupled"``: F plus R on other scales. The plain proximal step of the learning rate,
      whatever the optimiser; after Adam, weights of small gradients are penalised more.
    - ``"subgradient"``: F + R, as a sum of which the optimiser sees the slope. No weight becomes
      zero. This is what adding the penalty to the loss does; for ``GroupSquaredL2`` weight decay.
    - ``"half_space"``: F + R among those groups that are left. As ``"subgradient"``, but a group
      that leaves the half-space of points nearer to where it was than to the opposite becomes zero,
      and stays so. Let a schedule begin at 0, where nothing is made zero.
    - ``"dual_averaging"``: F + R, for SGD. The optimiser goes on from where it would be without a
      penalty, and the weights are the proximal step from there, of all learning rates so far: few
      weights flicker, and a larger learning rate is needed.

    Args:
        optimizer: any; ``"metric"`` knows SGD, Adam, AdamW, NAdam, RAdam, Adamax, Adagrad, RMSprop
            and Adadelta.
        penalties: pairs of groups, or a list of them, and a penalty. The groups are of parameters
            that the optimiser has, and share no weight.
        step: as above.
        schedule: from the number of steps done to the factor of all penalties, 1 by default.

    Raises:
        ValueError: groups share a weight or are not of the optimiser, or ``step`` serves it not.
        TypeError: what is given is no optimiser, or no pair.

    >>> from huashi.regularization import GroupLasso, filters
    >>> layer = nn.Linear(3, 2)
    >>> optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    >>> optimizer = Proximal(optimizer, [(filters(layer), GroupLasso(strength=100.0))])
    >>> layer(torch.ones(3)).sum().backward()
    >>> optimizer.step()
    >>> layer.weight.detach()
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        penalties: Iterable[Pair],
        *,
        step: Step = "metric",
        schedule: Callable[[int], float] | None = None,
    ) -> None:
        check_choice("step", step, STEPS)
        given = [flat_pairs([pair]) for pair in penalties]
        pairs = [pair for several in given for pair in several]
        _check_optimizer(optimizer, step)
        _check_pairs(pairs, optimizer, step)
        for several in given:
            _check_apart(several)
        self.optimizer = optimizer
        self.penalties = pairs
        self.kind = step
        self.schedule = schedule
        self.progress = {"steps": 0}
        # Not Optimizer.__init__: parameters and state are the optimiser's own.
        self.__setstate__({})

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.optimizer.param_groups

    @property
    def state(self) -> dict[Tensor, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.optimizer.state

    @property
    def defaults(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.optimizer.defaults

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self.optimizer.add_param_group(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """That of the optimiser, which can load it too, and the number of steps done."""
        return self.optimizer.state_dict() | {"proximal": dict(self.progress)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`, or from that of an optimiser without penalties."""
        self.optimizer.load_state_dict(state_dict)
        self.progress.update(state_dict.get("proximal", {"steps": 0}))

    def __getstate__(self) -> dict[str, Any]:
        names = "optimizer", "penalties", "kind", "schedule", "progress"
        return {name: getattr(self, name) for name in names}

    def factor(self) -> float:
        """What the schedule multiplies the penalties with in the next step."""
        if self.schedule is None:
            return 1.0
        factor = float(self.schedule(self.progress["steps"]))
        check_not_negative("schedule", factor)
        return factor

    def penalty(self) -> Tensor:
        """The value of all penalties together, as scheduled; 0-d, with a gradient."""
        return torch.stack([p.value(groups.gather()) for groups, p in self._scheduled()]).sum()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """A step of the optimiser, then of the penalties; what ``closure`` returns, if given."""
        loss = {
            "metric": self._step_and_prox,
            "decoupled": self._step_and_prox,
            "subgradient": self._step_on_the_sum,
            "half_space": self._step_in_half_spaces,
            "dual_averaging": self._step_of_the_dual,
        }[self.kind](closure)
        self.progress["steps"] += 1
        return loss

    def _step_and_prox(self, closure: Callable | None) -> Any:
        loss = self.optimizer.step(closure)
        self._move_on()
        return loss

    @_not_compiled
    def _move_on(self) -> None:
        moving = self._moving()
        if self.kind == "metric":
            rest = self._metrics(moving)
        else:
            rest = {
                p: lambda lr=group["lr"]: Metric(None, float(lr)) for p, group in moving.items()
            }
        for groups, penalty in self._scheduled():
            _prox(groups, penalty, rest)

    def _metrics(self, moving: dict[nn.Parameter, dict]) -> dict[nn.Parameter, Callable]:
        for parameter, group in moving.items():
            count_gradients(self.optimizer, group, parameter)
        return {p: partial(metric, self.optimizer, group, p) for p, group in moving.items()}

    @_not_compiled
    def _step_on_the_sum(self, closure: Callable | None) -> Any:
        given = {}

        def add_slopes() -> None:
            moving = self._moving()
            pairs = [pair for pair in self._scheduled() if _all_in(pair[0], moving)]
            for parameter, slope in _slopes(pairs).items():
                given[parameter] = parameter.grad
                parameter.grad = slope if parameter.grad is None else slope.add_(parameter.grad)

        loss = self._step_after(add_slopes, closure)
        for parameter, gradient in given.items():
            parameter.grad = gradient
        return loss

    @_not_compiled
    def _step_in_half_spaces(self, closure: Callable | None) -> Any:
        before = [groups.gather().clone() for groups, _ in self.penalties]
        loss, moving = self._step_on_the_sum(closure), self._moving()
        if self.factor() > 0:
            for (groups, _), old in zip(self.penalties, before, strict=True):
                if _all_in(groups, moving):
                    new = groups.gather()
                    inside = (new * old).sum(1, keepdim=True) > 0
                    groups.scatter_(torch.where(inside, new, 0))
        return loss

    @_not_compiled
    def _step_of_the_dual(self, closure: Callable | None) -> Any:
        def go_back() -> None:
            for parameter in self._moving():
                parameter.copy_(self.state[parameter].get("dual", parameter))

        loss = self._step_after(go_back, closure)
        moving, factor = self._moving(), self.factor()
        for parameter, now in self._metrics(moving).items():
            state = self.state[parameter]
            state["dual"] = parameter.clone()
            state["dual_rate"] = state.get("dual_rate", 0.0) + factor * now().rate
        so_far = {p: lambda p=p: Metric(None, self.state[p]["dual_rate"]) for p in moving}
        for groups, penalty in self.penalties:
            _prox(groups, penalty, so_far)
        return loss

    def _step_after(self, prepare: Callable[[], None], closure: Callable | None) -> Any:
        """A step of the optimiser, with ``prepare`` between the gradients and the update."""
        if closure is None:
            prepare()
            return self.optimizer.step()

        def prepared() -> Any:
            loss = closure()
            with torch.no_grad():
                prepare()
            return loss

        return self.optimizer.step(prepared)

    def _scheduled(self) -> list[tuple[Groups, Penalty]]:
        factor = self.factor()
        if factor == 1:
            return self.penalties
        return [(groups, penalty.scaled(factor)) for groups, penalty in self.penalties]

    def _moving(self) -> dict[nn.Parameter, dict]:
        """The parameters of groups that have all their gradients, each with its param_group."""
        ours = set()
        for groups, _ in self.penalties:
            if all(part.parameter.grad is not None for part in groups.parts):
                ours |= {part.parameter for part in groups.parts}
        return {p: group for group in self.param_groups for p in group["params"] if p in ours}


def _prox(
    groups: Groups, penalty: Penalty, metrics: dict[nn.Parameter, Callable[[], Metric]]
) -> None:
    """Move weights on, if all their parameters have a metric of the step that was made."""
    if not _all_in(groups, metrics):
        return
    here = {part.parameter: metrics[part.parameter]() for part in groups.parts}
    rates = {now.rate for now in here.values()}
    if 0 in rates:
        return
    rate = rates.pop() if len(rates) == 1 else 1.0  # else part of h

    def h_of(parameter: nn.Parameter) -> Tensor:
        h, own = here[parameter]
        if h is None:
            return torch.full_like(parameter, rate / own)
        return h if own == rate else h * (rate / own)

    w = groups.gather()
    v = w.to(torch.promote_types(w.dtype, torch.float32))
    if rates or any(now.h is not None for now in here.values()):
        x = penalty.prox_metric(v, rate, groups.gather(h_of).to(v.dtype))
    else:
        x = penalty.prox(v, rate)
    groups.scatter_(x.to(w.dtype))


def _slopes(pairs: list[tuple[Groups, Penalty]]) -> dict[nn.Parameter, Tensor]:
    """A subgradient of the penalties, which at 0 is 0."""
    slopes: dict[nn.Parameter, Tensor] = {}
    for groups, penalty in pairs:
        w = groups.gather().detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(penalty.value(w), w)
        own = {part.parameter: torch.zeros_like(part.parameter) for part in groups.parts}
        groups.scatter_(slope.nan_to_num_(0, 0, 0), own.__getitem__)
        for parameter, part in own.items():
            slopes[parameter] = part.add_(slopes[parameter]) if parameter in slopes else part
    return slopes


def _all_in(groups: Groups, parameters: Container[nn.Parameter]) -> bool:
    return all(part.parameter in parameters for part in groups.parts)


def _check_optimizer(optimizer: Optimizer, step: Step) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a torch optimizer, got {type(optimizer).__name__}")
    name = type(optimizer).__name__
    if step == "metric" and not isinstance(optimizer, KNOWN):
        known = ", ".join(kind.__name__ for kind in KNOWN)
        raise ValueError(f"step must be another than 'metric' for {name}: it is known for {known}")
    if step == "dual_averaging" and not isinstance(optimizer, SGD):
        raise ValueError(f"step must be another than 'dual_averaging' for {name}: that is for SGD")


def _check_apart(pairs: list[tuple[Groups, Penalty]]) -> None:
    """Raise if a weight is in two of the groups under one penalty, as with what reads channels."""
    taken: dict[nn.Parameter, Tensor] = {}
    for groups, penalty in pairs:
        own: dict[nn.Parameter, Tensor] = {}
        for part in groups.parts:
            mine = own.setdefault(part.parameter, torch.zeros_like(part.parameter))
            part.scatter_(torch.ones_like(part.gather(mine)), mine)
        for parameter, mine in own.items():
            before = taken.get(parameter)
            if before is not None and bool((before * mine).any()):
                raise ValueError(
                    f"groups must share no weight under {type(penalty).__name__}, got "
                    f"{groups.name!r}, of which some are in others of the list too"
                )
            taken[parameter] = mine if before is None else before + mine


def _check_pairs(pairs: list[tuple[Groups, Penalty]], optimizer: Optimizer, step: Step) -> None:
    trained = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for groups, penalty in pairs:
        for part in groups.parts:
            if part.parameter not in trained:
                raise ValueError(
                    f"groups must be of parameters that the optimizer has, got {part.name!r} "
                    f"in {groups.name!r}"
                )
        if groups.overlaps():
            raise ValueError(
                f"groups must share no weight under {type(penalty).__name__}, got {groups.name!r}, "
                f"of which some do; duplicate the weights with duplicate_weights"
            )
        if step in ("subgradient", "half_space") and isinstance(penalty, AtMost | NOfM):
            raise ValueError(
                f"penalty must have a slope for step {step!r}, got {type(penalty).__name__}"
            )
