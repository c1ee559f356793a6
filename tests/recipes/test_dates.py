"""The recipe `dates`, at toy size: it learns in seconds, and reports honestly."""

import json

import pytest

from huashi.recipes import dates
from huashi.seq2seq import Translator


def test_learns_in_seconds(dates_run):
    unseen = dates_run.results["splits"][0]
    assert unseen["dates"] == "unseen dates"
    assert unseen["exact match, %"] >= 90


def test_evaluation_is_repeatable_and_its_parts_add_up(dates_run):
    splits = {row["dates"]: row["examples"] for row in dates_run.results["splits"]}
    tagged, untagged = splits["- with the tag of the locale"], splits["- without a tag"]
    assert tagged + untagged == splits["unseen dates"]
    held_out = splits["unseen dates in held-out locales, without a tag"]
    assert splits["- numeric"] + splits["- in words"] == held_out
    assert splits["unseen dates"] + splits["ambiguous by construction, in none of the above"] >= 200
    again = dates.evaluate(dates_run)
    assert again["splits"] == dates_run.results["splits"]


def test_splits_share_no_date_and_no_locale():
    data = dates.corpus(dates.Config(examples=20_000, test_examples=2000))
    days = {split: {e.pair.target for e in examples} for split, examples in data.items()}
    assert not days["train"] & (days["validation"] | days["test"] | days["held out"])
    assert not days["validation"] & (days["test"] | days["held out"])
    trained = {e.writing.locale for e in data["train"]}
    assert trained == set(dates.LOCALES) == {e.writing.locale for e in data["test"]}
    assert {e.writing.locale for e in data["held out"]} == set(dates.HELD_OUT)
    years = {int(day[:4]) for day in days["train"]}
    assert (min(years), max(years)) == (1900, 2099)


def test_half_of_the_sources_are_tagged_and_only_untagged_ones_are_ambiguous():
    data = dates.corpus(dates.Config(test_examples=4000), training=False)
    tagged = [e for e in data["test"] if e.tagged]
    assert 0.45 < len(tagged) / len(data["test"]) < 0.55
    assert all(e.pair.source.startswith(f"<{e.writing.locale}> ") for e in tagged)
    assert not any(e.ambiguous for e in tagged)
    assert not any(e.tagged for e in data["held out"])
    assert any(e.ambiguous for e in data["test"])


def test_the_same_text_has_one_meaning_unless_it_is_ambiguous():
    data = dates.corpus(dates.Config(examples=60_000, test_examples=2000))
    meanings: dict[str, set[str]] = {}
    for example in [*data["train"], *data["test"], *data["held out"]]:
        if not example.ambiguous:
            meanings.setdefault(example.pair.source, set()).add(example.pair.target)
    assert all(len(targets) == 1 for targets in meanings.values())


def test_the_report_holds_everything_in_one_file(dates_run):
    page = dates_run.path("report.html").read_text()
    assert 'src="http' not in page
    assert "href=" not in page
    for heading in ("Exact match", "Ten unseen dates", "Learning curves", "Attention", "By locale"):
        assert f"<h2>{heading}</h2>" in page
    pictures = sorted(dates_run.path("pictures").iterdir())
    assert len(pictures) == page.count("<img") >= 5
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)


def test_an_empty_kind_of_dates_is_left_out(dates_run):
    assert all(row["examples"] > 0 for row in dates_run.results["splits"])
    names = {row["dates"] for row in dates_run.results["splits"]}
    assert "- in the locale's own calendar" not in names  # none of the three locales has one


def test_metrics_tell_the_course(dates_run):
    rows = dates_run.metrics()
    losses = [row["loss"] for row in rows if row["split"] == "train"]
    assert losses[-1] < losses[0] / 10
    assert [row["step"] for row in rows if row["split"] == "validation"] == [300, 600, 900]
    assert json.loads(dates_run.path("config.json").read_text())["recipe"] == "dates"


def test_an_unknown_locale_is_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="a locale must be known to the CLDR, got 'xx-YY'"):
        dates.train(dates.Config(folder=tmp_path / "run", locales=("de", "xx-YY")))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_reaches_its_target_at_full_size(tmp_path):
    run = dates.train(dates.Config(folder=tmp_path / "dates"))
    assert run.results["splits"][0]["exact match, %"] >= 98.5
    found = Translator.load(run).translate(["Donnerstag, 3. Mai 1979", "3 de mayo de 1979"])
    assert found == ["1979-05-03"] * 2
