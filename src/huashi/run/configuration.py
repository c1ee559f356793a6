"""Configurations of recipes, dataclasses, as JSON and back."""

import json
import os
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def rebuilt(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass from JSON, with the dataclasses and tuples in it."""
    hints = get_type_hints(kind)
    read = {}
    for name, value in values.items():
        if name in hints and not fits(value, hints[name]):
            wanted = getattr(hints[name], "__name__", None) or str(hints[name])
            raise TypeError(f"{name} must be of type {wanted}, got {value!r}")
        if isinstance(value, dict) and is_dataclass(hints.get(name)):
            value = rebuilt(hints[name], value)
        if isinstance(value, str):
            value = _members(hints.get(name)).get(value, value)
        read[name] = tuple(value) if isinstance(value, list) else value
    return kind(**read)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of JSON is of a field's type; of unusual types nothing is known."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is Literal:
        return value in parts
    if kind is tuple and parts:
        if not isinstance(value, list):
            return False
        parts = parts[:1] * len(value) if parts[-1] is ... else parts
        return len(value) == len(parts) and all(map(fits, value, parts))
    if members := _members(kind):
        return isinstance(value, str) and value in members
    read_as = {float: int | float, Path: str, NoneType: NoneType, int: int, str: str, bool: bool}
    if is_dataclass(kind):
        return isinstance(value, dict)
    if isinstance(value, bool):
        return kind not in read_as or kind is bool
    return isinstance(value, read_as.get(kind, object))


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    found = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, dict) else {"": value}
        found |= {f"{name}.{rest}".rstrip("."): part for rest, part in inner.items()}
    return found


def as_json(content: Any, name: str = "") -> Any:
    """A dataclass, or what one may hold, as JSON has it; members of an ``Enum`` by their names.

    Args:
        content: what to write.
        name: what it is, for the error; of a dataclass that of the field.

    Raises:
        ValueError: naming the field: JSON or UTF-8 cannot hold a value.
    """
    if is_dataclass(content) and not isinstance(content, type):
        content = asdict(content)
    if isinstance(content, dict):
        inner = {str(key): f"{name}.{key}".lstrip(".") for key in content}
        return {str(key): as_json(value, inner[str(key)]) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [as_json(value, name) for value in content]
    if isinstance(content, Enum):
        return content.name
    if isinstance(content, os.PathLike):
        content = os.fspath(content)
    try:
        return json.loads(json.dumps(content, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text in UTF-8, got {content!r}") from None
    except (TypeError, ValueError):
        kind = type(content).__name__
        raise ValueError(f"{name} must be what JSON can hold, got one of type {kind}") from None


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same; NaN, which equals nothing, is the same as NaN."""
    return one == other or json.dumps(one) == json.dumps(other)


def _members(hint: Any) -> dict[str, Any]:
    """Those of an ``Enum``, or of one in a union, by their names; of another type none."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    enums = [part for part in parts if isinstance(part, type) and issubclass(part, Enum)]
    return {name: member for enum in enums for name, member in enum.__members__.items()}
