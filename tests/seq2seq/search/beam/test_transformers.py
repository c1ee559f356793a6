"""The rules called hf give what the installed transformers gives, from the same probabilities."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from huashi.seq2seq.search import PRESETS, beam_search

transformers = pytest.importorskip("transformers")

BOS, EOS, SIZE = 0, 1, 7


class TableModel(transformers.PreTrainedModel, transformers.GenerationMixin):
    """A decoder whose next token depends on the last two."""

    config_class = transformers.PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, config, table):
        super().__init__(config)
        self.table = torch.nn.Parameter(table)

    def forward(self, input_ids, **_):
        before = torch.nn.functional.pad(input_ids, (1, 0), value=BOS)[:, :-1]
        logits = self.table[before, input_ids]
        return transformers.modeling_outputs.CausalLMOutput(logits=logits)


def logits_of(seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(SIZE, SIZE, SIZE, generator=generator)
    logits[..., EOS] += 0.5
    return logits


def ours(logits, prompts, **options):
    def step(tokens, before):
        return logits[before, tokens].log_softmax(-1), tokens

    state = torch.full((prompts,), BOS)
    return beam_search(step, state, bos=BOS, eos=EOS, **options)


def theirs(logits, prompts, **options):
    config = transformers.PretrainedConfig(vocab_size=SIZE, pad_token_id=EOS, num_hidden_layers=1)
    config.bos_token_id, config.eos_token_id = BOS, EOS
    model = TableModel(config, logits)
    out = model.generate(
        torch.full((prompts, 1), BOS),
        do_sample=False,
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
        eos_token_id=EOS,
        pad_token_id=EOS,
        bos_token_id=BOS,
        **options,
    )
    return out.sequences[:, 1:].tolist(), out.sequences_scores


def ended(tokens):
    """Without what pads a sequence after EOS."""
    return tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens


EARLY = {False: "estimate", True: "count", "never": "safe"}


@pytest.mark.parametrize("early", EARLY)
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0, -1.0])
@pytest.mark.parametrize(("beam", "max_length"), [(2, 3), (4, 9), (5, 20)])
def test_nbest_are_those_of_transformers(beam, max_length, length_penalty, early):
    for seed in range(3):
        logits = logits_of(seed)
        rules = replace(PRESETS["hf"], stop=EARLY[early], length_penalty=length_penalty)
        [found] = ours(logits, 1, beam=beam, max_length=max_length, rules=rules)
        sequences, scores = theirs(
            logits,
            1,
            num_beams=beam,
            num_return_sequences=beam,
            max_new_tokens=max_length,
            length_penalty=length_penalty,
            early_stopping=early,
        )
        wanted = [ended(sequence) for sequence in sequences][: len(found)]
        assert [h.tokens for h in found] == wanted
        assert_close(torch.tensor([h.score for h in found]), scores[: len(found)])
        assert (scores[len(found) :] < -1e8).all()  # theirs fills up with what is impossible
