"""Weights, and whole states of training, as safetensors: nothing in them is ever executed."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from huashi._files import write_atomically


def save_weights(path: Path, model: nn.Module) -> None:
    """Write the parameters and buffers of ``model``, a shared one once."""
    write_atomically(path, safetensors.torch.save(_tensors_of(model)))


def load_weights(path: Path, model: nn.Module) -> None:
    """Fill ``model`` with what :func:`save_weights` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, is that of a model of another shape, or holds NaN.
    """
    tensors, _ = _read(path)
    check_no_nan(path, tensors)
    _fill(model, tensors, path)


def grow_rows(smaller: nn.Module, model: nn.Module) -> None:
    """Fill ``model`` with the weights of one that is like it, but has perhaps fewer tokens.

    A tensor that has fewer rows than the model's fills the first of them; the others stay.

    Args:
        smaller: its weights are taken.
        model: of the same architecture.
    """
    found = _tensors_of(smaller)
    with torch.no_grad():
        for name, tensor in _tensors_of(model).items():
            (tensor[: len(found[name])] if tensor.ndim else tensor).copy_(found[name])


def check_no_nan(path: str | Path, tensors: dict[str, Tensor]) -> None:
    """Raise if weights that were read from ``path`` are NaN: so is all that they would compute."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise ValueError(f"{path} must hold numbers, got NaN in {name}")


def save_training(path: Path, model: nn.Module, optimizer: Any, state: dict[str, Any]) -> None:
    """Write model, optimiser, random-number generators and ``state`` (JSON) as one file."""
    saved = optimizer.state_dict()
    tensors = {f"model.{name}": tensor for name, tensor in _tensors_of(model).items()}
    for index, values in saved["state"].items():
        kept = {name: value for name, value in values.items() if value is not None}
        tensors |= {f"optimizer.{index}.{name}": value for name, value in kept.items()}
    tensors |= {f"rng.{name}": value for name, value in _rng_states().items()}
    header = {"state": state, "param_groups": saved["param_groups"]}
    content = safetensors.torch.save(
        {name: tensor.detach().cpu() for name, tensor in tensors.items()},
        metadata={"training": json.dumps(header)},
    )
    write_atomically(path, content)


def load_training(path: Path, model: nn.Module, optimizer: Any) -> dict[str, Any]:
    """Put back what :func:`save_training` wrote; return its ``state``.

    Raises:
        ValueError: the file is damaged, or is that of another model or no training.
    """
    tensors, metadata = _read(path)
    if "training" not in metadata:
        raise ValueError(f"{path} is not a checkpoint of a training")
    _fill(model, _under("model.", tensors), path)
    try:
        header = json.loads(metadata["training"])
        state = header["state"]
        values: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _under("optimizer.", tensors).items():
            index, key = name.split(".", 1)
            values.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": values, "param_groups": header["param_groups"]})
        _set_rng_states(_under("rng.", tensors))
        return state
    except (KeyError, ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{path} is not a checkpoint of this training: {error}") from None


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers; a parameter that two modules share comes once."""
    kept = model.state_dict().keys()
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach().contiguous() for name, tensor in named if name in kept}


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    wanted = _tensors_of(model)
    for name in sorted(wanted.keys() | tensors.keys()):
        here = tuple(tensors[name].shape) if name in tensors else "nothing"
        there = tuple(wanted[name].shape) if name in wanted else "nothing"
        if here != there:
            raise ValueError(f"{path} holds {here} for {name}, where the model has {there}")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(tensors[name])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from None


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _rng_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    if torch.cuda.is_available():
        states |= {f"cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    return states


def _set_rng_states(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"])
    for name, state in states.items():
        if name.startswith("cuda.") and int(name[5:]) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(name[5:]))
