"""The layout is the architecture: what may import what."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(importlib.util.find_spec("huashi").origin).parent
CHAPTERS = (
    *("pooling", "convolution", "entmax", "training"),
    *("regularization", "seq2seq", "reid", "augmentation"),
)
SHARED = ("pooling", "convolution", "entmax", "training")  # chapters that others may use
LAYERS = ("foundation", "meaning", "kernel", "operator", "family", "recipe", "command")
MEANING = (
    "reference",
    "bins",
    "dimensions",
    "docstrings",
    "geometry",
    "masks",
    "offsets",
)  # what a kernel may know of a chapter
OUTSIDE = {  # a chapter: files and folders of the package, by the layer they are in
    "_accelerate": "family",
    "bench": "recipe",
    "recipes": "recipe",
    "commands": "command",
    "__main__": "command",
}
FLOORS = {  # of a chapter: its folders from the ground up
    "seq2seq": (
        *("text", "operations", "model", "attention", "models", "fusion", "architecture"),
        *("search", "inference", "training", "ctranslate2"),
    ),
    "regularization": ("groups", "prox", "penalties", "coupling", "compaction", "optimizer"),
}


def layer(module: str) -> str:
    """Which layer a module is in: by the folder that it stands in, or that it is."""
    parts = module.split(".")[1:]
    if not parts:  # the face of the package
        return "command"
    if parts[0] not in CHAPTERS:
        return OUTSIDE.get(parts[0], "foundation")
    if "cpu" in parts or "gpu" in parts:
        return "kernel"
    if "operators" in parts:
        return "operator"
    return "meaning" if set(MEANING) & set(parts[1:]) else "family"


def floor(module: str) -> int:
    """How far up in its chapter a module stands; the face of a chapter is above all."""
    parts = module.split(".")[1:]
    floors = FLOORS.get(parts[0], ()) if parts else ()
    return floors.index(parts[1]) if len(parts) > 1 and parts[1] in floors else len(floors)


def chapter(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in CHAPTERS else None


def complaint(importer: str, imported: str) -> str | None:
    """What is wrong with an import, or None."""
    if is_face_of(imported, importer):
        return None
    if LAYERS.index(layer(imported)) > LAYERS.index(layer(importer)):
        return f"{importer} imports {imported}, which stands above it"
    here, there = chapter(importer), chapter(imported)
    if here and there and here != there and there not in SHARED:
        return f"{importer} imports {imported}, of another chapter"
    families = layer(importer) == layer(imported) == "family"
    if here and here == there and families and floor(imported) > floor(importer):
        return f"{importer} imports {imported}, which is floors above it"
    if here is None and there and layer(importer) == "foundation":
        return f"{importer} is the foundation and imports {imported}"
    return None


def is_face_of(package: str, module: str) -> bool:
    """``from huashi.entmax import reference`` names the package and means the module."""
    return module.startswith(package + ".")


def modules() -> dict[str, ast.Module]:
    trees = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        trees[name] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


MODULES = modules()


def imports(tree: ast.Module) -> set[str]:
    """Every module of huashi that is imported, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (submodules & MODULES.keys()) or {node.module}
    return {name for name in found if name.split(".")[0] == "huashi"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module):
    found = [complaint(module, imported) for imported in imports(MODULES[module])]
    assert not list(filter(None, found))


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("huashi.entmax.reference", "huashi.entmax.cpu.mappings"),
        ("huashi.entmax.cpu.mappings", "huashi.entmax.operators"),
        ("huashi.seq2seq.models.rnn", "huashi.seq2seq.search.beam"),
        ("huashi.seq2seq.models.rnn", "huashi.recipes.dates"),
        ("huashi.recipes.dates", "huashi.__main__"),
        ("huashi.seq2seq.models.rnn", "huashi.reid.losses"),
        ("huashi.run.folder", "huashi.seq2seq.models.rnn"),
    ],
)
def test_an_import_against_the_arrow_would_be_found(importer, imported):
    assert complaint(importer, imported)


def test_no_module_imports_itself_round_about():
    graph = {name: imports(tree) - {name} for name, tree in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " <- ".join([*way, name])
        if name not in done:
            for imported in graph.get(name, set()):
                visit(imported, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_module_says_what_it_is():
    assert not [name for name, tree in MODULES.items() if not ast.get_docstring(tree)]


def test_no_file_has_a_name_that_says_nothing():
    names = {name.rpartition(".")[2].strip("_") for name in MODULES}
    assert not names & {"util", "utils", "common", "helper", "helpers", "base", "misc", "core"}


def test_input_is_never_checked_by_assert():
    for name, tree in MODULES.items():
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), name


def test_importing_huashi_is_light():
    """Neither the kernels' compilers nor what only commands and reports need."""
    heavy = ("numba", "triton", "matplotlib", "babel", "tyro", "lightning_fabric", "sacrebleu")
    code = f"import huashi, sys; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"
