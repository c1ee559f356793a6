"""Which tracer finds coupled channels: huashi's, or torch-pruning's dependency graph.

    python -m benchmarks.compaction_tracers

For each small network of the tests: make a random half of the channels zero that a layer makes, in
all layers that the tracer says must lose them; take them out; compare the outputs, which may differ
by 1e-4. Where that fails, by an error or a difference, the network stays as it was, and the layer
is named. Fewer parameters are better.
"""

import copy
import warnings

import torch
from torch import nn
from torch.utils import _pytree as pytree

from huashi.regularization import channels, compact
from tests.regularization.topologies import TOPOLOGIES

NO_TABLE = "what it prints is one line a network, and no time"
LAYERS = nn.Linear, nn.Embedding, nn.RNNBase, nn.MultiheadAttention, nn.modules.conv._ConvNd
NORMS = nn.modules.batchnorm._NormBase
INNER = nn.modules.linear.NonDynamicallyQuantizableLinear


def size(model):
    return sum(p.numel() for p in model.parameters())


def outputs(model, example):
    with torch.no_grad():
        leaves = model(*(example if isinstance(example, tuple) else (example,)))
    return pytree.tree_leaves(leaves)


def difference(before, after):
    if [y.shape for y in before] != [y.shape for y in after]:
        return float("inf")
    return max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))


def ours(model, example):
    for groups in channels(model, example):
        with torch.no_grad():
            keep = torch.randperm(len(groups)) >= len(groups) // 2
            groups.scatter_(groups.gather() * keep[:, None])
    return compact(model, example).model, set()


def theirs(model, example):
    """One layer after the other; what fails is undone and noted."""
    failures, done = set(), set()
    for name, _ in list(model.named_modules()):
        trial = copy.deepcopy(model)
        layer = trial.get_submodule(name)
        if name in done or not isinstance(layer, LAYERS) or isinstance(layer, INNER):
            continue
        try:
            cut = _prune(trial, layer, example)
        except Exception as error:  # of any kind, from inside the library or from the model
            failures.add(f"{name}: {type(error).__name__}")
            continue
        if cut:
            model, done = trial, done | cut
    return model, failures


def _prune(model, layer, example):
    """The layers of which half of the channels went; none if they are an output of the model."""
    import torch_pruning

    shapes = [y.shape for y in outputs(model, example)]
    graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=example)
    pruner = graph.get_pruner_of_module(layer)
    count = pruner.get_out_channels(layer) or 0
    if count < 2:
        return set()
    places = torch.randperm(count)[: count // 2].sort().values.tolist()
    group = graph.get_pruning_group(layer, pruner.prune_out_channels, places)
    written = [(i.target.module, index) for i, index in group if "out" in i.handler.__name__]
    with torch.no_grad():
        for module, index in written:
            _zero(module, index)
    before = outputs(model, example)
    group.prune()
    after = outputs(model, example)
    if [y.shape for y in after] != shapes:
        return set()
    if difference(before, after) > 1e-4:
        raise ArithmeticError
    names = {module: name for name, module in model.named_modules()}
    return {names[module] for module, _ in written if module in names}


def _zero(module, index):
    """Make what writes channels zero."""
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd) and module.groups == 1
    if transposed or isinstance(module, nn.Embedding):
        module.weight[:, index] = 0
    elif isinstance(module, NORMS | nn.Linear | nn.modules.conv._ConvNd):
        module.weight[index] = 0
    if isinstance(getattr(module, "bias", None), torch.Tensor):
        module.bias[index] = 0


def main():
    warnings.simplefilter("ignore")
    print(f"{'network':20}{'parameters':>12}{'huashi':>10}{'torch-pruning':>16}  fails at")
    for name, make in TOPOLOGIES.items():
        sizes = []
        for tracer in (ours, theirs):
            torch.manual_seed(0)
            model, example = make()
            whole = size(model)
            small, failures = tracer(model.eval(), example)
            sizes.append(size(small))
        print(f"{name:20}{whole:>12}{sizes[0]:>10}{sizes[1]:>16}  {', '.join(sorted(failures))}")


if __name__ == "__main__":
    main()
