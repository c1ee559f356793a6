"""What a text costs a language model."""

from unicodedata import normalize

import torch

from huashi.seq2seq import Architecture, RNNDecoderShape, train_tokenizer
from huashi.seq2seq.inference.language_model import LanguageModel


def test_bits_per_character_are_those_of_the_text_however_it_was_typed():
    torch.manual_seed(0)
    text = "tiếng Việt là ngôn ngữ"
    tokenizer = train_tokenizer([text], "character", 100)
    size = {"embedding_size": 8, "hidden_size": 8, "attention": None, "input_feeding": False}
    model = Architecture(encoder=None, decoder=RNNDecoderShape(**size)).build(len(tokenizer))
    writer = LanguageModel(model, tokenizer, 16)
    composed, decomposed = (writer.bits_per_character(normalize(f, text)) for f in ("NFC", "NFD"))
    assert composed == decomposed
