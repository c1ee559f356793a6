"""Sequence to sequence: text in, text out, and every part between."""

from huashi.convolution.depthwise import depthwise_conv1d
from huashi.convolution.lightweight import (
    DynamicConv1d,
    LightweightConv1d,
    dynamic_conv1d,
    lightweight_conv1d,
)
from huashi.convolution.separable import SubSeparableConv1d
from huashi.entmax import (  # not entmax: until 0.3 that is the name of a module here
    Entmax,
    Entmax15,
    Entmax15Loss,
    EntmaxLoss,
    Sparsemax,
    SparsemaxLoss,
    entmax15,
    entmax15_loss,
    entmax_loss,
    sparsemax,
    sparsemax_loss,
)
from huashi.seq2seq.architecture import Architecture, FusedArchitecture
from huashi.seq2seq.attention import Attention, AttentionShape, MultiHeadAttention
from huashi.seq2seq.ctranslate2 import import_ctranslate2
from huashi.seq2seq.fusion.pretrained import fuse
from huashi.seq2seq.inference.decoding import Decoding
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.inference.translation import Translation
from huashi.seq2seq.inference.translator import Translator
from huashi.seq2seq.model.protocol import EncoderDecoder, Memory
from huashi.seq2seq.models.convs2s import (
    ConvDecoder,
    ConvDecoderShape,
    ConvEncoder,
    ConvEncoderShape,
    ConvSelfAttentionDecoder,
    ConvSelfAttentionDecoderShape,
)
from huashi.seq2seq.models.lightconv import (
    LightConvDecoder,
    LightConvDecoderShape,
    LightConvEncoder,
    LightConvEncoderShape,
)
from huashi.seq2seq.models.rnn import RNNDecoder, RNNDecoderShape, RNNEncoder, RNNEncoderShape
from huashi.seq2seq.models.slicenet import (
    SliceNetDecoder,
    SliceNetDecoderShape,
    SliceNetEncoder,
    SliceNetEncoderShape,
)
from huashi.seq2seq.models.transformer import (
    TransformerDecoder,
    TransformerDecoderShape,
    TransformerEncoder,
    TransformerEncoderShape,
)
from huashi.seq2seq.search import Hypothesis, beam_search, greedy_search
from huashi.seq2seq.text.corpus import Pair, read_pairs, token_batches
from huashi.seq2seq.text.tokenizer import Tokenizer, train_tokenizer

__all__ = [
    "Architecture",
    "Attention",
    "AttentionShape",
    "ConvDecoder",
    "ConvDecoderShape",
    "ConvEncoder",
    "ConvEncoderShape",
    "ConvSelfAttentionDecoder",
    "ConvSelfAttentionDecoderShape",
    "Decoding",
    "DynamicConv1d",
    "EncoderDecoder",
    "Entmax",
    "Entmax15",
    "Entmax15Loss",
    "EntmaxLoss",
    "FusedArchitecture",
    "Hypothesis",
    "LanguageModel",
    "LightConvDecoder",
    "LightConvDecoderShape",
    "LightConvEncoder",
    "LightConvEncoderShape",
    "LightweightConv1d",
    "Memory",
    "MultiHeadAttention",
    "Pair",
    "RNNDecoder",
    "RNNDecoderShape",
    "RNNEncoder",
    "RNNEncoderShape",
    "SliceNetDecoder",
    "SliceNetDecoderShape",
    "SliceNetEncoder",
    "SliceNetEncoderShape",
    "Sparsemax",
    "SparsemaxLoss",
    "SubSeparableConv1d",
    "Tokenizer",
    "TransformerDecoder",
    "TransformerDecoderShape",
    "TransformerEncoder",
    "TransformerEncoderShape",
    "Translation",
    "Translator",
    "beam_search",
    "depthwise_conv1d",
    "dynamic_conv1d",
    "entmax15",
    "entmax15_loss",
    "entmax_loss",
    "fuse",
    "greedy_search",
    "import_ctranslate2",
    "lightweight_conv1d",
    "read_pairs",
    "sparsemax",
    "sparsemax_loss",
    "token_batches",
    "train_tokenizer",
]
