"""`snapshotter proof EARLIER LATER`: two captures that both show the page, with other words."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.formats.statements import pack
from snapshotter.formats.statements.pack import MAGIC
from snapshotter.seal.signer import KeyDirectory
from tests import packs
from tests.bundles import RealClock
from tests.changed import HOST, URL, ShownPage, count_comparisons, shoot
from tests.unit.cli.proving import User, new_user

pytestmark = pytest.mark.long

EDITED = ShownPage(words="The market hall will be closed for repairs until summer.")
OTHER = f"{HOST}/weather"
WEATHER = ShownPage(words="Rain is expected on the coast for the whole week.")


def capture(
    user: User,
    minutes: float,
    page: ShownPage,
    url: str = URL,
    *,
    missing: str = "",
) -> str:
    """Put a capture into the store that ended so many minutes after the first."""
    when = RealClock().now() - timedelta(hours=3) + timedelta(minutes=minutes)
    return user.put(
        shoot(user.home / "spool", when, page, signer=user.signer, url=url, missing=missing)
    )


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    return new_user(tmp_path, monkeypatch, capsys)


@pytest.fixture
def edited(user: User) -> list[str]:
    """A page that was edited, with all that confirms it."""
    return [
        capture(user, 0, ShownPage()),
        capture(user, 60, EDITED),
        capture(user, 65, WEATHER, OTHER),
        capture(user, 75, EDITED),
    ]


def test_an_edit_becomes_one_file_that_anybody_can_derive_again(
    user: User, edited: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = count_comparisons(monkeypatch)

    code, out, err = user.run("proof", edited[0], edited[1], "--without", "pdf")

    assert code == 0, err
    assert len(pairs) == 2  # both ends, and the confirmation: each pair once
    file = Path(out.strip())
    text = file.read_text()
    assert text.startswith(MAGIC.decode())
    assert "<del>spring</del>" in text
    assert "<ins>summer</ins>" in text
    code, out, err = user.run("verify", file)
    assert code == 11, out  # these captures have no tokens
    assert "was changed between" in out
    assert "the captures were compared again, and exactly the change" in out
    assert "FAIL" not in out
    assert "less confirmed than usual" not in out

    event_id = file.stem.removeprefix("proof-")
    code, out, err = user.run("proof", event_id, "--without", "pdf", "--json")
    value = json.loads(out)
    assert code == 0, err
    assert value["statement"]["kind"] == "changed"
    assert value["statement"]["own_word"] == []
    assert value["statement"]["event"]["change"]["subjects"] == ["words"]
    assert [part["role"] for part in value["statement"]["captures"]] == [
        *("last-seen", "first-gone", "confirmation", "control")
    ]
    assert [part["what"]["bundle_id"] for part in value["statement"]["captures"]] == [
        *(edited[0], edited[1], edited[3], edited[2])
    ]
    code, out, err = user.run("takedown", "show", event_id)
    assert code == 0, err
    assert "was changed between" in out
    code, out, err = user.run("takedown", "list")
    assert (code, "was changed between" in out) == (0, True)


def test_a_change_and_a_removal_of_one_page_do_not_disturb_each_other(
    user: User, edited: list[str]
) -> None:
    code, _, err = user.run("proof", edited[0], edited[1], "--without", "pdf")
    assert code == 0, err

    code, _, err = user.run("takedown", "derive", URL)

    assert code == 0, err
    code, _, err = user.run("proof", URL)
    assert code == 1
    assert "the last conclusive capture shows that the page is available" in err
    assert "snapshotter proof EARLIER LATER" in err


def test_what_differs_outside_the_main_text_is_refused(user: User) -> None:
    one = capture(user, 0, ShownPage())
    other = capture(user, 60, ShownPage(side="Most read: a lost dog.", reads="9,871 views"))

    code, out, err = user.run("proof", one, other)

    assert (code, out) == (1, "")
    assert "no change is proven: no change in the main text" in err
    assert f"snapshotter diff {one} {other}" in err
    assert not list(user.home.glob("*.html"))


def test_captures_in_the_wrong_order_are_named_the_other_way_round(
    user: User, edited: list[str]
) -> None:
    code, _, err = user.run("proof", edited[1], edited[0])

    assert code == 1
    assert f"snapshotter proof {edited[0]} {edited[1]}" in err


def test_a_capture_that_is_not_whole_leaves_the_question_open(user: User) -> None:
    one = capture(user, 0, ShownPage())
    other = capture(user, 60, EDITED, missing="load-timeout")

    code, _, err = user.run("proof", one, other)

    assert code == 11
    assert f"the capture {other} is not complete: the page did not finish loading" in err


def test_a_capture_that_lacks_an_image_is_proven_with_this_reason(user: User) -> None:
    one = capture(user, 0, ShownPage())
    other = capture(user, 60, EDITED, missing="images-missing")

    code, out, err = user.run("proof", one, other, "--without", "pdf")

    assert code == 0, err
    assert "It is not established that the page itself changed" in Path(out.strip()).read_text()
    code, out, err = user.run("verify", out.strip())
    assert code == 11
    assert "the captures were compared again, and exactly the change" in out
    assert "images of the page are missing" in out


def test_a_capture_in_quarantine_is_refused(user: User, edited: list[str]) -> None:
    assert user.run("quarantine", "--reason", "other", edited[1])[0] == 0

    code, _, err = user.run("proof", edited[0], edited[1])

    assert code == 20
    assert "is in quarantine" in err


def test_a_removal_that_no_rule_knows_is_proven_as_a_change(user: User) -> None:
    one = capture(user, 0, ShownPage())
    other = capture(user, 60, ShownPage(notice="This content cannot be displayed."))

    code, out, err = user.run("proof", one, other, "--without", "pdf")

    assert code == 0, err
    text = Path(out.strip()).read_text()
    assert "may show a removal" in text
    assert "No further capture confirms this." in text
    assert "less confirmed than usual" in user.run("verify", out.strip())[1]


def test_text_of_a_page_cannot_become_markup_of_the_file(user: User) -> None:
    one = capture(user, 0, ShownPage())
    evil = "<script>alert(1)</script> \u202e&lt;b&gt; market"
    page = ShownPage(words=evil.replace("<", "&lt;").replace(">", "&gt;"), title="A &lt;b&gt;")
    other = capture(user, 60, page)

    code, out, err = user.run("proof", one, other, "--without", "pdf")

    assert code == 0, err
    text = Path(out.strip()).read_text()
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text.partition('id="manifest"')[0]


def test_words_that_no_picture_shows_are_named_so(user: User) -> None:
    hidden = "The fish market is closed.", "The fish market stays open."
    one = capture(user, 0, ShownPage(second=hidden[0], unseen=hidden))
    page = ShownPage(words="The hall stays open.", second=hidden[1], unseen=hidden)
    other = capture(user, 60, page)

    code, out, err = user.run("proof", one, other, "--without", "pdf")

    assert code == 0, err
    text = Path(out.strip()).read_text()
    assert text.count("The pictures of the captures do not show this difference.") == 1


def test_a_verifier_prints_the_words_of_the_captures_whatever_the_page_shows(
    user: User, edited: list[str]
) -> None:
    """The page is the word of its signer, who can sign another page over the same captures."""
    code, out, err = user.run("proof", edited[0], edited[1], "--without", "pdf")
    assert code == 0, err
    file = Path(out.strip())
    data = file.read_bytes()
    with file.open("rb") as stream:
        found = pack.read(stream)
        parts = [
            pack.read_part(stream, found, part, limit=part.length) for part in found.manifest.parts
        ]
    forged = data[: found.manifest.page.length].replace(b"<ins>summer</ins>", b"<ins>forged</ins>")
    end = data[-found.manifest.end.length :]
    listed = replace(found.manifest, page=pack.section_of(forged))
    signer = KeyDirectory(user.home / "data" / "keys").load("events", None)
    with file.open("wb") as stream:
        pack.write(forged, end, listed, [packs.opener(part) for part in parts], signer, stream)

    code, out, err = user.run("verify", file)

    assert code == 11, out  # these captures have no tokens
    assert "[-spring-]{+summer+}" in out
    assert "forged" not in out
    assert "stated only by the signer" in out
    assert "the words of the statement" in out


def article(word: str) -> ShownPage:
    """Return an article behind a short address that states which article it is."""
    long = "这是一篇关于港口的长文章，讲述了渡轮和渔民的故事。" * 12
    return ShownPage(
        markup="<!doctype html><html><head><title>t</title></head><body><div id='js_article'>"
        "<h1 id='activity-name'>题目在这里</h1><a id='js_name'>帐号</a>"
        f"<div id='js_content'><p>原来的文字写着{word}天。</p><p>{long}</p></div></div>"
        '<script>var biz = "MzkwMDAwMDAwMQ==" || ""; var mid = "2650000001" || ""; '
        'var idx = "1" || ""; var sn = "x";</script></body></html>'
    )


def test_a_page_behind_a_short_address_is_named_as_its_captures_name_it(user: User) -> None:
    short = "http://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOpQrStUv"
    visits = (0, "春"), (60, "夏"), (65, "夏")
    one, other, soon = (capture(user, at, article(word), short) for at, word in visits)

    code, out, err = user.run("proof", one, other, soon, "--without", "pdf")

    assert code == 0, err
    code, out, err = user.run("verify", out.strip())
    assert "The page wechat:MzkwMDAwMDAwMQ==/2650000001/1 was changed between" in out
    assert "原来的文字写着[-春-]{+夏+}天。" in out
    assert "FAIL" not in out
    assert "the captures that show the change are less than 10 minutes apart" in out
