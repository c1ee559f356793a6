"""Sequence to sequence: text in, text out, and every part between."""

from huashi.seq2seq.architecture import Architecture, FusedArchitecture
from huashi.seq2seq.attention import Attention, AttentionShape, MultiHeadAttention
from huashi.seq2seq.conv_decoder import ConvDecoder
from huashi.seq2seq.conv_encoder import ConvEncoder
from huashi.seq2seq.conv_self_attention import ConvSelfAttentionDecoder
from huashi.seq2seq.corpus import Pair, read_pairs, token_batches
from huashi.seq2seq.ctranslate2 import import_ctranslate2
from huashi.seq2seq.decoding import Decoding
from huashi.seq2seq.depthwise import depthwise_conv1d
from huashi.seq2seq.encoder_decoder import EncoderDecoder, Memory
from huashi.seq2seq.entmax import (  # the function entmax stays there: its name is the package's
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
from huashi.seq2seq.language_model import LanguageModel
from huashi.seq2seq.light_convolution import (
    DynamicConv1d,
    LightweightConv1d,
    dynamic_conv1d,
    lightweight_conv1d,
)
from huashi.seq2seq.lightconv import LightConvDecoder, LightConvEncoder
from huashi.seq2seq.model_fusion import fuse
from huashi.seq2seq.rnn import RNNDecoder, RNNEncoder
from huashi.seq2seq.search import Hypothesis, beam_search, greedy_search
from huashi.seq2seq.separable_convolution import SubSeparableConv1d
from huashi.seq2seq.slicenet import SliceNetDecoder, SliceNetEncoder
from huashi.seq2seq.tokenizer import Tokenizer, train_tokenizer
from huashi.seq2seq.transformer import TransformerDecoder, TransformerEncoder
from huashi.seq2seq.translator import Translation, Translator

__all__ = [
    "Architecture",
    "Attention",
    "AttentionShape",
    "ConvDecoder",
    "ConvEncoder",
    "ConvSelfAttentionDecoder",
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
    "LightConvEncoder",
    "LightweightConv1d",
    "Memory",
    "MultiHeadAttention",
    "Pair",
    "RNNDecoder",
    "RNNEncoder",
    "SliceNetDecoder",
    "SliceNetEncoder",
    "Sparsemax",
    "SparsemaxLoss",
    "SubSeparableConv1d",
    "Tokenizer",
    "TransformerDecoder",
    "TransformerEncoder",
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
