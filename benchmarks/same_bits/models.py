"""Small models of every kind: their outputs, gradients and translations."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.same_bits.cases import Case, imported, seeded, values, with_grad

search = imported("huashi.seq2seq.search")
seq2seq = imported("huashi.seq2seq")


def shape_of(name: str) -> Any:
    """The shape of an encoder or decoder; at first the module's name was the shape's."""
    return getattr(seq2seq, f"{name}Shape", None) or getattr(seq2seq, name)


def model_cases() -> Iterator[Case]:
    size: dict[str, Any] = {"embedding_size": 32, "dropout": 0.1}
    transformer = size | {"layers": 2, "heads": 1, "feed_forward_size": 48}
    light = size | {"kernels": (3, 7), "heads": 2, "feed_forward_size": 48}
    convolutional = size | {"layers": ((32, 3),) * 2, "positions": 64, "attention_layers": 2}
    coders = {
        "rnn": (shape_of("RNNEncoder"), shape_of("RNNDecoder"), size | {"hidden_size": 24}),
        "lstm": (
            shape_of("RNNEncoder"),
            shape_of("RNNDecoder"),
            size | {"hidden_size": 24, "layers": 2, "cell": "lstm"},
        ),
        "transformer": (
            shape_of("TransformerEncoder"),
            shape_of("TransformerDecoder"),
            transformer,
        ),
        "post-norm": (
            shape_of("TransformerEncoder"),
            shape_of("TransformerDecoder"),
            transformer | {"norm": "post", "positions": "learned", "max_length": 64},
        ),
        "entmax": (
            shape_of("TransformerEncoder"),
            shape_of("TransformerDecoder"),
            transformer | {"mapping": "entmax", "learn_alpha": True},
        ),
        "convs2s": (
            shape_of("ConvEncoder"),
            shape_of("ConvDecoder"),
            convolutional,
        ),
        "self-attention": (
            shape_of("ConvEncoder"),
            shape_of("ConvSelfAttentionDecoder"),
            convolutional,
        ),
        "slicenet": (
            shape_of("SliceNetEncoder"),
            shape_of("SliceNetDecoder"),
            size | {"layers": 1, "embedding_size": 36},
        ),
        "lightweight": (shape_of("LightConvEncoder"), shape_of("LightConvDecoder"), light),
        "dynamic": (
            shape_of("LightConvEncoder"),
            shape_of("LightConvDecoder"),
            light | {"convolution": "dynamic"},
        ),
    }
    source = torch.randint(4, 40, (6, 9), generator=seeded("source"))
    target = torch.randint(4, 40, (6, 11), generator=seeded("target"))
    lengths = torch.tensor([9, 9, 7, 5, 2, 1])

    def train(x: Tensor, build: Callable, mapping: str) -> Any:
        torch.manual_seed(0)
        model = build(mapping)
        torch.manual_seed(1)
        logits = model(source, lengths, target)
        (logits * x).square().mean().backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        model.eval()
        options = {"bos": 2, "eos": 3, "max_length": 8, "beam": 3, "alignment": model.alignment}
        with torch.no_grad():
            found = search.beam_search(model.step, model.encode(source, lengths), **options)
        return logits.detach(), grads, list(model.state_dict().values()), found

    for name, (encoder, decoder, options) in coders.items():

        def build(mapping: str, encoder=encoder, decoder=decoder, options=options) -> nn.Module:
            taken = [
                {k: v for k, v in options.items() if k in inspect.signature(side).parameters}
                for side in (encoder, decoder)
            ]
            sides = {"encoder": encoder(**taken[0]), "decoder": decoder(**taken[1])}
            return seq2seq.Architecture(mapping=mapping, **sides).build(40, 40)

        x = values("plain", (6, 11, 1), torch.float32, name)
        for mapping in ("softmax", "sparsemax"):
            run = with_grad(partial(train, build=build, mapping=mapping))
            yield Case(f"models/{name}/{mapping}", run, [x], (1, 2))
