"""Text to token ids and back, by the Hugging Face ``tokenizers`` library.

Four kinds, all saved as one ``tokenizer.json``:

* ``character``: one token a Unicode character.
* ``word``: one token a run of non-space characters; decoding joins with single spaces.
* ``bpe``: byte-level byte-pair encoding (Sennrich 2016); no text is unknown to it.
* ``unigram``: unigram language-model pieces (Kudo 2018), with ``▁`` for spaces.

All normalise text to NFC, so that ``é`` is one thing however it was typed; what they decode is NFC.
A text may spell out a special token, such as ``</s>``: it stays text, and comes back as it was.
What stands for its ``<`` meanwhile is ``‹``, so that ``‹/s>`` comes back as ``</s>``.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as _Tokenizer

from huashi._checks import check_below, check_choice, check_texts, check_unicode
from huashi._files import write_atomically

Kind = Literal["character", "word", "bpe", "unigram"]

PAD, UNKNOWN, BOS, EOS = range(4)
SPECIAL_TOKENS = ("<pad>", "<unk>", "<s>", "</s>")
BYTES = 256
_AFTER = "|".join(token[1:] for token in SPECIAL_TOKENS)
MOST_TOKENS = 10_000_000
"""The largest vocabulary: for more the library that learns it may ask for more memory than is."""
SPELLED = re.compile(f"‹(?=(?:{_AFTER}))")
"""What stands for ``<`` where a text spells out a special token."""


class Tokenizer:
    """A trained tokenizer. Make one with :func:`train_tokenizer` or :meth:`load`."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        tokenizer.encode_special_tokens = True  # so that "</s>" in a text does not end it
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """Token ids of ``text``, without begin and end.

        Raises:
            ValueError: it has half of a pair of surrogates, which is no Unicode text.
        """
        check_unicode("text", text)
        return self._tokenizer.encode(text).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """:meth:`encode` for many texts, in parallel.

        Args:
            texts: any number.

        Raises:
            TypeError: ``texts`` is one text.
            ValueError: one has half of a pair of surrogates, which is no Unicode text.
        """
        check_texts("texts", texts)
        for text in texts:
            check_unicode("texts", text)
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of ``ids``; what stands for no text is left out, unless ``special``."""
        text = self._tokenizer.decode(list(ids), skip_special_tokens=not special)
        return SPELLED.sub("<", text)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The token, as a string, of each id."""
        return [self._tokenizer.id_to_token(i) or SPECIAL_TOKENS[UNKNOWN] for i in ids]

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The id of each token, given as it stands in the vocabulary.

        Raises:
            ValueError: there is no such token.
        """
        found = []
        for token in tokens:
            number = self._tokenizer.token_to_id(token)
            if number is None:
                raise ValueError(f"token must be one of the vocabulary, got {token!r}")
            found.append(number)
        return found

    def join(self, tokens: Iterable[str]) -> str:
        """The text of tokens, given as strings; begin, end and padding are left out."""
        kept = [token for token in tokens if token not in SPECIAL_TOKENS]
        decoder = self._tokenizer.decoder
        text = " ".join(kept) if decoder is None else decoder.decode(kept)
        return SPELLED.sub("<", text)

    def to_json(self) -> str:
        """What :meth:`save` writes."""
        return self._tokenizer.to_str(pretty=True)

    def save(self, path: str | Path) -> None:
        write_atomically(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | Path) -> "Tokenizer":
        """Read a ``tokenizer.json``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or its special tokens are not those of Huashi.
        """
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        try:
            tokenizer = _Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exceptions
            raise ValueError(f"{path} is not a tokenizer file: {error}") from None
        ids = tuple(map(tokenizer.token_to_id, SPECIAL_TOKENS))
        if ids != (PAD, UNKNOWN, BOS, EOS):
            raise ValueError(
                f"{path} must number {', '.join(SPECIAL_TOKENS)} from 0 to 3, got {ids}"
            )
        return cls(tokenizer)


def train_tokenizer(
    texts: Iterable[str],
    kind: Kind = "bpe",
    vocabulary_size: int = 8000,
    *,
    tags: Sequence[str] = (),
) -> Tokenizer:
    """Learn a vocabulary from ``texts``.

    Args:
        texts: what to learn from, source and target sides together.
        kind: ``character``, ``word``, ``bpe`` or ``unigram``.
        vocabulary_size: the most tokens to keep, special tokens and tags counted.
        tags: strings such as ``<es>`` that are one token each wherever they stand in a text, one
            that begins or ends with a letter or a digit as a word of its own; spaces after a tag
            are dropped.

    Returns:
        A tokenizer whose ids 0 to 3 are padding, unknown, begin and end.

    Raises:
        ValueError: there is no such kind, the vocabulary is too small for what it has to hold or
            above 10,000,000, or a tag is none: it is empty, has spaces, or is a special token.
        TypeError: a text stands where a list of texts is due.

    >>> tokenizer = train_tokenizer(["3 mayo", "5 mai"], "character", tags=["<es>"])
    >>> tokenizer.tokens(tokenizer.encode("<es> 3 mai"))
    ['<es>', '3', ' ', 'm', 'a', 'i']
    """
    check_texts("texts", texts)
    check_tags("tags", tags)
    check_choice("kind", kind, get_args(Kind))
    check_below("vocabulary_size", vocabulary_size, MOST_TOKENS)
    if kind == "bpe" and vocabulary_size < BYTES + len(SPECIAL_TOKENS) + len(tags):
        raise ValueError(
            f"vocabulary_size must be >= {BYTES + len(SPECIAL_TOKENS) + len(tags)} for bpe, the "
            f"number of bytes, special tokens and tags, got {vocabulary_size}"
        )
    if vocabulary_size <= len(SPECIAL_TOKENS) + len(tags):
        raise ValueError(
            f"vocabulary_size must be > {len(SPECIAL_TOKENS) + len(tags)}, the number of special "
            f"tokens and tags, got {vocabulary_size}"
        )
    tokenizer, trainer = _untrained(kind, vocabulary_size - len(tags))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), _spelled_out()])
    try:
        tokenizer.train_from_iterator(texts, trainer)
    except Exception as error:
        if type(error) is not Exception:  # that of the library: it has no room for an alphabet
            raise
        raise ValueError(
            "vocabulary_size must be large enough for every character of the texts and "
            f"{len(SPECIAL_TOKENS)} special tokens, got {vocabulary_size}: {error}"
        ) from None
    tokenizer.add_tokens(list(map(tag_token, tags)))
    return Tokenizer(tokenizer)


def check_tags(name: str, tags: Sequence[str]) -> None:
    """Raise unless each can stand before a source as a token of its own.

    Args:
        name: of the tags, for the error.
        tags: any number.

    Raises:
        ValueError: one is empty, has spaces, or is a special token.
        TypeError: they are one text.
    """
    check_texts(name, tags)
    for tag in tags:
        if not tag or re.search(r"\s", tag) or tag in SPECIAL_TOKENS:
            raise ValueError(
                f"{name} must be words such as <2de>, and none of {', '.join(SPECIAL_TOKENS)}, "
                f"got {tag!r}"
            )


def tag_token(tag: str) -> AddedToken:
    """A tag as a token; ``w`` is none within the word ``w1``."""
    word = bool(re.match(r"\w|.*\w$", tag))
    return AddedToken(tag, rstrip=True, normalized=False, single_word=word)


def tokenizer_of(vocabulary: Sequence[str], kind: Literal["character", "word"]) -> Tokenizer:
    """A tokenizer of tokens that are known already.

    Args:
        vocabulary: the tokens by their ids, none twice; the first four are the special ones.
        kind: ``character``, or ``word`` for texts with spaces between tokens.

    >>> tokenizer = tokenizer_of([*SPECIAL_TOKENS, "to", "be"], "word")
    >>> tokenizer.encode("to be sure")
    [4, 5, 1]
    """
    check_choice("kind", kind, ("character", "word"))
    if tuple(vocabulary[:4]) != SPECIAL_TOKENS:
        raise ValueError(f"vocabulary must begin with {SPECIAL_TOKENS}, got {vocabulary[:4]}")
    ids = {token: number for number, token in enumerate(vocabulary)}
    if len(ids) < len(vocabulary):
        twice = next(token for number, token in enumerate(vocabulary) if ids[token] != number)
        raise ValueError(f"vocabulary must have a token once, got {twice!r} twice")
    tokenizer, _ = _untrained(kind, len(vocabulary))
    tokenizer.normalizer = _spelled_out()
    tokenizer.model = models.WordLevel(ids, unk_token=SPECIAL_TOKENS[UNKNOWN])
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return Tokenizer(tokenizer)


def _spelled_out() -> normalizers.Replace:
    """What keeps a text that spells out a special token from becoming one."""
    return normalizers.Replace(Regex(f"<(?=({_AFTER}))"), "‹")


def _untrained(kind: Kind, vocabulary_size: int) -> tuple[_Tokenizer, trainers.Trainer]:
    unknown = SPECIAL_TOKENS[UNKNOWN]
    settings = {
        "vocab_size": vocabulary_size,
        "special_tokens": list(SPECIAL_TOKENS),
        "show_progress": os.isatty(2),
    }
    if kind == "character":
        tokenizer = _Tokenizer(models.WordLevel(unk_token=unknown))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
        return tokenizer, trainers.WordLevelTrainer(**settings)
    if kind == "word":
        tokenizer = _Tokenizer(models.WordLevel(unk_token=unknown))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return tokenizer, trainers.WordLevelTrainer(**settings)
    if kind == "bpe":
        tokenizer = _Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        return tokenizer, trainers.BpeTrainer(initial_alphabet=alphabet, **settings)
    tokenizer = _Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, trainers.UnigramTrainer(unk_token=unknown, **settings)
