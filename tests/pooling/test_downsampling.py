"""Ways to downsample, of one shape; and how often a prediction survives a shift."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from huashi.pooling import downsampling as module
from huashi.pooling.average import AvgPool2d
from huashi.pooling.blur import BlurPool2d, MaxBlurPool2d
from huashi.pooling.downsampling import KINDS, downsample, shift_consistency
from huashi.pooling.extrema import MaxPool2d


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_all_kinds_give_the_same_shape(kind, dims, stride, kernel_size):
    lengths = [7, 8, 6][:dims]
    x = torch.randn(2, 4, *lengths)
    want = [-(-length // stride) for length in lengths]
    options = {"stride": stride, "kernel_size": kernel_size, "dims": dims}
    assert downsample(kind, 4, **options)(x).shape == (2, 4, *want)
    assert downsample(kind, 4, 6, **options)(x).shape == (2, 6, *want)


def test_each_kind_is_what_its_name_says():
    x = torch.randn(2, 3, 8, 7)
    assert torch.equal(downsample("max", 3)(x), MaxPool2d(3, 2, 1)(x))
    assert torch.equal(downsample("avg", 3)(x), AvgPool2d(3, 2, 1, count_include_pad=False)(x))
    assert torch.equal(downsample("blur", 3)(x), BlurPool2d(3, 2)(x))
    assert torch.equal(downsample("max_blur", 3)(x), MaxBlurPool2d(3, 2, 1, blur_size=3)(x))
    strided = downsample("strided", 3, 5)
    assert (strided.kernel_size, strided.stride, strided.padding) == ((3, 3), (2, 2), (1, 1))
    convolution, nonlinearity = downsample("all_convolutional", 3, 5)
    assert (convolution.stride, type(nonlinearity)) == ((2, 2), nn.ReLU)
    pool, mixing = downsample("max", 3, 5)
    assert (type(pool), mixing.kernel_size, mixing.out_channels) == (MaxPool2d, (1, 1), 5)


@pytest.mark.parametrize("kind", KINDS)
def test_compiles_and_learns(kind):
    pool, x = downsample(kind, 3, 4), torch.randn(1, 3, 6, 6, requires_grad=True)
    assert_close(torch.compile(pool, fullgraph=True, backend="aot_eager")(x), pool(x))
    pool(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in (x, *pool.parameters()))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (
            ["maxblur", 3],
            {},
            ValueError,
            "kind must be one of 'strided', .*, got 'maxblur'; did you mean 'max_blur'[?]",
        ),
        (["max", 0], {}, ValueError, "in_channels must be > 0, got 0"),
        (["max", 3, 0], {}, ValueError, "out_channels must be > 0, got 0"),
        (["max", 3], {"stride": 0}, ValueError, "stride must be > 0, got 0"),
        (["max", 3], {"stride": 2.0}, TypeError, "stride must be an int, got 2.0"),
        (["strided", 3], {"kernel_size": 2}, ValueError, "kernel_size must be odd, got 2"),
        (["max", 3], {"dims": 4}, ValueError, "dims must be 1, 2 or 3, got 4"),
    ],
)
def test_downsample_errors_name_the_argument(arguments, options, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        downsample(*arguments, **options)


class Corner(nn.Module):
    """The class is the number of the place where the image is brightest."""

    def forward(self, images):
        return images.flatten(1)


def global_mean(channels=3, classes=10):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


@pytest.mark.parametrize("padding", [{}, {"max_shift": 3}, {"shift": "roll", "pairs": 2}])
def test_what_sees_no_places_is_consistent(padding):
    assert shift_consistency(global_mean(), torch.randn(16, 3, 12, 10), **padding) == 1.0


def test_what_sees_nothing_but_places_agrees_where_the_shifts_do():
    """Two numbers of {0, .., m} are equal once in m + 1 times, in two dimensions both."""
    images = torch.rand(500, 1, 9, 9)
    generator = torch.Generator().manual_seed(0)
    found = shift_consistency(Corner(), images, max_shift=2, pairs=20, generator=generator)
    assert abs(found - 1 / 9) < 0.012  # 10,000 pairs: 3.8 standard deviations


def test_all_shifts_are_drawn_and_no_other():
    seen = set()

    class Recorder(nn.Module):
        def forward(self, images):
            places = images.flatten(1).argmax(1).tolist()
            seen.update(divmod(place, 6) for place in places)
            return images.flatten(1)

    image = torch.zeros(50, 1, 8, 6)
    image[..., 1, 4] = 1.0
    shift_consistency(Recorder(), image, max_shift=3, pairs=10)
    assert seen == {((1 - row) % 8, (4 - column) % 6) for row in range(4) for column in range(4)}


def test_a_roll_is_torchs():
    images, by = torch.randn(3, 2, 5, 6), torch.tensor([[0, 0], [2, 1], [4, 5]])
    rolled = module._shifted(images, by, "roll", 5)
    for image, shifted, (row, column) in zip(images, rolled, by.tolist(), strict=True):
        assert torch.equal(shifted, image.roll((-row, -column), (-2, -1)))


def test_a_crop_stays_inside():
    images, by = torch.randn(2, 2, 5, 6), torch.tensor([[0, 2], [2, 1]])
    cropped = module._shifted(images, by, "crop", 2)
    assert torch.equal(cropped[0], images[0, :, 0:3, 2:6])
    assert torch.equal(cropped[1], images[1, :, 2:5, 1:5])
    shapes = []

    def classify(images):
        shapes.append(tuple(images.shape))
        return images.mean((2, 3))

    model = nn.Module()
    model.forward = classify
    assert 0 <= shift_consistency(model, torch.rand(3, 4, 9, 8), shift="crop", max_shift=2) <= 1
    assert set(shapes) == {(3, 4, 7, 6)}


def test_is_repeatable_and_the_same_in_batches_of_any_size():
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), torch.randn(30, 1, 8, 8)

    def measure(seed, **options):
        generator = torch.Generator().manual_seed(seed)
        return shift_consistency(model, images, generator=generator, max_shift=3, **options)

    assert measure(1) == measure(1) == measure(1, batch_size=7)
    assert len({measure(seed) for seed in range(5)}) > 1
    assert 0 < measure(1) < 1


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), global_mean()).train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(4, 3, 8, 8, requires_grad=True)
    old = images.detach().clone()
    shift_consistency(model, images)
    assert [m.training for m in model] == [True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(images, old)
    with pytest.raises(RuntimeError):
        shift_consistency(model, torch.randn(4, 5, 8, 8))  # five channels: the model fails
    assert [m.training for m in model] == [True, False, True]


def test_it_is_the_largest_score_in_evaluation_and_without_gradients():
    seen = []

    class Model(nn.Module):
        def forward(self, images):
            seen.append((self.training, torch.is_grad_enabled()))
            return images.mean((2, 3))

    shift_consistency(Model(), torch.rand(2, 3, 8, 8), pairs=1)
    assert seen == [(False, False)] * 2


@pytest.mark.parametrize("seed", range(2))
def test_a_blurred_maximum_is_the_more_consistent(seed):
    """Zhang's finding, on random networks that differ in nothing but their pools."""
    found = {}
    for kind in ("max", "max_blur"):
        torch.manual_seed(seed)  # the same images and weights
        images = torch.randn(64, 3, 16, 16)
        layers = []
        for channels in (3, 8):
            convolution = nn.Conv2d(channels, 8, 3, padding=1, padding_mode="circular")
            layers += [convolution, nn.ReLU(), downsample(kind, 8)]
        centre = nn.BatchNorm1d(8, affine=False, momentum=None)  # else one class has them all
        head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), centre, nn.Linear(8, 10, bias=False)
        model = nn.Sequential(*layers, *head)
        model(images)
        generator = torch.Generator().manual_seed(seed)
        found[kind] = shift_consistency(model, images, generator=generator)
    assert found["max"] + 0.08 < found["max_blur"] < 1


@pytest.mark.parametrize(
    ("images", "options", "error", "text"),
    [
        (
            torch.ones(3, 8, 8),
            {},
            ValueError,
            r"images must have shape \(batch, .*, got \(3, 8, 8\)",
        ),
        (torch.ones(0, 3, 8, 8), {}, ValueError, r"images must have at least one image, got .*"),
        (torch.ones(1, 3, 8, 8), {"pairs": 0}, ValueError, "pairs must be > 0, got 0"),
        (
            torch.ones(1, 3, 8, 8),
            {"max_shift": 0.5},
            TypeError,
            "max_shift must be an int, got 0.5",
        ),
        (
            torch.ones(1, 3, 8, 9),
            {"shift": "crop"},
            ValueError,
            r"max_shift must be less than height and width of a crop, got 8 for \(8, 9\)",
        ),
        (
            torch.ones(1, 3, 8, 8),
            {"shift": "rol"},
            ValueError,
            "shift must be one of 'roll', 'crop', got 'rol'; did you mean 'roll'[?]",
        ),
    ],
)
def test_consistency_errors_name_the_argument(images, options, error, text):
    with pytest.raises(error, match=f"^{text}$"):
        shift_consistency(global_mean(), images, **options)


def test_a_model_that_gives_no_scores_is_refused():
    text = r"^model must give scores of shape \(2, classes\), got \(2, 3, 8, 8\)$"
    with pytest.raises(ValueError, match=text):
        shift_consistency(nn.Identity(), torch.ones(2, 3, 8, 8))
