"""Running text is scored in the tokens that it is learned in, and by what of it is predicted."""

from typing import get_args

import pytest
import torch

from huashi.seq2seq import Architecture, RNNDecoderShape, train_tokenizer
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.text.running import encoded, of_running_text, of_sentences, pieces
from huashi.seq2seq.text.tokenizer import Kind

LINES = ["to be\n", "not   to be\n", "\n", "\n", "  that is\n"]
KINDS = get_args(Kind)


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return train_tokenizer(LINES * 9, request.param, 300 if request.param == "bpe" else 40)


def test_pieces_are_the_text():
    text = "".join(LINES) + "x" * 25_000 + "\nend"
    found = list(pieces(text))
    assert "".join(found) == text
    assert [len(piece) for piece in found[-4:]] == [10_000, 10_000, 5001, 3]


def test_a_text_is_scored_in_the_tokens_that_it_is_learned_in(tokenizer):
    learned = [token for line in LINES for token in tokenizer.encode(line)]
    assert encoded(tokenizer, "".join(LINES)) == learned
    size = {"embedding_size": 4, "hidden_size": 4, "attention": None, "input_feeding": False}
    model = Architecture(encoder=None, decoder=RNNDecoderShape(**size)).build(len(tokenizer)).eval()
    nothing = torch.zeros(1, 1, dtype=torch.long)
    ids = torch.tensor([learned])
    with torch.no_grad():
        logits = model(nothing, nothing[:, 0] + 1, ids[:, :-1])
        cost = -logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).sum() / torch.log(
            torch.tensor(2)
        )
    found = LanguageModel(model, tokenizer, 100).total_bits("".join(LINES))
    assert found == pytest.approx(cost.item(), rel=1e-5)


def test_what_is_predicted_is_counted(tokenizer):
    text = "".join(LINES)
    characters, tokens, words = of_running_text(tokenizer, text)
    assert tokens == len(encoded(tokenizer, text)) - 1
    if len(tokenizer.encode("\n")):
        first = tokenizer.decode(encoded(tokenizer, text)[:1])
        assert characters == len(text) - len(first)
        assert words == len(text[len(first) :].split()) + 5
    else:  # of words: no ends of lines, and one space between two words
        assert (characters, words) == (len(" be not to be that is"), 6)


def test_of_sentences_all_is_predicted(tokenizer):
    characters, tokens, words = of_sentences(tokenizer, ["to  be", "that is"])
    spaces = 1 if len(tokenizer.encode("\n")) else 0
    assert (characters, words) == (len("to be") + spaces + len("that is") + 2, 6)
    assert tokens == sum(len(tokenizer.encode(line)) + 1 for line in ("to  be", "that is"))


def test_a_line_of_unigrams_is_written_as_it_was(tokenizer):
    size = {"embedding_size": 4, "hidden_size": 4, "attention": None, "input_feeding": False}
    model = Architecture(encoder=None, decoder=RNNDecoderShape(**size)).build(len(tokenizer))
    writer = LanguageModel(model, tokenizer, 100)
    if len(tokenizer.encode("\n")):
        assert writer._text(encoded(tokenizer, "to be\nnot to be\n")) == "to be\nnot to be\n"
