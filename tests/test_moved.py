"""Module paths of earlier versions still import, and say where their names are now."""

import importlib
import sys
import warnings

import pytest

from huashi._moved import MOVED


@pytest.mark.parametrize("old", [*MOVED, "seq2seq.entmax"])
def test_an_old_path_has_the_names_of_today_and_warns(old):
    name = f"huashi.{old}"
    with warnings.catch_warnings(action="ignore"):
        importlib.import_module(name.rpartition(".")[0])  # may be an old path too
    sys.modules.pop(name, None)  # as in a fresh process
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
