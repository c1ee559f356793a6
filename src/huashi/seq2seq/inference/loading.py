"""The model and the tokenizers of a run."""

import torch

from huashi._checks import check_device
from huashi.run import Run
from huashi.seq2seq.architecture import architecture_of, build
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.text.tokenizer import Tokenizer


def model_of(run: Run, first: Run, device: str | torch.device) -> EncoderDecoder:
    """The best model of a run, on a device.

    Args:
        run: whose model.
        first: the run that it has to go with: of the same tokenizers, its sources ending alike.
        device: where to compute.

    Raises:
        FileNotFoundError: the model is not there.
        ValueError: a file is damaged, the runs do not go together, or there is no such device.
    """
    check_device("device", device)
    source, target = tokenizers_of(run)
    wanted = [tokenizer.to_json() for tokenizer in tokenizers_of(first)]
    if [source.to_json(), target.to_json()] != wanted:
        raise ValueError(f"{run.folder} must have the tokenizer of {first.folder}")
    if architecture_of(run.model).source_end != architecture_of(first.model).source_end:
        raise ValueError(f"{run.folder} must read sources to the same end as {first.folder}")
    model = build(run.model, len(source), len(target))
    run.load_model(model)
    return model.to(device)


def tokenizers_of(run: Run) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of a run: of its sources and of its outputs.

    Raises:
        FileNotFoundError: they are not there.
        ValueError: a file is damaged.
    """
    source, target = run.path("tokenizer.json"), run.path("target_tokenizer.json")
    tokenizer = Tokenizer.load(source)
    return tokenizer, Tokenizer.load(target) if target.is_file() else tokenizer
