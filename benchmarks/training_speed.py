"""Tokens a second of training, against transformers' Marian and JoeyNMT on the same batches.

    python -m benchmarks.training_speed

All are Transformers of the recipe's size: as many layers, heads and features, tied embeddings,
sinusoids, the same dropout, Adam, gradients clipped. A step is forward, backward and update on a
batch of Multi30k as the recipe makes it; they take turns on the same batches. All in float32, and
ours once more with products of matrices in bfloat16.

JoeyNMT takes part where it can be imported. It asks for an old protobuf that goes with little else;
what is measured here does without:

    pip install --no-deps joeynmt==2.3.0 sentencepiece subword-nmt sacremoses "importlib-metadata<9"
    pip install tensorboard
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch

from benchmarks.harness import machine, save
from huashi.recipes._models import model_named
from huashi.seq2seq.text.corpus import Pair, read_pairs
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD, UNKNOWN
from huashi.seq2seq.training import Examples, Objective, Training
from huashi.seq2seq.training.corpora import tokenizers_for
from huashi.seq2seq.training.data import examples_of, tokenized
from huashi.training.settings import optimizer_of

DATA = Path(__file__).parents[1] / "../shared/data/multi30k"
VOCABULARY = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-tokens", type=int, nargs="*", default=[2000, 4000])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pairs = list(read_pairs(DATA / "train.en.gz", DATA / "train.de.gz"))[:20_000]
    rows = []
    for batch_tokens in args.batch_tokens:
        batches = batches_of(pairs, batch_tokens, args.steps + 2)
        for dropout in (0.3, 0.0):
            rows += measured(batches, batch_tokens, dropout)
            save("training-speed", [row | machine("cpu") for row in rows])


def batches_of(pairs: list[Pair], batch_tokens: int, count: int) -> list[Examples]:
    """Sentences of like length, so many positions of them."""
    tokenizer, _ = tokenizers_for(pairs, "bpe", VOCABULARY, joint=True)
    records = sorted(tokenized(pairs, tokenizer, tokenizer), key=lambda r: max(map(len, r)))
    batches, rows = [], []
    for record in records:
        rows.append(record)
        if (max(map(len, record)) + 1) * (len(rows) + 1) > batch_tokens:
            batches.append(examples_of(rows))
            rows = []
    return batches[:: max(len(batches) // count, 1)][:count]


def measured(batches: list[Examples], batch_tokens: int, dropout: float) -> list[dict]:
    contenders = {
        "marian": marian(dropout),
        "huashi": ours(dropout),
        "huashi, bfloat16": ours(dropout, mixed=True),
    }
    if importlib.util.find_spec("joeynmt"):
        contenders["joeynmt"] = joey(dropout)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number, batch in enumerate(batches):
        for name, step in contenders.items():
            begun = time.perf_counter()
            step(batch)
            if number >= 2:  # the first ones warm up
                seconds[name].append(time.perf_counter() - begun)
    tokens = [int((batch.target[:, 1:] != PAD).sum()) for batch in batches[2:]]
    rows = []
    for name, spent in seconds.items():
        rates = [count / one for count, one in zip(tokens, spent, strict=True)]
        times = {
            f"times_{other}": round(
                statistics.median(a / b for a, b in zip(theirs, spent, strict=True)), 2
            )
            for other, theirs in seconds.items()
            if name == "huashi" and not other.startswith("huashi")
        }
        row = {
            "contender": name,
            "batch_tokens": batch_tokens,
            "dropout": dropout,
            "tokens_per_s": round(statistics.median(rates)),
            "steps": len(spent),
            **times,
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def ours(dropout: float, *, mixed: bool = False) -> Callable[[Examples], None]:
    settings = Training(lr=1e-3, label_smoothing=0.0)
    torch.manual_seed(0)
    model = model_named("transformer", dropout=dropout)[0].build(VOCABULARY)
    objective = Objective(model, settings)
    optimizer = optimizer_of(objective, settings)

    def step(batch: Examples) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = objective(batch).total / (batch.target[:, 1:] != PAD).sum()
        _update(loss, objective, optimizer)

    return step


def marian(dropout: float) -> Callable[[Examples], None]:
    from transformers import MarianConfig, MarianMTModel

    shape = model_named("transformer")[0].encoder
    config = MarianConfig(
        vocab_size=VOCABULARY,
        decoder_vocab_size=VOCABULARY,
        d_model=shape.embedding_size,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward_size,
        decoder_ffn_dim=shape.feed_forward_size,
        activation_function="relu",
        dropout=dropout,
        attention_dropout=0.0,
        activation_dropout=0.0,
        scale_embedding=True,
        max_position_embeddings=256,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
        use_cache=False,
    )
    torch.manual_seed(0)
    model = MarianMTModel(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))

    def step(batch: Examples) -> None:
        loss = model(
            input_ids=batch.source,
            attention_mask=(batch.source != PAD).long(),
            decoder_input_ids=batch.target[:, :-1],
            labels=batch.target[:, 1:].masked_fill(batch.target[:, 1:] == PAD, -100),
        ).loss
        _update(loss, model, optimizer)

    return step


def joey(dropout: float) -> Callable[[Examples], None]:
    from joeynmt.model import build_model
    from joeynmt.transformer_layers import MultiHeadedAttention, PositionwiseFeedForward
    from joeynmt.vocabulary import Vocabulary

    shape = model_named("transformer")[0].encoder
    side = {
        "type": "transformer",
        "embeddings": {"embedding_dim": shape.embedding_size, "scale": True, "dropout": dropout},
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "hidden_size": shape.embedding_size,
        "ff_size": shape.feed_forward_size,
        "dropout": dropout,
        "layer_norm": shape.norm,
    }
    # Its own order of the special tokens, whatever is asked for.
    ids = {"unk_id": 0, "pad_id": 1, "bos_id": 2, "eos_id": 3, "sep_token": None, "lang_tags": []}
    tokens = {f"{name}_token": f"<{name}>" for name in ("unk", "pad", "bos", "eos")}
    vocabulary = Vocabulary(
        [f"token {number}" for number in range(4, VOCABULARY)], SimpleNamespace(**ids, **tokens)
    )
    theirs = torch.arange(VOCABULARY)
    theirs[[UNKNOWN, PAD, BOS, EOS]] = torch.arange(4)
    torch.manual_seed(0)
    model = build_model(
        {"encoder": side, "decoder": side, "tied_embeddings": True, "tied_softmax": True},
        vocabulary,
        vocabulary,
    ).train()
    for module in model.modules():  # no dropout of attention weights and hidden units, as in ours
        if isinstance(module, MultiHeadedAttention):
            module.dropout.p = 0.0
        if isinstance(module, PositionwiseFeedForward):
            module.pwff_layer[2].p = 0.0
    model.loss_function = "crossentropy", 0.0
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))

    def step(batch: Examples) -> None:
        gold = batch.target[:, 1:]
        loss, *_ = model(
            return_type="loss",
            src=theirs[batch.source],
            src_mask=(batch.source != PAD)[:, None],
            src_length=batch.lengths,
            trg_input=theirs[batch.target[:, :-1]],
            trg=theirs[gold],
            trg_mask=(gold != PAD)[:, None],
        )
        _update(loss / (gold != PAD).sum(), model, optimizer)

    return step


def _update(loss: torch.Tensor, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def table(rows: list[dict]) -> list[list[str]]:
    """Target tokens a second by size of the batch, and how many times each peer ours is."""
    names = list(dict.fromkeys(row["contender"] for row in rows))
    peers = [name for name in names if not name.startswith("huashi")]
    head = ["batch, positions", "dropout", *(f"{name}, tokens/s" for name in names)]
    lines = [head + [f"times {peer}" for peer in peers]]
    for case in dict.fromkeys((row["batch_tokens"], row["dropout"]) for row in rows):
        same = {
            row["contender"]: row for row in rows if (row["batch_tokens"], row["dropout"]) == case
        }
        rates = [f"{same[name]['tokens_per_s']:,}" for name in names]
        ratios = [f"**{same['huashi'][f'times_{peer}']:.2f}**" for peer in peers]
        lines.append([f"{case[0]:,}", f"{case[1]:g}", *rates, *ratios])
    return lines


if __name__ == "__main__":
    main()
