"""`snapshotter search`, as a person types it: what is found, and what hostile pages cannot do."""

import json
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.formats.printable import is_unsafe
from snapshotter.model.page import Page
from snapshotter.ports import Signer
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed, site_bundles
from tests.unit.cli.shell import Shell

AT = datetime(2026, 5, 27, 8, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202egnp.exe\u0007 谣言 title"

AddPage = Callable[..., str]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return bundles.new_signer()


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_OPERATOR", "A. Example")
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@pytest.fixture
def add(shell: Shell, tmp_path: Path, signer: Signer) -> AddPage:
    """Add a capture of a page with this text to the store; return its id."""
    count = 0

    def add(text: str, *, title: str = "A page", host: str = "news.example.org") -> str:
        nonlocal count
        count += 1
        url = f"https://{host}/{count}"
        paragraphs = "".join(f"<p>{line}</p>" for line in text.splitlines())
        page = Page(
            requested_url=url,
            final_url=url,
            captured_at=AT,
            timezone="UTC",
            locale="en",
            status=200,
            html=f"<html><body><main>{paragraphs}</main></body></html>",
            text=text,
        )
        when = AT + timedelta(minutes=count)
        made = site_bundles.seal(tmp_path / "spool", page, when, signer=signer, title=title)
        observed.put(DirectoryStore(tmp_path / "captures"), made)
        return made.id

    return add


def test_a_result_has_title_address_time_verdict_case_and_the_marked_passage(
    shell: Shell, add: AddPage
) -> None:
    wanted = add("有人说这是谣言，后来被删除。\nSecond line.", title="News & more")
    add("Nothing of this kind.")
    assert shell.run("case", "create", "case-7") == 0, shell.err
    assert shell.run("case", "add", "case-7", wanted) == 0, shell.err
    assert shell.run("tag", "add", "urgent", wanted) == 0, shell.err

    assert shell.run("search", "谣言") == 0
    first, *rest = shell.out.splitlines()
    assert first.startswith(f"{wanted}  2026-05-27 08:0")
    assert first.endswith("  not established (little text)")
    assert " UTC" in first
    assert rest == [
        "  News & more",
        "  https://news.example.org/1",
        "  case case-7, exhibit 1; tag urgent",
        "  main: 有人说这是[谣言]，后来被删除。 Second line.",
    ]

    assert shell.run("search", "谣言", "--json") == 0
    found, end = shell.objects
    assert end == {
        "annotation_problems": [], "cut": 0, "next": None, "results": 1, "searched_until": None,
    }  # fmt: skip
    assert found["bundle_id"] == wanted
    assert (found["cases"], found["tags"]) == ({"case-7": 1}, ["urgent"])
    assert found["requested_url"] == "https://news.example.org/1"
    assert found["captured_at"].startswith("2026-05-27T08:0")
    assert datetime.fromisoformat(found["captured_at_local"]).utcoffset() is not None
    assert found["verdict"]["availability"] == "available"
    (hit,) = found["hits"]
    assert [hit["text"][start:end] for start, end in hit["marks"]] == ["谣言"]


def test_words_filters_and_exclusions_are_typed_without_more_quotation_marks(
    shell: Shell, add: AddPage
) -> None:
    one, two = add("rumor draft"), add("rumor final", host="other.example.net")
    assert shell.run("search", "rumor", "-draft", "--json") == 0
    assert [found["bundle_id"] for found in shell.objects[:-1]] == [two]
    assert shell.run("search", "-host:other.example.net", "rumor", "--json") == 0
    assert [found["bundle_id"] for found in shell.objects[:-1]] == [one]
    assert shell.run("search", "site:example.org OR final", "--json") == 0
    assert [found["bundle_id"] for found in shell.objects[:-1]] == [two, one]


def test_results_come_in_pages_and_the_next_command_is_printed(shell: Shell, add: AddPage) -> None:
    ids = [add("谣言") for _ in range(3)]

    assert shell.run("search", "谣言", "--limit", "2") == 0
    assert shell.out.splitlines()[-1].endswith(f" search '谣言' --before {ids[1]}")
    assert shell.run("search", "谣言", "--limit", "1", "--store", "captures") == 0
    last = shell.out.splitlines()[-1]
    assert last.endswith(f" search '谣言' --store captures --before {ids[2]}")
    assert shell.run("search", "谣言", "--before", ids[1], "--json") == 0
    assert [found.get("bundle_id") for found in shell.objects] == [ids[0], None]


def test_a_query_that_is_too_broad_is_named_with_what_to_add(
    shell: Shell, add: AddPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.index.search._COMMON", 0)
    monkeypatch.setattr("snapshotter.index.search._MOST_READ", 1)
    ids = [add("one two"), add("two one"), add("one two")]
    note = f"the query is too broad: the search ended at the capture {ids[1]}. "

    assert shell.run("search", '"one two"') == 0
    assert note in shell.err
    assert "Captures found: 1. Add a rarer word, or a filter such as host: or after:" in shell.err
    assert shell.out.splitlines()[-1].endswith(f" search '\"one two\"' --before {ids[1]}")
    assert shell.run("search", '"one two"', "--json") == 0
    found, end = shell.objects
    assert (found["bundle_id"], end["next"], end["searched_until"]) == (ids[2], ids[1], ids[1])
    assert shell.run("list", '"one two"') == 0
    assert [one in shell.out for one in ids] == [True, False, True]


def test_the_captures_of_which_only_the_beginning_is_searched_are_named(
    shell: Shell, add: AddPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.index.passages.MAX_TOTAL", 3000)
    long, short = add("\n".join(["谣言", *["x" * 1500] * 3])), add("谣言")
    note = "only the first 3,000 characters of a text are searched. Captures with a longer text: 1"

    assert shell.run("search", "谣言") == 0
    assert note in shell.err
    assert shell.out.count("only the beginning of the text was searched") == 1
    assert shell.run("search", "谣言", "--json") == 0
    assert [found.get("text_whole") for found in shell.objects] == [True, False, None]
    assert shell.objects[-1]["cut"] == 1
    assert shell.run("list", "谣言") == 0
    assert (note in shell.err, long in shell.out, short in shell.out) == (True, True, True)
    assert shell.run("search", "host:news.example.org") == 0
    assert note not in shell.err


def test_what_cannot_be_answered_is_said_with_exit_code_2(shell: Shell, add: AddPage) -> None:
    for arguments, message in (
        (["-draft"], "only excludes words"),
        (['""'], "nothing that can be searched"),
        (["hots:a"], "Did you mean host:?"),
        (["a", "--jsno"], "No such option '--jsno'"),
        (["a", "--before", "yesterday"], "is not the id of a bundle"),
        ([" "], "WORDS is missing"),
    ):
        assert shell.run("search", *arguments) == 2, arguments
        assert message in shell.err
    assert shell.run("search", "谣言") == 1
    assert "does not exist" in shell.err
    add("something")
    for broken in (["search", "identity:\udcff"], ["list", "--identity", "\udcff"]):
        assert shell.run(*broken) == 0, shell.err  # bytes that are no UTF-8
    assert shell.run("search", "谣言") == 0
    assert (shell.out, "no capture matches the query 谣言" in shell.err) == ("", True)


@pytest.mark.parametrize("title", [HOSTILE, "谣言 " + "a\u202e\x1b[2J" * 200_000])
def test_a_hostile_page_harms_neither_the_terminal_nor_json(
    shell: Shell, add: AddPage, title: str
) -> None:
    wanted = add(f"谣言 \x1b]0;owned\x07 \u202e{'x' * 5000} &lt;script&gt;", title=title)

    assert shell.run("search", "谣言") == 0
    assert wanted in shell.out
    assert all(
        character == "\n" or unicodedata.category(character) != "Cc" for character in shell.out
    )
    assert "\u202e" not in shell.out
    assert max(map(len, shell.out.splitlines())) < 2000
    assert shell.run("search", "谣言", "--json") == 0
    line, _ = shell.out.splitlines()
    assert json.loads(line)["bundle_id"] == wanted
    assert all(unicodedata.category(character) != "Cc" for character in line)
    assert len(line) < 20_000


def test_hostile_titles_and_notes_harm_no_list_of_captures(
    shell: Shell, add: AddPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = add("谣言", title=HOSTILE, host="\u202e.example.org")
    assert shell.run("case", "create", "c", "--title", HOSTILE) == 0, shell.err
    assert shell.run("case", "add", "c", wanted) == 0, shell.err
    assert shell.run("note", "add", wanted, HOSTILE) == 0, shell.err
    assert shell.run("note", "add", "--case", "c", HOSTILE) == 0, shell.err
    commands = (
        ("list",), ("list", "--case", "title"), ("search", "谣言"), ("search", "note:title"),
        ("case", "list"), ("case", "show", "c"), ("note", "list", wanted), ("review",),
        ("report", "day", "2026-05-27"), ("show", wanted), ("show", "--all", wanted),
        ("quote", wanted, "谣言"),
    )  # fmt: skip
    for width in (0, 200):
        monkeypatch.setattr("snapshotter.cli.table.terminal_width", lambda width=width: width)
        for command in commands:
            assert shell.run(*command) == 0, (command, shell.err)
            printed = shell.out + shell.err
            assert "title" in printed or "谣言" in printed, command
            unsafe = [letter for letter in printed if is_unsafe(letter) and letter != "\n"]
            assert not unsafe, (command, unsafe)


def test_a_capture_in_quarantine_is_not_found_until_it_is_released(
    shell: Shell, add: AddPage
) -> None:
    text = " ".join(f"谣言 story {number} of the agency" for number in range(100))
    secret, other = add(text), add(text, host="other.example.net")
    assert shell.run("search", "谣言", "--json") == 0
    assert [
        copy["bundle_id"] for found in shell.objects[:-1] for copy in found["also_published_at"]
    ] == [secret, other]

    assert shell.run("quarantine", secret, "--reason", "private") == 0, shell.err
    assert shell.run("search", "谣言", "--json") == 0
    (found, _) = shell.objects
    assert (found["bundle_id"], found["also_published_at"]) == (other, [])

    assert shell.run("release", secret, "--reason", "public") == 0, shell.err
    assert shell.run("search", "谣言", "--json") == 0
    assert [found.get("bundle_id") for found in shell.objects] == [other, secret, None]


def test_show_and_open_name_other_addresses_with_nearly_the_same_text(
    shell: Shell, add: AddPage, tmp_path: Path
) -> None:
    text = " ".join(f"谣言 story {number} of the agency" for number in range(100))
    one, two = add(text), add(text, host="other.example.net")

    def named() -> tuple[bool, list[str], bool]:
        """Return whether `show`, `show --json` and `open` name the other capture."""
        assert shell.run("show", one) == 0, shell.err
        line = f"nearly the same text at https://other.example.net/2, capture {two}"
        in_text = line in shell.out
        assert shell.run("show", "--json", one) == 0, shell.err
        in_json = [copy["bundle_id"] for copy in shell.object["also_published_at"]]
        page = tmp_path / f"{len(list(tmp_path.iterdir()))}.html"
        assert shell.run("open", "-o", str(page), one) == 0, shell.err
        return in_text, in_json, f"snapshotter open {two}" in page.read_text()

    assert shell.run("show", one) == 0, shell.err
    assert "nearly the same" not in shell.out  # without an index, none is made
    assert shell.run("search", "谣言") == 0
    assert named() == (True, [two], True)
    assert shell.run("quarantine", two, "--reason", "private") == 0, shell.err
    assert named() == (False, [], False)


def test_nothing_of_an_erased_text_stays_in_the_index(
    shell: Shell, add: AddPage, tmp_path: Path
) -> None:
    order = ("erase", "--yes", "--order", "7/2026", "--reason", "a test")
    gone = add("zqxsecret 谣言 of the agency")
    add("謠言 and other words")
    assert shell.run("note", "add", gone, "qvkprivate note") == 0, shell.err
    number = next(word for word in shell.out.split() if word.isdecimal())
    assert shell.run("search", "zqxsecret", "note:qvkprivate", "--json") == 0
    assert shell.objects[-1]["results"] == 1
    (file,) = (tmp_path / "data" / "index").glob("*.db")

    def kept(word: bytes) -> bool:
        return file.read_bytes().count(word) > 0

    assert (kept(b"zqxsecret"), kept(b"qvkprivate")) == (True, True)

    assert shell.run(*order, "--note", number) == 0, shell.err
    assert (kept(b"zqxsecret"), kept(b"qvkprivate")) == (True, False)
    assert shell.run(*order, gone) == 0, shell.err
    assert not kept(b"zqxsecret")
    assert shell.run("search", "zqxsecret OR 谣言", "--json") == 0
    assert shell.objects[-1]["results"] == 0


def test_list_takes_the_same_words_and_filters(shell: Shell, add: AddPage) -> None:
    one, two = add("谣言 draft"), add("谣言 final", host="other.example.net")
    three = add("nothing")
    assert shell.run("tag", "add", "urgent", one, three) == 0, shell.err
    assert shell.run("case", "create", "case-7") == 0, shell.err
    assert shell.run("case", "add", "case-7", one, two) == 0, shell.err

    for arguments, expected in (
        (["谣言"], [two, one]),
        (["谣言", "--", "-draft"], [two]),
        (["site:example.org"], [three, one]),
        (["--tag", "urgent"], [three, one]),
        (["--tag", "urgent", "--case", "case-7"], [one]),
        (["谣言 OR nothing", "--host", "other.example.net"], [two]),
        (["谣言", "--limit", "1"], [two]),
        (["--case", "case-7", "--until", "2026-05-26"], []),
        (["--case", "other"], []),
    ):
        assert shell.run("list", "--json", *arguments) == 0, shell.err
        assert [found["bundle_id"] for found in shell.objects] == expected, arguments
    assert "no bundle in the store" in shell.err
    assert shell.run("list", "hots:a") == 2
    assert "Did you mean host:?" in shell.err
    assert shell.run("list", "谣言", "--identity", "https://news.example.org/1") == 2
