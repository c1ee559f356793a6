"""What editors and type checkers see of huashi.pooling: ``python -m docs.stubs`` writes it anew.

Its functions and modules are made in a loop over the numbers of dimensions, which no static tool
follows. The stub beside the package spells them out, with their docstrings, and with overloads
where the result depends on ``return_indices``.
"""

import ast
import functools
import inspect
import textwrap
from pathlib import Path
from types import ModuleType

from torch import nn

from huashi import pooling

STUB = Path(inspect.getfile(pooling)).with_suffix(".pyi")
HEAD = f'''"""{pooling.__doc__}"""

# Written by `python -m docs.stubs`.
'''
CHOICE = "return_indices"  # the argument that results depend on
RESULTS = {  # what a function returns: for each value of the argument
    "Tensor | tuple[Tensor, Tensor | Places]": {
        "Literal[False]": "Tensor",
        "Literal[True]": "tuple[Tensor, Tensor]",
        "Literal['compact']": "tuple[Tensor, Places]",
        "bool | Literal['compact']": "Tensor | tuple[Tensor, Tensor | Places]",
    },
    "Tensor | tuple[Tensor, Tensor]": {
        "Literal[False]": "Tensor",
        "Literal[True]": "tuple[Tensor, Tensor]",
        "bool": "Tensor | tuple[Tensor, Tensor]",
    },
    "Tensor | KMax": {"Literal[False]": "Tensor", "Literal[True]": "KMax", "bool": "Tensor | KMax"},
}


def stub() -> str:
    """The text of the stub."""
    imports: set[str] = {"from typing import Literal", "from typing import overload"}
    body = []
    for name in pooling.__all__:
        thing = getattr(pooling, name)
        if inspect.isfunction(thing):
            body.append(of_function(name, imports))
        elif issubclass(thing, nn.Module):
            body.append(of_module(name, imports))
        else:
            imports.add(f"from {thing.__module__} import {name} as {name}")
    return "\n".join([HEAD, *sorted(imports), "", *body])


def of_function(name: str, imports: set[str]) -> str:
    function = getattr(pooling, name)
    source = inspect.unwrap(function)
    node = definition(source.__module__, source.__name__)
    arguments, result = node.args, node.returns
    if source is not function:  # one for each number of dimensions
        arguments.args = arguments.args[1:]
    imports |= imported(inspect.getmodule(source), arguments, result)
    returned = ast.unparse(result)
    doc = documented(function.__doc__)
    plain = f"def {name}({ast.unparse(arguments)}) -> {returned}:\n{doc}\n    ...\n"
    overloads = RESULTS.get(returned)
    if not overloads:
        return plain
    heads = [
        f"@overload\ndef {name}({signature}) -> {each}:"
        for kind, each in overloads.items()
        for signature in signatures(ast.unparse(arguments), kind)
    ]
    first, *others = heads  # which editors show the docstring of for all
    return "\n".join([f"{first}\n{doc}\n    ...\n", *(f"{head} ...\n" for head in others)])


def signatures(arguments: str, kind: str) -> list[str]:
    """The arguments where the choice has this type: given by name, and if it can be by place."""
    parsed = ast.parse(f"def f({arguments}): ...").body[0].args
    annotation = ast.parse(kind, mode="eval").body
    names = [one.arg for one in parsed.args]
    if "False" in kind:  # the default
        for one in (*parsed.args, *parsed.kwonlyargs):
            if one.arg == CHOICE:
                one.annotation = annotation
        return [ast.unparse(parsed)]
    if CHOICE not in names:
        place = [one.arg for one in parsed.kwonlyargs].index(CHOICE)
        parsed.kwonlyargs[place].annotation = annotation
        parsed.kw_defaults[place] = None
        return [ast.unparse(parsed)]
    place = names.index(CHOICE)
    by_name = ast.parse(f"def f({arguments}): ...").body[0].args
    moved = by_name.args.pop(place)
    by_name.defaults.pop(place - len(names))
    moved.annotation = annotation
    by_name.kwonlyargs.insert(0, moved)
    by_name.kw_defaults.insert(0, None)
    parsed.args[place].annotation = annotation
    later = len(names) - place - 1  # arguments after it, which keep their defaults
    parsed.defaults = parsed.defaults[len(parsed.defaults) - later :]
    return [ast.unparse(by_name), ast.unparse(parsed)]


def of_module(name: str, imports: set[str]) -> str:
    """A class of modules: what the source has, with the name and docstring of this one."""
    module = getattr(pooling, name)
    base = module if "dims" not in vars(module) else module.__bases__[0]
    imports.add(f"from {base.__module__} import {base.__name__} as _{base.__name__}")
    return f"class {name}(_{base.__name__}):\n{documented(module.__doc__)}\n"


def documented(doc: str) -> str:
    raw = "r" * ("\\" in doc)
    text = textwrap.indent(f'{raw}"""{inspect.cleandoc(doc)}', "    ")
    return text + ('\n    """' if "\n" in text else '"""')


@functools.cache
def parsed(module: str) -> ast.Module:
    return ast.parse(Path(inspect.getfile(inspect.importlib.import_module(module))).read_text())


def definition(module: str, name: str) -> ast.FunctionDef:
    """A fresh copy of the definition of a function."""
    tree = ast.parse(ast.unparse(parsed(module)))
    found = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return next(found)


def imported(module: ModuleType, *nodes: ast.AST) -> set[str]:
    """The imports of the names that types are made of."""
    names = {
        one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)
    } & vars(module).keys()
    lines = set()
    for node in parsed(module.__name__).body:
        if isinstance(node, ast.ImportFrom):
            found = {alias.name for alias in node.names} & names
            lines |= {f"from {node.module} import {name}" for name in found}
            names -= found
        elif isinstance(node, ast.Import):
            found = {alias.name for alias in node.names} & names
            lines |= {f"import {name}" for name in found}
            names -= found
    lines |= {f"from {module.__name__} import {name}" for name in names}
    return {line for line in lines if line.split()[-1] not in pooling.__all__}  # these are anyway


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
