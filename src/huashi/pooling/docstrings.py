"""What the docstrings of pools have in common, written once.

A docstring in the source describes the arguments of its own pool. A line ``{shared}`` among them
stands for those that all pools of the kind have, ``{errors}`` for the errors that all raise, and
``{shape}``, ``{pooled}`` and the like for shapes, which depend on the number of dimensions.
:func:`completed` fills them in, so that what ``help`` shows is complete.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_WIDTH = 96  # of a line of a docstring
_LENGTHS = {1: "length", 2: "height, width", 3: "depth, height, width"}
_OUTPUTS = {
    1: "out_length",
    2: "out_height, out_width",
    3: "out_depth, out_height, out_width",
}
_WINDOWS = {  # arguments of the pools over windows
    "kernel_size": "elements of a window{each}.",
    "stride": "from one window to the next{each}; ``kernel_size`` by default.",
    "padding": "absent elements around ``x``: a number{for each}, or (before, after); "
    '``"same"`` gives ceil(length / stride) windows, an odd element of padding after, '
    '``"same_lower"`` before.',
    "dilation": "from one element of a window to the next{each}.",
    "ceil_mode": "also count a last window that is only partly inside.",
    "output_size": "how many bins{each}; None for as many as there are elements.",
}
_REAL = {
    "mask": "True where an element is real, bool, broadcastable to ``x``; the others are absent, "
    "just as padding is.",
    "lengths": "how many elements of each sample are real, integers, (batch,), or () without "
    "a batch; none where it is below 1, all where it is above their number.",
}
_NO_LENGTHS = "None; in {dims} dimensions ``mask`` says which elements are real."
ERRORS = {
    "ValueError": "an argument is out of its range or does not fit ``x``.",
    "TypeError": "an argument is of the wrong kind.",
    "RuntimeError": 'under ``implementation("kernel")``, where no kernel serves; it says why.',
}


def of_windows(dims: int) -> dict[str, str]:
    """Arguments and shapes of pools over windows in so many dimensions."""
    each = "" if dims == 1 else ", one number or one for each dimension"
    for_each = "" if dims == 1 else ", or for each dimension a number"
    lengths, outputs = _LENGTHS[dims], _OUTPUTS[dims]
    formula = "floor((length + before + after - dilation * (kernel_size - 1) - 1) / stride) + 1"
    return {
        **{
            name: text.replace("{each}", each).replace("{for each}", for_each)
            for name, text in _WINDOWS.items()
        },
        "mask": _REAL["mask"],
        "lengths": _REAL["lengths"] if dims == 1 else _NO_LENGTHS.replace("{dims}", str(dims)),
        "x": f"(channel, {lengths}) or (batch, channel, {lengths}), floating-point.",
        "{shape}": f"(channel, {lengths}) or (batch, channel, {lengths})",
        "{pooled}": f"(channel, {outputs}) or (batch, channel, {outputs})",
        "{windows}": f"Along a dimension there are ``{formula}`` windows, in ceil mode with ceil "
        "for floor.",
        "{bins}": f"(channel, {outputs}) or (batch, channel, {outputs}), as ``output_size`` says",
        "{dims}": str(dims),
    }


OF_ALL = {
    **_REAL,
    "lengths": "in one dimension, how many elements of each sample are real, (batch,), integers; "
    "none where it is below 1, all where it is above their number.",
    "x": "(batch, channel, L...), one to three dimensions L, floating-point.",
}
"""Arguments of the global pools."""
OF_SEQUENCES = {
    **_REAL,
    "x": "(channel, length) or (batch, channel, length), floating-point or integer.",
}
"""Arguments of the pools over sequences."""


def completed(doc: str | None, parameters: Iterable[str], words: Mapping[str, str]) -> str | None:
    """A docstring with what ``words`` has for it, its arguments in the order of a signature.

    >>> print(completed('''Half.
    ...
    ... Args:
    ...     {shared}
    ...     by: how much.
    ... ''', ["x", "by"], {"x": "any number."}))
    Half.
    <BLANKLINE>
    Args:
        x: any number.
        by: how much.
    """
    if doc is None:  # under python -OO
        return None
    doc = inspect.cleandoc(doc)
    if "    {shared}" in doc:
        before, heading, rest = doc.partition("Args:\n")
        section, gap, after = rest.partition("\n\n")
        own = {name: text for name, text in arguments_of(doc).items() if name != "{shared}"}
        known = {name: own.get(name) or words[name] for name in parameters}
        section = "\n".join(_entry(name, text) for name, text in known.items())
        doc = before + heading + section + gap + after
    doc = re.sub(
        r"^    \{errors\}$",
        "\n".join(_entry(name, text) for name, text in ERRORS.items() if f"    {name}:" not in doc),
        doc,
        flags=re.MULTILINE,
    )
    for marker, text in words.items():
        if marker.startswith("{") and marker in doc:
            doc = doc.replace(marker, text)
    return _reflowed(doc)


def arguments_of(doc: str | None) -> dict[str, str]:
    """The section ``Args`` of a docstring: the text for each argument.

    >>> arguments_of('''A sum.
    ...
    ... Args:
    ...     x: a tensor
    ...         of numbers.
    ...     y: another.''')
    {'x': 'a tensor of numbers.', 'y': 'another.'}
    """
    section = inspect.cleandoc(doc or "").partition("Args:\n")[2].partition("\n\n")[0]
    entries: dict[str, str] = {}
    name = ""
    for line in section.split("\n"):
        if line.startswith("        ") and name:
            entries[name] = f"{entries[name]} {line.strip()}".strip()
        elif line.strip():
            name, _, text = line.strip().partition(":")
            entries[name] = text.strip()
    return entries


def shares(words: Mapping[str, str]) -> Callable[[T], T]:
    """Fill in the docstring of a function with :func:`completed`."""

    def fill(function: T) -> T:
        signature = inspect.signature(function)  # pyright: ignore[reportArgumentType]
        function.__doc__ = completed(function.__doc__, signature.parameters, words)
        return function

    return fill


def as_module_of(function: Callable[..., Any]) -> Callable[[T], T]:
    """Fill in the docstring of a module: the arguments that it has in common with a function."""

    def fill(module: T) -> T:
        module.__doc__ = module_doc(module, function)
        return module

    return fill


def module_doc(module: Any, function: Callable[..., Any], **words: str) -> str | None:
    """The docstring of a class of modules with all arguments of its constructor."""
    doc = module.__doc__
    parameters = [
        name
        for name, one in inspect.signature(module).parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)  # of nn.Module
    ]
    if doc is not None and parameters and "    {shared}" not in doc:
        doc = inspect.cleandoc(doc) + "\n\nArgs:\n    {shared}"
    markers = {f"{{{name}}}": text for name, text in words.items()}
    return completed(doc, parameters, arguments_of(function.__doc__) | markers)


def _entry(name: str, text: str) -> str:
    return f"    {name}: {text}"


def _reflowed(doc: str) -> str:
    """The same with paragraphs in which a line is too long laid out anew."""
    lines, out = doc.split("\n"), []
    while lines:
        first = lines.pop(0)
        indent = _indent(first)
        hanging = indent + 4 * bool(re.match(r" {4}\w+: ", first))
        paragraph = [first]
        while lines and _goes_on(lines[0], hanging):
            paragraph.append(lines.pop(0))
        if ">>>" not in first and any(len(line) > _WIDTH for line in paragraph):
            text = " ".join(line.strip() for line in paragraph)
            paragraph = textwrap.wrap(
                text,
                _WIDTH,
                initial_indent=" " * indent,
                subsequent_indent=" " * hanging,
                break_long_words=False,
                break_on_hyphens=False,
            )
        out += paragraph
    return "\n".join(out)


def _goes_on(line: str, indent: int) -> bool:
    """Whether a line belongs to the paragraph before it, of which lines have this indent."""
    text = line.strip()
    begins = re.match(r"\w+: |>>>|\.\. |Args:|Returns:|Raises:", text)
    return bool(text) and _indent(line) == indent and not begins


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
