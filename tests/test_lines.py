"""Lines are grouped as they arrive."""

import itertools
import queue

import pytest

from huashi._lines import as_they_come


def test_all_lines_in_order_in_groups():
    groups = list(as_they_come(map(str, range(1000)), at_most=64))
    assert list(itertools.chain(*groups)) == [str(n) for n in range(1000)]
    assert max(map(len, groups)) <= 64


def test_a_line_is_given_before_the_next_has_come():
    typed: queue.Queue = queue.Queue()
    groups = as_they_come(iter(typed.get, None), at_most=64)
    for line in ("first", "second"):
        typed.put(line)
        assert next(groups) == [line]
    typed.put(None)
    assert list(groups) == []


def test_an_error_comes_after_the_lines_before_it():
    def lines():
        yield "good"
        raise ValueError("file:2: bad")

    groups = as_they_come(lines(), at_most=64)
    assert next(groups) == ["good"]
    with pytest.raises(ValueError, match="file:2: bad"):
        next(groups)


def test_no_lines_no_groups():
    assert list(as_they_come([], at_most=3)) == []
