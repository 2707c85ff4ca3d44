"""Who captures is warned of what says so, or it is taken out, or nothing is kept."""

import base64
import gzip
import html
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.redaction.capturer_identity import (
    CapturerIdentityExposed,
    credential_spellings,
)
from snapshotter.capture.redaction.concealer import Concealer, check_address_is_anonymous, conceal
from snapshotter.capture.redaction.redactor import Redactor, commitment
from snapshotter.formats import canonical_json
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.capturer_identity import CapturerIdentifier, ExposedBox, IdentifierFinding
from snapshotter.model.request import RedactRules
from tests import bundles
from tests.cases import in_one_test
from tests.fakes.world import SeededIds
from tests.unit.capture.redaction.test_concealer import head

AT = datetime(2026, 1, 8, tzinfo=UTC)
HANDLE = CapturerIdentifier(kind="handle", value="@Maria_Lang")
MAIL = CapturerIdentifier(kind="email", value="maria.lang+x@mail.example")
NAME = CapturerIdentifier(kind="name", value="Maria Lübeck Lang")
HAN = CapturerIdentifier(kind="name", value="张伟")
V4 = CapturerIdentifier(kind="ip", value="203.0.113.7")
V6 = CapturerIdentifier(kind="ip", value="2001:db8::17")
ACCOUNT = CapturerIdentifier(kind="account", value="48215501")
ALL = (HANDLE, MAIL, NAME, HAN, V4, V6, ACCOUNT)


def concealer(*own: CapturerIdentifier, action: str = "redact") -> Concealer:
    redactor = Redactor(names=frozenset(), ids=SeededIds("1"))
    return Concealer(redactor, params=(), viewer_fields=(), own=own or ALL, action=action)


@pytest.mark.parametrize("action", ["ignore", "warn", "stop", "redact"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda user, word: f"{user}:{word}",
        lambda user, word: base64.b64encode(f"{user}:{word}".encode()).decode(),
        lambda user, word: base64.b64encode(f"{user}:{word}\n".encode()).decode(),
        lambda user, word: base64.urlsafe_b64encode(f"{user}:{word}".encode()).decode(),
        lambda user, word: quote(base64.b64encode(f"{user}:{word}".encode()).decode(), safe=""),
        lambda user, word: quote(f"{user}:{word}", safe=""),
        lambda user, word: base64.b64encode(f"asked by {user}:{word} at noon".encode()).decode(),
        lambda user, word: json.dumps(f"{user}:{word}").replace("/", r"\/")[1:-1],
    ],
)
def test_a_proxys_password_is_replaced_under_every_policy(
    spell: Callable[[str, str], str], action: str
) -> None:
    for user, word in (("u", "pw?1"), ("ann", "s3cr3t/w0rd"), ("ünï", "pässwörd7")):
        subject = concealer(*credential_spellings(user, word), action=action)
        spelt = spell(user, word)

        for text in (f"Basic {spelt}", f'{{"asked":"{spelt}"}}', f"x={spelt}&y"):
            assert spelt.rstrip("=") not in subject.conceal_text(text), text
        assert subject.identifier_findings == ()
        assert {redaction.name for redaction in subject.redactor.redactions()} == {"credential"}


def test_a_password_that_is_a_word_is_looked_for_beside_its_user_only() -> None:
    subject = concealer(*credential_spellings("ann", "password"))

    assert (
        subject.conceal_text("<input type=password> password") == "<input type=password> password"
    )
    assert "ann:password" not in subject.conceal_text("asked by ann:password")
    assert credential_spellings("", "") == ()


def test_a_key_that_is_sent_as_the_user_alone_is_a_password() -> None:
    subject = concealer(*credential_spellings("k3y-0f-a-service", ""), action="ignore")

    for spelt in ("k3y-0f-a-service", base64.b64encode(b"k3y-0f-a-service:").decode()):
        assert spelt.rstrip("=") not in subject.conceal_text(f"asked by {spelt}")


@pytest.mark.parametrize("before", [b"", b"\xff", b"\xff\xfe", b"user\x00"])
def test_a_proxys_password_is_replaced_wherever_it_begins_in_base64(before: bytes) -> None:
    for user, word in (("ann", "s3cr3t-w0rd"), ("ann", "p@ss-w0r"), ("u", "pass?1")):
        data = before + (word if len(word) >= 8 else f"{user}:{word}").encode() + b"\xff\x00"
        spelt = base64.b64encode(data).decode()

        shown = concealer(*credential_spellings(user, word), action="ignore").conceal_text(
            f"x={spelt};"
        )

        assert "redacted" in shown
        begin = (len(before) + 2) // 3 * 4
        assert spelt[begin : begin + 8] not in shown


@pytest.mark.parametrize("coding", ["hex", "utf-16-le", "utf-16-be"])
def test_a_proxys_password_is_replaced_in_other_forms_of_bytes(coding: str) -> None:
    word = "s3cr3t-w0rd"
    spelt = word.encode().hex().encode() if coding == "hex" else word.encode(coding)

    subject = concealer(*credential_spellings("ann", word), action="ignore")

    assert spelt[:-1] not in subject.conceal_credentials(b"\x00\xff" + spelt + b"\xff")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Transfer-Encoding: chunked", b"5;x=s3cr3t-w0rd\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\nX-Asked: s3cr3t-w0rd\r\n\r\n"),
        ("Content-Encoding: gzip", b"\x1f\x8b\x08 s3cr3t-w0rd"),
        ("Content-Encoding: br", b"\xff\xff s3cr3t-w0rd"),
        ("Content-Encoding: gzip", b"\x1f\x8b\x08\x08" + bytes(6) + b"s3cr3t-w0rd\0"
         + gzip.compress(b"hello")[10:]),
        ("X-Other: 1", b"hello, s3cr3t-w0rd"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["text/plain", "image/png"])
def test_a_proxys_password_is_not_kept_in_what_stands_around_a_body(
    kind: str, head: str, body: bytes
) -> None:
    subject = concealer(*credential_spellings("ann", "s3cr3t-w0rd"), action="ignore")
    content_type = f"{kind}; asked=YW5uOnMzY3IzdC13MHJk"
    name, _, value = head.partition(": ")
    written = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{head}\r\n\r\n".encode()
    read = RecordedHead(
        data=written,
        headers=(("Content-Type", content_type), (name, value)),
        first_line="HTTP/1.1 200 OK",
        status=200,
        secrets=(),
    )

    shown = subject.conceal_body(read, written, io.BytesIO(body), len(body))

    assert b"s3cr3t-w0rd" not in shown.body.read()
    assert b"YW5uOnMz" not in shown.head
    assert f"Content-Type: {kind}".encode() in shown.head
    assert shown.is_changed
    assert b"chunked" not in shown.head


def test_a_proxys_password_is_replaced_in_a_file_that_is_no_text() -> None:
    subject = concealer(*credential_spellings("ann", "s3cr3t-w0rd"), action="ignore")

    shown = subject.conceal_credentials(b"\x00\xff s3cr3t-w0rd \xfe")

    assert shown.startswith(b"\x00\xff redacted:sha256:")
    assert shown.endswith(b" \xfe")


@in_one_test("name", [HANDLE, MAIL, NAME, HAN, V4, V6], ids=lambda name: name.value)
@in_one_test(
    "spell",
    [
        str,
        str.upper,
        str.lower,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(json.dumps(text))[3:-3],
        html.escape,
        lambda text: "".join(f"&#{ord(character)};" for character in text),
        lambda text: "".join(f"&#x{ord(character):X};" for character in text),
        lambda text: text.replace("@", "&#64;").replace(" ", "&nbsp;"),
        lambda text: text.replace("@", "\\u0040"),
    ],
)
def test_a_name_is_found_in_whatever_spelling(name: CapturerIdentifier, spell: object) -> None:
    text = spell(name.value)  # type: ignore[operator]

    shown = concealer(name).conceal_text(f"a <b>{text}</b> c")

    assert shown.startswith("a <b>redacted:sha256:")
    assert shown.endswith("</b> c")
    assert concealer(name).conceal_text(f"/s?x={quote('=')}{text}").startswith("/s?x=%3Dredacted:")


@pytest.mark.parametrize("text", ["/u/maria_lang?tab=1", "%2Fmaria_lang", '"Maria_Lang"'])
def test_a_handle_is_found_without_its_sign(text: str) -> None:
    shown = concealer(HANDLE).conceal_text(f"a {text} b")

    assert "maria" not in shown.lower()
    assert "redacted:sha256:" in shown


def test_a_handle_of_few_letters_is_looked_for_with_its_sign_alone() -> None:
    subject = concealer(CapturerIdentifier(kind="handle", value="@may"))

    assert subject.conceal_text("in may").endswith(" may")
    assert "may" not in subject.conceal_text("says @may.")


@pytest.mark.parametrize(
    "text",
    [
        "@maria_langer", "x@maria_lang2", "amaria.lang+x@mail.example", "1203.0.113.7",
        "203.0.113.71", "203.0.113.7.5", "2001:db8::171", "482155011", "048215501",
        "张大伟", "Maria Lübeck",
    ],
)  # fmt: skip
def test_a_part_of_another_word_is_nobody(text: str) -> None:
    assert concealer().conceal_text(f"a {text} b") == f"a {text} b"


def test_all_spellings_are_one_commitment_that_the_users_own_text_opens() -> None:
    subject = concealer(MAIL)

    shown = subject.conceal_text(f"{MAIL.value} {quote(MAIL.value, safe='')} {MAIL.value.upper()}")

    assert len(set(shown.split())) == 1
    (opened,) = subject.redactor.disclosures()
    token = commitment(bytes.fromhex(opened.salt), "email", MAIL.value.encode())
    assert shown.split()[0] == f"redacted:{token}"
    (told,) = subject.redactor.redactions()
    assert (told.place, told.name, told.count) == ("own-name", "email", 3)


def test_in_a_host_stands_what_a_host_can_be_called() -> None:
    subject = concealer(CapturerIdentifier(kind="handle", value="marialang"))

    shown = subject.conceal_text(
        'https://marialang.example/marialang "https:\\/\\/www.MariaLang.example\\/"'
    )

    host = shown.removeprefix("https://").partition(".")[0]
    assert len(host) < 64
    assert shown.count(f"{host}.example") == 2  # what leads somewhere in the record still does
    assert shown.partition("/redacted:sha256:")[2].startswith(host.removeprefix("redacted-"))


def test_a_number_in_json_stays_json() -> None:
    shown = concealer(ACCOUNT).conceal_text('{"id":48215501,"l":[48215501],"t":"no 48215501"}')

    told = json.loads(shown)
    assert told["id"] == told["l"][0] == told["t"].removeprefix("no ")


@pytest.mark.parametrize("charset", ["gbk", "gb18030", "big5", "utf-16", "shift_jis", "utf-8"])
def test_a_name_is_found_in_the_encoding_of_the_page(charset: str) -> None:
    name = CapturerIdentifier(kind="name", value="山本")
    made, written = head(f"Content-Type: text/html; charset={charset}")
    body = "<p>山田　山本 大</p>".encode(charset)

    kept = concealer(name).conceal_body(made, written, io.BytesIO(body), len(body))

    text = kept.body.read().decode(charset)
    assert text.startswith("<p>山田　redacted:sha256:")
    assert text.endswith(" 大</p>")


def test_a_document_that_was_written_in_utf_8_is_read_as_that_whatever_it_says() -> None:
    page = f"<meta charset=gbk><p>\u5927 {HAN.value} \u5927</p>".encode()

    shown = concealer(HAN).conceal_file("", page).decode()

    assert shown.startswith("<meta charset=gbk><p>\u5927 redacted:sha256:")
    assert shown.endswith(" \u5927</p>")


def test_bytes_that_are_none_of_the_encoding_stay_as_they_are() -> None:
    made, written = head("Content-Type: text/html; charset=gbk")
    body = b"\xff\x80 " + HAN.value.encode("gbk") + b" \x81"

    kept = concealer(HAN).conceal_body(made, written, io.BytesIO(body), len(body)).body.read()

    assert kept.startswith(b"\xff\x80 redacted:sha256:")
    assert kept.endswith(b" \x81")


def layout(*blocks: tuple[str, bool, bool]) -> bytes:
    return canonical_json.dumps(
        {
            "blocks": [
                {
                    "box": {"height": 20, "left": 10, "top": 30 * number, "width": 200}
                    if laid
                    else None,
                    "font_px": 16,
                    "hidden": hidden,
                    "link_characters": 0,
                    "selector": "html > body",
                    "tag": "p",
                    "text": text,
                }
                for number, (text, laid, hidden) in enumerate(blocks)
            ],
            "format": "snapshotter-layout/1",
            "whole": True,
        }
    )


CODED = base64.b64encode(f"for {HANDLE.value} in a text".encode())
CONTENTS = {
    **bundles.CONTENTS,
    "capture/dom.html": f"<p>Welcome, {HANDLE.value}</p>".encode(),
    "capture/layout.json": layout(
        (f"Welcome, {HANDLE.value}", True, False),
        ("nobody", True, False),
        (f"hidden {HANDLE.value}", True, True),
        (f"not there {HANDLE.value}", False, False),
        (f"write to {MAIL.value}", True, False),
    ),
    "capture/page.txt": f"Welcome, {HANDLE.value} {MAIL.value}".encode(),
    "capture/console.jsonl": canonical_json.dumps({"text": f"it {CODED.decode()}"}) + b"\n",
}


def test_what_is_taken_out_of_the_text_is_named_where_pictures_show_it(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT, contents=CONTENTS)

    done = conceal(replace(made, title=f"for {HANDLE.value}"), concealer())

    assert done.shown_in_pictures == (
        ExposedBox(left=10, top=0, width=200, height=20, names=("handle",)),
        ExposedBox(left=10, top=120, width=200, height=20, names=("email",)),
    )
    for artifact in done.artifacts:
        data = artifact.file.read_bytes()
        assert digest_bytes(data) == artifact.digests
        assert b"aria" not in data
        assert CODED not in data
    assert done.title.startswith("for redacted:sha256:")
    assert (
        IdentifierFinding(kind="handle", where="capture/dom.html", count=1)
        in done.identifier_findings
    )
    assert {redaction.place for redaction in done.redactions} == {"own-name"}


def test_a_warning_is_for_the_user_and_leaves_no_trace_in_what_is_sealed(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT, contents=CONTENTS)
    before = {artifact.path: artifact.file.read_bytes() for artifact in made.artifacts}

    done = conceal(made, concealer(action="warn"))

    assert {artifact.path: artifact.file.read_bytes() for artifact in done.artifacts} == before
    assert replace(done, identifier_findings=()) == replace(made, identifier_findings=())
    assert done.identifier_findings == (
        IdentifierFinding(kind="email", where="capture/layout.json", count=1),
        IdentifierFinding(kind="email", where="capture/page.txt", count=1),
        IdentifierFinding(kind="handle", where="capture/console.jsonl", count=1),
        IdentifierFinding(kind="handle", where="capture/dom.html", count=1),
        IdentifierFinding(kind="handle", where="capture/layout.json", count=3),
        IdentifierFinding(kind="handle", where="capture/page.txt", count=1),
    )


def test_to_stop_is_to_keep_nothing_and_to_say_where_without_saying_what(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT, contents=CONTENTS)

    with pytest.raises(CapturerIdentityExposed) as caught:
        conceal(made, concealer(action="stop"))

    said = f"{caught.value.message} {caught.value.hint}"
    assert "your own handle in capture/console.jsonl (1), capture/dom.html (1)" in said
    assert "maria" not in said.lower()
    assert caught.value.exit_code == 20


def test_a_capture_without_them_is_kept(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT)

    assert conceal(made, concealer(action="stop")).identifier_findings == ()


def test_what_the_recorder_wrote_counts_too(tmp_path: Path) -> None:
    subject = concealer(action="stop")
    subject.where = "archive/data.warc.gz"
    made, written = head("Content-Type: text/plain")
    body = base64.b64encode(f"for {MAIL.value} and nobody else".encode())
    assert not subject.conceal_body(made, written, io.BytesIO(body), len(body)).is_changed

    with pytest.raises(CapturerIdentityExposed, match=r"archive/data\.warc\.gz"):
        conceal(bundles.capture(tmp_path, at=AT), subject)


def test_ignored_names_are_not_looked_for(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT, contents=CONTENTS)

    assert conceal(made, concealer(action="ignore")) is made


@pytest.mark.parametrize(
    ("action", "url", "is_visited"),
    [
        ("stop", "https://h.example/u/%40maria_lang", False),
        ("stop", "https://h.example/u/somebody", True),
        ("redact", "https://h.example/u/%40maria_lang", True),
        ("redact", "https://48215501.h.example/", False),
        ("warn", "https://48215501.h.example/@maria_lang", True),
    ],
)
def test_an_address_that_says_who_captures_is_not_visited(
    action: str, url: str, is_visited: bool
) -> None:
    rules = RedactRules(identity=action)
    if is_visited:
        check_address_is_anonymous(url, rules, ALL)
        return
    with pytest.raises(CapturerIdentityExposed, match="in the address"):
        check_address_is_anonymous(url, rules, ALL)
