"""Code of the user's own: files that are executed, models that are named in them."""

import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

import huashi


def execute_file(path: Path, kind: str = "file") -> ModuleType:
    """Execute a file of Python; modules beside it can be imported by it.

    Args:
        path: of the file.
        kind: what it is, for the name of the module.

    Raises:
        ValueError: it is no file of Python.
        Exception: whatever its code raises.
    """
    path = path.resolve()
    name = f"{kind} {path}"  # of which there is no other module
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} must be a file of Python")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec.loader.exec_module(module)
    return module


def model_named(name: str) -> nn.Module:
    """The model at ``path/to/file.py:name`` or ``package.module:name``.

    The name is that of a model, or of what makes one when it is called without arguments: a
    function or a class.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no such module or name, its code fails, or it gives no model.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise ValueError(f"model must be FILE.py:NAME or package.module:NAME, got {name!r}")
    found: Any = _module_at(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{place} must have the name {attribute!r}, it has none")
        found = getattr(found, part)
    if not isinstance(found, nn.Module) and callable(found):
        try:
            found = found()
        except Exception as error:
            raise ValueError(where_it_failed(error)) from error
    if not isinstance(found, nn.Module):
        raise ValueError(f"{name} must be or make a torch.nn.Module, got {type(found).__name__}")
    return found


def where_it_failed(error: BaseException) -> str:
    """File, line and message of an error, as one line; the message alone where no line is known."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    line = line_of(error)
    return f"{line}: {said}" if line else said


def line_of(error: BaseException) -> str | None:
    """The last line of the user's own code on the way to an error, ``file:line``."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*_LIBRARIES, "<")):
            return f"{frame.filename}:{frame.lineno}"
    return None


_PATHS = sysconfig.get_paths()
_LIBRARIES = (
    *(_PATHS["stdlib"], _PATHS["purelib"], _PATHS["platlib"]),
    *(*torch.__path__, *huashi.__path__),
)
"""Where files stand that are not the user's."""


def _module_at(place: str) -> ModuleType:
    if place.endswith(".py") and not Path(place).is_file():
        raise FileNotFoundError(f"there is no {place}")
    try:
        if place.endswith(".py"):
            return execute_file(Path(place))
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        return importlib.import_module(place)
    except Exception as error:
        raise ValueError(f"{place} cannot be imported: {where_it_failed(error)}") from error
