"""Architectures as JSON: files and run folders that were written once are read for good."""

import json
from pathlib import Path

import pytest

from huashi.seq2seq.architecture import (
    DECODERS,
    ENCODERS,
    Architecture,
    architecture_of,
    describe,
)

WRITTEN = json.loads(Path(__file__).with_name("descriptions.json").read_text())
"""For each kind of encoder and decoder all fields that its description has, with the defaults."""
KINDS = {"encoder": ENCODERS, "decoder": DECODERS}


def test_every_kind_is_written_down():
    assert {side: list(kinds) for side, kinds in WRITTEN.items()} == {
        side: list(kinds) for side, kinds in KINDS.items()
    }


@pytest.mark.parametrize(
    ("side", "kind"), [(side, kind) for side, kinds in WRITTEN.items() for kind in kinds]
)
def test_a_part_is_described_as_ever(side, kind):
    """A field may be added, with a default: note it in the file."""
    fields = WRITTEN[side][kind]
    other = {"kind": "rnn"} | WRITTEN["encoder" if side == "decoder" else "decoder"]["rnn"]
    described = {"encoder": other, "decoder": other, side: {"kind": kind} | fields}
    architecture = architecture_of({**described, "share": "nothing"})
    part = getattr(architecture, side)
    assert part == KINDS[side][kind]()  # the defaults
    again = json.loads(json.dumps(describe(architecture)))
    assert again[side] == {"kind": kind, **fields}
    assert list(again[side]) == ["kind", *fields]


def test_a_language_model_is_described_too():
    architecture = Architecture(encoder=None, decoder=DECODERS["rnn"](attention=None))
    again = json.loads(json.dumps(describe(architecture)))
    assert again["encoder"] is None
    assert architecture_of(again) == architecture
