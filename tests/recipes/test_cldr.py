"""Written dates: what people of a locale would recognise, and what is ambiguous."""

import unicodedata
from datetime import date

import pytest

from huashi.recipes._cldr import STYLES, Writing, ambiguous, write, writings
from huashi.recipes.dates import HELD_OUT, LOCALES

DAY = date(1979, 5, 3)
EVERY_WAY = [way for locale in (*LOCALES, *HELD_OUT) for way in writings(locale)]


@pytest.mark.parametrize(
    ("writing", "text"),
    [
        (Writing("es", "long"), "3 de mayo de 1979"),
        (Writing("en-GB", "full"), "Thursday, 3 May 1979"),
        (Writing("de", "full"), "Donnerstag, 3. Mai 1979"),
        (Writing("en-US", "numeric"), "5/3/1979"),
        (Writing("zh", "medium"), "1979年5月3日"),
        (Writing("hi", "long"), "3 मई 1979"),
        (Writing("fa", "numeric", own_digits=True), "۱۹۷۹/۵/۳"),
        (Writing("bn", "long", own_digits=True), "৩ মে, ১৯৭৯"),
        (Writing("th", "long"), "3 พฤษภาคม ค.ศ. 1979"),
        (Writing("th", "long", own_calendar=True), "3 พฤษภาคม พ.ศ. 2522"),
        (Writing("th", "numeric", own_calendar=True), "3/5/2522"),
        (Writing("zh-Hant", "long", own_calendar=True), "民國68年5月3日"),
    ],
)
def test_a_date_is_written_as_people_write_it(writing, text):
    assert write(DAY, writing) == text


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(1912, 7, 29), "明治45年"),
        (date(1912, 7, 30), "大正元年"),
        (date(1926, 12, 24), "大正15年"),
        (date(1926, 12, 25), "昭和元年"),
        (date(1989, 1, 7), "昭和64年"),
        (date(1989, 1, 8), "平成元年"),
        (date(2019, 4, 30), "平成31年"),
        (date(2019, 5, 1), "令和元年"),
        (date(2020, 1, 1), "令和2年"),
    ],
)
def test_japanese_eras_begin_on_their_day(day, year):
    assert write(day, Writing("ja", "long", own_calendar=True)).startswith(year)


def test_minguo_years_begin_in_1912():
    minguo = Writing("zh-Hant", "long", own_calendar=True)
    assert write(date(1912, 1, 1), minguo) == "民國1年1月1日"
    assert write(date(1911, 12, 31), minguo) == "民國前1年12月31日"


def test_at_least_forty_locales_and_five_held_out():
    assert len(LOCALES) >= 40
    assert len(HELD_OUT) == 5
    assert not set(LOCALES) & set(HELD_OUT)
    assert {way.style for way in EVERY_WAY} == set(STYLES)


def test_numeric_dates_show_four_digits_of_the_year():
    for way in EVERY_WAY:
        if way.style == "numeric":
            digits = "".join(str(unicodedata.digit(c, "")) for c in write(DAY, way))
            assert ("2522" if way.own_calendar else "1979") in digits, way


def test_what_is_ambiguous():
    confused = ambiguous(EVERY_WAY)
    assert (Writing("es", "numeric"), 5, 3) in confused
    assert (Writing("en-US", "numeric"), 3, 5) in confused
    assert (Writing("es", "numeric"), 5, 5) not in confused  # 5/5 is the same both ways
    assert (Writing("es", "numeric"), 5, 13) not in confused  # there is no 13th month
    assert (Writing("de", "numeric"), 5, 3) not in confused  # whoever writes dots puts days first
    assert not any(way.style == "full" for way, _, _ in confused)


def test_month_names_that_change_their_month_between_languages():
    written = [Writing("cs", "long"), Writing("hr", "long")]
    assert write(date(1979, 11, 3), written[0]) == "3. listopadu 1979"
    assert write(date(1979, 10, 3), written[1]) == "3. listopada 1979."
    assert not ambiguous(written)  # they are declined differently, so the texts differ
