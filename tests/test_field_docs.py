"""What a field means is told by help(), not only by the source."""

import importlib
import inspect
import pkgutil
from dataclasses import fields, is_dataclass

import pytest

import huashi.recipes
import huashi.seq2seq
from huashi.regularization.compaction.report import Change, Kept
from huashi.seq2seq.inference.decoding import Decoding
from huashi.seq2seq.inference.translation import Considered, Translation
from huashi.seq2seq.training import Training
from huashi.training import TrainingSettings

RECIPES = [m.name for m in pkgutil.iter_modules(huashi.recipes.__path__) if m.name[0] != "_"]
SHAPES = [
    found
    for name in dir(huashi.seq2seq)
    if is_dataclass(found := getattr(huashi.seq2seq, name))
    and (name.endswith("Shape") or "Architecture" in name)
]


@pytest.mark.parametrize(
    "kind",
    [
        Decoding,
        Training,
        TrainingSettings,
        huashi.Acceleration,
        Translation,
        Considered,
        Kept,
        Change,
        *SHAPES,
        *(importlib.import_module(f"huashi.recipes.{name}").Config for name in RECIPES),
    ],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_every_field_is_told_by_the_docstring(kind):
    lines = inspect.getdoc(kind).splitlines()
    told = [line.strip().partition(":")[0] for line in lines if line.startswith("    ")]
    missing = [f.name for f in fields(kind) if f.name not in told]
    assert missing == []


def test_the_text_is_that_of_the_source_and_stands_before_what_is_raised():
    doc = inspect.getdoc(Training)
    assert doc.startswith("How a sequence model is trained.\n\nArgs:\n    seed: Of the weights,")
    assert "    label_smoothing: How much of a label goes to the other tokens.\n" in doc + "\n"
    doc = inspect.getdoc(Decoding)
    assert doc.index("Args:\n") < doc.index("    replace_unknown:") < doc.index("Raises:\n")
