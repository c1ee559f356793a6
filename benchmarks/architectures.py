"""Architectures of ``transformers`` that pool by modules of torch, with inputs for them.

One of each way to pool: of several models that share the part that pools, one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

NO_TABLE = "architectures of transformers, which other scripts measure"
SMALL_SIDE, SIDE = 64, 224
Inputs = dict[str, Tensor]


def image(batch: int, side: int) -> Inputs:
    return {"pixel_values": torch.randn(batch, 3, side, side)}


def grey_images(batch: int, side: int) -> Inputs:
    return {"pixel_values": torch.rand(batch, 1, 1, side, side).expand(-1, 2, 3, -1, -1).clone()}


def recording(batch: int, samples: int) -> Inputs:
    return {"input_values": torch.randn(batch, samples)}


def spectrogram(batch: int, frames: int) -> Inputs:
    return {"input_features": torch.randn(batch, 1, frames, 64)}


def mel(batch: int, frames: int) -> Inputs:
    return {"input_features": torch.randn(batch, 128, frames)}


def seen_image(batch: int, side: int) -> Inputs:
    return {"inputs": torch.randn(batch, 3, side, side)}


def series(batch: int, time: int) -> Inputs:
    past, future = torch.randn(batch, time + 7), torch.randn(batch, time)
    features = {"past_time_features": past[..., None], "future_time_features": future[..., None]}
    seen = {"past_observed_mask": torch.ones_like(past)}
    return {"past_values": past, "future_values": future} | features | seen


@dataclass(frozen=True)
class Architecture:
    """A model of transformers and its input."""

    name: str
    """Of the class."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the configuration."""
    small: dict[str, Any] = field(default_factory=dict)
    """What is smaller in the model that is checked."""
    inputs: Callable[[int, int], Inputs] = image
    """From the number of examples and their size."""
    dynamic: tuple[int, ...] = (0,)
    """Dimensions of the input that an export leaves dynamic where the model allows it."""
    small_size: int = SMALL_SIDE
    size: int = SIDE


def backbone(kind: str, **settings: Any) -> dict[str, Any]:
    return {"backbone_config": {"model_type": kind, **settings}}


STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
ONE_EACH = {"depths": [1, 1, 1, 1]}
SWIN = {"embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "image_size": 64, "window_size": 4}
LAYERS = {"encoder_layers": 1, "decoder_layers": 1}
DETR = LAYERS | {"d_model": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_queries": 5}
ALL_STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
LAST_THREE = {"out_features": ["stage2", "stage3", "stage4"]}
LAST_STAGE = {"out_features": ["stage4"]}
RESNET = STAGES | {"embedding_size": 8}
EVERY_SIZE = (0, 2, 3)
HYBRID = {
    "encoder_in_channels": [16, 24, 32],
    "decoder_in_channels": [16, 16, 16],
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_hidden_dim": 16,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "d_model": 16,
    "decoder_layers": 1,
    "num_queries": 5,
    "num_denoising": 0,
}
TRANSFORMER = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
ENCODER = TRANSFORMER | {"intermediate_size": 32}
VIT_TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
SERIES = {"prediction_length": 48, "num_time_features": 1, "lags_sequence": [1, 2, 3, 4, 5, 6, 7]}
TINY = {"hidden_sizes": [96, 192, 384, 768], "depths": [3, 3, 9, 3]}
HGNET = {"stage_numb_of_layers": [1, 1, 1, 1], "stage_num_blocks": [1, 1, 1, 1]}

ARCHITECTURES = {
    "ResNet": Architecture("ResNetForImageClassification", small=RESNET, dynamic=EVERY_SIZE),
    "RegNet": Architecture(
        "RegNetForImageClassification", small=STAGES | {"embedding_size": 8, "groups_width": 8}
    ),
    "BiT": Architecture(
        "BitForImageClassification", small=RESNET | {"num_groups": 4}, dynamic=EVERY_SIZE
    ),
    "PoolFormer": Architecture(
        "PoolFormerForImageClassification", small=STAGES, dynamic=EVERY_SIZE
    ),
    "MobileNetV1": Architecture(
        "MobileNetV1ForImageClassification", small={"depth_multiplier": 0.25}
    ),
    "MobileNetV2": Architecture(
        "MobileNetV2ForImageClassification", small={"depth_multiplier": 0.25}
    ),
    "EfficientNet": Architecture(
        "EfficientNetForImageClassification",
        {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280},
        {"width_coefficient": 0.25, "hidden_dim": 320},
    ),
    "DeepLabV3 on MobileViT": Architecture("MobileViTForSemanticSegmentation", small_size=96),
    "HGNetV2": Architecture("HGNetV2ForImageClassification", small=HGNET, dynamic=EVERY_SIZE),
    "PP-LCNet": Architecture("PPLCNetForImageClassification", small={"scale": 0.25}),
    "TextNet": Architecture(
        "TextNetForImageClassification", small={"hidden_sizes": [8] * 5, "stem_out_channels": 8}
    ),
    "Swin": Architecture("SwinForImageClassification", small=SWIN),
    "SwinV2": Architecture("Swinv2ForImageClassification", small=SWIN),
    "FocalNet": Architecture(
        "FocalNetForImageClassification", small=STAGES | {"embed_dim": 8, "image_size": 64}
    ),
    "Hiera": Architecture(
        "HieraForImageClassification", small={"embed_dim": 8} | ONE_EACH, small_size=224
    ),
    "DINOv3 ConvNeXt": Architecture("DINOv3ConvNextModel", small=STAGES),
    "PVTv2 linear": Architecture(
        "PvtV2ForImageClassification", {"linear_attention": True}, ONE_EACH
    ),
    "BEiT segmentation": Architecture(
        "BeitForSemanticSegmentation",
        VIT_TINY | {"out_indices": [3, 5, 7, 11]},
        ENCODER | {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4], "image_size": 64},
    ),
    "UperNet on ConvNeXt": Architecture(
        "UperNetForSemanticSegmentation",
        {"auxiliary_in_channels": 384} | backbone("convnext", **ALL_STAGES, **TINY),
        {"auxiliary_in_channels": 24, "hidden_size": 16, "auxiliary_channels": 8}
        | backbone("convnext", **ALL_STAGES, **STAGES),
    ),
    "DETR": Architecture(
        "DetrForObjectDetection",
        backbone("resnet", **LAST_STAGE),
        DETR | backbone("resnet", **LAST_STAGE, **RESNET),
        size=320,
    ),
    "RT-DETR": Architecture(
        "RTDetrForObjectDetection",
        small=HYBRID | backbone("rt_detr_resnet", **LAST_THREE, **RESNET),
        size=320,
    ),
    "SuperPoint": Architecture("SuperPointForKeypointDetection", size=320, dynamic=EVERY_SIZE),
    "EfficientLoFTR": Architecture(
        "EfficientLoFTRForKeypointMatching", inputs=grey_images, size=160
    ),
    "Perceiver": Architecture(
        "PerceiverForImageClassificationConvProcessing",
        {"num_cross_attention_heads": 1, "num_blocks": 2},
        {"num_latents": 8, "d_latents": 32, "num_self_attends_per_block": 1},
        inputs=seen_image,
        small_size=224,
    ),
    "FLAVA codebook": Architecture(
        "FlavaImageCodebook",
        {"freeze": False},
        {"hidden_size": 16},
        size=112,
        dynamic=EVERY_SIZE,
    ),
    "CLAP audio": Architecture(
        "ClapAudioModel",
        small={"depths": [1, 1], "num_attention_heads": [2, 2], "patch_embeds_hidden_size": 16},
        inputs=spectrogram,
        small_size=1024,
        size=1024,
    ),
    "SEW": Architecture(
        "SEWModel", {"layerdrop": 0.0}, ENCODER, recording, small_size=8000, size=32000
    ),
    "Qwen2-Audio encoder": Architecture(
        "Qwen2AudioEncoder",
        {"encoder_layers": 1},
        {"d_model": 32, "encoder_attention_heads": 2, "encoder_ffn_dim": 32},
        mel,
        small_size=3000,
        size=3000,
    ),
    "Informer": Architecture("InformerModel", SERIES, inputs=series, small_size=48, size=48),
    "Autoformer": Architecture("AutoformerModel", SERIES, inputs=series, small_size=48, size=48),
}
