"""What stands under the fields of a dataclass, in its docstring too, where ``help()`` finds it."""

import ast
import functools
import inspect
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def with_field_docs(cls: type[T]) -> type[T]:
    """Add what the source says of each field of a dataclass to the docstring, as its arguments.

    Where there is no source, or docstrings are stripped, it stays as it is.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _of_module(base.__module__).get(base.__qualname__, {})
    told = {field.name: found[field.name] for field in fields(cls) if field.name in found}  # type: ignore[arg-type]
    if cls.__doc__ and told:
        rows = [textwrap.indent(f"{name}: {text}", "    ") for name, text in told.items()]
        head, rule, rest = inspect.cleandoc(cls.__doc__).partition("Raises:\n")
        parts = [head.rstrip(), "Args:\n" + "\n".join(rows)] + [rule + rest] * bool(rule)
        cls.__doc__ = "\n\n".join(parts) + "\n"
    return cls


@functools.cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """Of each class of a module, what stands under its fields."""
    path = getattr(sys.modules.get(name), "__file__", None)
    if path is None or not name.startswith("huashi.") or not Path(path).is_file():
        return {}
    return {
        node.name: _of_class(node)
        for node in ast.parse(Path(path).read_bytes()).body
        if isinstance(node, ast.ClassDef)
    }


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, after in zip(node.body, node.body[1:], strict=False):
        said = after.value if isinstance(after, ast.Expr) else None
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(said, ast.Constant)
            and isinstance(said.value, str)
        ):
            found[field.target.id] = inspect.cleandoc(said.value).strip().replace("\n", "\n    ")
    return found
