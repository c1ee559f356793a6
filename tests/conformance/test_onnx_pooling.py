"""The pooling cases of the ONNX standard, run through the reference."""

import warnings

import numpy as np
import pytest
import torch

from huashi.pooling import reference
from huashi.pooling.geometry import axes_of

onnx = pytest.importorskip("onnx")

OPERATORS = {"AveragePool": 20, "MaxPool": 19, "LpPool": 8}  # and how many cases there are of each


def cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, in cases of other operators
        found = collect_testcases(None)
    names = {}
    for case in found:
        node = case.model.graph.node[0]
        if len(case.model.graph.node) == 1 and node.op_type in OPERATORS:
            names[case.name] = case
    return names


CASES = cases()


def attributes_of(case):
    node = case.model.graph.node[0]
    return node.op_type, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def geometry(lengths, attributes):
    n = len(lengths)
    pads = attributes.get("pads", [0] * 2 * n)
    padding = [(pads[i], pads[n + i]) for i in range(n)]
    named = {b"SAME_UPPER": "same", b"SAME_LOWER": "same_lower", b"VALID": 0}
    return axes_of(
        lengths,
        attributes["kernel_shape"],
        attributes.get("strides", [1] * n),
        named.get(attributes.get("auto_pad"), padding),
        attributes.get("dilations", [1] * n),
        bool(attributes.get("ceil_mode", 0)),
    )


def run(case):
    operator, attributes = attributes_of(case)
    x = torch.from_numpy(np.asarray(case.data_sets[0][0][0]))
    axes = geometry(x.shape[2:], attributes)
    if operator == "AveragePool":
        counted = bool(attributes.get("count_include_pad", 0))
        return [reference.average(x, axes, count_include_pad=counted)]
    if operator == "LpPool":
        return [reference.lp(x, axes, float(attributes.get("p", 2)))]
    y, index = reference.extremum(x, axes)
    plane = torch.arange(x.shape[0] * x.shape[1]).view(*x.shape[:2], *[1] * len(axes))
    return [y, index + plane * x.shape[2:].numel()]  # ONNX counts through the whole tensor


def test_there_are_as_many_cases_as_we_know_of():
    found = [attributes_of(case)[0] for case in CASES.values()]
    assert {operator: found.count(operator) for operator in OPERATORS} == OPERATORS


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_standard(name):
    _, attributes = attributes_of(CASES[name])
    outputs = run(CASES[name])
    for got, want in zip(outputs, CASES[name].data_sets[0][1], strict=False):
        if attributes.get("storage_order") == 1 and got.dtype == torch.int64:
            continue  # indices by columns: not offered
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-3, atol=1e-7)  # the suite's own
