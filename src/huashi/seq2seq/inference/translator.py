"""From text to text: a trained model, its tokenizer and a search, behind one method."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from huashi._checks import check_positive, check_texts
from huashi.run import Run, open_run
from huashi.run.task import LANGUAGE_MODEL, TRANSLATION
from huashi.seq2seq.architecture import architecture_of
from huashi.seq2seq.inference.decoding import Decoding, Wishes, decode
from huashi.seq2seq.inference.loading import model_of, tokenizers_of
from huashi.seq2seq.inference.translation import Considered, Translation, empty_translation
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.search import (
    BeamStep,
    Ensemble,
    Hypothesis,
    InTrie,
    ShallowFusion,
    replace_unknown,
)
from huashi.seq2seq.text.corpus import collate, token_batches
from huashi.seq2seq.text.tokenizer import EOS, UNKNOWN, Tokenizer


class Translator:
    """Translates with a trained model, which it puts in evaluation mode.

    Args:
        model: an :class:`EncoderDecoder`, an ensemble of some, or one with a language model.
        tokenizer: of the sources, and of the outputs where they have no other.
        target_tokenizer: of the outputs.
        source_end: False for a model that reads sources without EOS at their end.
        tags: one of them has to begin each source, in a model of several languages.

    :meth:`load` makes one from a run folder.
    """

    def __init__(
        self,
        model: EncoderDecoder | Ensemble | ShallowFusion,
        tokenizer: Tokenizer,
        target_tokenizer: Tokenizer | None = None,
        *,
        source_end: bool = True,
        tags: Sequence[str] = (),
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.target_tokenizer = target_tokenizer or tokenizer
        self.source_end = source_end
        check_texts("tags", tags)
        self.tags = tuple(tags)

    @property
    def has_one_vocabulary(self) -> bool:
        """Sources and outputs are made of the same tokens."""
        return self.target_tokenizer is self.tokenizer

    @classmethod
    def load(
        cls,
        run: str | Path | Run,
        *others: str | Path | Run,
        mean: Literal["probabilities", "log_probabilities"] = "probabilities",
        language_model: str | Path | Run | None = None,
        language_model_weight: float = 0.2,
        device: str | torch.device = "cpu",
    ) -> "Translator":
        """Open the best model of a run folder. Nothing in the folder is executed.

        Args:
            run: the folder.
            others: folders of runs with the same tokenizer, which translate together with it.
            mean: what of several models is averaged.
            language_model: folder of a run of a language model with the same tokenizer, whose
                log-probabilities are added (shallow fusion).
            language_model_weight: factor of these log-probabilities.
            device: where to compute.

        Raises:
            FileNotFoundError: the folder, or the model in it, is not there.
            ValueError: a file in it is damaged, it is not the run folder of a translation, there is
                no such device, or runs have different tokenizers.
        """
        runs = [open_run(one, TRANSLATION) for one in (run, *others)]
        beside = None if language_model is None else open_run(language_model, LANGUAGE_MODEL)
        models = [model_of(one, runs[0], device) for one in runs]
        model = models[0] if len(models) == 1 else Ensemble(models, mean=mean)
        if beside is not None:
            model = ShallowFusion(model, model_of(beside, runs[0], device), language_model_weight)
        tags = runs[0].config.get("tags") or ()
        if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
            raise ValueError(f"{runs[0].path('config.json')}: tags must be texts, got {tags!r}")
        return cls(
            model,
            *tokenizers_of(runs[0]),
            source_end=architecture_of(runs[0].model).source_end,
            tags=tags,
        )

    def translate(
        self,
        sources: Sequence[str],
        decoding: Decoding | None = None,
        **options: Any,
    ) -> list[str]:
        """The best translation of each source; takes what :meth:`search` takes."""
        return [best[0].text for best in self.search(sources, decoding, **options)]

    @torch.inference_mode()
    def search(
        self,
        sources: Sequence[str],
        decoding: Decoding | None = None,
        *,
        prefixes: Sequence[str] | None = None,
        phrases: Sequence[Sequence[str]] | None = None,
        choices: Sequence[str] | None = None,
        keys: Sequence[int] | None = None,
        batch_tokens: int = 4096,
        **options: Any,
    ) -> list[list[Translation]]:
        """The ``nbest`` translations of each source, best first.

        What comes out for a source does not depend on the others, their number or their order.

        Args:
            sources: texts; an empty one, or one of spaces, is translated to an empty one.
            decoding: how to search; by default as :class:`Decoding` is.
            prefixes: how the translation of each source begins.
            phrases: for each source, texts that are part of its translation.
            choices: the only translations that there are.
            keys: a number for each source, which its samples depend on; by default its place.
            batch_tokens: source positions translated at a time, padding counted.
            options: fields of :class:`Decoding`, such as ``beam=1``, in the place of its own.

        Returns:
            In the order of ``sources``; fewer than ``nbest`` where the model allows no more.

        Raises:
            ValueError: a number is out of its range, there is not one item for each source, or a
                source lacks its tag.
            TypeError: there is no such option, or a text stands where a list of texts is due.
        """
        decoding = replace(decoding or Decoding(), **options)
        check_positive("batch_tokens", batch_tokens)
        check_texts("sources", sources)
        for name, given in (("prefixes", prefixes), ("phrases", phrases), ("keys", keys)):
            check_texts(name, given)
            if given is not None and len(given) != len(sources):
                raise ValueError(f"{name} must be {len(sources)}, one a source, got {len(given)}")
        ids = self._encoded(sources)
        wishes = self._wishes(prefixes, phrases, choices)
        wishes = replace(wishes, keys=range(len(sources)) if keys is None else keys)
        found: list[list[Translation]] = [[empty_translation()] for _ in sources]
        wanted = [i for i, source in enumerate(ids) if source]
        lengths = [(len(ids[i]) + 1, 0) for i in wanted]
        longest = max((length for length, _ in lengths), default=1)
        for batch in token_batches(lengths, max(batch_tokens, longest)):
            numbers = [wanted[n] for n in batch]
            some = self._decode([ids[i] for i in numbers], decoding, _of(wishes, numbers))
            for i, best in zip(numbers, some, strict=True):
                found[i] = [self._translation(ids[i], h, decoding) for h in best]
        return found

    @torch.inference_mode()
    def explain(
        self,
        source: str,
        decoding: Decoding | None = None,
        *,
        prefix: str | None = None,
        phrases: Sequence[str] | None = None,
        choices: Sequence[str] | None = None,
        **options: Any,
    ) -> tuple[list[Considered], list[Translation]]:
        """Every hypothesis that a beam search for ``source`` looked at, and what it found.

        Args:
            source: a text, not blank.
            decoding: how to search.
            prefix: how the translation begins.
            phrases: texts that are part of it.
            choices: the only translations that there are.
            options: fields of :class:`Decoding`.
        """
        decoding = replace(decoding or Decoding(), **options)
        [ids] = self._encoded([source])
        if not ids:
            raise ValueError(f"source must not be blank, got {source!r}")
        steps: list[BeamStep] = []
        wishes = self._wishes(
            None if prefix is None else [prefix],
            None if phrases is None else [phrases],
            choices,
        )
        [found] = self._decode([ids], decoding, wishes, observe=steps.append)
        considered = [one for step in steps for one in self._considered(step)]
        return considered, [self._translation(ids, h, decoding) for h in found]

    def _encoded(self, sources: Sequence[str]) -> list[list[int]]:
        """Token ids, of a blank source none; where there are tags, the first of a source is one."""
        check_texts("sources", sources)
        found = self.tokenizer.encode_batch([text if text.strip() else "" for text in sources])
        first = {ids[0] for ids in self.tokenizer.encode_batch(self.tags)}
        for source, ids in zip(sources, found, strict=True):
            if first and ids and ids[0] not in first:
                raise ValueError(
                    f"sources must begin with a tag, one of {', '.join(self.tags)}, "
                    f"got {source[:60]!r}"
                )
        return found

    def _wishes(
        self,
        prefixes: Sequence[str] | None,
        phrases: Sequence[Sequence[str]] | None,
        choices: Sequence[str] | None,
    ) -> Wishes:
        """Texts as token ids."""
        for name, texts in (("prefixes", prefixes), ("phrases", phrases), ("choices", choices)):
            check_texts(name, texts)
        for some in phrases or ():
            check_texts("phrases", some)
        encode = self.target_tokenizer.encode_batch
        return Wishes(
            prefixes=None if prefixes is None else encode(prefixes),
            phrases=None if phrases is None else [encode(some) for some in phrases],
            choices=None if choices is None else InTrie(encode(choices)),
        )

    def _decode(
        self,
        sources: list[list[int]],
        decoding: Decoding,
        wishes: Wishes,
        observe: Callable[[BeamStep], None] | None = None,
    ) -> list[list[Hypothesis]]:
        device = next(self.model.parameters()).device
        batch = collate(sources, [[]] * len(sources), source_end=self.source_end)
        state = self.model.encode(batch.source.to(device), batch.lengths)
        lengths = batch.lengths.to(device)
        return decode(self.model, state, lengths, self.target_tokenizer, decoding, wishes, observe)

    def _considered(self, step: BeamStep) -> list[Considered]:
        columns = (
            step.nodes,
            step.parents,
            step.tokens,
            step.totals,
            step.scores,
            step.kept,
            step.finished,
        )
        rows = zip(*(column.flatten().tolist() for column in columns), strict=True)
        return [
            Considered(
                length=step.length,
                number=number,
                parent=parent,
                token=self.target_tokenizer.tokens([token])[0],
                total=total,
                score=score,
                kept=kept,
                finished=finished,
            )
            for number, parent, token, total, score, kept, finished in rows
            if total > -torch.inf
        ]

    def _translation(
        self, source: list[int], hypothesis: Hypothesis, decoding: Decoding
    ) -> Translation:
        alignment = hypothesis.alignment
        ended = [*source, EOS] if self.source_end else source
        source_tokens = self.tokenizer.tokens(ended)
        tokens = self.target_tokenizer.tokens(hypothesis.tokens)
        if decoding.replace_unknown and UNKNOWN in hypothesis.tokens:
            text = self.target_tokenizer.join(
                replace_unknown(hypothesis, tokens, source_tokens[: len(source)], unknown=UNKNOWN)
            )
        else:
            text = self.target_tokenizer.decode(hypothesis.tokens)
        return Translation(
            text=text,
            score=hypothesis.score,
            finished=hypothesis.finished,
            exact=hypothesis.exact,
            source_tokens=source_tokens,
            tokens=tokens,
            token_scores=hypothesis.token_scores,
            alignment=None if alignment is None else alignment[:, : len(ended)],
        )


def _of(wishes: Wishes, numbers: list[int]) -> Wishes:
    """The wishes for these sources alone."""
    given = {name: getattr(wishes, name) for name in ("prefixes", "phrases", "keys")}
    return replace(
        wishes,
        **{
            name: None if all_ is None else [all_[i] for i in numbers]
            for name, all_ in given.items()
        },
    )
