"""Reports: pictures of any text, tables of any content, one page that stands alone."""

import struct
import warnings

import pytest
import torch

from huashi import report
from huashi.seq2seq.inference.translation import Considered

PNG = b"\x89PNG"


def test_characters_that_the_font_lacks_are_shown_as_code_points():
    assert report._drawable("é") == "é"
    assert report._drawable("年") == "5E74"
    assert report._drawable(" ") == "␣"
    assert report._drawable("a$b$") == r"a\$b\$"  # no formula


@pytest.mark.parametrize("source", ["3 mai", "昭和54年", "٣ مايو", "$x$_^\\"])
def test_attention_of_any_text_is_a_picture(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that is missing is a warning
        picture = report.attention_picture(
            [*source, "</s>"], ["1", "-"], torch.rand(2, len(source) + 1)
        )
    assert picture.startswith(PNG)


def test_curves_of_short_and_long_trainings():
    for steps in (1, 10, 200):
        rows = [
            {"step": n + 1, "split": "train", "loss": 1 / (n + 1), "seconds": n}
            for n in range(steps)
        ]
        rows.append({"step": steps, "split": "validation", "exact_match": 0.5, "seconds": steps})
        assert report.learning_curves(rows).startswith(PNG)
    assert report.learning_curves([]).startswith(PNG)


def test_tables_escape_what_they_show():
    table = report.table_html([{"source": "<es> 3", "score": -0.25, "n": 1_000_000}])
    assert "&lt;es&gt; 3" in table
    assert '<td class="number">-0.25</td><td class="number">1000000</td>' in table
    assert report.table_html([]) == "<p>nothing</p>"


def test_the_page_stands_alone(tmp_path):
    picture = report.dots({"a": 1.0, "b": 2.0}, "height", ["b"])
    page = report.write_report(
        tmp_path, "A <b>", {"Words": "<p>x</p>", "Pictures": {"c < d": picture}}
    )
    text = page.read_text()
    assert "<title>A &lt;b&gt;</title>" in text
    assert 'alt="c &lt; d" src="data:image/png;base64,' in text
    assert (tmp_path / "pictures" / "01.png").read_bytes() == picture


def test_long_pictures_cost_no_more_than_short_ones():
    """Of 300 tokens not every one is written beside the picture, which grows no further."""
    sizes = []
    for count in (60, 300):
        picture = report.attention_picture(["w"] * count, ["v"] * 3, torch.rand(3, count))
        sizes.append(struct.unpack(">II", picture[16:24]))
    assert sizes[0] == sizes[1]


def test_a_long_search_is_drawn_to_its_fortieth_step():
    def step(number):
        at = {"length": number + 1, "number": number, "parent": number - 1, "token": "a"}
        return Considered(**at, total=-1.0, score=-1.0, kept=True, finished=False)

    sizes = []
    for count in (40, 200):
        picture = report.beam_picture([step(number) for number in range(count)], ["a"] * count)
        sizes.append(struct.unpack(">II", picture[16:24]))
    assert sizes[0] == sizes[1]
