"""The pooling cases of the ONNX standard, run through the functions that users call."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from huashi import pooling

onnx = pytest.importorskip("onnx")

OPERATORS = {  # and how many cases there are of each
    "AveragePool": 20,
    "MaxPool": 19,
    "LpPool": 8,
    "MaxUnpool": 2,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
}
NOT_OFFERED = ["test_maxpool_with_argmax_2d_precomputed_strides"]  # indices by columns


def cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, in cases of other operators
        found = collect_testcases(None)
    return {
        case.name: case
        for case in found
        if len(case.model.graph.node) == 1 and case.model.graph.node[0].op_type in OPERATORS
    }


def sides(pads):
    """(before, after) for each dimension, from all before and all after."""
    return list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))


def run(case):
    """What Huashi makes of a case, one array for each output."""
    node = case.model.graph.node[0]
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    inputs = [torch.from_numpy(np.asarray(array)) for array in case.data_sets[0][0]]
    x, dims = inputs[0], inputs[0].ndim - 2
    if node.op_type.startswith("Global"):
        pool = pooling.global_max_pool if "Max" in node.op_type else pooling.global_avg_pool
        return [pool(x)[(...,) + (None,) * dims]]
    kernel, stride = given["kernel_shape"], given.get("strides", [1] * dims)
    pads = sides(given.get("pads", [0] * 2 * dims))
    if node.op_type == "MaxUnpool":
        y = getattr(pooling, f"max_unpool{dims}d")(x, inputs[1], kernel, stride, pads)
        size = inputs[2].tolist() if len(inputs) > 2 else y.shape
        more = [n - m for n, m in zip(size, y.shape, strict=True)]  # zeros around what was counted
        return [F.pad(y, [n for m in reversed(more) for n in (0, m)])]
    named = {b"SAME_UPPER": "same", b"SAME_LOWER": "same_lower", b"VALID": 0}
    windows = {
        "kernel_size": kernel,
        "stride": stride,
        "padding": named.get(given.get("auto_pad"), pads),
        "dilation": given.get("dilations", 1),
        "ceil_mode": bool(given.get("ceil_mode", 0)),
    }
    if node.op_type == "AveragePool":
        counted = bool(given.get("count_include_pad", 0))
        return [getattr(pooling, f"avg_pool{dims}d")(x, **windows, count_include_pad=counted)]
    if node.op_type == "LpPool":
        return [getattr(pooling, f"lp_pool{dims}d")(x, given.get("p", 2), **windows)]
    y, index = getattr(pooling, f"max_pool{dims}d")(x, **windows, return_indices=True)
    plane = torch.arange(x.shape[0] * x.shape[1]).view(*x.shape[:2], *[1] * dims)
    return [y, index + plane * x.shape[2:].numel()]  # ONNX counts through the whole tensor


def agrees(case):
    wanted = case.data_sets[0][1]
    return all(
        got.shape == want.shape
        and np.allclose(got.numpy(), want, rtol=1e-3, atol=1e-7)  # the suite's own
        for got, want in zip(run(case), wanted, strict=False)
    )


def test_all_cases_but_those_of_what_is_not_offered(capsys):
    tried = cases()
    found = [case.model.graph.node[0].op_type for case in tried.values()]
    assert {operator: found.count(operator) for operator in OPERATORS} == OPERATORS
    failed = [name for name, case in tried.items() if not agrees(case)]
    with capsys.disabled():
        print(f"\n{len(tried) - len(failed)} of {len(tried)} ONNX pooling cases agree")
    assert failed == NOT_OFFERED
    assert len(tried) == 53
