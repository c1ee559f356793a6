"""1.5-entmax, as formulas. Any device, any floating dtype, differentiable to any order."""

import torch
from torch import Tensor


def entmax15(x: Tensor) -> Tensor:
    """(..., n) -> (..., n): ``p = max(x / 2 - tau, 0) ** 2``, with ``tau`` such that p sums to 1.

    If the k largest entries were the support, ``tau`` would solve a quadratic equation in their
    mean and spread. The support is the largest k whose ``tau`` still lies below its entries.
    """
    if x.numel() == 0:
        return x.clone()
    peak = x.detach().amax(-1, keepdim=True)
    peak = torch.where(peak == -torch.inf, 0, peak)  # a row that is masked throughout
    z = (x.to(torch.promote_types(x.dtype, torch.float32)) - peak) / 2
    # tau is never below -1, so no entry below -2 matters: the sums may take it as -2.
    top = z.clamp(min=-2).sort(-1, descending=True).values
    k = torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=z.dtype)
    mean = top.cumsum(-1) / k
    spread = top.square().cumsum(-1) - k * mean.square()
    gap = (1 - spread) / k
    tau = mean - torch.where(gap > 0, gap, 1).sqrt()
    support = ((tau < top) & (gap > 0)).sum(-1, keepdim=True)
    tau = tau.gather(-1, support.clamp(min=1) - 1)  # NaN in the row: none fits, tau is NaN
    return (z - tau).clamp(min=0).square().to(x.dtype)


def entmax15_backward(grad: Tensor, y: Tensor) -> Tensor:
    """(..., n), (..., n) -> (..., n): ``s * (grad - sum(s * grad) / sum(s))``, ``s = sqrt(y)``.

    Zero outside the support, whatever ``grad`` is there. Differentiable in both arguments.
    """
    support = y != 0  # so that NaN stays NaN
    wide = torch.promote_types(y.dtype, torch.float32)
    s = torch.where(support, torch.where(support, y, 1).to(wide).sqrt(), 0)
    g = torch.where(support, grad.to(wide), 0)
    total = s.sum(-1, keepdim=True)
    mean = (s * g).sum(-1, keepdim=True) / torch.where(total == 0, 1, total)
    return (s * (g - mean)).to(y.dtype)
