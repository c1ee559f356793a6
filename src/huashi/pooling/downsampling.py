"""Is pooling needed? All ways to make an image smaller behind one name, and a measure of them.

What halves the resolution of a network is a strided convolution (with a nonlinearity instead of a
pool: Springenberg et al., Striving for Simplicity, 2015), a pool, or a pool that is blurred before
it is sampled (Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019). Whether that
makes predictions stable is an empirical question (Ruderman et al.: Pooling is neither necessary nor
sufficient for appropriate deformation stability in CNNs, 2018): :func:`shift_consistency` asks it.
"""

import torch
from torch import Tensor, nn

from huashi._checks import check_choice, check_ndim, check_positive
from huashi.pooling import average, blur, extrema

# fmt: off
__all__ = [
    "downsample",
    "shift_consistency",
]
# fmt: on

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
MAX_POOLS = {1: extrema.MaxPool1d, 2: extrema.MaxPool2d, 3: extrema.MaxPool3d}
AVG_POOLS = {1: average.AvgPool1d, 2: average.AvgPool2d, 3: average.AvgPool3d}
BLUR_POOLS = {1: blur.BlurPool1d, 2: blur.BlurPool2d, 3: blur.BlurPool3d}
MAX_BLUR_POOLS = {1: blur.MaxBlurPool1d, 2: blur.MaxBlurPool2d, 3: blur.MaxBlurPool3d}
KINDS = "strided", "all_convolutional", "max", "avg", "blur", "max_blur"


def downsample(
    kind: str,
    in_channels: int,
    out_channels: int | None = None,
    *,
    stride: int = 2,
    kernel_size: int = 3,
    dims: int = 2,
) -> nn.Module:
    """A module that leaves ceil(L / stride) elements of each dimension, for every kind.

    Args:
        kind: ``"strided"``, a strided convolution; ``"all_convolutional"``, the same and a ReLU, in
            the place of a pool (Springenberg 2015); ``"max"``; ``"avg"``, over real elements;
            ``"blur"``; or ``"max_blur"``, the anti-aliased maximum (Zhang 2019). After a pool a
            convolution of one element changes the number of channels where it has to.
        in_channels: of the input, (batch, in_channels, L...).
        out_channels: of the output, (batch, out_channels, ceil(L / stride)...); ``in_channels`` by
            default.
        stride: by what factor each dimension becomes smaller.
        kernel_size: elements of the convolution, the window or the filter along each dimension,
            an odd number.
        dims: 1, 2 or 3.

    Returns:
        A module of (batch, in_channels, L...) to (batch, out_channels, ceil(L / stride)...), in the
        dtype of its input.

    Raises:
        ValueError: an argument is out of its range.
        TypeError: a number is not an int.

    >>> [tuple(downsample(kind, 4, 6)(torch.ones(1, 4, 9, 8)).shape) for kind in ("max", "strided")]
    [(1, 6, 5, 4), (1, 6, 5, 4)]
    """
    check_choice("kind", kind, KINDS)
    out_channels = in_channels if out_channels is None else out_channels
    _check_counts(in_channels=in_channels, out_channels=out_channels)
    _check_counts(stride=stride, kernel_size=kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}")
    if dims not in CONVOLUTIONS:
        raise ValueError(f"dims must be 1, 2 or 3, got {dims}")
    half = kernel_size // 2
    if kind in ("strided", "all_convolutional"):
        convolution = CONVOLUTIONS[dims](in_channels, out_channels, kernel_size, stride, half)
        return convolution if kind == "strided" else nn.Sequential(convolution, nn.ReLU())
    if kind == "max":
        pool = MAX_POOLS[dims](kernel_size, stride, half)
    elif kind == "avg":
        pool = AVG_POOLS[dims](kernel_size, stride, half, count_include_pad=False)
    elif kind == "blur":
        pool = BLUR_POOLS[dims](kernel_size, stride)
    else:
        pool = MAX_BLUR_POOLS[dims](kernel_size, stride, half, blur_size=kernel_size)
    if out_channels == in_channels:
        return pool
    return nn.Sequential(pool, CONVOLUTIONS[dims](in_channels, out_channels, 1))


def shift_consistency(
    model: nn.Module,
    images: Tensor,
    *,
    pairs: int = 5,
    max_shift: int = 8,
    shift: str = "roll",
    batch_size: int = 64,
    generator: torch.Generator | None = None,
) -> float:
    """How often a classification is the same for two random shifts of the same image.

    The share of pairs whose largest score is that of the same class, right or wrong; each pair of
    each image has shifts of its own (Zhang, ICML 2019). The model is in evaluation mode meanwhile.

    Args:
        model: from images to scores, (batch, classes).
        images: (batch, channel, height, width), on the device of the model.
        pairs: of shifts, for each image.
        max_shift: largest shift of rows and of columns, in pixels; each is uniform in
            [0, max_shift].
        shift: ``"roll"``, so that what leaves at one side enters at the other and nothing is lost;
            or ``"crop"``, a window of the image that is smaller by ``max_shift``.
        batch_size: images that the model sees at once; no other effect, but for rounding.
        generator: where the shifts come from.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: an argument is out of its range, or the model's output is of another shape.
        TypeError: a number is not an int.

    >>> brightest = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> shift_consistency(brightest, torch.rand(4, 3, 8, 8))
    1.0
    """
    check_ndim("images", images, "batch channel height width")
    _check_counts(pairs=pairs, max_shift=max_shift, batch_size=batch_size)
    check_choice("shift", shift, ("roll", "crop"))
    if images.shape[0] == 0:
        raise ValueError(f"images must have at least one image, got {tuple(images.shape)}")
    if shift == "crop" and max_shift >= min(images.shape[-2:]):
        raise ValueError(
            f"max_shift must be less than height and width of a crop, got {max_shift} for "
            f"{tuple(images.shape[-2:])}"
        )
    device = "cpu" if generator is None else generator.device
    size = pairs, 2, len(images), 2  # of a pair each, of rows and columns
    shifts = torch.randint(max_shift + 1, size, generator=generator, device=device)
    modes = [(module, module.training) for module in model.modules()]
    agreed = 0
    try:
        model.eval()
        with torch.no_grad():
            for pair in shifts.to(images.device):
                for start in range(0, len(images), batch_size):
                    part = slice(start, start + batch_size)
                    shifted = (_shifted(images[part], by[part], shift, max_shift) for by in pair)
                    one, other = (_classes(model, image) for image in shifted)
                    agreed += int((one == other).sum())
    finally:
        for module, training in modes:
            module.training = training
    return agreed / (pairs * len(images))


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"{name} must be an int, got {count!r}")
        check_positive(name, count)


def _shifted(images: Tensor, by: Tensor, shift: str, max_shift: int) -> Tensor:
    """Image i beginning at row ``by[i, 0]`` and column ``by[i, 1]``."""
    height, width = images.shape[-2:]
    if shift == "crop":
        height, width = height - max_shift, width - max_shift
    rows = (by[:, :1] + torch.arange(height, device=by.device)) % images.shape[-2]
    columns = (by[:, 1:] + torch.arange(width, device=by.device)) % images.shape[-1]
    image = torch.arange(len(images), device=by.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=by.device)[:, None, None]
    return images[image, channel, rows[:, None, :, None], columns[:, None, None]]


def _classes(model: nn.Module, images: Tensor) -> Tensor:
    scores = model(images)
    if scores.ndim != 2 or len(scores) != len(images):
        raise ValueError(
            f"model must give scores of shape ({len(images)}, classes), got {tuple(scores.shape)}"
        )
    return scores.argmax(1)
