"""``huashi cost``: the forms of a model, what is printed, and how it complains."""

import json

import pytest

CODE = '''"""A model."""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.last = nn.Linear(width, 2)

    def forward(self, x, tokens=None):
        x = self.first(x).mean((2, 3))
        return self.last(x)

def wide():
    return Net(8)

def broken():
    return Net(-3)

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 9)

    def forward(self, x):
        return self.head(self.table(x))

class Both(nn.Module):
    def forward(self, x, y):
        return x @ y

net = Net()
number = 3
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "its_model.py"
    path.write_text(CODE)
    return path


def test_a_table_of_layers(huashi, file):
    code, out, err = huashi("cost", f"{file}:Net", "--input", 1, 3, 8, 8)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:2] == ["layer", "kind"]
    assert [line[0] for line in lines[1:]] == ["first", "last", "total"]
    assert lines[1][-3:] == ["6,912", "112", "1,024"]
    assert lines[-1] == ["total", "6,920", "122", "1,032"]


@pytest.mark.parametrize(("name", "width"), [("Net", 4), ("net", 4), ("wide", 8)])
def test_a_class_a_model_and_a_function(huashi, file, name, width):
    code, out, _ = huashi("cost", f"{file}:{name}", "--input", 1, 3, 8, 8, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["multiply_adds"] == 64 * 27 * width + 2 * width
    assert [row["name"] for row in told["layers"]] == ["first", "last"]


def test_a_module_of_python(huashi, file, monkeypatch):
    monkeypatch.chdir(file.parent)
    code, out, _ = huashi("cost", "its_model:wide", "--input", 1, 3, 8, 8)
    assert code == 0
    assert "total" in out
    assert huashi("cost", "torch.nn:Identity", "--input", 3)[0] == 0


def test_several_inputs_and_integers(huashi, file):
    code, out, _ = huashi("cost", f"{file}:Both", "--input", 2, 3, "--input", 3, 5, "--json")
    assert (code, json.loads(out)["multiply_adds"]) == (0, 30)
    code, out, _ = huashi("cost", f"{file}:Words", "--input", 1, 6, "--dtype", "int64", "--json")
    assert (code, json.loads(out)["multiply_adds"]) == (0, 6 * 4 * 9)


WRONG = {
    "no name": (["FILE"], "model must be FILE.py:NAME or package.module:NAME, got"),
    "no file": (["nowhere.py:Net"], "there is no nowhere.py"),
    "no module": (["nowhere_at_all:Net"], "nowhere_at_all cannot be imported: ModuleNotFoundError"),
    "no such name": (["FILE:Nett"], "must have the name 'Nett', it has none"),
    "no model": (["FILE:number"], "must be or make a torch.nn.Module, got int"),
    "makes no model": (["builtins:list"], "must be or make a torch.nn.Module, got list"),
    "fails to be made": (["FILE:broken"], "its_model.py:8: "),
    "fails to run": (["FILE:Net", "--input", "1", "5", "8", "8"], "its_model.py:12: RuntimeError"),
    "another input": (["FILE:Both", "--input", "2", "3"], "TypeError: "),
    "below 0": (["FILE:Net", "--input", "1", "-3"], "sizes >= 0, got (1, -3)"),
    "no input": (["FILE:Net"], "input must be given, such as --input 1 3 224 224"),
    "wrong dtype": (
        ["FILE:Net", "--input", "1", "--dtype", "integer"],
        "dtype must be one of torch",
    ),
    "no model at all": ([], "Missing from huashi cost: MODEL"),
}


@pytest.mark.parametrize("case", WRONG)
def test_complaints_are_one_line(huashi, file, case):
    words, complaint = WRONG[case]
    words = [word.replace("FILE", str(file)) for word in words]
    if "--input" not in words and case not in ("no input", "no model at all"):
        words += ["--input", "1", "3", "8", "8"]
    code, out, err = huashi("cost", *words)
    assert (code, out) == (2, "")
    assert err.startswith("huashi: ")
    assert err.count("\n") == 1
    assert complaint in err


def test_code_that_does_not_parse_or_fails_names_its_line(huashi, tmp_path):
    for text, complaint in {
        "x = (": "bad.py:1: ",
        "\nimport no_such_module_at_all": "bad.py:2: ModuleNotFoundError",
        "\n\nraise ValueError('of mine')": "bad.py:3: ValueError: of mine",
    }.items():
        (tmp_path / "bad.py").write_text(text)
        code, out, err = huashi("cost", f"{tmp_path}/bad.py:Net", "--input", 1)
        assert (code, out) == (2, "")
        assert complaint in err
        assert err.count("\n") == 1
