"""Module paths of earlier versions still import, and say where their names are now."""

import importlib
import sys

import pytest

from huashi._moved import MOVED


@pytest.mark.parametrize("old", [*MOVED, "seq2seq.entmax"])
def test_an_old_path_has_the_names_of_today_and_warns(old):
    name = f"huashi.{old}"
    for parent in (name, name.rpartition(".")[0]):  # as in a fresh process
        if parent.removeprefix("huashi.") in (*MOVED, "seq2seq.entmax"):
            sys.modules.pop(parent, None)
    with pytest.warns(DeprecationWarning, match=f"{name} is now huashi"):
        module = importlib.import_module(name)
    for now in MOVED.get(old, ("entmax",)):
        today = vars(importlib.import_module(f"huashi.{now}"))
        public = [
            n for n, value in today.items() if getattr(value, "__module__", "") == f"huashi.{now}"
        ]
        assert all(getattr(module, n) is today[n] for n in public)


def test_a_path_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("huashi.seq2seq.never_was")
