"""Sequence to sequence: text in, text out, and every part between."""

from huashi.seq2seq.attention import Attention
from huashi.seq2seq.corpus import Pair, read_pairs, token_batches
from huashi.seq2seq.encoder_decoder import EncoderDecoder
from huashi.seq2seq.entmax import Entmax15, entmax15
from huashi.seq2seq.rnn import RNN
from huashi.seq2seq.search import Hypothesis, beam_search, greedy_search
from huashi.seq2seq.tokenizer import Tokenizer, train_tokenizer
from huashi.seq2seq.translator import Translation, Translator

__all__ = [
    "RNN",
    "Attention",
    "EncoderDecoder",
    "Entmax15",
    "Hypothesis",
    "Pair",
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
