"""Training of sequence models: corpora of any size, losses, schedules, and the loop."""

from huashi.seq2seq.training.batches import Order
from huashi.seq2seq.training.data import Step, steps, tokenized
from huashi.seq2seq.training.loop import fit
from huashi.seq2seq.training.objective import Examples, Objective
from huashi.seq2seq.training.schedules import rate
from huashi.seq2seq.training.settings import Training
from huashi.seq2seq.training.store import Store, write_store

__all__ = [
    "Examples",
    "Objective",
    "Order",
    "Step",
    "Store",
    "Training",
    "fit",
    "rate",
    "steps",
    "tokenized",
    "write_store",
]
