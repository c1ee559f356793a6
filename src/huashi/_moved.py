"""Module paths of earlier versions: what stood there is imported from where it stands now.

Python asks the finder below last, so that it costs nothing where no old path is imported. Each one
that is warns once, and serves until 0.3.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

MOVED = {  # below huashi: a path of earlier versions, and the modules that have its names today
    "pooling.formulas": (
        "pooling.cpu.formulas",
        "pooling.cpu.whole_means",
        "pooling.cpu.window_means",
    ),
    "pooling.functional": (
        "pooling.arguments",
        "pooling.extrema",
        "pooling.average",
        "pooling.powers",
        "pooling.exponentials",
        "pooling.order",
        "pooling.stochastic",
    ),
    "pooling.geometry": (
        "_windows",
        "pooling.bins",
    ),
    "pooling.gpu_formula": ("pooling.gpu.means",),
    "pooling.gpu_windows": ("pooling.gpu.windows",),
    "pooling.layers": (
        "pooling.window_module",
        "pooling.extrema",
        "pooling.average",
        "pooling.powers",
        "pooling.exponentials",
        "pooling.order",
        "pooling.stochastic",
    ),
    "pooling.lines": ("pooling.cpu.fold_rows",),
    "pooling.order_statistics": ("pooling.cpu.sorting_network",),
    "pooling.picks": (
        "pooling.cpu.gather",
        "pooling.cpu.packed_extrema",
        "pooling.cpu.scatter",
    ),
    "pooling.places": ("pooling.offsets",),
    "pooling.regions": (
        "pooling.random_regions.fractional",
        "pooling.random_regions.s3",
    ),
    "pooling.selections": ("pooling.cpu.top_k",),
    "pooling.sweeps": (
        "pooling.cpu.fold_bands",
        "pooling.cpu.fold_elements",
        "pooling.cpu.fold_whole",
        "pooling.cpu.windows",
    ),
    "regularization.certificate": ("regularization.optimizer.certificate",),
    "regularization.compaction_file": ("regularization.compaction.model_file",),
    "regularization.compaction_report": ("regularization.compaction.report",),
    "regularization.concave": ("regularization.penalties.concave",),
    "regularization.constraints": ("regularization.penalties.constraints",),
    "regularization.cutting": ("regularization.compaction.cutting",),
    "regularization.following": ("regularization.coupling.propagation",),
    "regularization.head_attention": ("regularization.compaction.head_attention",),
    "regularization.labels": ("regularization.coupling.channel_labels",),
    "regularization.layer_call": ("regularization.coupling.layer_call",),
    "regularization.layer_rules": ("regularization.coupling.layer_rules",),
    "regularization.metric": ("regularization.optimizer.metric",),
    "regularization.module_groups": ("regularization.groups.module_groups",),
    "regularization.network": ("regularization.coupling.channel_facts",),
    "regularization.norms": ("regularization.penalties.structured_norms",),
    "regularization.overlapping": ("regularization.groups.overlapping",),
    "regularization.pairs": ("regularization.optimizer.penalty_pairs",),
    "regularization.proximal": ("regularization.optimizer.proximal",),
    "regularization.schedules": ("regularization.optimizer.schedules",),
    "regularization.sequence_rules": ("regularization.coupling.sequence_rules",),
    "regularization.stationarity": ("regularization.penalties.stationarity",),
    "regularization.tracing": ("regularization.coupling.tracing",),
    "regularization.trial": ("regularization.coupling.channelwise_trial",),
    "seq2seq.architectures": ("seq2seq.architecture.published",),
    "seq2seq.conv_decoder": ("seq2seq.models.convs2s.decoder",),
    "seq2seq.conv_encoder": ("seq2seq.models.convs2s.encoder",),
    "seq2seq.conv_self_attention": ("seq2seq.models.convs2s.self_attention",),
    "seq2seq.corpus": ("seq2seq.text.corpus",),
    "seq2seq.decoding": ("seq2seq.inference.decoding",),
    "seq2seq.depthwise": ("convolution.depthwise",),
    "seq2seq.depthwise.cpu": ("convolution.depthwise.cpu.over_time",),
    "seq2seq.depthwise.functional": ("convolution.depthwise.over_time",),
    "seq2seq.depthwise.operators": ("convolution.depthwise.operators",),
    "seq2seq.depthwise.reference": ("convolution.depthwise.reference",),
    "seq2seq.dropout": ("_dropout",),
    "seq2seq.encoder_decoder": ("seq2seq.model.protocol",),
    "seq2seq.entmax.cpu": (
        "entmax.cpu.mappings",
        "entmax.cpu.threshold",
    ),
    "seq2seq.entmax.cpu_losses": ("entmax.cpu.losses",),
    "seq2seq.entmax.functional": ("entmax.mappings",),
    "seq2seq.entmax.gpu": ("entmax.gpu.mappings",),
    "seq2seq.entmax.gpu_losses": ("entmax.gpu.losses",),
    "seq2seq.entmax.gpu_threshold": ("entmax.gpu.threshold",),
    "seq2seq.entmax.layers": ("entmax.mappings",),
    "seq2seq.entmax.losses": ("entmax.losses",),
    "seq2seq.entmax.operators": ("entmax.operators",),
    "seq2seq.entmax.reference": ("entmax.reference",),
    "seq2seq.gated_convolution": ("seq2seq.models.convs2s.gated_convolution",),
    "seq2seq.language_model": ("seq2seq.inference.language_model",),
    "seq2seq.light_convolution": ("convolution.lightweight",),
    "seq2seq.lightconv": ("seq2seq.models.lightconv",),
    "seq2seq.linear_cross_entropy": ("seq2seq.operations.linear_cross_entropy",),
    "seq2seq.losses": ("seq2seq.operations.losses",),
    "seq2seq.metrics": ("seq2seq.text.metrics",),
    "seq2seq.model_fusion": ("seq2seq.fusion.pretrained",),
    "seq2seq.output": ("seq2seq.model.output",),
    "seq2seq.rnn": ("seq2seq.models.rnn",),
    "seq2seq.search.beam_step": (
        "seq2seq.search.beam.step",
        "seq2seq.search.beam.finishing",
        "seq2seq.search.beam.state",
    ),
    "seq2seq.search.candidates": (
        "seq2seq.search.beam.candidates",
        "seq2seq.search.beam.diversity",
    ),
    "seq2seq.search.context": ("seq2seq.search.adjustments.context",),
    "seq2seq.search.filters": ("seq2seq.search.adjustments.filters",),
    "seq2seq.search.noise": ("seq2seq.search.sampling.noise",),
    "seq2seq.search.phrases": (
        "seq2seq.search.beam.phrases",
        "seq2seq.search.beam.phrase_progress",
    ),
    "seq2seq.search.prefixes": ("seq2seq.search.adjustments.prefixes",),
    "seq2seq.search.repetition": ("seq2seq.search.adjustments.repetition",),
    "seq2seq.search.rules": ("seq2seq.search.beam.rules",),
    "seq2seq.search.scores": ("seq2seq.search.beam.scores",),
    "seq2seq.search.state": ("seq2seq.search.protocol",),
    "seq2seq.search.step": (
        "seq2seq.search.arguments",
        "seq2seq.search.log_probabilities",
        "seq2seq.search.protocol",
    ),
    "seq2seq.search.stochastic": ("seq2seq.search.sampling.stochastic_beam",),
    "seq2seq.search.tries": ("seq2seq.search.adjustments.tries",),
    "seq2seq.search.unknown": ("seq2seq.search.unknown_tokens",),
    "seq2seq.search.vocabulary": ("seq2seq.search.adjustments.vocabulary",),
    "seq2seq.separable_convolution": ("convolution.separable",),
    "seq2seq.short_attention": ("seq2seq.operations.short_attention",),
    "seq2seq.short_attention.cpu": ("seq2seq.operations.short_attention.cpu.by_head",),
    "seq2seq.short_attention.functional": ("seq2seq.operations.short_attention.attention",),
    "seq2seq.short_attention.operators": ("seq2seq.operations.short_attention.operators",),
    "seq2seq.short_attention.reference": ("seq2seq.operations.short_attention.reference",),
    "seq2seq.slicenet": ("seq2seq.models.slicenet.coders",),
    "seq2seq.slicenet_modules": ("seq2seq.models.slicenet.modules",),
    "seq2seq.tokenizer": ("seq2seq.text.tokenizer",),
    "seq2seq.training.kept": ("training.best",),
    "seq2seq.training.schedules": ("training.schedules",),
    "seq2seq.transformer": ("seq2seq.models.transformer",),
    "seq2seq.transformer.decoder": ("seq2seq.models.transformer.decoder",),
    "seq2seq.transformer.encoder": ("seq2seq.models.transformer.encoder",),
    "seq2seq.transformer.positions": ("seq2seq.models.transformer.positions",),
    "seq2seq.transformer.sublayers": ("seq2seq.models.transformer.sublayers",),
    "seq2seq.translator": (
        "seq2seq.inference.translator",
        "seq2seq.inference.translation",
        "seq2seq.inference.loading",
    ),
}


class OldPaths(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of :data:`MOVED`, and fills them with the names that they had."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for an old path, None for any other."""
        root, _, below = fullname.partition(".")
        if root != "huashi" or below not in MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Take over the names of the modules that stand there now."""
        old = module.__name__
        now = [f"huashi.{name}" for name in MOVED[old.partition(".")[2]]]
        warnings.warn(
            f"{old} is now {' and '.join(now)}; the old path goes with 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        for name in now:
            found = vars(importlib.import_module(name))
            vars(module).update({k: v for k, v in found.items() if not k.startswith("__")})


def install() -> None:
    """Let old paths be imported; once is enough."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
