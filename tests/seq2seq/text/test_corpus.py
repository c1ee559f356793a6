"""Corpora: every form gives the same pairs, every fault names its file and line."""

import gzip
import itertools
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from huashi.seq2seq.text.corpus import (
    Pair,
    collate,
    read_lines,
    read_pairs,
    shuffled_batches,
    token_batches,
    zstd,
)
from huashi.seq2seq.text.tokenizer import BOS, EOS, PAD

PAIRS = [Pair("ein Haus", "a house"), Pair("Schöße", "laps"), Pair("猫", "cat")]
PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}


def write(path, content, packed=""):
    path = path.with_name(path.name + packed)
    path.write_bytes(PACK[packed](content.encode() if isinstance(content, str) else content))
    return path


def tsv(pairs=PAIRS):
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


@pytest.mark.parametrize("packed", PACK)
def test_every_form_gives_the_pairs(tmp_path, packed):
    jsonl = "".join(json.dumps({"target": t, "source": s, "id": 1}) + "\n" for s, t in PAIRS)
    one = write(tmp_path / "pairs.tsv", tsv(), packed)
    two = write(tmp_path / "pairs.jsonl", jsonl, packed)
    source = write(tmp_path / "train.de", "\n".join(p.source for p in PAIRS), packed)
    target = write(tmp_path / "train.en", "\n".join(p.target for p in PAIRS), packed)
    assert (
        list(read_pairs(one)) == list(read_pairs(two)) == list(read_pairs(source, target)) == PAIRS
    )


def test_columns_and_fields_can_be_chosen(tmp_path):
    path = write(tmp_path / "pairs.tsv", "1\ta\tb\n2\tc\td\n")
    assert list(read_pairs(path, columns=(2, 1))) == [("b", "a"), ("d", "c")]
    path = write(tmp_path / "pairs.jsonl", '{"de": "a", "en": "b"}\n')
    assert list(read_pairs(path, fields=("en", "de"))) == [("b", "a")]


def test_standard_input(monkeypatch, tmp_path):
    with write(tmp_path / "pairs", tsv()).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert list(read_pairs("-")) == PAIRS


@pytest.mark.parametrize("packed", [".gz", ".zst"])
@given(st.integers(0, 2**32))
def test_a_damaged_file_never_passes_for_a_shorter_one(tmp_path_factory, packed, seed):
    """Cut anywhere, or with a byte changed: an error that names the file, or every line."""
    draw = torch.Generator().manual_seed(seed)
    lines = [f"line {n * n}" for n in range(200)]
    content = bytearray(PACK[packed]("\n".join(lines).encode()))
    place = int(torch.randint(1, len(content), (), generator=draw))
    if seed % 2:
        content[place] ^= 1 + int(torch.randint(255, (), generator=draw))
    else:
        del content[place:]
    path = tmp_path_factory.mktemp("damaged") / f"lines.txt{packed}"
    path.write_bytes(content)
    try:
        found = list(read_lines(path))
    except ValueError as error:
        assert f"lines.txt{packed}:" in str(error)  # noqa: PT017
    else:
        assert seed % 2
        assert len(found) == len(lines) or packed == ".zst"  # whose frames have no checksum


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    path = write(tmp_path / "pairs.tsv", b"\xef\xbb\xbfa\tb\r\nc\td\r\n")
    assert list(read_pairs(path)) == [("a", "b"), ("c", "d")]


def test_lines_end_at_line_feeds_alone(tmp_path):
    path = write(tmp_path / "odd.txt", "a\u2028b\x0bc\x85d\ne")
    assert list(read_lines(path)) == ["a\u2028b\x0bc\x85d", "e"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.tsv", "a\tb\nc\n", r"a\.tsv:2: line must have 2 tab-separated columns, got 1"),
        ("a.tsv", "a\tb\nc\t\n", r"a\.tsv:2: target must not be empty"),
        ("a.tsv", "a\tb\n \tc\n", r"a\.tsv:2: source must not be empty"),
        (
            "a.tsv",
            b"a\tb\nc\td\xff\n",
            r"a\.tsv:2: line must be UTF-8, got byte 0xff at position 3",
        ),
        ("a.jsonl", '{"source": "a", "target": "b"}\n{', r"a\.jsonl:2: line must be JSON: "),
        ("a.jsonl", "[1]", r"a\.jsonl:1: line must be a JSON object, got '\[1\]'"),
        (
            "a.jsonl",
            '{"source": "a"}',
            r"a\.jsonl:1: field 'target' must be a string, got 'no such",
        ),
        ("a.jsonl", '{"source": "a", "target": 3}', r"field 'target' must be a string, got 3"),
        ("a.tsv.gz", b"no gzip", r"a\.tsv\.gz:1: file must be whole and as its ending says"),
        # Test ids must be the same in every process: no time of packing in the header.
        (
            "a.tsv.gz",
            gzip.compress(b"a\tb\n" * 999, mtime=0)[:-9],
            r"a\.tsv\.gz:\d+: file must be whole",
        ),
        ("a.tsv.zst", b"no zstd", r"a\.tsv\.zst:1: file must be whole and as its ending says"),
        ("a.tsv.zst", zstd.compress(b"a\tb\n" * 999)[:-9], r"a\.tsv\.zst:\d+: file must be whole"),
    ],
)
def test_a_fault_names_file_and_line(tmp_path, name, content, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(read_pairs(write(tmp_path / name, content)))


@pytest.mark.parametrize(("left", "right"), [(3, 2), (2, 3), (0, 1)])
def test_files_of_unlike_length_are_refused(tmp_path, left, right):
    source = write(tmp_path / "s.de", "x\n" * left)
    target = write(tmp_path / "t.en", "y\n" * right)
    shorter, longer = ("t.en", "s.de") if left > right else ("s.de", "t.en")
    complaint = rf"{shorter}:{min(left, right) + 1}: line must exist, as it does in .*{longer}"
    with pytest.raises(ValueError, match=complaint):
        list(read_pairs(source, target))


def test_an_empty_side_of_two_files_names_that_file(tmp_path):
    source, target = write(tmp_path / "s.de", "x\nx\n"), write(tmp_path / "t.en", "y\n\n")
    with pytest.raises(ValueError, match=r"t\.en:2: target must not be empty"):
        list(read_pairs(source, target))


LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=60)


@given(LENGTHS, st.integers(30, 100), st.one_of(st.none(), st.integers(0, 99)))
def test_batches_hold_every_pair_once_and_keep_to_their_size(lengths, max_tokens, seed):
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    batches = token_batches(lengths, max_tokens, generator=generator)
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    for batch in batches:
        longest = max(max(lengths[i]) for i in batch)
        assert longest * len(batch) <= max_tokens


def test_pairs_of_like_length_share_a_batch():
    generator = torch.Generator().manual_seed(0)
    lengths = [(n % 20 + 1, 5) for n in range(2000)]
    batches = token_batches(lengths, 200, generator=generator)
    padded = sum(max(max(lengths[i]) for i in batch) * len(batch) for batch in batches)
    assert padded <= 1.05 * sum(map(max, lengths))


def test_a_pair_longer_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="max_tokens must be >= 9, the length of pair 1, got 8"):
        token_batches([(2, 2), (3, 9)], 8)


@given(st.integers(0, 40))
def test_skipping_is_having_trained(skip):
    lengths = [(n % 7 + 1, n % 5 + 1) for n in range(60)]
    make = lambda skip: shuffled_batches(lengths, 40, seed=3, skip=skip)  # noqa: E731
    assert list(itertools.islice(make(skip), 20)) == list(
        itertools.islice(make(0), skip, skip + 20)
    )


def test_epochs_differ_and_hold_everything():
    lengths = [(2, 2)] * 10
    batches = list(itertools.islice(shuffled_batches(lengths, 4, seed=0), 10))
    assert sorted(itertools.chain(*batches[:5])) == sorted(itertools.chain(*batches[5:]))
    assert batches[:5] != batches[5:]
    with pytest.raises(ValueError, match="lengths must hold at least one pair"):
        next(shuffled_batches([], 4, seed=0))


def test_collate_pads_and_marks_the_ends():
    batch = collate([[5, 6], [7]], [[8], [9, 9]])
    assert batch.source.tolist() == [[5, 6, EOS], [7, EOS, PAD]]
    assert batch.lengths.tolist() == [3, 2]
    assert batch.target.tolist() == [[BOS, 8, EOS, PAD], [BOS, 9, 9, EOS]]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            '{"source": "\\ud800", "target": "x"}',
            r"field 'source' must be Unicode text, got U\+D800",
        ),
        ("[" * 200_000, "line must be JSON"),
        (f'{{"source": {"9" * 5000}}}', "line must be JSON"),
    ],
    ids=["surrogate", "nested", "digits"],
)
def test_whatever_stands_in_json_lines_is_told_by_file_and_line(tmp_path, line, complaint):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"source": "a", "target": "b"}}\n{line}\n')
    with pytest.raises(ValueError, match=rf"a\.jsonl:2: {complaint}"):
        list(read_pairs(path))
