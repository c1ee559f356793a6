"""Attention on the CPU, one head after another, all of a head in the first cache.

For n queries, m keys and d features of a head there are 4 n m d operations forward, on
4 (2 n d + 2 m d + n m) bytes, and 8 n m d backward, on 4 (3 n d + 4 m d + n m). Heads are read and
written where a linear layer leaves them, side by side; products of whole matrices would copy each
to a place of its own. Words behind the last one that a query may see cost nothing. Sums are in
float32, also of bfloat16.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from huashi._kernel.bfloat16 import array_of
from huashi._kernel.lanes import WIDTH, add, load, multiply_add, spread, store, total
from huashi._kernel.mathematics import exponential
from huashi._kernel.memory import empty, empty_like
from huashi._kernel.numba import inlined, part_of, threaded
from huashi._kernel.select import larger


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Contexts, (rows, heads, targets, size), and weights, (rows, heads, targets, sources)."""
    context, weights = _like(q), empty((*q.shape[:3], k.shape[2]), torch.float32)
    seen = torch.ones((), dtype=torch.bool) if mask is None else mask
    shown = array_of(seen.expand(weights.shape))
    _attend(_words(context), array_of(weights), shown, *_memory(q, k, v))
    return context, weights


def gradients(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Those in q, k and v, from that of the contexts and the weights of :func:`attend`."""
    made = _like(q), _like(k), _like(v)
    _differentiate(*map(_words, made), array_of(weights.contiguous()), *_memory(q, k, v, grad))
    return made


def _like(x: Tensor) -> Tensor:
    """Memory in the shape of heads, (rows, heads, time, size), that lie side by side."""
    return empty_like(x.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)


def _words(x: Tensor) -> Any:
    """The memory of heads (rows, heads, time, size) that lie side by side, flat."""
    return array_of(x.transpose(1, 2).view(-1))


def _memory(*tensors: Tensor) -> tuple[Any, ...]:
    """The steps from one row, head and word to the next, then the memory of each tensor, flat."""
    tensors = tuple(x if x.stride(3) == 1 else x.contiguous() for x in tensors)
    steps = np.array([x.stride()[:3] for x in tensors])
    return steps, *(array_of(x.as_strided((_span(x),), (1,))) for x in tensors)


def _span(x: Tensor) -> int:
    """From its first number to its last."""
    return 1 + sum((size - 1) * step for size, step in zip(x.shape, x.stride(), strict=True))


@inlined
def _dots(row: Any, query: Any, first: Any, keys: Any, count: Any, size: Any) -> Any:
    """The products of the query at ``first`` with so many keys."""
    for j in range(0, count - 3, 4):
        at = j * size
        a = b = c = d = spread(np.float32(0))
        for f in range(0, size, WIDTH):
            x = load(query, first + f)
            a = multiply_add(x, load(keys, at + f), a)
            b = multiply_add(x, load(keys, at + size + f), b)
            c = multiply_add(x, load(keys, at + 2 * size + f), c)
            d = multiply_add(x, load(keys, at + 3 * size + f), d)
        row[j], row[j + 1], row[j + 2], row[j + 3] = total(a), total(b), total(c), total(d)
    for j in range(count // 4 * 4, count):
        a = spread(np.float32(0))
        for f in range(0, size, WIDTH):
            a = multiply_add(load(query, first + f), load(keys, j * size + f), a)
        row[j] = total(a)


@inlined
def _mix(mixed: Any, first: Any, row: Any, values: Any, count: Any, size: Any) -> Any:
    """The sum of so many values, each times its number of ``row``, written to ``first``."""
    for f in range(0, size, 2 * WIDTH):
        a = b = c = d = spread(np.float32(0))
        at = f
        for j in range(0, count - 1, 2):
            one, other = spread(row[j]), spread(row[j + 1])
            a = multiply_add(one, load(values, at), a)
            b = multiply_add(one, load(values, at + WIDTH), b)
            c = multiply_add(other, load(values, at + size), c)
            d = multiply_add(other, load(values, at + size + WIDTH), d)
            at += 2 * size
        if count % 2:
            one = spread(row[count - 1])
            a = multiply_add(one, load(values, at), a)
            b = multiply_add(one, load(values, at + WIDTH), b)
        store(mixed, first + f, add(a, c))
        store(mixed, first + f + WIDTH, add(b, d))


@inlined
def _take(head: Any, x: Any, steps: Any, r: Any, h: Any, size: Any) -> Any:
    """The words of a head of a row, one after another."""
    for word in range(len(head) // size):
        first = r * steps[0] + h * steps[1] + word * steps[2]
        for f in range(0, size, WIDTH):
            store(head, word * size + f, load(x, first + f))


@inlined
def _softmax(row: Any) -> Any:
    top, norm = np.float32(-np.inf), np.float32(0)
    for j in range(len(row)):
        top = larger(top, row[j])
    for j in range(len(row)):
        row[j] = exponential(row[j] - top)
    for j in range(len(row)):
        norm += row[j]
    for j in range(len(row)):
        row[j] /= norm


@threaded
def _attend(
    part: Any,
    parts: Any,
    context: Any,
    weights: Any,
    mask: Any,
    steps: Any,
    q: Any,
    k: Any,
    v: Any,
) -> None:
    rows, heads, targets, sources = weights.shape
    size = len(context) // (rows * heads * targets)
    scale = np.float32(size**-0.5)
    queries = np.empty(targets * size, np.float32)
    keys, values = np.empty(sources * size, np.float32), np.empty(sources * size, np.float32)
    row = np.empty((sources + WIDTH - 1) // WIDTH * WIDTH, np.float32)
    for task in part_of(rows * heads, part, parts):
        r, h = task // heads, task % heads
        _take(queries, q, steps[0], r, h, size)
        _take(keys, k, steps[1], r, h, size)
        _take(values, v, steps[2], r, h, size)
        for i in range(targets):
            seen = sources
            while seen and not mask[r, h, i, seen - 1]:
                seen -= 1
            if seen:
                _dots(row, queries, i * size, keys, seen, size)
                for j in range(seen):
                    row[j] = row[j] * scale if mask[r, h, i, j] else np.float32(-np.inf)
                for j in range(seen, len(row)):
                    row[j] = -np.inf
                _softmax(row)
            else:
                for j in range(len(row)):
                    row[j] = 0
            for j in range(sources):
                weights[r, h, i, j] = row[j]
            _mix(context, ((r * targets + i) * heads + h) * size, row, values, seen, size)


@threaded
def _differentiate(
    part: Any,
    parts: Any,
    of_q: Any,
    of_k: Any,
    of_v: Any,
    weights: Any,
    steps: Any,
    q: Any,
    k: Any,
    v: Any,
    grad: Any,
) -> None:
    rows, heads, targets, sources = weights.shape
    size = len(of_q) // (rows * heads * targets)
    scale = np.float32(size**-0.5)
    queries, grads = np.empty(targets * size, np.float32), np.empty(targets * size, np.float32)
    keys, values = np.empty(sources * size, np.float32), np.empty(sources * size, np.float32)
    row = np.empty(sources, np.float32)
    of_scores = np.empty((sources, targets), np.float32)
    by_source = np.empty((sources, targets), np.float32)
    for task in part_of(rows * heads, part, parts):
        r, h = task // heads, task % heads
        _take(queries, q, steps[0], r, h, size)
        _take(keys, k, steps[1], r, h, size)
        _take(values, v, steps[2], r, h, size)
        _take(grads, grad, steps[3], r, h, size)
        for i in range(targets):
            seen = sources
            while seen and weights[r, h, i, seen - 1] == 0:
                seen -= 1
            _dots(row, grads, i * size, values, seen, size)
            mean = np.float32(0)
            for j in range(seen):
                mean += weights[r, h, i, j] * row[j]
            for j in range(seen):
                row[j] = weights[r, h, i, j] * (row[j] - mean) * scale
            for j in range(seen, sources):
                row[j] = 0
            for j in range(sources):
                of_scores[j, i] = row[j]
                by_source[j, i] = weights[r, h, i, j]
            _mix(of_q, ((r * targets + i) * heads + h) * size, row, keys, seen, size)
        for j in range(sources):
            word = ((r * sources + j) * heads + h) * size
            _mix(of_k, word, of_scores[j], queries, targets, size)
            _mix(of_v, word, by_source[j], grads, targets, size)
