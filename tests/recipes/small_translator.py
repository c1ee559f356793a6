"""A corpus of numbers in two languages, and how a small translator is trained on it."""

import gzip
import json
import random

from huashi.recipes import translate
from huashi.seq2seq.architecture import Architecture, describe
from huashi.seq2seq.attention import AttentionShape
from huashi.seq2seq.models.rnn import RNNDecoderShape, RNNEncoderShape
from huashi.seq2seq.training import Training

WORDS = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier", "and": "und"}

SIZE = {"embedding_size": 64, "hidden_size": 128, "dropout": 0.0}

SMALL = Architecture(
    encoder=RNNEncoderShape(**SIZE),
    decoder=RNNDecoderShape(
        attention=AttentionShape(score="scaled_dot"), input_feeding=False, **SIZE
    ),
    share="embeddings",
)

TRAINING = Training(
    steps=300,
    batch_tokens=400,
    max_length=12,
    lr=1e-2,
    warmup=30,
    validate_every=150,
    save_every=100,
    threads=1,
    accelerator="cpu",
)


def write(folder, count, seed):
    """Sentences of numbers in two languages, word by word."""
    draw = random.Random(seed)
    sources = [" ".join(draw.choices(list(WORDS), k=draw.randint(1, 5))) for _ in range(count)]
    targets = [" ".join(WORDS[word] for word in source.split()) for source in sources]
    (folder / f"{seed}.en").write_text("".join(f"{line}\n" for line in sources))
    with gzip.open(folder / f"{seed}.de.gz", "wt") as file:
        file.write("".join(f"{line}\n" for line in targets))
    return folder / f"{seed}.en", folder / f"{seed}.de.gz"


def small_config(folder):
    """Of a training on a corpus that is written into the folder."""
    source, target = write(folder, 600, 1)
    validation, test = write(folder, 30, 2), write(folder, 30, 3)
    small = folder / "small.json"
    small.write_text(json.dumps(describe(SMALL)))
    return translate.Config(
        source=(source,),
        target=(target,),
        validation_source=validation[:1],
        validation_target=validation[1:],
        test_source=test[:1],
        test_target=test[1:],
        folder=folder / "run",
        tokenizer="word",
        architecture=small,
        training=TRAINING,
    )
