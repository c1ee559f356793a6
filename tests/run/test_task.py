"""What kind of run a folder holds: written down, or told by the model where it is not."""

import json

import pytest

from huashi.run import Run, open_run
from huashi.run.task import LANGUAGE_MODEL, NETWORK, NETWORKS, TRANSLATION, task_of
from huashi.seq2seq.inference.language_model import LanguageModel
from huashi.seq2seq.inference.translator import Translator
from tests.run.test_folder import Config

ENCODED, ALONE = {"encoder": {"kind": "rnn"}}, {"encoder": None}
TOLD = {
    "two coders": ("dates", ENCODED, TRANSLATION),
    "a decoder": ("lm", ALONE, LANGUAGE_MODEL),
    "fused": ("mine", {"pretrained": ALONE, "model": ENCODED}, TRANSLATION),
    "digits": ("slim_digits", {"kind": "residual network of two blocks"}, NETWORK),
    "slimmed": ("slim_omniglot", {"compact": {"round_to": 8}}, NETWORK),
    "a path": ("slim_digits path", {"kind": "path"}, NETWORKS),
    "pools": ("pooling_digits", {"kind": "two convolutions and pools"}, NETWORKS),
    "nothing": ("mine", {"model": "big"}, None),
}


@pytest.mark.parametrize("case", TOLD)
def test_recipe_and_model_tell_the_task(tmp_path, case):
    recipe, model, task = TOLD[case]
    assert task_of(recipe, model) == task
    run = Run.start(tmp_path, recipe, Config(), model)
    content = json.loads(run.path("config.json").read_text())
    assert content["task"] == task
    del content["task"]  # as earlier versions left it
    run.path("config.json").write_text(json.dumps(content))
    assert open_run(tmp_path).task == task


def test_a_task_of_ones_own_is_kept(tmp_path):
    Run.start(tmp_path, "mine", Config(), {"layers": 3}, task="segmentation")
    assert open_run(tmp_path, "segmentation").task == "segmentation"


def test_another_task_is_refused(tmp_path):
    run = Run.start(tmp_path, "mine", Config(), ENCODED)
    assert open_run(run) is run
    assert open_run(run, TRANSLATION, NETWORK) is run
    with pytest.raises(
        ValueError, match="must be the run of a network or a language model, got one of translation"
    ):
        open_run(tmp_path, NETWORK, LANGUAGE_MODEL)
    with pytest.raises(ValueError, match="must be the run of a language model, got one of transl"):
        LanguageModel.load(run)
    other = Run.start(tmp_path / "other", "pooling_digits", Config(), {})
    with pytest.raises(ValueError, match="other must be the run of a translation, got one of netw"):
        Translator.load(other)
    with pytest.raises(ValueError, match="must be the run of a language model, got one of transl"):
        Translator.load(run, language_model=run)
