"""What the console answers to strangers: other hosts, other sites, no session, and old links."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.web.security.headers import SECURITY_HEADERS
from snapshotter.web.security.limits import MAX_BODY
from snapshotter.web.security.sessions import IDLE_LIFETIME, LINK_LIFETIME, SESSION_LIFETIME
from tests.webclient import FORM, HOST, ORIGIN, Console, MovableClock, console, console_settings

COOKIE = "snapshotter_8765"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(tmp_path: Path, clock: MovableClock) -> Iterator[Console]:
    with console(console_settings(tmp_path), clock=clock) as found:
        yield found


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:9", f"{HOST}.evil.example", ""],
)
def test_a_request_for_another_host_is_refused(site: Console, host: str) -> None:
    answer = site.get("/login", headers={"host": host})

    assert answer.status_code == 400
    assert "evil" not in answer.text
    assert site.get("/login", headers={"host": HOST.upper()}).status_code == 401


def test_no_header_of_a_proxy_changes_a_link_or_an_answer(site: Console) -> None:
    headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}

    answer = site.log_in().get("/", headers=headers)

    assert answer.status_code == 200
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "none"}, 303),
        ({"sec-fetch-site": "same-site"}, 403),  # another port, or a sibling host
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": ORIGIN}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 303),  # as Chromium sends a form
        ({"origin": ORIGIN}, 303),  # a browser without Fetch Metadata
        ({"origin": "http://127.0.0.1:8766"}, 403),
        ({"origin": "http://other.127.0.0.1:8765"}, 403),
        ({"origin": "https://127.0.0.1:8765"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_a_page_of_the_console_may_change_something(
    site: Console, headers: dict[str, str], status: int
) -> None:
    site.log_in()

    assert site.post("/logout", headers=headers).status_code == status
    assert site.get("/").status_code == (401 if status == 303 else 200)


def test_two_statements_about_the_site_permit_nothing(site: Console) -> None:
    site.log_in()
    for pair in (("same-origin", "cross-site"), ("cross-site", "same-origin")):
        headers = [("sec-fetch-site", value) for value in pair]
        assert site.client.post("/logout", headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["same-site", "cross-site"])
def test_another_site_can_link_to_the_log_in_page_and_not_embed_or_read_any(
    site: Console, origin: str
) -> None:
    site.log_in()
    link = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    embedded = [
        ("no-cors", "image"),
        ("cors", "empty"),
        ("navigate", "iframe"),
        ("no-cors", "script"),
    ]

    followed = site.get("/", headers={"sec-fetch-site": origin, **link})
    assert followed.status_code == 401  # also if the browser sends the cookie
    assert "Open the address again" in followed.text
    assert site.get("/").status_code == 200
    for mode, target in embedded:
        headers = {"sec-fetch-site": origin, "sec-fetch-mode": mode, "sec-fetch-dest": target}
        assert site.get("/", headers=headers).status_code == 403, (mode, target)


def test_every_answer_has_the_headers_that_confine_it(site: Console) -> None:
    answers = [
        site.get("/"),
        site.get("/health"),
        site.get("/", headers={"host": "evil.example"}),
        site.post("/logout", headers={}),
        site.log_in().get("/"),
        site.get("/no-such-page"),
    ]

    assert [answer.status_code for answer in answers] == [401, 200, 400, 403, 200, 404]
    for answer in answers:
        assert dict(answer.headers).items() >= SECURITY_HEADERS.items()


def test_the_policy_permits_only_files_of_the_console_itself() -> None:
    policy = SECURITY_HEADERS["content-security-policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))

    assert rules.pop("require-trusted-types-for") == "'script'"
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "trusted-types": "'none'",
    }


def test_a_page_has_no_inline_style_and_no_inline_script(site: Console) -> None:
    text = site.log_in().get("/").text

    assert "<style" not in text
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert not re.search(r"\s(?:style|on[a-z]+)=", text)


def test_nothing_is_shown_without_a_session_but_health_and_log_in(site: Console) -> None:
    for path in ("/", "/no-such-page", "/captures/x", "/static", "/healthz", "//health", "/login/"):
        answer = site.get(path)
        assert answer.status_code == 401, path
        assert "set-cookie" not in answer.headers
    assert site.get("/health").json()["status"] == "ok"
    assert site.get("/api/v1/captures").json()["status"] == 401


def test_a_link_logs_in_once(site: Console) -> None:
    token = site.context.sessions.make_link_token()
    first = site.get(f"/login?token={token}")
    site.client.cookies.clear()
    second = site.get(f"/login?token={token}")

    assert first.status_code == 200
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


def test_a_link_is_not_used_up_by_a_look_or_a_prefetch(site: Console) -> None:
    token = site.context.sessions.make_link_token()

    assert site.client.head(f"/login?token={token}").status_code == 401
    for header, value in (
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ):
        early = site.get(f"/login?token={token}", headers={header: value})
        assert early.status_code == 401, header
    assert site.get(f"/login?token={token}").status_code == 200


@pytest.mark.parametrize(
    "token", ["", "x", "../../etc/passwd", "\0", "\udc80", "%2e%2e", "a" * 9999]
)
def test_an_invented_token_logs_nobody_in(site: Console, token: str) -> None:
    site.context.sessions.make_link_token()

    answer = site.client.get("/login", params={"token": token.encode("utf-8", "surrogateescape")})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_link_ends_after_ten_minutes(site: Console, clock: MovableClock) -> None:
    tokens = [site.context.sessions.make_link_token() for _ in range(2)]
    clock.offset = LINK_LIFETIME - timedelta(seconds=5)
    assert site.get(f"/login?token={tokens[0]}").status_code == 200

    site.client.cookies.clear()
    clock.offset = LINK_LIFETIME + timedelta(seconds=5)
    assert site.get(f"/login?token={tokens[1]}").status_code == 401


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_log_in_leads_to_the_console_and_nowhere_else(site: Console, target: str) -> None:
    token = site.context.sessions.make_link_token()

    answer = site.client.get("/login", params={"token": token, "next": target, "url": target})

    assert re.findall(r'http-equiv="refresh" content="([^"]*)"', answer.text) == ["0; url=/"]
    assert "evil" not in answer.text
    again = site.client.get("/login", params={"next": target})
    assert again.headers["location"] == "/"


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(site: Console) -> None:
    token = site.context.sessions.make_link_token()

    name, _, rest = site.get(f"/login?token={token}").headers["set-cookie"].partition("=")

    assert name == COOKIE
    assert {part.strip().lower() for part in rest.split(";")[1:]} == {
        "httponly", "samesite=strict", "path=/", f"max-age={7 * 24 * 3600}",
    }  # fmt: skip


def test_a_session_that_a_stranger_chose_is_not_adopted(site: Console) -> None:
    site.client.cookies.set(COOKIE, "chosen-by-a-stranger", domain="127.0.0.1")
    assert site.get("/").status_code == 401
    site.client.cookies.clear()

    site.log_in()
    first = site.client.cookies[COOKIE]
    site.log_in()

    assert site.client.cookies[COOKIE] != first
    site.client.cookies.clear()
    site.client.cookies.set(COOKIE, first, domain="127.0.0.1")
    assert site.get("/").status_code == 401  # the session before the log-in has ended


def test_sessions_survive_a_restart_and_are_shared_by_servers(tmp_path: Path) -> None:
    settings = console_settings(tmp_path)
    with console(settings) as first:
        cookie = first.log_in().client.cookies[COOKIE]
    with console(settings) as second:
        second.client.cookies.set(COOKIE, cookie, domain="127.0.0.1")
        assert second.get("/").status_code == 200


def test_the_files_of_sessions_are_private_and_do_not_reveal_secrets(
    site: Console, tmp_path: Path
) -> None:
    token = site.context.sessions.make_link_token()
    secret = site.log_in().client.cookies[COOKIE]

    files = [file for file in (tmp_path / "data/console").rglob("*") if file.is_file()]

    assert len(files) == 2
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        assert token not in file.name + file.read_text()
        assert secret not in file.name + file.read_text()


def test_a_session_ends_when_it_is_not_used_and_at_the_latest_after_a_week(
    site: Console, clock: MovableClock
) -> None:
    site.log_in()
    while clock.offset + IDLE_LIFETIME < SESSION_LIFETIME:
        clock.offset += IDLE_LIFETIME - timedelta(minutes=5)
        assert site.get("/").status_code == 200
    clock.offset = SESSION_LIFETIME + timedelta(minutes=1)
    assert site.get("/").status_code == 401

    site.log_in()
    clock.offset += IDLE_LIFETIME + timedelta(minutes=1)
    assert site.get("/").status_code == 401
    assert not list((site.context.settings.data_dir / "console/sessions").iterdir())


def test_a_person_logs_out_here_or_everywhere(tmp_path: Path) -> None:
    settings = console_settings(tmp_path)
    with console(settings) as one, console(settings) as other:
        one.log_in()
        other.log_in()
        stolen = one.client.cookies[COOKIE]
        assert one.post("/logout").headers["location"] == "/login"
        assert COOKIE not in one.client.cookies
        one.client.cookies.set(COOKIE, stolen, domain="127.0.0.1")
        assert one.get("/").status_code == 401
        assert other.get("/").status_code == 200

        one.client.cookies.clear()
        link = other.context.sessions.make_link_token()
        assert one.log_in().post("/logout/everywhere").status_code == 303
        assert other.get("/").status_code == 401
        assert other.get(f"/login?token={link}").status_code == 401


def test_a_body_that_is_too_long_is_refused_before_and_while_it_is_read(site: Console) -> None:
    site.log_in()
    content = b"x" * (MAX_BODY + 1)

    answer = site.client.post("/logout", content=content, headers=FORM)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    for length in ("-1", "1e3", "0x10"):
        headers = {**FORM, "content-length": length}
        assert site.client.post("/logout", headers=headers).status_code == 413
    assert site.get("/").status_code == 200  # nobody was logged out


def test_static_files_are_kept_for_ever_under_the_digest_of_their_content(site: Console) -> None:
    (path,) = re.findall(r'href="(/static/[^"]+\.css)"', site.get("/login").text)

    answer = site.get(path)

    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "--paper" in answer.text
    name = path.rpartition("/")[2]
    assert site.get(f"/static/{'0' * 16}/{name}").status_code == 404
    for wrong in ("..%2fpages%2fhome.py", "%2e%2e/x", "console.css%00", "layout.html.j2"):
        assert site.get(path.replace(name, wrong)).status_code in (401, 404), wrong
