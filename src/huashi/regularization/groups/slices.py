"""Parameters seen as groups of weights: what a penalty is to make zero together."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Of = Callable[[nn.Parameter], Tensor]
"""From a parameter to the tensor to read or write: itself, its gradient, an optimiser's state."""


@dataclass(frozen=True, eq=False)
class Slices:
    """A parameter as (groups, elements).

    ``parameter.view(shape)`` has the dimensions ``dims`` moved to the front, where they number
    rows; each row is a group, or ``index`` says which rows are.

    Args:
        name: of the parameter in the model.
        parameter: the parameter.
        shape: of the view: that of the parameter with dimensions split or added.
        dims: dimensions of the view that number the rows.
        index: (groups, rows of each), or None: row g is group g.

    >>> weight = nn.Parameter(torch.arange(6.0).view(2, 3))
    >>> Slices("weight", weight, (2, 3), (1,)).gather(weight.detach())    # its columns
    tensor([[0., 3.],
            [1., 4.],
            [2., 5.]])
    """

    name: str
    parameter: nn.Parameter
    shape: tuple[int, ...]
    dims: tuple[int, ...]
    index: Tensor | None = None

    def __len__(self) -> int:
        return self._rows if self.index is None else len(self.index)

    def gather(self, tensor: Tensor) -> Tensor:
        """(groups, elements) of a tensor shaped like the parameter, without a copy if possible."""
        moved = self._moved(tensor)
        if self.index is not None:
            moved = moved[self._places()]
        return moved.reshape(len(self), -1)

    def scatter_(self, matrix: Tensor, tensor: Tensor) -> None:
        """Write (groups, elements) to a tensor shaped like the parameter, in place."""
        moved = self._moved(tensor)
        if self.index is None:
            moved.copy_(matrix.reshape(moved.shape))
        else:
            rest = moved.shape[len(self.dims) :]
            values = matrix.reshape(self.index.numel(), *rest).to(moved.dtype)
            moved.index_put_(self._places(), values)

    @property
    def _rows(self) -> int:
        return math.prod(self.shape[dim] for dim in self.dims)

    def _moved(self, tensor: Tensor) -> Tensor:
        view = tensor.view(self.shape)  # dimensions are only split: this never copies
        return view.movedim(self.dims, tuple(range(len(self.dims))))

    def _places(self) -> tuple[Tensor, ...]:
        index = self.index
        if index is None:
            index = torch.arange(self._rows)
        index = index.to(self.parameter.device).flatten()
        sizes = [self.shape[dim] for dim in self.dims]
        return (index,) if len(sizes) == 1 else torch.unravel_index(index, sizes)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of equal size: of one parameter, or of several side by side.

    Args:
        name: of the module, or of what is grouped.
        parts: of the parameters, with equally many groups.

    >>> layer = nn.Linear(3, 2)
    >>> rows = Slices("weight", layer.weight, (2, 3), (0,)), Slices("bias", layer.bias, (2,), (0,))
    >>> groups = Groups("layer", rows)
    >>> len(groups), groups.gather().shape, groups.zeros()
    (2, torch.Size([2, 4]), tensor([False, False]))
    """

    name: str
    parts: tuple[Slices, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError(f"groups {self.name!r} must hold a parameter, got none")
        if len({len(part) for part in self.parts}) > 1:
            sizes = {part.name: len(part) for part in self.parts}
            raise ValueError(f"parts of groups {self.name!r} must be equally many, got {sizes}")

    def __len__(self) -> int:
        return len(self.parts[0])

    def gather(self, of: Of = lambda p: p) -> Tensor:
        """(groups, elements): the parts side by side."""
        pieces = [part.gather(of(part.parameter)) for part in self.parts]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, 1)

    def scatter_(self, matrix: Tensor, of: Of = lambda p: p) -> None:
        """Write what :meth:`gather` gives back; of a weight in two groups, one of the values."""
        start = 0
        for part in self.parts:
            size = part.parameter.numel() // part._rows
            end = start + (size if part.index is None else size * part.index.shape[1])
            part.scatter_(matrix[:, start:end], of(part.parameter))
            start = end

    def zeros(self) -> Tensor:
        """(groups,), which are zero: by equality, without a tolerance."""
        with torch.no_grad():
            parts = [~part.gather(part.parameter).any(1) for part in self.parts]
            return torch.stack(parts).all(0)

    def overlaps(self) -> bool:
        """Whether any weight is in two groups, or twice in one."""
        counts = {part.parameter: torch.zeros_like(part.parameter) for part in self.parts}
        for part in self.parts:
            count = counts[part.parameter]
            once = torch.zeros_like(count)
            part.scatter_(torch.ones_like(part.gather(once)), once)
            if part.index is not None and part.index.unique().numel() < part.index.numel():
                return True
            count += once
        return any(bool((count > 1).any()) for count in counts.values())
