"""What a capture says of whoever made it is replaced in every text, and nothing else is."""

import base64
import binascii
import gzip
import io
import quopri
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.redaction.concealer import Concealer, conceal
from snapshotter.capture.redaction.redactor import Redactor, commitment
from snapshotter.formats import canonical_json
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import form_values
from snapshotter.formats.page.form_values import FormValue
from tests import bundles
from tests.fakes.world import SeededIds

AT = datetime(2026, 1, 8, tzinfo=UTC)
UIN, SHARER = "2893715520", "f3a1c29e7d5b4860"
FIELDS = ("uin", "user_uin", "devicetype", "isoversea", "sharer_*")
PARAMS = ("uin", "sharer_*", "key", "pass_ticket")


def concealer(
    params: tuple[str, ...] = PARAMS, viewer_fields: tuple[str, ...] = FIELDS
) -> Concealer:
    redactor = Redactor(names=frozenset(), ids=SeededIds("1"))
    return Concealer(redactor, params=params, viewer_fields=viewer_fields)


def shown(text: str) -> str:
    return concealer().conceal_text(text)


@pytest.mark.parametrize(
    "text",
    [
        f'window.uin = "{UIN}" || "";',
        f"uin: '{UIN}',",
        f'{{"uin":"{UIN}"}}',
        f'{{"uin": {UIN}}}',
        rf'"{{\"uin\":\"{UIN}\"}}"',
        f"data-x='{{&quot;uin&quot;:&quot;{UIN}&quot;}}'",
        f'<i data-uin="{UIN}">',
        f"user_uin = '{UIN}' * 1",
        f"uin: JsDecode('{UIN}')",
        f"UIN = '{UIN}'",
        f'window["uin"] = "{UIN}"',
        f"href='/s?uin={UIN}&a=1'",
        f"href='/s?a=1&amp;uin={UIN}#x'",
        f"https://h/?url=https%3A%2F%2Fh%2Fs%3Fa%3D1%26uin%3D{UIN}%26b%3D2",
        rf"'/s?a=1\x26uin={UIN}'",
        f"uin={UIN}&a=1",
        f"https://h/s#uin={UIN}&a=1",
        f"u=https%3A%2F%2Fh%2Fs%23uin%3D{UIN}",
        f"u=https%253A%252F%252Fh%252Fs%253Fa%253D1%2526uin%253D{UIN}%2526b%253D2",
        rf'"{{\\\"uin\\\":\\\"{UIN}\\\"}}"',
        f"uin = `{UIN}`",
        f"window.uin = '' || '{UIN}';",
        f'<input type="hidden" name="uin" value="{UIN}">',
        f"<input name=uin id=x value={UIN}>",
        f"<input value='{UIN}' type=hidden name='uin'>",
        f'<meta name="uin" content="{UIN}">',
    ],
)
def test_a_value_is_replaced_in_whatever_spelling(text: str) -> None:
    assert UIN not in shown(text)
    assert shown(text).count("redacted:sha256:") == 1


def test_what_stands_around_a_value_stays() -> None:
    before, _, after = shown(f"a = 1; window.uin = '{UIN}' || ''; b = 2").partition("redacted:")

    assert before == "a = 1; window.uin = '"
    assert after[len("sha256:") + 64 :] == "' || ''; b = 2"


@pytest.mark.parametrize(
    "text",
    [
        "uin: '',", "uin: 0,", "uin = uin || this.uin;", "if (devicetype == 'x') {}",
        "obj.devicetype = window.devicetype;", "ruin: '12345678'", "uin_other: '12345678'",
        "the uin of a visitor", "isoversea === '1'", "a&&key=1", "x;key=1", "monkey=12345678",
        "/s?monkey=12345678", "/s?uin=", "uin: true", "uin: 'data-uin'",
        """u = "/s?a=1&uin=".concat(x, "&b=")""", """u = 'uin=' + x + '&b=';""",
        """u = "uin=" + x + "&b=";""", "<i name=uin>", "<input name=uin><b title=x value=12345678>",
    ],
)  # fmt: skip
def test_what_is_no_value_of_these_names_stays(text: str) -> None:
    assert shown(text) == text


def test_a_short_value_is_replaced_under_its_name_alone() -> None:
    text = shown(
        "isoversea: '1' * 1, count: '1', devicetype: 'Windows 11 x64', text: 'Windows 11 x64'"
    )

    assert text.count("redacted:") == 2
    assert "count: '1'" in text
    assert "text: 'Windows 11 x64'" in text


def test_an_identifier_is_replaced_under_any_name_once_it_is_known() -> None:
    subject = concealer()
    subject.learn(f"uin: '{UIN}'".encode())

    text = subject.conceal_text(f"<b>{UIN}</b> /path/{UIN}/x other: '{UIN}' 1{UIN} {UIN}5")

    assert text.count("redacted:") == 3
    assert f" 1{UIN} {UIN}5" in text  # of other numbers it is a part


@pytest.mark.parametrize(
    "word",
    [
        "HTTP/1.1", "http/1.1", "127.0.0.1", "141.0.7390.37", "2026-01-08", "2026-01-08T00",
        "snapshotter/layout@1", "capture/picture1.png", "audio/mp4",
    ],
)  # fmt: skip
def test_words_that_a_record_is_made_of_are_nobodys_identifier(word: str) -> None:
    subject = concealer()
    subject.learn(f"uin: '{word}'".encode())

    assert subject.conceal_text(f"a {word} b") == f"a {word} b"
    assert word not in subject.conceal_text(f"uin: '{word}'")


@pytest.mark.parametrize("value", ["a1b2c3d4", "Zm9v/YmFy+MTIz==", "me@mail1.example", "a.b.c1d2"])
def test_what_identifies_somebody_is_known_under_any_name(value: str) -> None:
    subject = concealer()
    subject.learn(f"uin: '{value}'".encode())

    assert value not in subject.conceal_text(f"a {value} b")


def test_equal_values_are_one_commitment_that_its_salt_opens() -> None:
    subject = concealer()
    text = subject.conceal_text(f"uin: '{UIN}' /s?uin={UIN}&sharer_shareid={SHARER}")

    tokens = [part[: len("sha256:") + 64] for part in text.split("redacted:")[1:]]
    assert tokens[0] == tokens[1] != tokens[2]
    opened = {disclosure.name: disclosure for disclosure in subject.redactor.disclosures()}
    assert commitment(bytes.fromhex(opened["uin"].salt), "uin", UIN.encode()) == tokens[0]
    assert {(entry.place, entry.name, entry.count) for entry in subject.redactor.redactions()} == {
        ("viewer-field", "uin", 1), ("url-parameter", "uin", 1),
        ("url-parameter", "sharer_shareid", 1),
    }  # fmt: skip


def test_what_is_replaced_is_not_replaced_again() -> None:
    subject = concealer()
    once = subject.conceal_text(f"uin: '{UIN}' /s?uin={UIN}")

    assert subject.conceal_text(once) == once


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        (f'{{"uin":{UIN},"a":1}}', '{"uin":"TOKEN","a":1}'),
        (rf'"{{\"uin\":{UIN}}}"', r'"{\"uin\":\"TOKEN\"}"'),
        (f"uin: {UIN},", "uin: 'TOKEN',"),
        (f"uin = {UIN};", "uin = 'TOKEN';"),
    ],
)
def test_a_number_without_quotation_marks_gets_those_of_its_name(text: str, shown_as: str) -> None:
    assert re.sub("redacted:sha256:[0-9a-f]{64}", "TOKEN", shown(text)) == shown_as


@pytest.mark.parametrize(
    ("text", "shown_as"),
    [
        (f'{{"user":{UIN}}}', '{"user":"TOKEN"}'),
        (f"[1, {UIN}]", '[1, "TOKEN"]'),
        (f"f({UIN});", "f('TOKEN');"),
        (f"/a/{UIN}/b?x={UIN}&y", "/a/TOKEN/b?x=TOKEN&y"),
        (f"you are {UIN}.", "you are TOKEN."),
        (f"'{UIN}'", "'TOKEN'"),
    ],
)
def test_a_number_that_is_known_is_replaced_so_that_data_stays_data(
    text: str, shown_as: str
) -> None:
    subject = concealer()
    subject.learn(f"uin: '{UIN}'".encode())

    assert re.sub("redacted:sha256:[0-9a-f]{64}", "TOKEN", subject.conceal_text(text)) == shown_as


PAGE = f"<script>uin: '{UIN}'</script><p>text</p>".encode()


def head(*lines: str) -> tuple[RecordedHead, bytes]:
    data = "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    return (
        RecordedHead(
            data=data, headers=headers, first_line="HTTP/1.1 200 OK", status=200, secrets=()
        ),
        data,
    )


def chunked(data: bytes) -> bytes:
    return b"5\r\n" + data[:5] + b"\r\n" + b"%x\r\n" % (len(data) - 5) + data[5:] + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("Content-Length: 46",), PAGE),
        (("Content-Encoding: gzip",), gzip.compress(PAGE, mtime=0)),
        (("Content-Encoding: deflate",), zlib.compress(PAGE)),
        (("Transfer-Encoding: chunked",), chunked(PAGE)),
        (
            ("Transfer-Encoding: chunked", "Content-Encoding: gzip"),
            chunked(gzip.compress(PAGE, mtime=0)),
        ),
    ],
    ids=["plain", "gzip", "deflate", "chunked", "chunked-gzip"],
)
def test_a_body_is_looked_into_through_its_codings(lines: tuple[str, ...], body: bytes) -> None:
    made, written = head("Content-Type: text/html; charset=utf-8", *lines, "X-A: 1")

    concealed = concealer().conceal_body(made, written, io.BytesIO(body), len(body))

    kept = concealed.body.read()
    assert concealed.is_changed
    assert kept.startswith(b"<script>uin: 'redacted:sha256:")
    assert kept.endswith(b"'</script><p>text</p>")
    assert concealed.head == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-A: 1\r\n"
        b"Content-Length: %d\r\n\r\n" % len(kept)
    )


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (
            ("Content-Type: text/html", "Content-Encoding: gzip"),
            gzip.compress(b"<p>nothing</p>", mtime=0),
        ),
        (("Content-Type: image/png",), PAGE),
    ],
    ids=["nothing-in-it", "no-text"],
)
def test_a_body_without_such_a_value_stays_as_it_was_received(
    lines: tuple[str, ...], body: bytes
) -> None:
    made, written = head(*lines)

    concealed = concealer().conceal_body(made, written, io.BytesIO(body), len(body))

    assert (concealed.head, concealed.body.read(), concealed.is_changed) == (written, body, False)


def test_what_a_body_is_read_by_stays_in_its_head() -> None:
    made, written = head("Content-Type: image/png", f"Content-Length: {UIN}", f"X-Of: {UIN}")
    subject = concealer()
    subject.learn(f"uin: '{UIN}'".encode())

    kept = subject.conceal_body(made, written, io.BytesIO(b""), 0)

    assert f"Content-Length: {UIN}\r\nX-Of: redacted:".encode() in kept.head


@pytest.mark.parametrize("charset", ["utf-16", "utf-16le", "utf-32be"])
def test_a_text_of_two_or_four_bytes_a_character_is_looked_through(charset: str) -> None:
    made, written = head(f"Content-Type: text/html; charset={charset}")
    body = f"a 世 uin: '{UIN}' b".encode(charset)
    subject = concealer()

    kept = subject.conceal_body(made, written, io.BytesIO(body), len(body))

    text = kept.body.read().decode(charset)
    assert (kept.is_changed, subject.unchecked) == (True, 0)
    assert text.startswith("a 世 uin: 'redacted:sha256:")
    assert text.endswith("' b")


def test_a_text_that_is_not_in_the_encoding_it_names_is_counted_as_not_looked_through() -> None:
    made, written = head("Content-Type: text/html; charset=utf-16le")
    body = f"uin: '{UIN}'".encode()  # an odd number of bytes
    assert len(body) % 2
    subject = concealer()

    kept = subject.conceal_body(made, written, io.BytesIO(body), len(body))

    assert (kept.is_changed, kept.body.read(), subject.unchecked) == (False, body, 1)


@pytest.mark.parametrize(
    "text",
    [
        f"<uin>{UIN}</uin>",
        f"<a:uin b='1'> {UIN} </a:uin>",
        f"<uin><![CDATA[{UIN}]]></uin>",
        f"<dict><key>uin</key><string>{UIN}</string></dict>",
        f"<key>uin</key>\n <integer>{UIN}</integer>",
    ],
)
def test_an_element_of_xml_is_a_field(text: str) -> None:
    assert UIN not in shown(text)
    assert re.sub("redacted:sha256:[0-9a-f]{64}", UIN, shown(text)) == text


@pytest.mark.parametrize(
    "text", ["<uin/>", "<uin></uin>", "<uin><b>1</b></uin>", "<uin>", "<ruin>1234</ruin>"]
)
def test_an_element_without_a_text_stays(text: str) -> None:
    assert shown(text) == text


def test_each_part_of_a_form_is_looked_through_in_its_own_coding() -> None:
    inner = base64.b64encode(f'{{"uin":"{UIN}"}}'.encode())
    body = (
        b'--xY\r\nContent-Disposition: form-data; name="uin"\r\n\r\n' + UIN.encode() + b"\r\n"
        b'--xY\r\nContent-Disposition: form-data; name="a"\r\n\r\nstays\r\n'
        b'--xY\r\nContent-Disposition: form-data; name="b"\r\nContent-Type: application/json\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n" + inner + b"\r\n"
        b'--xY\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG uin='" + UIN.encode() + b"'\r\n--xY--\r\n"
    )
    made, written = head('Content-Type: multipart/form-data; boundary="xY"')
    subject = concealer()

    kept = subject.conceal_body(made, written, io.BytesIO(body), len(body))

    first, second, third, fourth = kept.body.read().split(b"--xY")[1:5]
    assert first.startswith(
        b'\r\nContent-Disposition: form-data; name="uin"\r\n\r\nredacted:sha256:'
    )
    assert first.endswith(b"\r\n")
    assert second.endswith(b"\r\n\r\nstays\r\n")
    told = canonical_json.loads(binascii.a2b_base64(third.split(b"\r\n\r\n")[1]))
    assert told["uin"].startswith("redacted:sha256:")
    assert b"\x89PNG uin='" + UIN.encode() in fourth  # a file that is no text is left as it is
    assert kept.is_changed


@pytest.mark.parametrize("coding", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_text_in_base64_is_looked_into(coding: Callable[[bytes], bytes]) -> None:
    inner = f'{{"a":"\u00fb\u00ff?>~ 世","uin":"{UIN}","c":"{"x" * 40}"}}'.encode()
    text = b"var t = '" + coding(inner) + b"', u = 'data:text/html;base64," + coding(inner) + b"';"

    kept = concealer().conceal_file("", text)

    runs = re.findall(rb"[A-Za-z0-9+/_=-]{60,}", kept)
    assert len(runs) == 2
    for run in runs:
        opened = base64.b64decode(run.translate(bytes.maketrans(b"-_", b"+/")))
        assert UIN.encode() not in opened
        assert opened.startswith('{"a":"\u00fb\u00ff?>~ 世","uin":"redacted:sha256:'.encode())
        assert opened.endswith(b'","c":"' + b"x" * 40 + b'"}')
    assert kept.startswith(b"var t = '")
    assert kept.endswith(b"';")


@pytest.mark.parametrize("padding", ["=", "%3D"])
def test_base64_keeps_its_alphabet_and_its_padding(padding: str) -> None:
    for spare in range(3):
        inner = f'{{"uin":"{UIN}","p":"{"y" * spare}"}}'.encode()
        run = base64.b64encode(inner).decode().replace("=", padding)

        kept = concealer().conceal_file("", f"t={run}&u=1".encode()).decode()

        found = re.fullmatch(r"t=([A-Za-z0-9+/]+)((?:=|%3D)*)&u=1", kept)
        assert found is not None
        assert UIN.encode() not in base64.b64decode(found[1] + "==")


def test_what_is_no_text_in_base64_stays_as_it_is() -> None:
    data = (
        b"'" + base64.b64encode(bytes(range(256))) + b"' " + b"a" * 3000 + b" /path/to/" + b"b" * 90
    )

    assert concealer().conceal_file("", data) == data


def frames(*lines: dict[str, object]) -> bytes:
    return b"".join(canonical_json.dumps(line) + b"\n" for line in lines)


def test_frames_of_a_websocket_are_looked_through() -> None:
    said = {"text": f'{{"uin":"{UIN}"}}'}
    plain = {"at_us": 1, "compressed": False, "final": True, "from": "server", "opcode": 1}
    packed = {**plain, "compressed": True, "base64": "qlbKSy", "message": said}
    other = {**plain, "compressed": True, "base64": "c3Rh", "message": {"text": "nobody"}}
    data = frames({**plain, **said}, packed, other, {**plain, "text": "nobody"})

    kept = concealer().conceal_frames(io.BytesIO(data), len(data)).read()

    first, second, third, fourth = map(canonical_json.loads, kept.splitlines())
    assert UIN.encode() not in kept
    assert first["text"].startswith('{"uin":"redacted:sha256:')
    assert second["message"]["text"] == first["text"]
    # A later message refers to what the ones before it carried: none of that is left.
    assert [(message.get("withheld"), "base64" in message) for message in (second, third)] == [
        (True, False)
    ] * 2
    assert fourth == {**plain, "text": "nobody"}


def test_frames_in_which_nothing_is_found_are_the_same_bytes() -> None:
    data = frames({"at_us": 1, "compressed": True, "opcode": 1, "base64": "qlbKSy"})

    assert concealer().conceal_frames(io.BytesIO(data), len(data)).read() == data


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
def test_a_body_that_can_not_be_looked_into_is_counted(coding: str) -> None:
    made, written = head("Content-Type: text/html", f"Content-Encoding: {coding}")
    subject = concealer()

    kept = subject.conceal_body(made, written, io.BytesIO(b"\xff\xff nonsense"), 11)

    assert not kept.is_changed
    assert subject.unchecked == 1


def test_without_rules_no_body_is_opened() -> None:
    made, written = head("Content-Type: text/html", "Content-Encoding: gzip")
    subject = concealer((), ())

    kept = subject.conceal_body(made, written, io.BytesIO(b"\xff nonsense"), 10)

    assert (kept.head, kept.body.read(), subject.unchecked) == (written, b"\xff nonsense", 0)


def test_every_text_of_a_capture_is_swept_and_its_digests_are_right(tmp_path: Path) -> None:
    page = f"<p>caf\u00e9 {'long line ' * 20}</p><script>uin: '{UIN}'</script>"
    mhtml = (
        'Content-Type: multipart/related; boundary="--b"\r\n\r\n----b\r\n'
        f"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n"
        f"Content-Location: https://h/s?uin={UIN}\r\n\r\n"
    ).encode() + quopri.encodestring(page.encode()).replace(b"\n", b"\r\n")
    mhtml += b"\r\n----b\r\nContent-Type: text/css\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    mhtml += base64.b64encode(f"/* /s?uin={UIN} */".encode()) + b"\r\n----b--\r\n"
    contents = {
        **bundles.CONTENTS,
        "capture/dom.html": page.encode(),
        "capture/page.mhtml": mhtml,
        "capture/page.txt": f"you are {UIN}\n".encode(),
        "capture/log.jsonl": canonical_json.dumps(
            {"text": f'{{"uin":{UIN}}} uin: {UIN}, [{UIN}]', "url": f"https://h/?uin={UIN}"}
        )
        + b"\n",
    }
    made = bundles.capture(tmp_path, at=AT, contents=contents)
    url = f"https://h/s?uin={UIN}"

    done = conceal(replace(made, requested_url=url, final_url=url), concealer())

    for artifact in done.artifacts:
        data = artifact.file.read_bytes()
        assert digest_bytes(data) == artifact.digests
        assert UIN.encode() not in data
        assert UIN.encode() not in quopri.decodestring(data)
    for artifact in done.artifacts:
        if artifact.path == "capture/page.mhtml":
            text = quopri.decodestring(artifact.file.read_bytes())
            assert "caf\u00e9 long line long line".encode() in text
            css = artifact.file.read_bytes().split(b"base64\r\n\r\n")[1].split(b"\r\n----b")[0]
            assert b"uin=redacted:" in binascii.a2b_base64(css)
        if artifact.path == "capture/log.jsonl":
            line = canonical_json.loads(artifact.file.read_bytes().rstrip(b"\n"))
            assert line["text"].startswith('{"uin":"redacted:sha256:')
    assert UIN not in repr(done)
    assert {redaction.place for redaction in done.redactions} == {"viewer-field", "url-parameter"}
    assert done.disclosures


def test_without_rules_nothing_is_read_and_nothing_changes(tmp_path: Path) -> None:
    made = bundles.capture(tmp_path, at=AT)

    assert conceal(made, concealer((), ())) is made
    assert conceal(made, None) is made


@pytest.mark.parametrize("size", [1_000, 30_000])
def test_no_text_makes_it_slow(size: int) -> None:
    for unit in (
        "uin",
        "&uin",
        "uin:",
        "uin : '",
        "%26uin%3D",
        '"uin\\"',
        "?key=",
        "name=uin ",
        "<a value='1'",
        " ",
    ):
        text = (unit * size)[: 3 * size]
        assert len(shown(text)) >= len(text) // 2


def test_a_form_control_whose_name_is_replaced_shows_no_value(tmp_path: Path) -> None:
    def control(name: str, value: str | None) -> FormValue:
        return FormValue(
            frame="https://a.com/", path="input", type="text", name=name, value=value,
            checked=None, changed=True, shown=True, withheld=value is None,
        )  # fmt: skip

    held = [control("uin", UIN), control("q", f"words, {UIN}"), control("uin", None)]
    data = form_values.encode(held, salt=bytes(16))
    made = bundles.capture(tmp_path, at=AT, contents={form_values.PATH: data})

    done = conceal(made, concealer())

    (file,) = [artifact.file for artifact in done.artifacts if artifact.path == form_values.PATH]
    first, second, third = map(canonical_json.loads, file.read_bytes().splitlines())
    assert first["value"].startswith("redacted:sha256:")
    assert first["salt"] == "00" * 16
    assert second["value"] == f"words, {first['value']}"
    assert (third["value"], third["withheld"]) == (None, True)
