"""Docstrings as Markdown: doctests become code blocks, roles such as :func: become code."""

import re
from pathlib import Path
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*?(?=^\s*$|\Z)", re.MULTILINE | re.DOTALL)
ROLE = re.compile(r":(?:func|class|meth|data|mod|math):`~?([^`]*)`")
STUB = Path(__file__).parent.parent / "src" / "huashi" / "pooling" / "__init__.pyi"


class Docstrings(griffe.Extension):
    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        as_markdown(obj)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Take the pools from the stub: in the sources they are made in a loop."""
        if pkg.name != "huashi":
            return
        for module in pkg["convolution"].modules.values():
            inherit(module)
        code = STUB.read_text(encoding="utf-8")
        stub = griffe.visit("pooling", STUB, code, parent=pkg, docstring_parser="google")
        pools = {name: overloads[0] for name, overloads in stub.overloads.items() if overloads}
        pools |= {name: one for name, one in stub.members.items() if not one.is_alias}
        for name, pool in pools.items():
            if pool.is_function or pool.is_class:
                as_markdown(pool)
                pkg["pooling"].set_member(name, pool)


def inherit(module: griffe.Module) -> None:
    """Give a class without a docstring that of its base in the same file, as ``help()`` does."""
    for one in module.classes.values():
        base = None if one.is_alias or not one.bases else module.members.get(str(one.bases[0]))
        if base is not None and base.docstring and not one.docstring:
            one.docstring = griffe.Docstring(base.docstring.value, parent=one)


def as_markdown(obj: griffe.Object) -> None:
    if obj.docstring:
        text = ROLE.sub(r"`\1`", obj.docstring.value)
        obj.docstring.value = DOCTEST.sub(lambda m: f"```pycon\n{m[0].rstrip()}\n```\n", text)
