"""`snapshotter capture` and what one does with its bundles, as a user types it."""

import http.server
import io
import json
import re
import shlex
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typing_extensions import override

from tests.e2e.conftest import Captured
from tests.e2e.product import Done, Installation, member, record_of, traffic_of, trusting
from tests.servers.authority import TestAuthority, start_authority
from tests.servers.site import Site
from tests.tools import ROOT, system_tool

pytestmark = pytest.mark.e2e

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
STAGES = {
    *("launch", "navigate", "settle", "screenshot", "mhtml", "dom", "text", "record"),
    *("seal", "timestamp", "store", "total"),
}


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation for commands that leave nothing behind."""
    return Installation(tmp_path_factory.mktemp("bare"))


def closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


# What a good capture says


def test_a_capture_of_a_good_page_ends_in_0_and_keeps_every_promise_of_its_json(
    captured: Captured,
) -> None:
    assert captured.done.code == 0, captured.done.err
    printed = captured.object

    assert printed["requested_url"] == printed["final_url"] == captured.url
    assert re.fullmatch(r"\d{8}t\d{6}z-[a-z2-7]{16}", printed["bundle_id"])
    assert (printed["outcome"], printed["reasons"], printed["http_status"]) == ("complete", [], 200)
    assert printed["title"] == "固定頁 · Fixture"
    assert printed["court_minimum"] is True
    assert re.fullmatch(INSTANT, printed["captured_at"])
    assert re.fullmatch(INSTANT, printed["sealed_at"])
    assert set(printed["stage_ms"]) >= STAGES
    assert all(type(took) is int and took >= 0 for took in printed["stage_ms"].values())
    assert printed["stage_ms"]["total"] >= printed["stage_ms"]["navigate"]
    (token,) = printed["timestamps"]
    assert (token["authority"], token["state"]) == ("good", "granted")
    assert re.fullmatch(INSTANT, token["time"])


def test_the_json_names_the_very_file_that_stands_in_the_store(captured: Captured) -> None:
    named = captured.object["bundle"]
    digest = subprocess.run(
        [system_tool("sha256sum"), named["path"]], capture_output=True, text=True, check=True
    ).stdout.split()[0]

    assert captured.installation.bundles() == [Path(named["path"])]
    assert Path(named["path"]).stat().st_size == named["bytes"]
    assert digest == named["sha256"]
    assert Path(named["path"]).stat().st_mode & 0o222 == 0


def test_stdout_holds_the_result_and_stderr_the_talk_in_plain_lines(captured: Captured) -> None:
    assert len(captured.done.out.splitlines()) == 1
    assert "snapshotter: loading the page\n" in captured.done.err
    why = "no other policy applies to the page"
    assert f"{captured.url}: policy default, because {why}\n" in captured.done.err
    assert (captured.object["policy"], captured.object["policy_why"]) == ("default", why)
    assert "\x1b" not in captured.done.err + captured.done.out
    assert "\r" not in captured.done.err


def test_the_text_output_names_the_bundle_its_proof_a_citation_and_the_next_command(
    installation: Installation, fixture_site: Site
) -> None:
    done = installation.run("capture", "--quiet", fixture_site.url("/plain"))

    (bundle,) = installation.bundles()
    assert done.code == 0, done.err
    shown = re.findall(r"(?m)^  bundle         (.*)$", done.out)
    assert [(installation.home / path).resolve() for path in shown] == [bundle.resolve()]
    assert re.search(rf"  time           good {INSTANT}\n", done.out)
    assert done.out.startswith(
        "It is not established whether the page was available: the page has little text, and no "
        "take-down rule file exists for its host. The capture is complete. The proof is intact; "
        "its time is confirmed by one timestamp authority.\n"
    )
    assert (
        "  court minimum  met: URL, HTML source and full-page capture exist. It is not " in done.out
    )
    assert re.search(rf'(?m)^cite: "plain", .*{bundle.stem}, SHA-256 [0-9a-f]{{64}}$', done.out)
    following = re.search(
        r"\nnext: look at the capture, or verify the bundle\n"
        r"  .*snapshotter (open .*)\n  .*snapshotter (verify .*)\n$",
        done.out,
    )
    assert following is not None
    for command in following.groups():
        assert installation.run(*shlex.split(command)).code == 0
    assert "loading" not in done.err  # --quiet
    # The key that was made on first use is announced, and never by its content.
    assert "Back up this file now" in done.err
    assert "PRIVATE KEY" not in done.out + done.err


def test_what_stands_in_the_bundle_is_the_page(captured: Captured) -> None:
    text = member(captured.bundle, "capture/page.txt").decode()

    for words in ("香港新聞 News from everywhere", "第二行。", "text of the inner frame 內框",
                  "open shadow text 影子", "頁尾 the end", "العربية", "🦊"):  # fmt: skip
        assert words in text
    for image in ("eager", "native-lazy", "observed", "scrolled", "back", "inner"):
        assert f"/image/{image}.png".encode() in traffic_of(captured.bundle)
    assert member(captured.bundle, "capture/screenshot.png").startswith(b"\x89PNG")


def test_a_page_of_half_characters_is_captured_whole_and_sealed(
    installation: Installation, fixture_site: Site
) -> None:
    done = installation.run("capture", "--json", fixture_site.url("/halves"))

    assert done.code == 0, done.err
    printed = done.object
    assert (printed["outcome"], printed["title"]) == ("complete", "a\ufffdb")
    bundle = Path(printed["bundle"]["path"])
    record = json.dumps(record_of(bundle), ensure_ascii=False)
    assert '"document_language": "\ufffd"' in record
    assert "alert, dismissed: \ufffd" in record
    assert "shadow \ufffd" in member(bundle, "capture/page.txt").decode()
    assert "c\ufffd" in member(bundle, "capture/console.jsonl").decode()
    assert installation.run("verify", bundle).code == 0


# Several pages, and pages that fail


@dataclass(frozen=True, slots=True)
class Three:
    """Pages that were captured by one command: two errors that render, and four hops to a page."""

    site: Site
    installation: Installation
    done: Done
    urls: tuple[str, str, str]


@pytest.fixture(scope="module")
def three(
    tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority, fixture_site: Site
) -> Three:
    installation = Installation(tmp_path_factory.mktemp("three"))
    installation.configure(trusting(authority))
    first, second, third = (fixture_site.url(path) for path in ("/404", "/500", "/r1"))
    done = installation.run(
        *("capture", "--json", "--tag", "three", first, "-"),
        given=f"# a comment\n{second}\n\n  {third}  \n",
    )
    return Three(fixture_site, installation, done, (first, second, third))


of_three = pytest.mark.xdist_group("three-pages")  # one worker, one command


@of_three
def test_several_urls_and_standard_input_give_one_bundle_and_one_object_each(three: Three) -> None:
    done, installation = three.done, three.installation

    assert done.code == 0, done.err
    assert [printed["requested_url"] for printed in done.objects] == list(three.urls)
    assert [printed["http_status"] for printed in done.objects] == [404, 500, 200]
    assert [printed["outcome"] for printed in done.objects] == ["complete"] * 3
    assert [printed["court_minimum"] for printed in done.objects] == [True] * 3
    assert len(installation.bundles()) == 3
    notices = ("a signing key was made", "a key for annotations was made", "a log was made", "1 of")
    assert [done.err.count(notice) for notice in notices[:3]] == [1, 1, 1]
    places = [done.err.index(notice) for notice in notices]
    assert places == sorted(places)  # the notices of the first use stand before the first page
    assert "2 of 3: " in done.err
    listed = installation.run("list", "--json")
    newest_first = [printed["bundle_id"] for printed in listed.objects]
    assert newest_first == [bundle.stem for bundle in reversed(installation.bundles())]
    assert {printed["requested_url"] for printed in listed.objects} == set(three.urls)
    assert len(installation.run("list", "--limit", "2").out.splitlines()) == 2


@of_three
def test_redirects_of_three_kinds_are_followed_and_each_is_told(three: Three) -> None:
    told = three.done.objects[2]

    # Two by HTTP, one by a meta element, one by a script.
    hops = record_of(told["bundle"]["path"])["what"]["redirects"]
    assert [(hop["kind"], hop["status"]) for hop in hops] == [
        *(("http", 302), ("http", 301), ("client", None), ("client", None))
    ]
    assert [hop["to_url"] for hop in hops] == [
        three.site.url(path) for path in ("/r2", "/meta", "/script-redirect", "/plain")
    ]
    assert told["final_url"] == three.site.url("/plain")


@of_three
def test_the_browser_of_the_next_url_starts_while_this_one_is_sealed(three: Three) -> None:
    launches = [
        next(
            step
            for step in record_of(captured["bundle"]["path"])["how"]["steps"]
            if step["name"] == "launch"
        )
        for captured in three.done.objects
    ]
    assert ["started early" in launch["detail"] for launch in launches] == [False, True, True]
    assert list(three.installation.spool.iterdir()) == []
    assert list(three.installation.temporary.iterdir()) == []


@pytest.fixture(scope="session")
def bad_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site whose certificate nobody vouches for."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(system_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key.pem", "-out"),
            *(folder / "cert.pem", "-subj", "/CN=127.0.0.1", "-days", "2"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = _TlsServer(("127.0.0.1", 0), _Greeting)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


class _TlsServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that refuses the certificate is what this server is for."""


class _Greeting(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>behind TLS</title><h1>greetings</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_pages_that_do_not_answer_are_sealed_with_their_reason_and_end_in_3(
    installation: Installation, fixture_site: Site, bad_certificate: str
) -> None:
    wanted = {
        "http://nowhere.invalid/": '"dns"',
        f"http://127.0.0.1:{closed_port()}/": '"refused"',
        bad_certificate: "ERR_CERT_AUTHORITY_INVALID",
        fixture_site.url("/never"): '"timeout"',
    }
    policy = installation.policy(navigate_s=2, total_s=20)

    done = installation.run("capture", "--json", "--policy", policy, *wanted)

    assert done.code == 3
    assert [printed["requested_url"] for printed in done.objects] == list(wanted)
    for printed, error in zip(done.objects, wanted.values(), strict=True):
        assert (printed["outcome"], printed["http_status"], printed["court_minimum"]) == (
            "failed",
            None,
            False,
        )
        assert printed["reasons"]
        assert error in json.dumps(printed["reasons"])
        assert printed["timestamps"][0]["state"] == "granted"
    bundles = [printed["bundle"]["path"] for printed in done.objects]
    verified = installation.run("verify", "--json", *bundles)
    assert verified.code == 0, verified.out
    assert [printed["verdict"] for printed in verified.objects] == ["passed"] * 4


def test_a_bad_certificate_can_be_gone_over_and_stands_in_the_record(
    installation: Installation, bad_certificate: str
) -> None:
    done = installation.capture("--ignore-certificate-errors", bad_certificate)

    assert done.object["http_status"] == 200
    assert done.object["title"] == "behind TLS"
    record = record_of(done.object["bundle"]["path"])
    assert record["from_whom"]["tls"]["protocol"] == "TLS 1.3"
    (leaf,) = record["from_whom"]["tls"]["chain"]
    assert leaf["subject"] == leaf["issuer"] == "CN=127.0.0.1"


def test_the_full_browser_can_be_chosen(installation: Installation, fixture_site: Site) -> None:
    done = installation.run("capture", "--json", "--browser", "chromium", fixture_site.url("/"))

    if "no Chromium was found" in done.err:
        pytest.skip("no full Chromium on this machine")
    assert done.code == 0, done.err
    assert done.object["outcome"] == "complete", done.err
    assert done.object["court_minimum"] is True
    bundle = done.object["bundle"]["path"]
    browser = record_of(bundle)["how"]["environment"]
    assert "headless-shell" not in browser["browser_binary"]
    # It looks for updates before the page is asked for, whatever it is told.
    connections = json.loads(member(bundle, "capture/network.json"))["connections"]
    google = [connection for connection in connections if "google" in connection["host"]]
    assert {(connection["purpose"], connection["refusal"]) for connection in google} <= {
        ("browser", "before-page")
    }


def test_a_bad_line_among_many_is_its_own_error_and_the_rest_is_captured(
    installation: Installation, fixture_site: Site
) -> None:
    first, last = fixture_site.url("/plain"), fixture_site.url("/")
    lines = f"\ufeff{first}\nnot a url\nftp://user:SECRET@h/\nhttp://a/\x1b[31m\n{last}\n"

    done = installation.run("capture", "--json", "-", given=lines)

    assert done.code == 1
    assert [printed["bundle_id"] is not None for printed in done.objects] == [
        True,
        *[False] * 3,
        True,
    ]
    assert [printed["requested_url"] for printed in done.objects][::4] == [first, last]
    assert [printed["exit_code"] for printed in done.objects[1:4]] == [1, 1, 1]
    assert "SECRET" not in done.out + done.err
    assert "\x1b" not in done.out + done.err
    assert len(installation.bundles()) == 2


def test_a_host_that_may_not_be_asked_any_more_is_left_alone_and_that_is_told(
    installation: Installation, fixture_site: Site
) -> None:
    first, second = fixture_site.url("/plain"), fixture_site.url("/")
    rules = installation.home / "polite.toml"
    rules.write_text('[[host]]\nname = "here"\nhosts = ["127.0.0.0/8"]\nper_day = 1\n')
    installation.environment["SNAPSHOTTER_POLITENESS_FILE"] = str(rules)

    done = installation.run("capture", "--json", first, second)

    assert done.code == 30, done.err
    good, held = done.objects
    assert good["requested_url"] == first
    assert "127.0.0.1 is not visited before" in held["error"]
    assert "the limit of 1 visits to the host in 24 hours is reached" in held["error"]
    assert held["exit_code"] == 30
    assert len(installation.bundles()) == 1


def test_what_nobody_expected_of_one_url_holds_up_no_other(
    installation: Installation, fixture_site: Site, tmp_path: Path
) -> None:
    """A bug, put in from outside: the interpreter runs this before the product."""
    (tmp_path / "sitecustomize.py").write_text(
        "import snapshotter.app.pipeline.run as it\n"
        "real = it.visit\n"
        "def visit(request, *more, **named):\n"
        "    if request.url.endswith('plain'):\n"
        "        raise KeyError('a bug of ours')\n"
        "    return real(request, *more, **named)\n"
        "it.visit = visit\n"
    )
    installation.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"

    done = installation.run("capture", "--json", fixture_site.url("/plain"), fixture_site.url("/"))

    assert done.code == 1
    bad, good = done.objects
    assert "KeyError: 'a bug of ours'" in bad["error"]
    assert "this is a bug" in bad["hint"]
    assert good["outcome"] == "complete"


# Verify


def test_verify_says_passed_and_ends_in_0(captured: Captured) -> None:
    done = captured.installation.run("verify", captured.bundle)

    assert done.code == 0
    assert done.err == ""
    assert re.match(r".*The capture is complete\. The proof is intact; its time is ", done.out)
    assert re.search(r"(?m)^proof: PASSED \(intact\)$", done.out)
    assert "  judged with    the keys of your settings, without a trust file\n" in done.out


def test_verify_keeps_every_promise_of_its_json(captured: Captured) -> None:
    printed = captured.installation.run("verify", "--json", captured.bundle).object

    assert printed["verdict"] == "passed"
    assert printed["bundle_id"] == captured.object["bundle_id"]
    assert printed["proven_time"] == captured.object["timestamps"][0]["time"]
    assert printed["sha256"] == captured.object["bundle"]["sha256"]
    for finding in printed["findings"]:
        assert {"check", "verdict", "code", "detail"} == set(finding)
        assert (finding["verdict"], finding["code"]) == ("passed", "OK")


def test_a_bundle_with_one_byte_changed_is_failed_and_ends_in_10(
    captured: Captured, tmp_path: Path
) -> None:
    altered = bytearray(captured.bundle.read_bytes())
    altered[len(altered) // 2] ^= 1
    (tmp_path / "altered.wacz").write_bytes(altered)

    done = captured.installation.run("verify", tmp_path / "altered.wacz", captured.bundle)

    assert done.code == 10
    assert "The proof is not intact: " in done.out
    assert "proof: FAILED (not intact)" in done.out
    assert "PASSED" in done.out  # the other one


def test_a_stranger_s_bundle_is_indeterminate_and_ends_in_11(
    captured: Captured, bare: Installation
) -> None:
    done = bare.run("verify", "--json", captured.bundle)

    assert done.code == 11
    assert done.object["verdict"] == "indeterminate"
    assert "KEY_UNKNOWN" in {finding["code"] for finding in done.object["findings"]}
    assert "failed" not in {finding["verdict"] for finding in done.object["findings"]}


def test_an_auditor_with_a_trust_file_and_one_fingerprint_sees_passed(
    captured: Captured, bare: Installation, authority: TestAuthority, tmp_path: Path
) -> None:
    agency, trust = captured.installation, tmp_path / "trust.json"
    public = tmp_path / "agency.pub.pem"
    assert agency.run("keys", "export", "default", "-o", public).code == 0
    assert agency.run("trust", "init", trust).code == 0
    root_key = agency.run("trust", "show", trust, "--json").object["root_key_id"]
    unknown = bare.run("verify", "--json", "--trust", trust, "--root-key", root_key,
                       captured.bundle)  # fmt: skip
    assert unknown.code == 11
    assert "KEY_UNKNOWN" in {finding["code"] for finding in unknown.object["findings"]}

    added = agency.run("trust", "add-key", trust, public, "--owner", "Agency")
    assert added.code == 0, added.err
    added = agency.run(
        *("trust", "add-tsa", trust, "--name", "test", "--root", authority.good.root_pem)
    )
    assert added.code == 0, added.err

    passed = bare.run("verify", "--trust", trust, "--root-key", root_key, captured.bundle)
    assert passed.code == 0, passed.out + passed.err
    assert "PASSED" in passed.out
    unpinned = bare.run("verify", "--trust", trust, captured.bundle)
    assert (unpinned.code, unpinned.out) == (1, "")
    wrong = bare.run("verify", "--trust", trust, "--root-key", "0" * 64, captured.bundle)
    # 10 would say that the bundle was altered, which nobody has looked at.
    assert (wrong.code, wrong.out) == (11, "")
    assert "snapshotter: " in wrong.err


# Authorities


def test_an_authority_that_is_down_leaves_a_pending_bundle_that_a_late_token_completes(
    tmp_path: Path, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    port = closed_port()
    with start_authority(tmp_path / "tsa") as prepared:
        root = prepared.good.root_pem
    installation.configure({"late": (f"http://127.0.0.1:{port}/good", root)})

    done = installation.capture(fixture_site.url("/plain"))
    bundle = Path(done.object["bundle"]["path"])
    before = bundle.read_bytes()
    (token,) = done.object["timestamps"]
    assert (token["authority"], token["state"], token["time"]) == ("late", "pending", None)
    assert done.object["verification"] == "indeterminate"
    early = installation.run("verify", "--json", bundle)
    assert early.code == 11
    assert "TS_MISSING" in {finding["code"] for finding in early.object["findings"]}
    assert installation.run("timestamp").code == 30

    with start_authority(tmp_path / "tsa", port):
        late = installation.run("timestamp", "--json")

    assert late.code == 0, late.err
    assert late.object["bundle_id"] == done.object["bundle_id"]
    assert late.object["state"] == "granted"
    assert bundle.with_name(f"{bundle.name}.late-01.tsr").is_file()
    assert bundle.read_bytes() == before
    by_file = installation.run("verify", "--json", bundle)
    assert by_file.code == 0, by_file.out
    assert by_file.object["proven_time"] == late.object["time"]
    assert installation.run("verify", done.object["bundle_id"]).code == 0
    assert "no timestamp token is owed" in installation.run("timestamp").err


def test_the_next_capture_fetches_a_token_that_is_owed(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(
        {"good": (f"http://127.0.0.1:{closed_port()}/", authority.good.root_pem)}
    )
    owed = installation.capture(fixture_site.url("/plain")).object["bundle"]["path"]
    installation.configure(trusting(authority))

    installation.capture(fixture_site.url("/plain"))

    assert Path(f"{owed}.late-01.tsr").is_file()
    assert installation.run("verify", *installation.bundles()).code == 0


def test_no_bad_authority_keeps_a_bundle_from_being_sealed_or_gets_a_token_into_it(
    tmp_path: Path, authority: TestAuthority, fixture_site: Site
) -> None:
    bad = ("untrusted", "other-bytes", "wrong-nonce", "html", "html-as-token", "500", "slow",
           "drip", "huge", "garbage", "rejected", "close")  # fmt: skip
    installation = Installation(tmp_path / "home")
    installation.configure(
        {kind: (authority.url(kind), authority.good.root_pem) for kind in bad},
        timestamp_timeout_s=3,
    )

    done = installation.capture(fixture_site.url("/plain"))

    states = {timestamp["authority"]: timestamp["state"] for timestamp in done.object["timestamps"]}
    assert set(states) == set(bad)
    assert set(states.values()) <= {"pending", "refused"}
    assert states["untrusted"] == states["other-bytes"] == states["wrong-nonce"] == "refused"
    assert states["slow"] == "pending"
    assert done.object["stage_ms"]["timestamp"] < 10_000
    assert not [name for name in done.object["part_bytes"] if name.endswith(".tsr")]
    verified = installation.run("verify", "--json", *installation.bundles())
    assert verified.code == 11
    assert "failed" not in {finding["verdict"] for finding in verified.object["findings"]}


def test_timings_show_every_step_and_every_picture_as_text_and_as_json(
    installation: Installation, fixture_site: Site
) -> None:
    urls = [fixture_site.url("/plain"), fixture_site.url("/plain?again")]
    first, further = (
        done["timings"]
        for done in installation.run("capture", "--json", "--timings", *urls).objects
    )
    text = installation.run("capture", "--timings", "--quiet", urls[0]).out

    steps = [span["name"] for span in first["spans"] if span["part_of"] is None]
    assert steps[:3] == ["start", "prepare", "launch"]
    assert {*STAGES - {"total"}, "verify", "log", "assess"} <= set(steps)
    assert "start" not in [span["name"] for span in further["spans"]]
    assert {
        (span["detail"], span["part_of"]) for span in first["spans"] if span["name"] == "picture"
    } == {
        ("first-look", None),
        ("capture/viewport.png", "viewport"),
        ("capture/screenshot.png", "screenshot"),
    }
    (mhtml,) = (span for span in first["spans"] if span["name"] == "mhtml")
    assert "dom" in mhtml["overlaps"]
    last = max(span["begin_ms"] + span["duration_ms"] for span in first["spans"])
    assert first["elapsed_ms"] == last
    assert re.search(r"^timings: \d+\.\d{3} s$", text, re.MULTILINE)
    assert re.search(
        r"^  picture +\d+\.\d{3} s +\d+\.\d{3} s  screenshot\.png; part of screenshot$",
        text,
        re.MULTILINE,
    )


# Look, take out, put in


def test_show_tells_what_the_bundle_says_and_its_json_is_the_record(captured: Captured) -> None:
    shown = captured.installation.run("show", captured.object["bundle_id"])
    as_json = captured.installation.run("show", "--json", captured.bundle)

    assert shown.code == 0
    assert captured.url in shown.out
    assert "固定頁 · Fixture" in shown.out
    assert shown.out.startswith("It is not established whether the page was available: ")
    assert ". The capture is complete. The proof was not verified: " in shown.out
    assert "\n  page           not established (little text)\n" in shown.out
    everything = captured.installation.run("show", "--all", captured.bundle)
    assert "\npage: not established (little text)\n" in everything.out
    verdict = captured.object["verdict"]
    assert (verdict["content"], verdict["availability"]) == ("content", "available")
    told = as_json.object
    assert (told.pop("verdict"), told.pop("assessment")["readings"]["main_by"] != "") == (
        verdict,
        True,
    )
    assert told.pop("quarantine") is None
    assert told.pop("also_published_at") == []
    assert told == record_of(captured.bundle)


def test_export_copies_the_same_bytes_and_unpacks_every_file(
    captured: Captured, tmp_path: Path
) -> None:
    done = captured.installation.run(
        *("export", "--json", "--unpack", captured.object["bundle_id"], "-o", tmp_path / "out")
    )

    assert done.code == 0, done.err
    copy, *beside = done.object["files"]
    assert Path(beside[0]).name.endswith(".wacz.custody-0001.jsonl")
    assert Path(copy).read_bytes() == captured.bundle.read_bytes()
    folder = Path(done.object["unpacked"])
    there = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*.*")}
    assert there == captured.object["part_bytes"]
    assert captured.installation.run("verify", copy).code == 0


def test_a_store_takes_a_bundle_from_a_file_and_refuses_an_altered_one(
    captured: Captured, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    altered = bytearray(captured.bundle.read_bytes())
    altered[1000] ^= 1
    (tmp_path / "altered.wacz").write_bytes(altered)
    run = captured.installation.run

    added = run("store", "add", "--json", "--store", other, captured.bundle)
    again = run("store", "add", "--json", "--store", other, captured.bundle)
    refused = run("store", "add", "--store", tmp_path / "third", tmp_path / "altered.wacz")

    assert added.code == 0, added.err
    assert Path(added.object["path"]).read_bytes() == captured.bundle.read_bytes()
    assert (again.code, again.object) == (0, added.object)
    assert refused.code == 10
    assert not list(tmp_path.glob("third/bundles/**/*.wacz"))


def test_a_directory_keeps_its_promises_and_is_not_called_locked(
    bare: Installation, tmp_path: Path
) -> None:
    checked = bare.run("store", "check", "--json", "--store", tmp_path / "new")
    locked = bare.run("store", "check", "--require-lock", "--store", tmp_path / "new")

    assert checked.code == 0, checked.err
    assert (checked.object["usable"], checked.object["locks"]) == (True, False)
    assert {"name", "kept", "how"} == set(checked.object["promises"][0])
    assert locked.code == 1
    assert "snapshotter: try: " in locked.err


# What goes wrong on our side


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("capture", "-"), 2, "Error:"),
        (
            ("capture", "http://user:secret@example.org/"),
            1,
            ("remove the user name and the password from the URL: the part before the @"),
        ),
    ],
    ids=["no address", "a password"],
)
def test_what_is_refused_is_refused_by_the_exit_code_too(
    bare: Installation, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """What else is (tests/unit/cli/test_before_any_work.py), in a process of its own."""
    done = bare.run(*arguments)

    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "secret" not in done.err
    assert "Traceback" not in done.err
    assert not bare.store.exists()


def test_no_browser_ends_in_30_with_a_hint_and_leaves_nothing(
    installation: Installation, fixture_site: Site
) -> None:
    done = installation.run(
        *("capture", "--browser", installation.home / "no-browser", fixture_site.url("/plain"))
    )

    assert (done.code, done.out) == (30, "")
    assert "no-browser does not exist\n" in done.err
    assert "snapshotter: try: install the browser (in a source checkout, `make setup`" in done.err
    assert installation.bundles() == []
    assert list(installation.spool.iterdir()) == []


# Help


def test_help_loads_no_browser_no_cloud_and_no_cryptography(bare: Installation) -> None:
    heavy = "playwright boto3 botocore cryptography pydantic httpx rich PIL warcio rfc3161_client"
    program = (
        "import sys, snapshotter.cli.main as m\n"
        "assert m.main(['--help']) == 0\n"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=bare._environ(),
        cwd=bare.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "capture " in done.stdout
    assert done.stderr == "[]\n"


def test_pictures_compressed_again_are_those_that_the_browser_took(
    installation: Installation, fixture_site: Site, authority: TestAuthority
) -> None:
    policy = installation.home / "small.toml"
    policy.write_text('name = "small"\n[pictures]\nrecompress = "small"\n')

    url = fixture_site.url("/plain")
    before = installation.capture("--policy", "default", url).object["bundle"]["path"]
    done = installation.capture("--policy", policy, url).object

    bundle = done["bundle"]["path"]
    record = record_of(bundle)
    assert done["stage_ms"]["compress"] >= 0
    assert record["how"]["settings"]["pictures"]["recompress"] == "small"
    for name in ("capture/viewport.png", "capture/screenshot.png"):
        artifact = artifact_of(record, name)
        first, new = member(before, name), member(bundle, name)
        assert len(new) == artifact["length"] < len(first)
        assert "compressed again without loss (recompress = small), before: " in artifact["note"]
        assert pixels_of(new) == pixels_of(first)  # the page shows the same each time
        assert "compressed" not in artifact_of(record_of(before), name)["note"]
    assert installation.run("verify", bundle).code == 0
    trust = trusted(installation, authority)
    by_hand = subprocess.run(
        [sys.executable, ROOT / "scripts" / "verify_minimal.py", *trust, bundle],
        capture_output=True,
        text=True,
        check=False,
    )
    assert by_hand.returncode == 0, by_hand.stdout


def trusted(installation: Installation, authority: TestAuthority) -> tuple[str | Path, ...]:
    """Return the options of a verifier that trusts an installation and its authority."""
    file, root = installation.home / "trust.json", installation.home / "authority.pem"
    root.write_bytes(authority.root_pem)
    pin = installation.run("trust", "init", file).out.strip()
    key = installation.run("keys", "export", "default").out
    assert installation.run("trust", "add-key", file, "-", "--owner", "me", given=key).code == 0
    added = installation.run("trust", "add-tsa", file, "--name", "test", "--root", root)
    assert added.code == 0, added.err
    return "--trust", file, "--root-key", pin


def artifact_of(record: dict[str, Any], path: str) -> dict[str, Any]:
    (found,) = (entry for entry in record["content"]["artifacts"] if entry["path"] == path)
    return dict(found)


def pixels_of(png: bytes) -> tuple[str, tuple[int, int], bytes]:
    image = Image.open(io.BytesIO(png))
    return image.mode, image.size, image.tobytes()
