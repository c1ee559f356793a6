"""Compact models as files: safetensors with the sizes of the layers as JSON in its header.

A file fills a model of the original, full size, built by its own code, and makes it small; nothing
in the file is executed. A program of torch.export needs no code of the model at all.
"""

import copy
import io
import json
import warnings
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from huashi._checkpoint import check_no_nan
from huashi._files import write_atomically
from huashi._wrappers import unwrapped
from huashi.regularization.compaction.head_attention import HeadAttention
from huashi.regularization.coupling.composed_layers import resize_composed
from huashi.regularization.coupling.tracing import Example, arguments

_SIZES = {  # by kind of layer, what it says of its size
    nn.Linear: ("in_features", "out_features"),
    nn.modules.conv._ConvNd: ("in_channels", "out_channels", "groups"),
    nn.modules.batchnorm._NormBase: ("num_features",),
    nn.GroupNorm: ("num_groups", "num_channels"),
    nn.PReLU: ("num_parameters",),
    nn.Embedding: ("num_embeddings", "embedding_dim"),
    nn.RNNBase: ("input_size", "hidden_size"),
    nn.MultiheadAttention: ("embed_dim", "num_heads"),
    HeadAttention: ("sizes", "kept", "of", "bias", "extra", "dropout", "batch_first"),
}
_FORMAT = "huashi compact model 1"


def save_compact(path: str | Path, model: nn.Module) -> None:
    """Write a compact model, at once: its parameters and all its buffers, a shared one once.

    Args:
        path: of the file, by custom ``.safetensors``.
        model: ``compact(...).model``, or one that was trained on from it.

    Raises:
        OSError: the file cannot be written.

    >>> import tempfile
    >>> small, full = nn.Linear(2, 3), nn.Linear(5, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_compact(folder + "/small.safetensors", small)
    ...     load_compact(folder + "/small.safetensors", full)
    Linear(in_features=2, out_features=3, bias=True)
    """
    model = unwrapped(model)
    layers = {name: _describe(module) for name, module in model.named_modules()}
    header = {"format": _FORMAT, "layers": {name: it for name, it in layers.items() if it}}
    tensors = {n: t.detach().contiguous() for n, t in _named(model).items()}  # each may be cut
    content = safetensors.torch.save(tensors, metadata={"compact": json.dumps(header)})
    write_atomically(path, content)


def load_compact(path: str | Path, model: nn.Module) -> nn.Module:
    """Read what :func:`save_compact` wrote.

    Args:
        path: of the file.
        model: of full size, as its own code builds it; it stays as it is.

    Returns:
        a smaller copy of the model.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, is that of another architecture, or holds NaN.
    """
    tensors, layers = _read(Path(path))
    check_no_nan(path, tensors)
    model = copy.deepcopy(unwrapped(model))
    for name, said in layers.items():
        model = _resize(model, name, said, path)
    wanted = _named(model)
    added = {name for name in tensors if name.rpartition(".")[2] == "bias" and name not in wanted}
    missing = sorted((wanted.keys() & model.state_dict().keys()) - tensors.keys())
    unknown = sorted(tensors.keys() - wanted.keys() - added)
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"holds {unknown[0]}"
        raise ValueError(f"{path} {what}, and is that of another architecture")
    new = {
        id(wanted[name]): _filled(name, wanted[name], tensors[name], path)
        for name in wanted
        if name in tensors
    }
    for module in model.modules():
        for kind, old in (*module._parameters.items(), *module._buffers.items()):
            if old is not None and id(old) in new:
                setattr(module, kind, new[id(old)])
    resize_composed(model)
    for name in added:
        parent, _, kind = name.rpartition(".")
        module = dict(model.named_modules()).get(parent)
        if module is None or getattr(module, kind, 0) is not None:
            raise ValueError(f"{path} holds {name}, and is that of another architecture")
        module.register_parameter(kind, nn.Parameter(tensors[name]))
    return model


def export_program(path: str | Path, model: nn.Module, example: Example) -> None:
    """Write a model as a program that torch alone runs: ``torch.export.load(path).module()``.

    Args:
        path: of the file, by custom ``.pt2``.
        model: any module; it is written as it evaluates.
        example: what it is called with; the first dimension of every tensor may differ later where
            the model allows it.

    Raises:
        OSError: the file cannot be written.
    """
    args, kwargs = arguments(example)
    training = model.training
    try:
        program = _export(model.eval(), args, kwargs)
    finally:
        model.train(training)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    write_atomically(path, buffer.getvalue())


def _export(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    batch = {0: torch.export.Dim.AUTO}
    free = pytree.tree_map(
        lambda x: batch if isinstance(x, Tensor) and x.ndim else None, (args, kwargs)
    )
    shapes = (*free[0], *free[1].values()) if kwargs else free[0]
    with warnings.catch_warnings():  # of recurrent layers, which keep a list of their weights
        warnings.filterwarnings("ignore", "The tensor attributes .* were assigned during export")
        return torch.export.export(model, args, kwargs, dynamic_shapes=shapes)


def _describe(module: nn.Module) -> dict[str, Any]:
    for kind, names in _SIZES.items():
        if isinstance(module, kind):
            return {"kind": type(module).__name__} | {n: getattr(module, n) for n in names}
    return {}


def _resize(model: nn.Module, name: str, said: dict[str, Any], path: str | Path) -> nn.Module:
    """Set what a layer says of its size, or put another in its place."""
    module: Any = dict(model.named_modules()).get(name)
    there = type(module).__name__ if module is not None else "nothing"
    sizes = {key: value for key, value in said.items() if key != "kind"}
    if said["kind"] == HeadAttention.__name__ and isinstance(module, nn.MultiheadAttention):
        first, second, third = sizes.pop("sizes"), sizes.pop("kept"), sizes.pop("of")
        new = HeadAttention(first, second, third, **sizes).train(module.training)
        if not name:
            return new
        parent, _, last = name.rpartition(".")
        model.get_submodule(parent).register_module(last, new)
        return model
    if there != said["kind"] or not sizes.keys() <= {*dir(module)}:
        raise ValueError(f"{path} holds a {said['kind']} as {name!r}, where the model has {there}")
    for key, value in sizes.items():
        setattr(module, key, value)
    return model


def _filled(name: str, old: Tensor, value: Tensor, path: str | Path) -> Tensor:
    """A tensor of the file in place of one of the model, which is no smaller."""
    fits = old.ndim == value.ndim and all(
        b <= a for a, b in zip(old.shape, value.shape, strict=True)
    )
    if not fits or old.is_floating_point() != value.is_floating_point():
        raise ValueError(
            f"{path} holds {tuple(value.shape)} for {name}, where the model has {tuple(old.shape)}"
        )
    value = value.to(old.device)
    if isinstance(old, nn.Parameter):
        return nn.Parameter(value, requires_grad=old.requires_grad)
    return value


def _named(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each by the first of its names."""
    return dict([*model.named_parameters(), *model.named_buffers()])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = json.loads((file.metadata() or {}).get("compact", "{}"))
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from None
    if header.get("format") != _FORMAT:
        raise ValueError(f"{path} holds no compact model")
    return tensors, header["layers"]
