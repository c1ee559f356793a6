"""Huashi's pools in the place of torch's, in a model that is there already.

Only where both mean the same: what is replaced gives the same values, indices and gradients, so
that weights, checkpoints and ``MaxUnpool`` go on as before. Two cases are put right on the way: a
window that holds nothing but padding, where torch's maximum has an index outside the input; and an
L^p pool of numbers whose power overflows.
"""

from typing import Any, TypeVar

from torch import nn

from huashi.pooling import average, extrema, powers
from huashi.pooling.adaptive import extrema as adaptive_extrema
from huashi.pooling.adaptive import means as adaptive_means

M = TypeVar("M", bound=nn.Module)

_WINDOW = "kernel_size", "stride", "padding"
_MAX = *_WINDOW, "dilation", "return_indices", "ceil_mode"
_AVG = *_WINDOW, "ceil_mode", "count_include_pad"
_AVG_DIVISOR = *_AVG, "divisor_override"
_LP = "norm_type", "kernel_size", "stride", "ceil_mode"
_POOLS: dict[type[nn.Module], tuple[type[nn.Module], tuple[str, ...]]] = {  # and their settings
    nn.MaxPool1d: (extrema.MaxPool1d, _MAX),
    nn.MaxPool2d: (extrema.MaxPool2d, _MAX),
    nn.MaxPool3d: (extrema.MaxPool3d, _MAX),
    nn.AvgPool1d: (average.AvgPool1d, _AVG),
    nn.AvgPool2d: (average.AvgPool2d, _AVG_DIVISOR),
    nn.AvgPool3d: (average.AvgPool3d, _AVG_DIVISOR),
    nn.LPPool1d: (powers.LPPool1d, _LP),
    nn.LPPool2d: (powers.LPPool2d, _LP),
    nn.LPPool3d: (powers.LPPool3d, _LP),
    nn.AdaptiveMaxPool1d: (adaptive_extrema.AdaptiveMaxPool1d, ("output_size", "return_indices")),
    nn.AdaptiveMaxPool2d: (adaptive_extrema.AdaptiveMaxPool2d, ("output_size", "return_indices")),
    nn.AdaptiveMaxPool3d: (adaptive_extrema.AdaptiveMaxPool3d, ("output_size", "return_indices")),
    nn.AdaptiveAvgPool1d: (adaptive_means.AdaptiveAvgPool1d, ("output_size",)),
    nn.AdaptiveAvgPool2d: (adaptive_means.AdaptiveAvgPool2d, ("output_size",)),
    nn.AdaptiveAvgPool3d: (adaptive_means.AdaptiveAvgPool3d, ("output_size",)),
}


def accelerate(model: M) -> M:
    """Replace torch's pooling modules in ``model``, in place, by Huashi's.

    What is replaced: ``MaxPool``, ``AvgPool``, ``AdaptiveMaxPool`` and ``AdaptiveAvgPool``, and
    ``LPPool`` with an even exponent and without ceil mode, in one, two and three dimensions. What
    is shared stays shared, and the keys of the state dict stay as they are. Left alone are
    subclasses, modules with hooks or with anything else of their own, and settings that Huashi
    refuses.

    Args:
        model: any module; a pool itself too.

    Returns:
        ``model``, or what replaces it where it is a pool itself.

    >>> model = accelerate(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Flatten()))
    >>> type(model[1]).__module__
    'huashi.pooling.extrema'
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    # once each, so that what is shared stays shared
    done = {module: _replacement(module) for module in model.modules()}
    for parent in done:
        for name, child in list(parent._modules.items()):  # of a child with two names, both
            if child is not None and done[child] is not child:
                parent.register_module(name, done[child])
    return done[model]  # pyright: ignore[reportReturnType]


def _replacement(module: nn.Module) -> nn.Module:
    """What replaces a pool of torch's, or the module itself."""
    if type(module) not in _POOLS:
        return module
    pool, names = _POOLS[type(module)]
    if not _is_plain(module, names):
        return module
    settings: dict[str, Any] = {name: getattr(module, name) for name in names}
    if names is _LP and (settings["norm_type"] % 2 != 0 or settings["ceil_mode"]):
        return module  # torch's own means something else: no magnitudes, and full windows
    try:
        replacement = pool(**settings)
    except (TypeError, ValueError):
        return module
    return replacement.train(module.training)


def _is_plain(module: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether a module has nothing but its settings: no hook, parameter or attribute of its own."""
    own, usual = vars(module), vars(nn.Module())
    registered = (
        "_parameters",
        "_buffers",
        "_modules",
        *(n for n in usual if n.endswith("_hooks")),
    )
    return own.keys() <= {*usual, *names} and not any(own[name] for name in registered)
