"""Sequence to sequence: text in, text out, and every part between."""

from huashi.seq2seq.architecture import Architecture
from huashi.seq2seq.attention import Attention, AttentionShape
from huashi.seq2seq.corpus import Pair, read_pairs, token_batches
from huashi.seq2seq.encoder_decoder import EncoderDecoder, Memory
from huashi.seq2seq.entmax import Entmax15, entmax15
from huashi.seq2seq.rnn import RNNDecoder, RNNEncoder
from huashi.seq2seq.search import Hypothesis, beam_search, greedy_search
from huashi.seq2seq.tokenizer import Tokenizer, train_tokenizer
from huashi.seq2seq.translator import Translation, Translator

__all__ = [
    "Architecture",
    "Attention",
    "AttentionShape",
    "EncoderDecoder",
    "Entmax15",
    "Hypothesis",
    "Memory",
    "Pair",
    "RNNDecoder",
    "RNNEncoder",
    "Tokenizer",
    "Translation",
    "Translator",
    "beam_search",
    "entmax15",
    "greedy_search",
    "read_pairs",
    "token_batches",
    "train_tokenizer",
]
