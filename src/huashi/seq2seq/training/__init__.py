"""Training of sequence models: corpora of any size, losses, schedules, and the loop."""

from huashi.seq2seq.operations.losses import (
    alignment_loss,
    consistency_loss,
    coverage_loss,
    minimum_risk_loss,
    smoothed_nll,
)
from huashi.seq2seq.training.batches import Order
from huashi.seq2seq.training.data import Step, steps, tokenized, windows
from huashi.seq2seq.training.loop import fit
from huashi.seq2seq.training.objective import Examples, Loss, Objective
from huashi.seq2seq.training.settings import Training
from huashi.seq2seq.training.store import Store, write_store
from huashi.training.schedules import rate

__all__ = [
    "Examples",
    "Loss",
    "Objective",
    "Order",
    "Step",
    "Store",
    "Training",
    "alignment_loss",
    "consistency_loss",
    "coverage_loss",
    "fit",
    "minimum_risk_loss",
    "rate",
    "smoothed_nll",
    "steps",
    "tokenized",
    "windows",
    "write_store",
]
