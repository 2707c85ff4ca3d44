"""`snapshotter counts`, as a person types it."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.assess.counts import parse_count
from snapshotter.model.assessment import Assessment
from snapshotter.model.reading import Count, Readings, Source
from snapshotter.model.reading_rules import Rounding
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed
from tests.observed import at
from tests.unit.cli.shell import Shell

POST = "https://weibo.com/1900000001/O00019Qdw"


def counting(**raws: str) -> Assessment:
    made = []
    for unit, raw in raws.items():
        bounds = parse_count(raw, Rounding.TRUNCATED)
        assert bounds is not None
        made.append(
            Count(
                unit=unit,
                raw=raw,
                lower=bounds.lower,
                upper=bounds.upper,
                exact=bounds.exact,
                source=Source.JSON,
                rounding=bounds.rounding,
                mismatch={"512": '=HYPERLINK("x")', "120": "\uff1d1\x85+1"}.get(raw, ""),
            )
        )
    return replace(observed.available(), readings=Readings(counts=tuple(made)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with four captures of one post, the last of which shows that it is gone."""
    folder = tmp_path_factory.mktemp("counted")
    store, signer = DirectoryStore(folder / "captures"), bundles.new_signer()
    for minute, assessed in (
        (0, counting(reposts="120", reads="6.1万")),
        (15, counting(reposts="480", reads="10万+")),
        (30, counting(reposts="512")),
        (45, observed.gone()),
    ):
        made = observed.seal(folder / "spool", at(minute), assessed, url=POST, signer=signer)
        observed.put(store, made)
    return folder


@pytest.fixture
def shell(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(place / "data"))
    monkeypatch.chdir(place)
    return Shell(capsys)


def test_counts_are_shown_with_their_bounds_and_the_crossing_between_two_bundles(
    shell: Shell,
) -> None:
    assert shell.run("counts", POST) == 0

    lines = shell.out.splitlines()
    assert lines[0].startswith(f"{POST}  (weibo:")
    assert '2026-05-27 08:15:00 UTC  480 ("480", data in the page)  2026' in lines[3]
    assert '61,000 to 61,999 ("6.1万", data in the page, truncated)' in shell.out
    assert '100,001 or more ("10万+", data in the page, capped)' in shell.out
    assert 'WARNING: the visible text of the page shows "=HYPERLINK' in shell.out
    crossing = next(line for line in lines if "reposts reached 500" in line)
    assert 'between 2026-05-27 08:15:00 UTC ("480", 2026' in crossing
    assert 'and 2026-05-27 08:30:00 UTC ("512", 2026' in crossing
    assert "SPC/SPP interpretation 2013-09" in crossing
    assert "reads was at or above 5,000 at 2026-05-27 08:" in shell.out


def test_the_same_is_had_as_json_by_an_identity_or_a_bundle(shell: Shell) -> None:
    assert shell.run("counts", "--json", POST) == 0
    first = shell.object
    (crossing,) = (crossed for crossed in first["crossings"] if crossed["unit"] == "reposts")
    assert (crossing["below_raw"], crossing["reached_raw"], crossing["certain"]) == (
        "480", "512", True,
    )  # fmt: skip
    assert first["captures"] == 4
    assert [reading["lower"] for reading in first["readings"] if reading["unit"] == "reposts"] == [
        120,
        480,
        512,
    ]

    assert shell.run("counts", "--json", first["identity"]) == 0
    assert shell.object == first
    assert shell.run("counts", "--json", crossing["below"]) == 0
    assert shell.object == first


def test_a_capture_in_quarantine_is_left_out_of_the_counts_and_named(shell: Shell) -> None:
    shell.run("counts", "--json", POST)
    hidden = shell.object["readings"][0]["bundle_id"]
    assert shell.run("quarantine", "--reason", "may show a child", hidden) == 0

    assert shell.run("counts", POST) == 0
    assert hidden not in shell.out
    assert "captures in quarantine that are left out: 1" in shell.err
    assert f"{hidden} in quarantine: may show a child" in shell.err
    assert shell.run("counts", "--json", POST) == 0
    assert shell.object["captures"] == 3
    assert shell.object["left_out"] == [
        {"bundle_id": hidden, "why": "in quarantine: may show a child"}
    ]
    assert shell.run("release", "--reason", "a drawing", hidden) == 0
    shell.run("counts", "--json", POST)
    assert (shell.object["captures"], shell.object["left_out"]) == (4, [])


def test_a_threshold_of_ones_own_is_looked_for(shell: Shell) -> None:
    assert shell.run("counts", "--threshold", "reads=61500", "--threshold", "likes=5", POST) == 0

    assert "reads reached 61,500" not in shell.out
    assert "possibly" not in shell.out  # 10万+ is surely over; 6.1万 may have been
    assert "reads was at or above 61,500 at 2026-05-27 08:15:00 UTC" in shell.out


def test_a_table_has_a_row_a_reading_and_no_formulas(shell: Shell) -> None:
    assert shell.run("counts", "--csv", POST) == 0

    rows = list(csv.DictReader(io.StringIO(shell.out)))
    assert [(row["unit"], row["raw"], row["upper"]) for row in rows] == [
        ("reposts", "120", "120"), ("reposts", "480", "480"), ("reposts", "512", "512"),
        ("reads", "6.1万", "61999"), ("reads", "10万+", ""),
    ]  # fmt: skip
    assert rows[2]["mismatch"].startswith("'=")
    assert rows[0]["mismatch"] == "'\uff1d1 +1"  # a full-width sign begins a formula as well


def test_bars_are_as_long_as_what_is_certain(shell: Shell) -> None:
    assert shell.run("counts", "--chart", POST) == 0

    bars = [line.count("#") for line in shell.out.splitlines() if "#" in line]
    assert bars[:3] == [9, 38, 40]
    assert bars[3:] == [24, 40]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("http://example.test/never",), 1, "has no capture of"),
        (("weibo:never",), 1, "has no capture of"),
        (("20260527t080000z-aaaaaaaaaaaaaaaa",), 1, "has no verdict for the bundle"),
        (("--csv", "--json", POST), 2, "give only one of the options --chart, --json and --csv"),
        (("--threshold", "reposts", POST), 2, "reposts=500"),
        (("--threshold", "reposts=0", POST), 2, "reposts=500"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_can_not_be_shown_is_said(
    shell: Shell, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert shell.run("counts", *arguments) == code
    assert said in shell.err
    assert shell.out == ""
