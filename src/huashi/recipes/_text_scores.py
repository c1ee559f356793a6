"""What a text costs a language model; ``config`` is that of the recipe ``lm``."""

import math
from typing import Any

from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.text.running import Counts, of_running_text, of_sentences
from huashi.seq2seq.text.tokenizer import Tokenizer
from huashi.seq2seq.text.vocabulary_growth import kind_of
from huashi.seq2seq.training.validation import likelihood


def check_lines(
    config: Any, scored: dict[str, list[str]], tokenizer: Tokenizer, model: EncoderDecoder
) -> None:
    """Raise where a part of the text cannot be scored, before the training.

    Args:
        config: it names the files.
        scored: the pieces of validation and test.
        tokenizer: of the model.
        model: that is trained.

    Raises:
        ValueError: a part has less than two tokens, or a line more than learned positions.
    """
    for part, pieces in scored.items():
        lengths = [len(ids) for ids in tokenizer.encode_batch(pieces)]
        if config.unit == "text" and sum(lengths) < 2:
            raise ValueError(
                f"{part} must have at least two tokens, got {sum(lengths)} in {named(config, part)}"
            )
        if config.unit == "line" and max(lengths) + 1 > model.longest_target:
            raise ValueError(
                f"lines of the {part} must have at most {model.longest_target} tokens, as many as "
                f"the model has learned positions for, got {max(lengths) + 1} in "
                f"{named(config, part)}"
            )


def scores(
    model: EncoderDecoder, tokenizer: Tokenizer, config: Any, pieces: list[str]
) -> tuple[dict[str, float], Counts]:
    """Bits per character; of sentences, whose ends are told too, also the loss of a token.

    Beside them what they are counted by.
    """
    if config.unit == "text":
        text = "".join(pieces)
        writer = LanguageModel(model, tokenizer, config.context)
        bits = writer.total_bits(text)
        counts = of_running_text(tokenizer, text)
        return {"bits per character": bits / counts.characters}, counts
    found = likelihood(model, [((), ids) for ids in tokenizer.encode_batch(pieces)])
    counts = of_sentences(tokenizer, pieces)
    bits = found["loss"] * counts.tokens / math.log(2)
    return found | {"bits per character": bits / counts.characters}, counts


def words_are(config: Any, tokenizer: Tokenizer) -> str:
    """What the perplexity of a word counts as one."""
    if config.unit == "line":
        return "what spaces part, and the end of each sentence"
    if kind_of(tokenizer) == "word":
        return "what spaces part; ends of lines are no tokens of this model"
    return "what spaces part, and the end of each line"


def named(config: Any, part: str) -> str:
    """The files that a part of the text is from."""
    return " ".join(map(str, getattr(config, part) or config.text))
