"""What stands around a model without being part of it."""

from torch import nn

_WRAPPERS = {  # by name, since not every build of torch has them: where the model is
    "OptimizedModule": "_orig_mod",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "_FabricModule": "_original_module",
    "_FabricOptimizedModule": "_orig_mod",
}


def unwrapped(model: nn.Module) -> nn.Module:
    """The model in what ``torch.compile``, data parallelism or Fabric have wrapped around it."""
    while type(model).__name__ in _WRAPPERS:
        inner = getattr(model, _WRAPPERS[type(model).__name__], None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model
