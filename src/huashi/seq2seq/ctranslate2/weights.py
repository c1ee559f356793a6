"""The arrays of a CTranslate2 Transformer by Huashi's names, and the shape that they make.

In that format attention has one matrix for query, key and value, positions are sinusoids counted
from 1 unless a table of them is stored, and the epsilon of a norm is 1e-5. The first specifications
left the settings out: 8 heads, 16 in a ``TransformerBig``, and norms before the layers. The
alignment is the mean over the first ``alignment_heads`` of the last layer, one head by default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from huashi.seq2seq.ctranslate2.model_file import ModelFile
from huashi.seq2seq.ctranslate2.vocabulary import Vocabulary

_ACTIVATIONS = {0: "relu", 2: "swish", 3: "gelu"}


class Arrays:
    """The arrays of a model; it keeps account of those that were taken, so that none is missed."""

    def __init__(self, path: Path, file: ModelFile) -> None:
        self.path = path
        self.file = file
        self.left = dict(file.arrays)

    def take(self, name: str) -> Tensor:
        if name not in self.file.arrays:
            raise ValueError(f"{self.path} must hold {name}, got no such array")
        self.left.pop(name, None)
        return self.file.arrays[name]

    def setting(self, name: str, default: float) -> float:
        return self.take(name).item() if name in self.file.arrays else default

    def layers(self, side: str) -> int:
        prefix = f"{side}/layer_"
        names = (n.removeprefix(prefix) for n in self.file.arrays if n.startswith(prefix))
        return len({name.partition("/")[0] for name in names if name[0].isdigit()})

    def check_all_taken(self) -> None:
        """Raise if an array was not taken: it would change the model's outputs."""
        for name in ("alibi_use_positive_positions", "scale_alibi"):  # nothing without alibi
            self.setting(f"decoder/{name}", 0)
        self.setting("encoder/embeddings_merge", 0)  # of several embeddings there is one
        for name, array in self.left.items():
            if array.ndim or array.item():
                raise ValueError(f"{self.path} must be a Transformer of Huashi's kind, got {name}")


def shape_of(arrays: Arrays, side: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that make an encoder or decoder."""
    size = arrays.take(_embeddings(arrays, side)).shape[-1]
    heads = 16 if arrays.file.specification == "TransformerBig" else 8
    activation = _ACTIVATIONS.get(int(arrays.setting(f"{side}/activation", 0)))
    scale = arrays.setting(f"{side}/scale_embeddings", 1)
    if activation is None or scale not in (0, 1):
        raise ValueError(
            f"{arrays.path} must have an activation of {', '.join(_ACTIVATIONS.values())} and "
            f"embeddings scaled by the root of their size or not at all, got {activation}, {scale}"
        )
    table = f"{side}/position_encodings/encodings"
    learned = table in arrays.file.arrays
    return {
        "embedding_size": size,
        "layers": arrays.layers(side),
        "heads": int(arrays.setting(f"{side}/num_heads", heads)),
        "feed_forward_size": len(arrays.take(f"{side}/layer_0/ffn/linear_0/weight")),
        "activation": activation,
        "norm": "pre" if arrays.setting(f"{side}/pre_norm", 1) else "post",
        "layer_norm_eps": config["layer_norm_epsilon"] or 1e-5,
        "positions": "learned" if learned else "opennmt_tf",
        "max_length": len(arrays.take(table)) if learned else 1024,
        "scale_embeddings": bool(scale),
        "dropout": 0.0,
    }


def alignment_heads_of(arrays: Arrays) -> int | None:
    """How many heads of the last layer the alignment is the mean of; None for all."""
    last = arrays.layers("decoder") - 1
    layer = arrays.setting("decoder/alignment_layer", -1)
    if layer not in (-1, last):
        raise ValueError(f"alignment_layer must be the last, {last}, got {layer} in {arrays.path}")
    return int(arrays.setting("decoder/alignment_heads", 1)) or None


def _embeddings(arrays: Arrays, side: str) -> str:
    """Their name, which later versions number, as an encoder may have several."""
    name = f"{side}/embeddings_0/weight"
    return name if name in arrays.file.arrays else f"{side}/embeddings/weight"


def weights_of(arrays: Arrays, source: Vocabulary, target: Vocabulary) -> dict[str, Tensor]:
    """All weights of the model, by Huashi's names."""
    weights = {}
    for side, vocabulary in (("encoder", source), ("decoder", target)):
        table = arrays.take(_embeddings(arrays, side))
        weights[f"{side}.embedding.tokens.weight"] = vocabulary.inputs(table)
        if f"{side}/position_encodings/encodings" in arrays.file.arrays:
            table = arrays.take(f"{side}/position_encodings/encodings")
            weights[f"{side}.embedding.positions.weight"] = table
        for number in range(arrays.layers(side)):
            weights |= _layer(arrays, side, number)
        if arrays.setting(f"{side}/pre_norm", 1):
            weights |= _norm(arrays, f"{side}/layer_norm", f"{side}.norm")
    output = _linear(arrays, "decoder/projection", "output.layer")
    return weights | {name: target.outputs(table) for name, table in output.items()}


def _layer(arrays: Arrays, side: str, number: int) -> dict[str, Tensor]:
    theirs, ours = f"{side}/layer_{number}", f"{side}.layers.{number}"
    attention, to_source = f"{ours}.attention", f"{ours}.source_attention"
    weights = {
        **_norm(arrays, f"{theirs}/self_attention/layer_norm", f"{ours}.residual.norm"),
        **_linear(
            arrays,
            f"{theirs}/self_attention/linear_0",
            *(f"{attention}.{name}" for name in ("query", "key", "value")),
        ),
        **_linear(arrays, f"{theirs}/self_attention/linear_1", f"{attention}.output"),
        **_norm(arrays, f"{theirs}/ffn/layer_norm", f"{ours}.feed_forward.residual.norm"),
        **_linear(arrays, f"{theirs}/ffn/linear_0", f"{ours}.feed_forward.inner"),
        **_linear(arrays, f"{theirs}/ffn/linear_1", f"{ours}.feed_forward.outer"),
    }
    if side == "encoder":
        return weights
    return weights | {
        **_norm(arrays, f"{theirs}/attention/layer_norm", f"{ours}.source_residual.norm"),
        **_linear(arrays, f"{theirs}/attention/linear_0", f"{to_source}.query"),
        **_linear(arrays, f"{theirs}/attention/linear_1", f"{to_source}.key", f"{to_source}.value"),
        **_linear(arrays, f"{theirs}/attention/linear_2", f"{to_source}.output"),
    }


def _norm(arrays: Arrays, theirs: str, ours: str) -> dict[str, Tensor]:
    return {
        f"{ours}.weight": arrays.take(f"{theirs}/gamma"),
        f"{ours}.bias": arrays.take(f"{theirs}/beta"),
    }


def _linear(arrays: Arrays, theirs: str, *ours: str) -> dict[str, Tensor]:
    """The layers that are stored as one, with biases of zero where there are none."""
    weight = arrays.take(f"{theirs}/weight")
    has_bias = f"{theirs}/bias" in arrays.file.arrays
    bias = arrays.take(f"{theirs}/bias") if has_bias else weight.new_zeros(len(weight))
    parts = zip(ours, weight.chunk(len(ours)), bias.chunk(len(ours)), strict=True)
    return {
        f"{name}.{kind}": part
        for name, *both in parts
        for kind, part in zip(("weight", "bias"), both, strict=True)
    }
