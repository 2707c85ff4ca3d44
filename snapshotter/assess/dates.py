"""
Read the dates of a page, and parse written dates, each as an interval.

`3 weeks ago`, `昨天 21:03`, `M月D日` and ISO 8601 are read, among others:

    3 weeks ago, rounded    2.5 to 3.5 weeks before the capture (but `1 week` is never less than 1)
    3 weeks ago, truncated  3 to 4 weeks before it
    昨天 21:03              one minute, in the zone of the browser
    2014-05-27              one day, in the zone of the browser

Nothing is guessed: `03/04/2014` can be two days, so it is no date. A date that was read in the
browser's zone is marked. A local time that occurs twice, or never, because clocks change is the
interval of all that it can mean.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from snapshotter.assess.counts import plain_digits
from snapshotter.assess.dom import DomDocument
from snapshotter.model.page import Block, Page
from snapshotter.model.reading import DateReading, Metadatum, Region, Source
from snapshotter.model.reading_rules import Rounding, SiteReadings
from snapshotter.value_class import dataclass

_MAX_TEXT = 120  # characters of a block that is looked at
_MAX_RAW = 60  # characters that are read as a date
_MAX_DATES = 200
_MAX_WHERE = 2000  # characters; a selector that is longer is of no page that people made
_REST = 40  # characters beside a date, in a block that is about it
_REST_IN_TEXT = 12  # and in one that is text
_YEARS = range(1900, 2101)
_DAY = timedelta(days=1)
_FARTHEST = timedelta(hours=14)  # a zone's offset from UTC, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The interval that a written date means: `first` <= date < `end`, UTC."""

    first: datetime
    end: datetime
    rule: str
    by_zone: bool = False  # whether the browser's zone had a part in it


@dataclass(frozen=True, slots=True, kw_only=True)
class DateContext:
    """What is needed to read a date: the time of the capture, the zone, how the site rounds."""

    now: datetime  # UTC
    zone: tzinfo
    age: Rounding  # how the site shortens ages

    @property
    def today(self) -> date:
        """The day in the browser's zone."""
        return self.now.astimezone(self.zone).date()


# What is meant by a word, in seconds. A month is 30 days and a year 365 where a site rounds
# (WordPress does); by the calendar they are longer, or two days shorter.
_UNITS = {
    "second": 1, "sec": 1, "s": 1, "秒": 1, "秒钟": 1, "秒鐘": 1, "초": 1,
    "minute": 60, "min": 60, "m": 60, "分钟": 60, "分鐘": 60, "分": 60, "분": 60,
    "hour": 3600, "hr": 3600, "h": 3600, "小时": 3600, "个小时": 3600, "小時": 3600,
    "個小時": 3600, "時間": 3600, "시간": 3600,
    "day": 86_400, "d": 86_400, "天": 86_400, "日": 86_400, "일": 86_400,
    "week": 604_800, "wk": 604_800, "w": 604_800, "周": 604_800, "週": 604_800,
    "星期": 604_800, "个星期": 604_800, "個星期": 604_800, "週間": 604_800, "주": 604_800,
    "month": 2_592_000, "mo": 2_592_000, "月": 2_592_000, "个月": 2_592_000,
    "個月": 2_592_000, "か月": 2_592_000, "ヶ月": 2_592_000, "개월": 2_592_000,
    "year": 31_536_000, "yr": 31_536_000, "y": 31_536_000, "年": 31_536_000, "년": 31_536_000,
}  # fmt: skip
_MONTH_S, _YEAR_S = _UNITS["month"], _UNITS["year"]
_NUMERALS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3,
    "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
}  # fmt: skip
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"),
            ("may",), ("jun", "june"), ("jul", "july"), ("aug", "august"),
            ("sep", "sept", "september"), ("oct", "october"), ("nov", "november"),
            ("dec", "december"),
        ),
        1,
    )
    for name in names
}  # fmt: skip
_DAY_WORDS = {
    "今天": 0, "今日": 0, "today": 0, "昨天": 1, "昨日": 1, "yesterday": 1, "前天": 2, "前日": 2,
}  # fmt: skip
_ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8,
    "pdt": -7, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9, "hkt": 8,
    "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip

_ZH_UNIT = "|".join(sorted((unit for unit in _UNITS if not unit.isascii()), key=len, reverse=True))
_EN_UNIT = "|".join(sorted((unit for unit in _UNITS if unit.isascii()), key=len, reverse=True))
_ZH_NUMERAL = "|".join(numeral for numeral in _NUMERALS if not numeral.isascii())
_EN_NUMERAL = "|".join(
    sorted((numeral for numeral in _NUMERALS if numeral.isascii()), key=len, reverse=True)
)
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_CLOCK = (
    r"(?:(?P<half>上午|下午|晚上|凌晨|中午|早上|傍晚)\s?)?"
    r"(?P<hour>\d{1,2})\s?[:：时點点]\s?(?P<minute>\d{2})分?(?:[:：](?P<second>\d{2})(?:\.\d{1,9})?)?"
    r"(?:\s?(?P<ampm>[ap]\.?m\b\.?))?"
)
_MINUS = "-\u2212\u2013"  # hyphen, minus, dash
_ZONE = (
    rf"(?:\s?\(?(?P<zone>z\b|(?:utc|gmt)?\s?[+{_MINUS}]\d{{1,2}}:?\d{{2}}\b"
    rf"|(?:utc|gmt)\s?[+{_MINUS}]\d{{1,2}}\b|(?<=\d)[+{_MINUS}]\d{{2}}\b|(?<!\()[a-z]{{2,5}}\b)\)?)?"
)
_AT = r"(?:,?\s*(?:at\s+|um\s+|-\s+|—\s+)?|\s*T)"
_EDGE = r"(?<![\w.:/-])"
_END = r"(?![\w/:-]|\.\d)"


def _pattern(text: str, edge: str = _EDGE, end: str = _END) -> re.Pattern[str]:
    return re.compile(rf"(?i){edge}{text}{end}")


def parse_date(raw: str, when: DateContext) -> Interval | None:
    """Return the interval that a written date means; None if the text is not exactly one date."""
    found = find_date(raw.strip(), when)
    return found[1] if found is not None and found[0] == raw.strip() else None


def find_date(text: str, when: DateContext) -> tuple[str, Interval] | None:
    """Return the first date in a short text, verbatim, and its interval."""
    plain = plain_digits(text[:_MAX_TEXT])
    best: tuple[int, int, Interval] | None = None
    for pattern, reader in _FORMS:
        for found in pattern.finditer(plain):
            if found.end() - found.start() > _MAX_RAW:
                continue
            place = (found.start(), -found.end())
            if best is not None and place >= best[:2]:
                continue
            if (interval := _read(reader, found, when)) is not None:
                best = (*place, interval)
                break
    if best is None:
        return None
    # Digits were made plain one by one: places are the same in the text itself.
    return text[best[0] : -best[1]], best[2]


def changes_daily(text: str) -> bool:
    """Return whether a short text has a date that the page rewrites as time passes: 昨天 21:03."""
    plain = plain_digits(text)
    return any(pattern.search(plain) for pattern, reader in _FORMS if reader in _MOVING)


_Reader = Callable[[re.Match[str], DateContext], Interval | None]


def _read(reader: _Reader, found: re.Match[str], when: DateContext) -> Interval | None:
    try:
        return reader(found, when)
    except (ValueError, OverflowError):  # the 30th of February, the hour 25, the year 0
        return None


def _just_now(found: re.Match[str], when: DateContext) -> Interval:
    return Interval(
        first=when.now - timedelta(minutes=1), end=when.now, rule=f"relative-{when.age.value}"
    )


def _ago(found: re.Match[str], when: DateContext) -> Interval | None:
    word = found["number"].lower()
    number = 0.5 if word in ("半", "half an") else float(_NUMERALS.get(word) or word)
    unit = _UNITS[found["unit"].lower().removesuffix("s") or "s"]
    groups = found.groupdict()
    return _age(number, unit, (groups.get("about") or "").strip().lower(), when)


def _age(number: float, unit: int, about: str, when: DateContext) -> Interval | None:
    """Return the time of something of this age: `least` to `most` units before the capture."""
    if number > 10_000:
        return None
    mode = Rounding.EITHER if about in ("about", "around", "大约", "约") or number < 1 else when.age
    least, most = number, number + 1
    if about in ("over", "more than"):
        mode = Rounding.TRUNCATED
    elif about in ("almost", "nearly"):
        mode, least, most = Rounding.TRUNCATED, max(0, number - 1), number
    elif about == "less than":
        mode, least, most = Rounding.TRUNCATED, 0, number
    elif mode is Rounding.ROUNDED:
        least, most = (1 if number == 1 else number - 0.5), number + 0.5
    elif mode is Rounding.EITHER:
        least = number - 0.5
    least, most = max(0, least), max(most, least)
    shortest, longest = timedelta(seconds=least * unit), timedelta(seconds=most * unit)
    if mode is not Rounding.ROUNDED and unit == _MONTH_S:  # by the calendar
        shortest -= min(shortest, 2 * _DAY)
        longest += most * _DAY
    elif mode is not Rounding.ROUNDED and unit == _YEAR_S:
        longest += most * _DAY
    return Interval(
        first=when.now - longest, end=when.now - shortest, rule=f"relative-{mode.value}"
    )


def _day_word(found: re.Match[str], when: DateContext) -> Interval:
    day = when.today - _DAY * _DAY_WORDS[found["day"].lower()]
    return _on(day, found, when, "day-word")


def _numbers(found: re.Match[str], when: DateContext) -> Interval | None:
    groups = found.groupdict()
    if (written := groups.get("year")) is None:
        return _of_last(int(found["month"]), int(found["dom"]), found, when)
    year = int(written) + (2000 if len(written) == 2 else 0)
    return _on(_date(year, int(found["month"]), int(found["dom"])), found, when, "absolute")


def _named(found: re.Match[str], when: DateContext) -> Interval | None:
    month = _MONTHS[found["month"].lower()]
    if found["year"] is None:
        return _of_last(month, int(found["dom"]), found, when)
    return _on(_date(int(found["year"]), month, int(found["dom"])), found, when, "absolute")


def _either_order(found: re.Match[str], when: DateContext) -> Interval | None:
    """Read `27/05/2014`: a day and a month, if only one order is possible."""
    one, other = int(found["one"]), int(found["other"])
    if one <= 12 and other <= 12 and one != other:
        return None
    day, month = (one, other) if one > 12 else (other, one)
    return _on(_date(int(found["year"]), month, day), found, when, "absolute")


def _date(year: int, month: int, day: int) -> date:
    if year not in _YEARS:
        raise ValueError(f"the year {year}")
    return date(year, month, day)


def _of_last(month: int, day: int, found: re.Match[str], when: DateContext) -> Interval | None:
    """Return the last such day before the capture: a page leaves the year away if it is plain."""
    for year in range(when.today.year + 1, when.today.year - 9, -1):
        try:
            interval = _on(date(year, month, day), found, when, "no-year")
        except ValueError:  # 29 February
            continue
        if interval.first <= when.now:
            return interval
    return None


def _on(day: date, found: re.Match[str], when: DateContext, rule: str) -> Interval:
    groups = found.groupdict()
    if not groups.get("hour"):
        first = _utc(datetime.combine(day, time()), when.zone)[0]
        end = _utc(datetime.combine(day + _DAY, time()), when.zone)[1]
        return Interval(first=first, end=end, rule=rule, by_zone=True)
    hour, minute = int(groups["hour"]), int(groups["minute"])
    second = groups.get("second")
    hour = _hour(hour, groups.get("half") or "", (groups.get("ampm") or "").lower())
    local = datetime.combine(day, time(hour, minute, int(second or 0)))
    width = timedelta(seconds=1) if second else timedelta(minutes=1)
    written = (groups.get("zone") or "").lower().replace(" ", "")
    if not written:
        first, last = _utc(local, when.zone)
        return Interval(first=first, end=last + width, rule=rule, by_zone=True)
    offset = _offset(written)
    if offset is None:  # a zone that we do not know, or that is several: any is possible
        whole = local.replace(tzinfo=UTC)
        return Interval(first=whole - _FARTHEST, end=whole + _FARTHEST + width, rule=rule)
    first = local.replace(tzinfo=timezone(offset)).astimezone(UTC)
    return Interval(first=first, end=first + width, rule=rule)


def _hour(hour: int, half: str, ampm: str) -> int:
    if ampm:
        if not 1 <= hour <= 12:
            raise ValueError(f"{hour} {ampm}")
        return hour % 12 + (12 if ampm.startswith("p") else 0)
    if hour == 12 and half in ("上午", "晚上"):
        raise ValueError(f"{half}{hour} is noon to some, and midnight to others")
    if half in ("下午", "晚上", "傍晚") and 1 <= hour < 12:
        return hour + 12
    if half == "中午" and hour == 1:
        return 13
    if half == "凌晨" and hour == 12:
        return 0
    return hour


def _offset(written: str) -> timedelta | None:
    if written in _ZONES:
        return timedelta(hours=_ZONES[written])
    found = re.fullmatch(
        rf"(?:(?:utc|gmt)?([+{_MINUS}])(\d{{1,2}}):?(\d{{2}})|(?:utc|gmt)([+{_MINUS}])(\d{{1,2}}))",
        written,
    )
    if found is None:
        return None  # "10:00-12" is an offset in ISO 8601, and hours of opening elsewhere
    offset = timedelta(hours=int(found[2] or found[5]), minutes=int(found[3] or 0))
    if offset > _FARTHEST:
        raise ValueError(f"an offset of {offset}")
    return -offset if (found[1] or found[4]) in _MINUS else offset


def _utc(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first and the last moment that a local time can mean."""
    both = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min(both), max(both)


_FORMS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (_pattern(r"(?:刚刚|剛剛|刚才|方才|たった今|방금)", edge="", end=""), _just_now),
    (_pattern(r"just now"), _just_now),
    (
        _pattern(
            rf"(?:(?P<about>大约|约)\s?)?(?P<number>\d{{1,4}}|半|{_ZH_NUMERAL})"
            rf"\s?(?P<unit>{_ZH_UNIT})\s?(?:之|以)?(?:前|전)",
            edge=r"(?<![\d.:/一二两三四五六七八九十几多数])",
            end="",
        ),
        _ago,
    ),
    (
        _pattern(
            rf"(?:(?P<about>about|around|over|more than|almost|nearly|less than)\s+)?"
            # A word stands alone: in "a few days ago" there is no "a y".
            rf"(?P<number>\d{{1,4}}|(?<![^\W\d_])(?:half an|{_EN_NUMERAL})(?=\s))"
            rf"\s?(?P<unit>(?:{_EN_UNIT})s?)\.?\s+ago",
            edge=r"(?<![\d.:/-])",  # "in Vancouver2 weeks ago": glued by what made the text
        ),
        _ago,
    ),
    (
        _pattern(
            rf"(?P<day>今天|今日|昨天|昨日|前天|前日)\s?(?:{_CLOCK})?",
            edge="",
            end=r"(?![\d:])",
        ),
        _day_word,
    ),
    (_pattern(rf"(?P<day>today|yesterday)(?:{_AT}{_CLOCK})?"), _day_word),
    (
        _pattern(
            rf"(?P<year>\d{{4}})\s?年\s?(?P<month>\d{{1,2}})\s?月\s?(?P<dom>\d{{1,2}})\s?[日号號]"
            rf"(?:\s*{_CLOCK})?",
            edge=r"(?<!\d)",
            end=r"(?![\d:])",
        ),
        _numbers,
    ),
    (
        _pattern(
            rf"(?P<month>\d{{1,2}})\s?月\s?(?P<dom>\d{{1,2}})\s?[日号號](?:\s*{_CLOCK})?",
            edge=r"(?<![\d年])(?<!年\s)",
            end=r"(?![\d:])",
        ),
        _numbers,
    ),
    (
        _pattern(
            rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<dom>\d{{1,2}})"
            rf"(?:{_AT}{_CLOCK}{_ZONE})?",
            edge=r"(?:(?<![\w.:/-])|(?<=[^\W\d_a-z]))",
            end=r"(?![\d/:-]|\.\d)",
        ),
        _numbers,
    ),
    (
        _pattern(rf"(?P<year>\d{{2}})-(?P<month>\d{{1,2}})-(?P<dom>\d{{1,2}})\s+{_CLOCK}"),
        _numbers,
    ),
    (_pattern(rf"(?P<month>\d{{2}})-(?P<dom>\d{{2}})(?:\s+{_CLOCK})?"), _numbers),
    (
        _pattern(rf"(?P<one>\d{{1,2}})[/.](?P<other>\d{{1,2}})[/.](?P<year>\d{{4}})(?:{_AT}{_CLOCK}{_ZONE})?"),
        _either_order,
    ),
    (
        _pattern(
            rf"{_WEEKDAY}(?P<month>{_MONTH})\.?\s+(?P<dom>\d{{1,2}})(?:st|nd|rd|th)?"
            rf"(?:,?\s+(?P<year>\d{{4}}))?(?:{_AT}{_CLOCK}{_ZONE})?"
        ),
        _named,
    ),
    (
        _pattern(
            rf"{_WEEKDAY}(?P<dom>\d{{1,2}})(?:st|nd|rd|th)?\.?\s+(?P<month>{_MONTH})\.?"
            rf"(?:,?\s+(?P<year>\d{{4}}))?(?:{_AT}{_CLOCK}{_ZONE})?"
        ),
        _named,
    ),
    (
        _pattern(
            rf"{_WEEKDAY}(?P<month>{_MONTH})\s+(?P<dom>\d{{1,2}})\s+{_CLOCK}\s+"
            rf"(?P<zone>[+-]\d{{4}})\s+(?P<year>\d{{4}})"
        ),
        _named,
    ),
)  # fmt: skip


_MOVING = frozenset({_just_now, _ago, _day_word})


def date_context(page: Page, sites: Sequence[SiteReadings]) -> DateContext:
    """Return the context in which the dates of a page are read."""
    try:
        zone: tzinfo = ZoneInfo(page.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = UTC  # the record says which zone was asked for; the reading says that it was UTC
    age = next((site.age for site in sites if site.age is not Rounding.EITHER), Rounding.EITHER)
    return DateContext(now=page.captured_at, zone=zone, age=age)


def read_dates(
    document: DomDocument | None,
    blocks: Sequence[Block],
    labels: Mapping[str, Region],
    metadata: Iterable[Metadatum],
    when: DateContext,
) -> tuple[DateReading, ...]:
    """
    Return the dates of a page: in its metadata, in `time` elements, and in short texts.

    Sentences of the main text are left out: a "three weeks ago" in them is not relative to the
    capture.
    """
    found: dict[tuple[str, str, str], DateReading] = {}
    for reading in (
        *_stated(metadata, when),
        *_shown(blocks, labels, when),
        *_timed(document, when),
    ):
        # The same value in the same place was read already, and its kind was told then.
        if not any(
            date_reading.raw == reading.raw and date_reading.where.startswith(reading.where)
            for date_reading in found.values()
        ):
            found[reading.where, reading.raw, reading.kind] = reading
        if len(found) == _MAX_DATES:
            break
    return tuple(found.values())


_KINDS = {"published": "published", "modified": "modified", "server": "server"}


def _stated(metadata: Iterable[Metadatum], when: DateContext) -> Iterator[DateReading]:
    for metadatum in metadata:
        if metadatum.name in _KINDS and (interval := parse_date(metadatum.value, when)) is not None:
            yield _reading(
                metadatum.value,
                interval,
                metadatum.source,
                _KINDS[metadatum.name],
                metadatum.where,
                when,
            )


def _timed(document: DomDocument | None, when: DateContext) -> Iterator[DateReading]:
    for element in document.elements if document is not None else ():
        if element.tag != "time" or not (written := (element.get("datetime") or "").strip()):
            continue
        if (interval := parse_date(written[:_MAX_RAW], when)) is not None and document is not None:
            yield _reading(written, interval, Source.TIME, "", document.selector(element), when)


_SAYS = (
    ("modified", re.compile(r"(?i)updated|modified|edited|更新|修改|编辑于|編輯")),
    ("published", re.compile(r"(?i)publish|posted|created|发布|發布|发表|發表|刊登|投稿")),
)
_OF_OTHERS = frozenset({Region.TEASER, Region.COMMENT, Region.AD})
_IN_TEXT = frozenset({Region.MAIN, Region.HEADLINE, Region.CAPTION})


def _shown(
    blocks: Sequence[Block], labels: Mapping[str, Region], when: DateContext
) -> Iterator[DateReading]:
    for block in blocks:
        if block.hidden or len(block.text) > _MAX_TEXT:
            continue
        region = labels.get(block.selector, Region.OTHER)
        if region is Region.NAV:
            continue  # "Today" is a section there
        if (found := find_date(block.text, when)) is None:
            continue
        raw, interval = found
        rest = len(block.text.strip()) - len(raw)
        if rest > (_REST_IN_TEXT if region in _IN_TEXT else _REST):
            continue
        kind = ""
        if region not in _OF_OTHERS:
            kind = next((kind for kind, says in _SAYS if says.search(block.text)), "")
        yield _reading(raw, interval, Source.DOM, kind, block.selector, when)


def _reading(
    raw: str, interval: Interval, source: Source, kind: str, where: str, when: DateContext
) -> DateReading:
    return DateReading(
        raw=raw,
        first=interval.first,
        end=interval.end,
        rule=interval.rule,
        source=source,
        kind=kind,
        where=where[:_MAX_WHERE],
        timezone=(when.zone.key if isinstance(when.zone, ZoneInfo) else "UTC")
        if interval.by_zone
        else "",
    )
