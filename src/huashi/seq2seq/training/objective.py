"""What a training minimises: the likelihood of the targets, and whatever is asked for beside it.

Scheduled sampling (Bengio 2015, arXiv 1506.03099) is done in two passes, which serves decoders that
read a whole target at once (Mihaylova 2019, arXiv 1906.07651): the first says what the model would
have said after each token of the target, and the second reads some of that in their place.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from huashi.seq2seq.model.output import Loss
from huashi.seq2seq.model.protocol import EncoderDecoder
from huashi.seq2seq.operations.losses import (
    alignment_loss,
    consistency_loss,
    coverage_loss,
    minimum_risk_loss,
)
from huashi.seq2seq.search import Suppress, sample, select
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD
from huashi.seq2seq.training.settings import Training

Cost = Callable[[Sequence[int], Sequence[int]], float]


class Examples(NamedTuple):
    """Pairs to learn from, as tensors."""

    source: Tensor
    """Token ids, (sentences, source), padded on the right."""
    lengths: Tensor
    """The true length of each source, (sentences,)."""
    target: Tensor
    """Token ids, (sentences, target), from BOS to EOS, padded on the right."""
    links: Tensor | None = None
    """True where a target token, EOS counted but not BOS, is aligned to a source token, (sentences,
    target - 1, source)."""


class Objective(nn.Module):
    """A model with its loss, as one module, so that one forward pass of a wrapper is all of it.

    Args:
        model: what learns.
        settings: which losses, with their weights.
        cost: of minimum risk: what a candidate costs beside a reference, both token ids without
            BOS and EOS.

    Raises:
        ValueError: a loss lacks what it needs, or does not go with the model.
    """

    def __init__(self, model: EncoderDecoder, settings: Training, cost: Cost | None = None) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        if settings.minimum_risk and cost is None:
            raise ValueError("cost must be given for minimum_risk, got None")
        self.cost: Any = cost
        model.output.check_smoothing(settings.smoothing)
        for name in ("coverage", "guided_alignment"):
            if (weight := getattr(settings, name)) and not model.attends:
                raise ValueError(f"{name} must be 0 for a model without attention, got {weight}")
        if model.output.is_sparse:
            for name in ("consistency", "minimum_risk"):
                if getattr(settings, name):
                    raise ValueError(
                        f"{name} must be 0 for an output by {model.output.mapping}, under which "
                        "targets can be impossible"
                    )

    def forward(self, examples: Examples, sampled: float = 0.0) -> Loss:
        """The loss of a batch.

        Args:
            examples: the batch.
            sampled: how many of the decoder's inputs are the model's own words, from 0 to 1.
        """
        settings = self.settings
        source, lengths, target, links = examples
        inputs, gold = target[:, :-1], target[:, 1:]
        if sampled:
            inputs = self._own_words(source, lengths, inputs, sampled)
        if settings.consistency:
            source, lengths, inputs = (torch.cat([x, x]) for x in (source, lengths, inputs))
        aligns = bool(settings.coverage or settings.guided_alignment)
        features, state = self.model.features(source, lengths, inputs, aligns=aligns)
        real = gold != PAD
        copies = len(features) // len(gold)
        every = real.repeat(copies, 1)
        total, likelihood = self.model.output.loss(
            features,
            gold.repeat(copies, 1),
            state,
            label_smoothing=settings.label_smoothing,
            smoothing=settings.smoothing,
        )
        total, likelihood = total / copies, likelihood / copies
        if settings.consistency:
            one, other = self.model.output(features[every]).chunk(2)
            everywhere = real.new_ones(len(one))
            total = total + settings.consistency * consistency_loss(one, other, everywhere)
        if settings.coverage:
            covered = coverage_loss(state.alignment, every) / copies
            total = total + settings.coverage * covered
        if settings.guided_alignment:
            if links is None:
                raise ValueError("links must be given for guided_alignment, got None")
            guided = alignment_loss(state.alignment, links.repeat(copies, 1, 1)) / copies
            total = total + settings.guided_alignment * guided
        if settings.minimum_risk:
            risk = self._risk(examples).mean() * real.sum()
            total = (1 - settings.minimum_risk) * total + settings.minimum_risk * risk
        return Loss(total, likelihood)

    @torch.no_grad()
    def _own_words(self, source: Tensor, lengths: Tensor, inputs: Tensor, share: float) -> Tensor:
        """``inputs`` with that share of the tokens after BOS as the model would draw them."""
        features, state = self.model.features(source, lengths, inputs)
        log_probs = self.model.output.log_probabilities(features, state)
        log_probs[..., [PAD, BOS]] = -torch.inf
        own = torch.distributions.Categorical(logits=log_probs[:, :-1]).sample()
        words = inputs[:, 1:]
        mixed = torch.rand(words.shape, device=words.device) < share
        words = torch.where(mixed & (words != PAD) & (words != EOS), own, words)
        return torch.cat([inputs[:, :1], words], 1)

    def _risk(self, examples: Examples) -> Tensor:
        """The expected cost of each sentence over samples and the reference, (sentences,)."""
        source, lengths, target, _ = examples
        model, device = self.model, source.device
        state = model.encode(source, lengths)
        training = model.training
        drawn = sample(
            model.eval().step,
            select(state, torch.arange(len(source), device=device)),
            bos=BOS,
            eos=EOS,
            max_length=target.shape[1] + 10,
            samples=self.settings.risk_samples,
            adjustments=[Suppress([PAD, BOS])],
            generator=int(torch.randint(2**31, ())),
        )
        model.train(training)
        references = [[t for t in row if t not in (BOS, EOS, PAD)] for row in target.tolist()]
        candidates, costs = [], []
        for some, reference in zip(drawn, references, strict=True):
            texts = dict.fromkeys(tuple(t for t in h.tokens if t != EOS) for h in some)
            texts = list(dict.fromkeys([tuple(reference), *texts]))
            candidates.append([[BOS, *text, EOS] for text in texts])
            costs.append([self.cost(text, reference) for text in texts])
        log_probs = self._log_probabilities(state, candidates)
        padded = [row + [0.0] * (log_probs.shape[1] - len(row)) for row in costs]
        return minimum_risk_loss(log_probs, torch.tensor(padded, device=device))

    def _log_probabilities(self, state: Any, candidates: list[list[list[int]]]) -> Tensor:
        """Of whole candidates, (sentences, candidates), -inf where a sentence has fewer."""
        texts = [torch.tensor(text) for some in candidates for text in some]
        rows = torch.tensor([i for i, some in enumerate(candidates) for _ in some])
        target = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=PAD)
        device = next(self.model.parameters()).device
        target, rows = target.to(device), rows.to(device)
        features, state = self.model.decoder(target[:, :-1], select(state, rows))
        log_probs = self.model.output.log_probabilities(features, state)
        gold = target[:, 1:]
        of_gold = log_probs.gather(-1, gold[..., None])[..., 0].masked_fill(gold == PAD, 0.0)
        sums = of_gold.sum(1).split([len(some) for some in candidates])
        return nn.utils.rnn.pad_sequence(list(sums), batch_first=True, padding_value=-torch.inf)
