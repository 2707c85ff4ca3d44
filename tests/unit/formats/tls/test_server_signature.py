"""What a server signed in its handshake: it holds as recorded, and in no other way."""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.tls import handshake as tls_handshake
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.handshake import Handshake
from snapshotter.formats.tls.server_signature import (
    Resumption,
    ServerSignatures,
    SignedSession,
    TlsRecording,
    UnsignedConnection,
    check,
    encode,
    gather,
    judge,
    parse,
)
from snapshotter.model.finding import Verdict
from snapshotter.verify import server_signatures
from tests import tls
from tests.bundles import flipped
from tests.fuzzing import tries
from tests.tls import KEYS, Authority

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = [V12, V13]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


Make = Callable[..., SignedSession]


@pytest.fixture(scope="module")
def make(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a session of a real connection."""

    def made(
        version: ssl.TLSVersion = V13, kind: str = "p256", *, host: str = tls.HOST, **server: Any
    ) -> SignedSession:
        keys = tmp_path_factory.mktemp("keys") / "keys.log"
        client = tls.client_context(authority.root_pem, keys)
        client.check_hostname = False
        file = authority.server(kind, **server)
        context = tls.server_context(file, version=version, ciphers="AESGCM")
        connection, _ = tls.recorded(context, client, host=host).read()
        gathered = gather([_recorded(1, connection.handshake, host=host)])
        assert gathered.unsigned == ()
        return gathered.sessions[0]

    return made


@pytest.fixture(scope="module")
def session(make: Make) -> SignedSession:
    return make(V13)


def _recorded(
    number: int, handshake: Handshake | None, *, host: str = tls.HOST, problem: str = ""
) -> TlsRecording:
    return TlsRecording(
        connection=number,
        host=host,
        port=443,
        address="203.0.113.7",
        handshake=handshake,
        problem=problem,
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", sorted(KEYS))
def test_a_servers_signature_holds_over_the_handshake_that_was_recorded(
    make: Make, version: ssl.TLSVersion, kind: str
) -> None:
    session = make(version, kind)

    assert check(session) == ""
    assert session.names_host
    assert session.version == {V12: "TLS 1.2", V13: "TLS 1.3"}[version]
    assert session.alpn == "h2"


def test_any_byte_of_a_tls_13_handshake_that_was_changed_is_found(make: Make) -> None:
    session = make(V13)
    for number, message in enumerate(session.messages):
        for at in range(len(message)):
            spoiled = list(session.messages)
            spoiled[number] = flipped(message, at)

            assert check(replace(session, messages=tuple(spoiled))), (number, at)


def test_any_byte_of_the_randoms_certificate_and_share_of_tls_12_that_was_changed_is_found(
    make: Make,
) -> None:
    session = make(V12)
    hello, answer, certificate, exchange = session.messages
    places = [(0, at) for at in range(6, 38)] + [(1, at) for at in range(6, 38)]
    places += [(2, at) for at in range(len(certificate))]
    places += [(3, at) for at in range(len(exchange))]
    for number, at in places:
        spoiled = [hello, answer, certificate, exchange]
        spoiled[number] = flipped(spoiled[number], at)

        assert check(replace(session, messages=tuple(spoiled))), (number, at)


@pytest.mark.parametrize("version", VERSIONS)
def test_any_byte_of_the_chain_that_was_changed_is_found(
    make: Make, version: ssl.TLSVersion
) -> None:
    session = make(version)
    for number, der in enumerate(session.chain):
        for at in range(len(der)):
            chain = list(session.chain)
            chain[number] = flipped(der, at)

            assert check(replace(session, chain=tuple(chain))) == (
                "the certificate chain differs from the chain in the handshake"
            )


@pytest.mark.parametrize("version", VERSIONS)
def test_another_host_is_found_whatever_is_said_of_the_certificate(
    make: Make, version: ssl.TLSVersion
) -> None:
    session = make(version)
    for host in ("other.example.test", f"www.{tls.HOST}", "127.0.0.1", "::1"):
        for names_host in (True, False):
            problem = check(replace(session, host=host, names_host=names_host))

            assert problem.startswith("the client requested")


@pytest.mark.parametrize("field", ["version", "cipher", "group", "alpn", "signature_scheme"])
def test_what_a_session_claims_is_what_its_messages_say(make: Make, field: str) -> None:
    session = make()

    assert " 'other', but the handshake has '" in check(_with(session, field, "other"))


def _compressed(certificate: bytes) -> bytes:
    """Return a CompressedCertificate: Brotli, in a block that is stored as it is."""
    inner = certificate[4:]
    head = (len(inner) - 1) << 4 | 1 << 20  # window 16, not the last block, four nibbles
    stream = head.to_bytes(3, "little") + inner + b"\x03"
    content = b"\0\2" + len(inner).to_bytes(3, "big") + len(stream).to_bytes(3, "big") + stream
    return b"\x19" + len(content).to_bytes(3, "big") + content


def _that_came_compressed(make: Make) -> SignedSession:
    """A server of ours signs again, over the message as a real one would have compressed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    session = make(key=key)
    *before, certificate, _ = session.messages
    sent = (*before, _compressed(certificate))
    assert session.cipher.endswith("SHA384")
    digest = hashlib.sha384(b"".join(sent)).digest()
    content = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + digest
    signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    verify = b"\4\3" + len(signature).to_bytes(2, "big") + signature
    verify = b"\x0f" + len(verify).to_bytes(3, "big") + verify

    return replace(session, messages=(*sent, verify))


def test_a_certificate_that_came_compressed_is_checked_as_any_other(make: Make) -> None:
    compressed = _that_came_compressed(make)

    assert check(compressed) == ""
    *before, certificate, verify = compressed.messages
    for at in range(len(certificate)):
        spoiled = (*before, flipped(certificate, at), verify)
        assert check(replace(compressed, messages=spoiled)), at
    assert check(replace(compressed, chain=(flipped(compressed.chain[0]), *compressed.chain[1:])))


def test_a_certificate_beyond_what_is_decompressed_of_one_file_is_indeterminate(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, other = _that_came_compressed(make), _that_came_compressed(make)
    both = sum(tls_handshake.announced_length(half.messages[-2]) for half in (session, other))
    monkeypatch.setattr(tls_handshake, "MAX_DECOMPRESSED_OF_FILE", both - 1)
    decompress = tls_handshake.Decompressor()

    assert judge(session, decompress)[0] is Verdict.PASSED
    assert judge(other, decompress)[0] is Verdict.INDETERMINATE
    assert judge(session, decompress)[0] is Verdict.PASSED  # it was read before

    sealed = parse(encode(ServerSignatures(sessions=(session, replace(other, connection=7)))))
    assert len(sealed.sessions) == 1
    assert [connection.connection for connection in sealed.unsigned] == [7]


def test_a_certificate_that_takes_too_many_steps_is_indeterminate_each_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = _that_came_compressed(make)
    monkeypatch.setattr(tls_handshake, "MAX_WORK", 99)
    decompress = tls_handshake.Decompressor()

    assert judge(session, decompress)[0] is Verdict.INDETERMINATE
    assert "the Brotli data exceed" in judge(session, decompress)[1]


def test_a_kind_of_key_that_is_not_known_here_says_nothing_against_a_session(
    make: Make,
) -> None:
    verdict, why = judge(_on_a_curve_that_nobody_knows(make(V12)))

    assert verdict is Verdict.INDETERMINATE
    assert "is not supported" in why


def _on_a_curve_that_nobody_knows(session: SignedSession) -> SignedSession:
    name = bytes.fromhex("06082a8648ce3d030107")  # the object identifier of secp256r1
    leaf = session.chain[0].replace(name, name[:-1] + b"\x7f")
    assert leaf != session.chain[0]
    messages = tuple(message.replace(session.chain[0], leaf) for message in session.messages)
    return replace(session, messages=messages, chain=(leaf, *session.chain[1:]))


def test_a_key_that_can_not_sign_by_the_scheme_is_a_failure_whoever_knows_it(make: Make) -> None:
    """So the verdict does not hang on which kinds of keys the library at hand has."""
    session = make(V13, "ed25519")
    leaf = session.chain[0].replace(bytes.fromhex("06032b6570"), bytes.fromhex("06032b657f"))
    messages = tuple(message.replace(session.chain[0], leaf) for message in session.messages)
    other_kind = replace(session, messages=messages, chain=(leaf, *session.chain[1:]))

    assert judge(other_kind)[0] is Verdict.FAILED
    assert judge(_on_a_curve_that_nobody_knows(make(V13)))[0] is Verdict.FAILED


@pytest.mark.parametrize("forged", [False, True])
def test_many_sessions_that_no_library_here_can_judge_are_told_in_short_and_are_not_failed(
    make: Make, forged: bool
) -> None:
    session = make(V12)
    unknown = _on_a_curve_that_nobody_knows(session)
    bad = replace(session, chain=(flipped(session.chain[0]), *session.chain[1:]))
    last = bad if forged else unknown
    sessions = [
        replace(session, connection=n) for n, session in enumerate([*[unknown] * 24, last], 1)
    ]

    found = list(server_signatures.judge({}, encode(ServerSignatures(sessions=tuple(sessions)))))

    assert len(found) == 21
    assert {finding.verdict for finding in found[:20]} == {Verdict.INDETERMINATE}
    assert found[20].verdict is (Verdict.FAILED if forged else Verdict.INDETERMINATE)
    assert (
        "further signatures that are invalid or could not be checked: 5. Total number of "
        "connections: 25"
    ) in found[20].detail


def test_a_certificate_by_the_same_authority_for_the_same_host_is_not_the_one(
    make: Make,
) -> None:
    """An insider with another good certificate: what it signed was another handshake."""
    session, other = make(), make()
    messages = (*session.messages[:-2], other.messages[-2], session.messages[-1])

    assert check(replace(session, messages=messages, chain=other.chain)) == (
        "the server's signature over the handshake is not valid"
    )


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        (["shop.example.test"], "shop.example.test", True),
        (["SHOP.Example.test"], "shop.example.test", True),
        (["*.example.test"], "shop.example.test", True),
        (["*.example.test"], "a.shop.example.test", False),
        (["*.example.test"], "example.test", False),
        (["*.test"], "example.test", False),
        (["sh*.example.test"], "shop.example.test", False),
        (["shop.example.test.evil.test"], "shop.example.test", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.2"], "127.0.0.1", False),
        (["::1"], "::1", True),
        ([], "shop.example.test", False),
    ],
)
def test_a_certificate_names_a_host_by_the_rules_and_by_nothing_else(
    make: Make, names: list[str], host: str, good: bool
) -> None:
    session = make(names=names, host=host)

    assert session.names_host is good
    assert check(session) == ""
    assert "the server's certificate" in check(replace(session, names_host=not good))


def test_an_address_in_a_name_of_the_other_kind_counts_for_nothing(make: Make) -> None:
    session = make(
        names=[],
        host="127.0.0.1",
        extra=[x509.SubjectAlternativeName([x509.DNSName("127.0.0.1")])],
    )

    assert not session.names_host


def test_resumed_connections_are_named_at_the_one_whose_server_signed(
    authority: Authority, tmp_path: Path
) -> None:
    server = tls.server_context(authority.server(), version=V13)
    client = tls.client_context(authority.root_pem, tmp_path / "keys.log")
    first = tls.recorded(server, client)
    second = tls.recorded(server, client, session=first.session)
    third = tls.recorded(server, client, session=second.session)
    read = [recording.read()[0].handshake for recording in (first, second, third)]
    stranger = replace(read[1], ticket="0" * 64) if read[1] else None

    gathered = gather(
        [
            _recorded(9, read[2]),
            _recorded(3, read[1]),
            _recorded(2, read[0]),
            _recorded(10, stranger),
            _recorded(11, stranger, host="elsewhere.test"),
        ]
    )

    assert [session.connection for session in gathered.sessions] == [2]
    assert gathered.sessions[0].resumed == (
        Resumption(connection=3, by="ticket"),
        Resumption(connection=9, by="ticket"),
        Resumption(connection=10, by="host"),
    )
    assert [connection.connection for connection in gathered.unsigned] == [11]
    assert "that this record does not contain" in gathered.unsigned[0].reason


def test_a_connection_without_a_signature_is_named_with_the_reason(
    authority: Authority, tmp_path: Path
) -> None:
    server = tls.server_context(authority.server("rsa"), version=V12, ciphers="kRSA+AESGCM")
    client = tls.client_context(authority.root_pem, tmp_path / "keys.log")
    connection, _ = tls.recorded(server, client).read()

    gathered = gather(
        [
            _recorded(1, None, problem="client: the data are not a TLS record"),
            _recorded(2, Handshake(version="TLS 1.3")),
            _recorded(3, connection.handshake),
        ]
    )

    assert gathered.sessions == ()
    assert [connection.reason for connection in gathered.unsigned] == [
        "no TLS handshake was read (client: the data are not a TLS record)",
        "the handshake ended before the server sent a signature",
        "the key exchange of TLS_RSA_WITH_AES_256_GCM_SHA384 has no signature that is supported",
    ]


def test_a_signature_that_does_not_hold_is_not_kept_as_one(make: Make) -> None:
    session = make()
    spoiled = (flipped(session.messages[0], 20), *session.messages[1:])

    gathered = gather([_recorded(1, Handshake(messages=spoiled))])

    assert gathered.sessions == ()
    assert "over the handshake is not valid" in gathered.unsigned[0].reason


# --- the document ----------------------------------------------------------------------------


def test_what_was_written_is_read_and_is_written_the_same(make: Make) -> None:
    signatures = ServerSignatures(
        sessions=(
            replace(make(V13), resumed=(Resumption(connection=2, by="ticket"),)),
            replace(make(V12), connection=4, ocsp=b"\x30\x03\x0a\x01\x01"),
        ),
        unsigned=(
            UnsignedConnection(connection=3, host="x.test", port=1, address="", reason="why"),
        ),
    )

    data = encode(signatures)

    assert parse(data) == signatures
    assert encode(parse(data)) == data


def _with(session: SignedSession, field: str, value: Any) -> SignedSession:
    fields: dict[str, Any] = {field: value}
    return replace(session, **fields)


def _edit(data: bytes, edit: Callable[[Any], None]) -> bytes:
    value = canonical_json.loads(data)
    edit(value)
    return canonical_json.dumps(value)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.update(format="snapshotter-tls/2"),
        lambda document: document.pop("unsigned"),
        lambda document: document.update(more=1),
        lambda document: document["sessions"][0].update(host="Shop.example.test"),
        lambda document: document["sessions"][0].update(host=""),
        lambda document: document["sessions"][0].update(port=65536),
        lambda document: document["sessions"][0].update(port=True),
        lambda document: document["sessions"][0].update(names_host=1),
        lambda document: document["sessions"][0].update(cipher="x" * 501),
        lambda document: document["sessions"][0].update(messages=[""] * 9),
        lambda document: document["sessions"][0]["messages"].append("AA="),
        lambda document: document["sessions"][0]["messages"].append("AB=="),
        lambda document: document["sessions"][0]["messages"].append("A" * 200_000),
        lambda document: document["sessions"][0]["chain"].append("x"),
        lambda document: document["sessions"][0]["chain"].append(
            document["sessions"][0]["chain"][0] + "\n"
        ),
        lambda document: document["sessions"][0]["chain"].append(
            document["sessions"][0]["chain"][0].replace("\n", "", 2).replace("-----M", "-----\nM")
        ),
        lambda document: document["sessions"][0].update(resumed=[{"by": "luck", "connection": 1}]),
        lambda document: document["sessions"][0].update(resumed=[1]),
        lambda document: document["sessions"].extend([document["sessions"][0]] * 1001),
    ],
)
def test_a_document_of_another_form_is_refused(make: Make, edit: Callable[[Any], None]) -> None:
    data = encode(ServerSignatures(sessions=(make(),)))

    with pytest.raises(EvidenceInvalid):
        parse(_edit(data, edit))


def test_a_document_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="longer than"):
        parse(b"[" + b" " * (9 << 20) + b"]")
    with pytest.raises(EvidenceInvalid, match="more than 200000 values"):
        parse(b"[" + b"[]," * 2_000_000 + b"[]]")


def test_what_does_not_fit_is_left_out_by_name_and_each_host_keeps_its_first(make: Make) -> None:
    session = make()
    large = (*session.chain, b"x" * 50_000)  # a chain is what the server likes to send
    hosts = [f"host-{number // 20}.test" for number in range(400)]
    sessions = tuple(
        replace(session, connection=number, host=host, chain=large)
        for number, host in enumerate(hosts)
    )

    data = encode(ServerSignatures(sessions=sessions))

    assert len(data) <= server_signature.MAX_BYTES
    kept = parse(data)
    assert {session.host for session in kept.sessions} == set(hosts)
    assert len(kept.sessions) + len(kept.unsigned) == len(sessions)
    assert len(kept.sessions) < len(sessions)
    assert all("was not recorded" in connection.reason for connection in kept.unsigned)


@settings(max_examples=tries(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_document_of_which_one_byte_was_changed_ends_in_a_refusal_and_nothing_else(
    session: SignedSession, data: st.DataObject
) -> None:
    whole = encode(ServerSignatures(sessions=(session,)))
    at = data.draw(st.integers(0, 1_000_000)) % len(whole)
    spoiled = flipped(whole, at, data.draw(st.integers(1, 255)))

    try:
        sessions = parse(spoiled).sessions
    except EvidenceInvalid:
        return
    before = parse(whole).sessions[0]
    # The numbers that say where it was are not signed by the server.
    harmless = replace(
        sessions[0], connection=before.connection, port=before.port, address=before.address
    )
    assert check(harmless) or harmless == before


def test_nothing_secret_stands_in_the_document(authority: Authority, tmp_path: Path) -> None:
    server = tls.server_context(authority.server(), version=V13)
    client = tls.client_context(authority.root_pem, tmp_path / "keys.log")
    recording = tls.recorded(server, client)
    connection, _ = recording.read()

    session = gather([_recorded(1, connection.handshake)]).sessions[0]

    kept = b"".join((*session.messages, *session.chain))
    lines = [line.split() for line in recording.keys.splitlines() if not line.startswith(b"#")]
    assert len(lines) >= 4
    for _, client_random, secret in lines:
        assert bytes.fromhex(client_random.decode()) in kept
        assert bytes.fromhex(secret.decode()) not in kept


def test_what_there_is_no_time_for_is_named_and_not_looked_at() -> None:
    gathered = gather([_recorded(1, Handshake(messages=(b"x",)))], is_late=lambda: True)

    assert gathered.sessions == ()
    assert [connection.reason for connection in gathered.unsigned] == [
        "the connection was not checked, because the time limit was reached"
    ]


def test_an_origin_that_another_hosts_certificate_answered_for_is_not_told_as_shown(
    make: Make, session: SignedSession
) -> None:
    other = replace(make(host="other.test"), connection=2)
    assert not other.names_host

    (only,) = server_signatures.judge({}, encode(ServerSignatures(sessions=(other,))))
    (both,) = server_signatures.judge({}, encode(ServerSignatures(sessions=(session, other))))

    unshown = "origins without a proof, because the certificate is for another host: 1"
    assert only.detail == unshown
    assert both.detail.startswith(
        "origins whose server signed the TLS handshakes: 1, recorded handshakes: 1. "
    )
    assert both.detail.endswith(unshown)
