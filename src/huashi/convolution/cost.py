"""What a model costs, told before it is trained: multiply-adds, parameters, bytes of activations.

It is counted as the model runs, by operator: so modules of any library count right, and so does
arithmetic that a ``forward`` does by itself. A copy of the model runs on torch's meta device, which
knows shapes and computes nothing; where the code wants to see numbers, a copy runs on zeros.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from huashi._field_docs import with_field_docs
from huashi._wrappers import unwrapped
from huashi.convolution.cost_inputs import Inputs
from huashi.convolution.counted_run import Tally, run_on_meta, run_on_zeros

Shape = Sequence[int]


@with_field_docs
@dataclass(frozen=True)
class LayerCost:
    """What one module takes by itself, without the modules inside of it."""

    name: str
    """In the model; empty for the model itself."""
    kind: str
    """The name of its class."""
    calls: int
    """How often it runs."""
    output: tuple[int, ...]
    """Shape of the first tensor that it returns, at its last call; empty where there is none."""
    multiply_adds: int
    """Of all its calls."""
    parameters: int
    """Its own; one that an earlier layer shares with it is counted there."""
    activation_bytes: int
    """Of the tensors that it returns, of all calls. What shares the memory of its input (in place,
    a view, an identity) adds nothing."""


@with_field_docs
@dataclass(frozen=True)
class Cost:
    """What a model takes for one input; ``print`` shows a table of its layers."""

    layers: tuple[LayerCost, ...]
    """Each module that computes something by itself or has parameters of its own, in the order of
    ``named_modules()``."""

    @property
    def multiply_adds(self) -> int:
        """A multiplication and the addition that follows it count as one."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Each counted once, however many layers share it."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def activation_bytes(self) -> int:
        """Of what all layers return, in the dtypes that they return it in."""
        return sum(layer.activation_bytes for layer in self.layers)

    def within(self, name: str) -> "Cost":
        """The part of a module and of all modules inside of it.

        Args:
            name: of the module, as ``"layer1"``.

        Raises:
            ValueError: no layer has that name, or is inside of one that has.
        """
        inside = [one for one in self.layers if one.name == name or one.name.startswith(f"{name}.")]
        if not inside:
            raise ValueError(f"name must be one of a module that computes, got {name!r}")
        return Cost(tuple(inside))

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "multiply_adds": self.multiply_adds,
            "parameters": self.parameters,
            "activation_bytes": self.activation_bytes,
            "layers": [asdict(layer) | {"output": list(layer.output)} for layer in self.layers],
        }

    def __str__(self) -> str:
        head = ("layer", "kind", "output", "multiply-adds", "parameters", "activation bytes")
        rows = [_row(one.name or "(model)", one.kind, one.output, one) for one in self.layers]
        rows += [_row("total", "", (), self)]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        return "\n".join(_line(row, widths) for row in [head, *rows])


def _row(name: str, kind: str, output: Shape, of: Any) -> tuple[str, ...]:
    numbers = of.multiply_adds, of.parameters, of.activation_bytes
    return name, kind, " x ".join(map(str, output)), *(f"{number:,}" for number in numbers)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    words = [word.ljust(width) for word, width in zip(row[:3], widths[:3], strict=True)]
    numbers = [word.rjust(width) for word, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join([*words, *numbers])


def cost(
    module: nn.Module,
    input_shape: Shape | Tensor | Sequence[Shape | Tensor | Any] | Mapping[str, Any],
) -> Cost:
    """Multiply-adds, parameters and bytes of activations of a module, layer by layer.

    A multiplication and the addition that follows it count as one; what others call FLOPs is often
    twice as much. Counted are convolutions, products of matrices and attention, of torch and of
    Huashi, wherever they happen: also in what makes the kernels of a dynamic convolution, in a
    routing network, in functions that a ``forward`` calls. Additions of a bias, normalization,
    activations and pools are not.

    The module runs once, in evaluation, without gradients, as a copy: it stays as it is, and so
    does the state of the random generators. Hooks of the module run in the copy.

    Args:
        module: any module; what ``torch.compile`` or data parallelism have wrapped around a model
            is left off.
        input_shape: of the input with its batch, as ``(1, 3, 224, 224)``, in the dtype of the
            module; or a tensor; or a sequence of either, an argument each; or named arguments,
            shapes, tensors and whatever else the module takes. Integers, such as tokens, must be
            given as tensors.

    Returns:
        a row for each layer, and totals.

    Raises:
        TypeError: ``module`` is no module, or ``input_shape`` none of the above.
        ValueError: a size is below 0, or the module fails on such an input; the cause has its
            traceback.

    >>> print(cost(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True)), (1, 3, 10, 10)))
    layer  kind    output         multiply-adds  parameters  activation bytes
    0      Conv2d  1 x 8 x 8 x 8         13,824         224             2,048
    1      ReLU    1 x 8 x 8 x 8              0           0                 0
    total                                13,824         224             2,048
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    module = unwrapped(module)
    inputs = Inputs.of(input_shape, module)
    try:
        run = run_on_meta(module, inputs)
    except Exception as on_meta:  # whatever the code does with tensors that hold nothing
        if any(p.is_meta for p in module.parameters()):
            raise _refused(inputs, on_meta) from on_meta
        try:
            run = run_on_zeros(module, inputs)
        except Exception as error:
            raise _refused(inputs, error) from error
    return _report(run.module, run.tallies)


def _refused(inputs: Inputs, error: Exception) -> ValueError:
    line = str(error).strip().partition("\n")[0]
    return ValueError(
        f"input_shape must be what the module takes, got {inputs.shown()}: "
        f"{type(error).__name__}: {line}"
    )


def _report(module: nn.Module, tallies: Mapping[str, Tally]) -> Cost:
    seen: set[int] = set()
    layers = []
    for name, one in module.named_modules():
        tally = tallies[name]
        own = [p for p in one.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        is_leaf = tally.calls and not any(True for _ in one.children())
        if is_leaf or own or tally.multiply_adds or tally.activation_bytes:
            layers.append(
                LayerCost(
                    name=name,
                    kind=type(one).__name__,
                    calls=tally.calls,
                    output=tally.output,
                    multiply_adds=tally.multiply_adds,
                    parameters=sum(p.numel() for p in own),
                    activation_bytes=tally.activation_bytes,
                )
            )
    return Cost(tuple(layers))
