"""What the taps of a deformable convolution see, result by result, and the way back.

An image lies in memory with its channels last, so that each of the four neighbours of a position
(eight in a volume) is a run of numbers. What a result sees is written side by side, tap by tap,
which makes a row of the matrix that is multiplied by the weight.
"""

# ruff: noqa: ANN001, ANN201, ANN202  (Numba infers the types of a kernel)

from huashi._kernel.numba import compiled, part_of, threaded
from huashi.convolution.deformable.cpu.channels import blend, spill
from huashi.convolution.deformable.cpu.positions import Geometry, seen


@compiled
def _corners(z, y, x, upper, g, first):
    """Where channel ``first`` of the four neighbours in a plane lies; in the upper plane or not."""
    plane = (z.high if upper else z.low) * g.height
    above, below = (plane + y.low) * g.width, (plane + y.high) * g.width
    return (
        (above + x.low) * g.channels + first,
        (above + x.high) * g.channels + first,
        (below + x.low) * g.channels + first,
        (below + x.high) * g.channels + first,
    )


@compiled
def _shares(y, x, factor):
    """Of the four neighbours, in their order, times a factor."""
    low, high = factor * y.share_low, factor * y.share_high
    return low * x.share_low, low * x.share_high, high * x.share_low, high * x.share_high


@compiled
def _column(run, i, tap, taps, count, g):
    """Where in the rows the run of channels stands that a tap of result ``i`` sees."""
    return ((run[2] * count + i) * taps + tap) * g.group_channels + run[3]


@compiled
def _clear(columns, at, size):
    for i in range(size):
        columns[at + i] = 0


@threaded
def sample(part, parts, columns, image, offset, mask, reach, runs, bounds, start, count, geometry):
    """Write the rows of ``count`` results from ``start`` on.

    Args:
        part: which of the parts.
        parts: how many there are.
        columns: the rows, flat: (groups, count, taps, channels of a group).
        image: (elements, channels), flat.
        offset: (offset groups * taps * dims, results).
        mask: (offset groups * taps, results); anything if there is none.
        reach: (taps, 3), from where a result begins to the tap.
        runs: channels that lie side by side and share their offsets and their group of the weight:
            the first, how many there are, that group, and where in it they begin.
        bounds: the runs of offset group i are those from bounds[i] to bounds[i + 1].
        start: the first result.
        count: of results.
        geometry: :class:`Geometry`.
    """
    g = Geometry(*geometry)
    one, taps = image.dtype.type(1), len(reach)
    for i in part_of(count, part, parts):
        place = start + i
        for tap in range(taps):
            for group in range(len(bounds) - 1):
                row = group * taps + tap
                z, y, x = seen(offset, row * g.dims, place, reach[tap], g, one)
                inside = z.inside and y.inside and x.inside
                factor = mask[row, place] if g.masked else one
                low, high = (
                    _shares(y, x, factor * z.share_low),
                    _shares(y, x, factor * z.share_high),
                )
                for r in range(bounds[group], bounds[group + 1]):
                    run = runs[r]
                    at, size = _column(run, i, tap, taps, count, g), run[1]
                    if inside:
                        blend(
                            columns,
                            at,
                            image,
                            _corners(z, y, x, False, g, run[0]),
                            low,
                            size,
                            False,
                        )
                        if g.dims > 2:
                            upper = _corners(z, y, x, True, g, run[0])
                            blend(columns, at, image, upper, high, size, True)
                    else:
                        _clear(columns, at, size)


@threaded
def unsample(
    part, parts, columns, grads, image, offset, mask, of_image, touched, of_offset, of_mask,
    reach, runs, bounds, start, count, geometry,
):  # fmt: skip
    """Write the rows as :func:`sample` does, and carry their gradients to all that they come from.

    Args:
        part: which of the parts.
        parts: how many there are.
        columns: as in :func:`sample`.
        grads: the gradients of those.
        image: as in :func:`sample`.
        offset: as in :func:`sample`.
        mask: as in :func:`sample`.
        of_image: (workers, elements, channels), flat: gradients are added, each part to its own.
        touched: (workers, 2), from which element on and up to which one a part did so.
        of_offset: the gradients of ``offset``.
        of_mask: the gradients of ``mask``.
        reach: as in :func:`sample`.
        runs: as in :func:`sample`.
        bounds: as in :func:`sample`.
        start: as in :func:`sample`.
        count: as in :func:`sample`.
        geometry: as in :func:`sample`.
    """
    g = Geometry(*geometry)
    workers = min(parts, len(touched))
    if part >= workers:
        return
    one, taps = image.dtype.type(1), len(reach)
    shift = part * (len(of_image) // len(touched))
    first, last = touched[part, 0], touched[part, 1]
    for i in part_of(count, part, workers):
        place = start + i
        for tap in range(taps):
            for group in range(len(bounds) - 1):
                row = group * taps + tap
                z, y, x = seen(offset, row * g.dims, place, reach[tap], g, one)
                inside = z.inside and y.inside and x.inside
                factor = mask[row, place] if g.masked else one
                low, high = (
                    _shares(y, x, factor * z.share_low),
                    _shares(y, x, factor * z.share_high),
                )
                along_z = along_y = along_x = value = one - one
                for r in range(bounds[group], bounds[group + 1]):
                    run = runs[r]
                    at, size = _column(run, i, tap, taps, count, g), run[1]
                    if not inside:
                        _clear(columns, at, size)
                        continue
                    for upper in range(2 if g.dims > 2 else 1):
                        corners = _corners(z, y, x, upper == 1, g, run[0])
                        shares = high if upper else low
                        a, b, c, d = spill(
                            *(grads, columns, at, image, of_image, shift, corners, shares, size),
                            upper == 1,
                        )
                        share_z = z.share_high if upper else z.share_low
                        above, below = (
                            x.share_low * a + x.share_high * b,
                            x.share_low * c + x.share_high * d,
                        )
                        plane = y.share_low * above + y.share_high * below
                        value += share_z * plane
                        along_z += (z.slope_high if upper else z.slope_low) * plane
                        along_y += share_z * (y.slope_low * above + y.slope_high * below)
                        above, below = (
                            x.slope_low * a + x.slope_high * b,
                            x.slope_low * c + x.slope_high * d,
                        )
                        along_x += share_z * (y.share_low * above + y.share_high * below)
                if inside:
                    first = min(first, (z.low * g.height + y.low) * g.width + x.low)
                    last = max(last, (z.high * g.height + y.high) * g.width + x.high + 1)
                _put(
                    of_offset,
                    row * g.dims,
                    place,
                    g.dims,
                    factor * along_z,
                    factor * along_y,
                    factor * along_x,
                )
                if g.masked:
                    of_mask[row, place] = value
    touched[part, 0], touched[part, 1] = first, last


@compiled
def _put(of_offset, row, place, dims, along_z, along_y, along_x):
    of_offset[row + dims - 1, place] = along_x
    if dims > 1:
        of_offset[row + dims - 2, place] = along_y
    if dims > 2:
        of_offset[row, place] = along_z


@threaded
def gather(part, parts, of_image, by_worker, touched):
    """Add up what the workers have, element by element, (elements, channels), and clear it.

    Args:
        part: which of the parts.
        parts: how many there are.
        of_image: the sum.
        by_worker: (workers, elements, channels).
        touched: as in :func:`unsample`.
    """
    for element in part_of(len(of_image), part, parts):
        for worker in range(len(touched)):
            if touched[worker, 0] <= element < touched[worker, 1]:
                for channel in range(of_image.shape[1]):
                    of_image[element, channel] += by_worker[worker, element, channel]
                    by_worker[worker, element, channel] = 0
