"""Dates as people write them, by the Unicode CLDR that Babel carries.

A locale writes a date in four styles (numeric, medium, long, full), in its own digits where it has
some, and by its own calendar where it counts years differently:

    3 พฤษภาคม พ.ศ. 2522    昭和54年5月3日    民國68年5月3日    ٣ مايو ١٩٧٩

Source: https://cldr.unicode.org; patterns and names from Babel, the years of the Buddhist, Japanese
and Minguo calendars from the CLDR's supplemental data.
"""

import functools
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from huashi.seq2seq.text.corpus import Pair

STYLES = ("numeric", "medium", "long", "full")

_DIGIT_ZERO = {"arab": "٠", "arabext": "۰", "beng": "০", "deva": "०"}
_JAPANESE_ERAS = (  # first day, name; the latest first
    (date(2019, 5, 1), "令和"),
    (date(1989, 1, 8), "平成"),
    (date(1926, 12, 25), "昭和"),
    (date(1912, 7, 30), "大正"),
    (date(1868, 9, 8), "明治"),
)


class Writing(NamedTuple):
    """One way to write a date: ``Writing("th", "long", own_calendar=True)``."""

    locale: str
    """A BCP 47 tag, such as ``pt-BR``."""
    style: str
    """One of :data:`STYLES`; ``numeric`` always has a four-digit year."""
    own_digits: bool = False
    own_calendar: bool = False


class Example(NamedTuple):
    """A written date and what it means."""

    pair: Pair
    writing: Writing
    tagged: bool
    """The source begins with the locale's tag."""
    ambiguous: bool
    """Another locale writes another date just so, and no tag tells which is meant."""


def writings(locale: str) -> list[Writing]:
    """Every way in which ``locale`` writes a date.

    >>> len(writings("de")), len(writings("fa")), len(writings("th")), len(writings("ja"))
    (4, 8, 8, 7)
    """
    digits = [False, True] if _parse(locale).default_numbering_system in _DIGIT_ZERO else [False]
    calendars = [False, True] if locale in _OWN_CALENDAR else [False]
    ways = [Writing(locale, style, d, c) for style in STYLES for d in digits for c in calendars]
    # 68/5/3 leaves open which calendar is meant; 3/5/2522 does not
    return [w for w in ways if not (w.own_calendar and w.style == "numeric" and locale != "th")]


def write(day: date, writing: Writing) -> str:
    """``day`` as text.

    >>> write(date(1979, 5, 3), Writing("es", "long"))
    '3 de mayo de 1979'
    >>> write(date(1979, 5, 3), Writing("ja", "full", own_calendar=True))
    '昭和54年5月3日木曜日'
    """
    locale = _parse(writing.locale)
    pattern = _pattern(writing.locale, writing.style)
    if writing.own_calendar:
        era, year = _OWN_CALENDAR[writing.locale](day)
        pattern = _in_own_calendar(pattern, writing.style, era, year)
    text = format_date(day, pattern, locale)
    if writing.own_digits:
        zero = ord(_DIGIT_ZERO[locale.default_numbering_system])
        text = text.translate({ord("0") + n: zero + n for n in range(10)})
    return text


def ambiguous(ways: Iterable[Writing]) -> set[tuple[Writing, int, int]]:
    """The (writing, month, day) whose text another of ``ways`` writes for another date.

    Day and month trade places (3/5 and 5/3), and a month's name in one language is another month's
    in a second (*listopad*). Whether they do so hardly depends on the year: one leap year is tried.

    >>> found = ambiguous([Writing("en-US", "numeric"), Writing("es", "numeric")])
    >>> (Writing("es", "numeric"), 5, 3) in found, (Writing("es", "numeric"), 5, 13) in found
    (True, False)
    """
    days = [date(2000, 1, 1) + timedelta(n) for n in range(366)]
    written = {(way, day): write(day, way) for way in ways for day in days}
    meanings: defaultdict[str, set[date]] = defaultdict(set)
    for (_, day), text in written.items():
        meanings[text].add(day)
    return {(way, d.month, d.day) for (way, d), text in written.items() if len(meanings[text]) > 1}


def examples(
    draw: random.Random,
    days: Sequence[date],
    ways: Sequence[Writing],
    confused: set[tuple[Writing, int, int]],
    *,
    count: int,
    calendar_weight: float = 1.0,
    tag_share: float = 0.5,
) -> list[Example]:
    """Draw a locale, a way in which it writes, and a day, ``count`` times.

    Args:
        draw: the source of randomness.
        days: to draw from.
        ways: to draw from, every locale alike, whatever the number of its ways.
        confused: what is ambiguous, from :func:`ambiguous`.
        count: how many examples; none where there are no ways.
        calendar_weight: how many times its share a way in a locale's own calendar gets.
        tag_share: how often the locale's tag stands before the text.
    """
    ways_of = Counter(way.locale for way in ways)
    shares = [(calendar_weight if w.own_calendar else 1) / ways_of[w.locale] for w in ways]
    drawn = []
    for way in draw.choices(ways, shares, k=count) if ways else []:
        day, tagged = draw.choice(days), draw.random() < tag_share
        text = f"<{way.locale}> {write(day, way)}" if tagged else write(day, way)
        unclear = not tagged and (way, day.month, day.day) in confused
        drawn.append(Example(Pair(text, day.isoformat()), way, tagged, unclear))
    return drawn


@functools.cache
def _parse(locale: str) -> Locale:
    try:
        return Locale.parse(locale, sep="-")
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"a locale must be known to the CLDR, got {locale!r}") from None


@functools.cache
def _pattern(locale: str, style: str) -> str:
    """The CLDR pattern, such as ``EEEE, d MMMM y``; the numeric one with a four-digit year."""
    formats = _parse(locale).date_formats
    if style == "numeric":
        return formats["short"].pattern.replace("yy", "y")
    return formats[style].pattern


def _in_own_calendar(pattern: str, style: str, era: str, year: str) -> str:
    """The pattern with era and year, which Babel knows of no other calendar, written out."""
    shown = year if style == "numeric" else era + year
    return pattern.replace("G ", "").replace("y", f"'{shown}'")


def _buddhist(day: date) -> tuple[str, str]:
    return "พ.ศ. ", str(day.year + 543)


def _japanese(day: date) -> tuple[str, str]:
    first, era = next(entry for entry in _JAPANESE_ERAS if day >= entry[0])
    year = day.year - first.year + 1
    return era, "元" if year == 1 else str(year)


def _minguo(day: date) -> tuple[str, str]:
    if day.year > 1911:
        return "民國", str(day.year - 1911)
    return "民國前", str(1912 - day.year)


_OWN_CALENDAR = {"th": _buddhist, "ja": _japanese, "zh-Hant": _minguo}
