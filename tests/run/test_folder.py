"""Run folders: what they keep, how they go on, and what they refuse."""

import json
import math
import os
from dataclasses import dataclass
from enum import Enum

import pytest
import torch
from torch import nn

from huashi.run import Clock, Run


@dataclass(frozen=True)
class Config:
    lr: float = 0.1
    steps: int = 3


def start(folder, config=None, recipe="toy"):
    return Run.start(folder, recipe, config or Config(), {"kind": "rnn"})


def test_start_makes_a_folder_and_opens_it_again(tmp_path):
    run = start(tmp_path / "a" / "run")
    assert (run.recipe, run.config, run.model) == ("toy", {"lr": 0.1, "steps": 3}, {"kind": "rnn"})
    assert start(run.folder).config == run.config
    assert run.results is None
    run.complete({"right": 1.0})
    assert Run(run.folder).results == {"right": 1.0}


def test_another_configuration_does_not_resume(tmp_path):
    run = start(tmp_path / "run")
    run.save_checkpoint(*trained(1), step=1, best=0.0)
    with pytest.raises(ValueError, match=r"run holds a run with lr 0\.1, got 0\.2: give the same"):
        start(tmp_path / "run", Config(lr=0.2))
    with pytest.raises(ValueError, match="holds a run of recipe toy, got other"):
        start(tmp_path / "run", recipe="other")


def test_a_run_that_has_not_begun_takes_another_configuration(tmp_path):
    start(tmp_path / "run")
    assert start(tmp_path / "run", Config(lr=0.2)).config["lr"] == 0.2


def test_a_run_may_be_moved_and_go_on_elsewhere(tmp_path):
    @dataclass(frozen=True)
    class Placed:
        folder: str
        threads: int

    run = start(tmp_path / "a", Placed("a", 1))
    run.save_checkpoint(*trained(1), step=1, best=0.0)
    run.folder.rename(tmp_path / "b")
    assert start(tmp_path / "b", Placed("b", 2)).config == {"threads": 1}


def test_what_the_weights_go_by_cannot_change_under_them(tmp_path):
    run = start(tmp_path / "run")
    run.keep("tokenizer.json", "one")
    run.keep("tokenizer.json", "two")  # nothing is trained yet
    run.save_checkpoint(*trained(1), step=1, best=0.0)
    run.keep("tokenizer.json", "two")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not what would be made of the data"):
        run.keep("tokenizer.json", "three")


def test_a_configuration_of_another_version_is_a_clear_error(tmp_path):
    run = start(tmp_path / "run")
    assert run.configuration(Config) == Config()
    run.config["momentum"] = 0.9
    with pytest.raises(ValueError, match=r"config\.json does not fit recipe toy: .*momentum"):
        run.configuration(Config)


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"is not a run: it has no config\.json"):
        start(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]
    with pytest.raises(FileNotFoundError, match="there is no run at"):
        Run(tmp_path / "nothing")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '{"recipe": "dates"}', '{"recipe": "a", "config": {}, "model": null}', "\xff"],
)
def test_a_damaged_configuration_is_a_clear_error(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"config\.json is (damaged|not that of a Huashi run)"):
        Run(tmp_path)


class Shared(nn.Module):
    """Two layers with one weight, a buffer, and one that is not saved."""

    def __init__(self, size=3):
        super().__init__()
        self.a = nn.Linear(size, size)
        self.b = nn.Linear(size, size)
        self.b.weight = self.a.weight
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)

    def forward(self, x):
        return self.b(torch.dropout(self.a(x), 0.5, train=True))


def trained(steps, model=None, optimizer=None):
    model = model or Shared()
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=0.1, amsgrad=True)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
        model.count += 1
    return model, optimizer


def test_a_checkpoint_brings_back_weights_optimiser_and_random_numbers(tmp_path):
    run = start(tmp_path / "run")
    model, optimizer = trained(3)
    run.save_checkpoint(model, optimizer, step=3, best=0.5)
    trained(2, model, optimizer)
    again = Shared()
    new_optimizer = torch.optim.AdamW(again.parameters(), lr=9.0, amsgrad=True)
    assert run.resume(again, new_optimizer) == (3, 0.5)
    assert new_optimizer.param_groups[0]["lr"] == 0.1
    assert again.b.weight is again.a.weight
    trained(2, again, new_optimizer)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_metrics_after_the_checkpoint_are_dropped_and_torn_lines_too(tmp_path):
    run = start(tmp_path / "run")
    model, optimizer = trained(1)
    run.log(step=1, split="train", loss=3.0, seconds=10.0)
    run.save_checkpoint(model, optimizer, step=1, best=-torch.inf)
    run.log(step=2, split="train", loss=2.0, seconds=20.0)
    with run.path("metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "spl')
    assert run.resume(model, optimizer) == (1, -torch.inf)
    assert run.metrics() == [{"step": 1, "split": "train", "loss": 3.0, "seconds": 10.0}]
    assert 10.0 <= Clock(run).seconds() < 20.0


def test_metrics_stay_until_there_are_new_ones(tmp_path):
    run = start(tmp_path)
    model, optimizer = trained(1)
    run.save_checkpoint(model, optimizer, step=1, best=0.0)
    run.log(step=2, split="train")
    run.resume(model, optimizer)
    assert (run.metrics(), len(Run(tmp_path).metrics())) == ([], 1)
    run.save_checkpoint(model, optimizer, step=2, best=0.0)
    assert Run(tmp_path).metrics() == []


def test_damaged_and_foreign_weights_are_clear_errors(tmp_path):
    run = start(tmp_path / "run")
    model, optimizer = trained(1)
    with pytest.raises(FileNotFoundError, match=r"there is no .*model\.safetensors"):
        run.load_model(model)
    run.save_model(model)
    with pytest.raises(ValueError, match=r"holds \(3,\) for a\.bias, where the model has \(4,\)"):
        run.load_model(Shared(4))
    with pytest.raises(ValueError, match=r"holds \(3,\) for a\.bias, where the model has nothing"):
        run.load_model(nn.Linear(3, 3))
    path = run.path("model.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        run.load_model(model)
    run.path("checkpoint.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")  # a pickle
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        run.resume(model, optimizer)


def test_weights_are_no_checkpoint(tmp_path):
    run = start(tmp_path / "run")
    model, optimizer = trained(1)
    run.save_model(model)
    run.path("model.safetensors").rename(run.path("checkpoint.safetensors"))
    with pytest.raises(ValueError, match="is not a checkpoint of a training"):
        run.resume(model, optimizer)


def test_more_steps_go_on_where_the_recipe_takes_them(tmp_path):
    run = start(tmp_path, Config(steps=3))
    model, optimizer = nn.Linear(2, 1), torch.optim.SGD(nn.Linear(2, 1).parameters())
    run.save_checkpoint(model, optimizer, 3, best=0.5)
    run.complete({"score": 1})
    with pytest.raises(ValueError, match="holds a run with steps 3, got 5"):
        start(tmp_path, Config(steps=5))

    def grown(**options):
        return Run.start(tmp_path, "toy", Config(**options), {"kind": "rnn"}, steps="steps")

    with pytest.raises(ValueError, match="holds a run with steps 3, got 2"):
        grown(steps=2)
    with pytest.raises(ValueError, match=r"holds a run with lr 0\.1, got 0\.2"):
        grown(steps=5, lr=0.2)
    assert run.results == {"score": 1}  # as long as it was refused
    on = grown(steps=5)
    assert (on.results, on.steps_before, on.config["steps"]) == (None, 3, 5)
    assert on.resume(model, optimizer) == (3, 0.5)
    assert (Run(tmp_path).results, Run(tmp_path).config["steps"]) == ({"score": 1}, 3)
    on.log(step=4, split="train", loss=1.0)  # the first step
    assert (Run(tmp_path).results, Run(tmp_path).config["steps"]) == (None, 5)
    assert json.loads((tmp_path / "results.3.json").read_text()) == {"score": 1}
    assert grown(steps=5).steps_before is None  # interrupted, the same command goes on


@pytest.mark.parametrize("name", ["no.such.field", "lr"])
def test_steps_are_a_field_that_is_a_number_of_steps(tmp_path, name):
    with pytest.raises(ValueError, match=f"steps must be a field .* an int, got '{name}'"):
        Run.start(tmp_path / "run", "toy", Config(), {}, steps=name)
    assert not (tmp_path / "run").exists()


def test_what_a_killed_process_left_of_the_first_file_is_no_obstacle(tmp_path):
    (tmp_path / ".config.json.abc_1234").write_text("{")
    (tmp_path / ".config.json.x").write_text("of another kind")
    run = start(tmp_path)
    (tmp_path / ".checkpoint.safetensors.abc_1234").write_text("half")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / ".000000004.safetensors.abc_1234").write_text("half")
    (tmp_path / ".notes.txt.abc_1234").write_text("precious")
    assert start(tmp_path).config == run.config
    left = sorted(path.name for path in tmp_path.rglob(".*"))
    assert left == [".config.json.x", ".notes.txt.abc_1234"]


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Odd:
    colour: Colour = Colour.RED
    other: Colour | None = None
    rate: float = math.nan
    names: tuple[str, ...] = ("a",)
    value: object = None


def test_members_of_enums_and_nan_are_kept_and_compared(tmp_path):
    run = start(tmp_path, Odd(other=Colour.BLUE))
    run.save_checkpoint(*trained(1), step=1, best=0.0)
    again = start(tmp_path, Odd(other=Colour.BLUE)).configuration(Odd)
    assert (again.colour, again.other) == (Colour.RED, Colour.BLUE)
    with pytest.raises(ValueError, match="with colour RED, got BLUE"):
        start(tmp_path, Odd(colour=Colour.BLUE, other=Colour.BLUE))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"value": {1, 2}}, "value must be what JSON can hold, got one of type set"),
        ({"value": {"inner": b"x"}}, r"value\.inner must be what JSON can hold, .* type bytes"),
        ({"names": ("s\udce9.en",)}, r"names must be text in UTF-8, got 's\\udce9\.en'"),
    ],
)
def test_what_json_cannot_hold_is_told_before_anything_is_written(tmp_path, wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        start(tmp_path / "run", Odd(**wrong))
    assert not (tmp_path / "run").exists()


def test_results_that_json_cannot_hold_are_told(tmp_path):
    run = start(tmp_path)
    with pytest.raises(ValueError, match=r"results\.scores must be what JSON can hold, .* Tensor"):
        run.complete({"scores": [torch.ones(2)]})
    assert Run(tmp_path).results is None


def test_a_number_with_too_many_digits_is_damage(tmp_path):
    run = start(tmp_path)
    run.path("config.json").write_text(f'{{"recipe": {"9" * 5000}}}')
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        Run(tmp_path)
