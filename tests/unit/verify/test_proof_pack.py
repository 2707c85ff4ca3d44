"""Packs of real bundles: what passes, what does not, and the name of what was altered."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.formats import typed
from snapshotter.formats.proofs import note
from snapshotter.formats.proofs.leaf import TAKEDOWN, Leaf
from snapshotter.formats.proofs.note import Checkpoint, LogPolicy
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.formats.statements import pack, takedown
from snapshotter.formats.statements.pack import PackManifest
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.proof import OWN_WORD, Part, Role
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.seal.signer import FileSigner
from snapshotter.verify import proof_pack_report
from snapshotter.verify import report as report_lines
from snapshotter.verify.proof_pack import PackReport, verify_pack
from snapshotter.verify.trust import COMPROMISED, Trust, TrustedKey, trusted_key
from tests import bundles, exhibits, fields, packs
from tests.bundles import ChainAuthority, RealClock, new_signer
from tests.hostile_folder import plant
from tests.logs import LOG_KEY, LOG_SIGNER
from tests.packs import File
from tests.servers.authority import Chain
from tests.tools import system_tool

CAPTURER, WITNESS = new_signer(), new_signer()
NOW = RealClock().now


@dataclass(frozen=True)
class Made:
    """Two bundles, with a real token over each, and whom to trust for them."""

    files: tuple[File, ...]
    trust: Trust

    @property
    def pack(self) -> bytes:
        return packs.written(self.files, signer=WITNESS)

    def names(self) -> tuple[str, str]:
        return self.files[0].name[:-5], self.files[1].name[:-5]


def _authority(folder: Path, name: str) -> ChainAuthority:
    chain = Chain(folder, name)
    chain.make()
    return ChainAuthority(chain, name=name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("pack")
    authority = _authority(folder, "test authority")
    files = []
    for role, hours in ((Role.LAST_SEEN, 2), (Role.FIRST_GONE, 1)):
        sealed = bundles.seal(
            folder / role,
            signer=CAPTURER,
            clock=RealClock(-timedelta(hours=hours)),
            authorities=[authority],
        )
        files.append(File(f"{sealed.id}.wacz", role, sealed.file.read_bytes()))
    trust = bundles.trust_in(CAPTURER, authority)
    both = (*trust.keys, trusted_key(WITNESS.public_key, owner="the witness"))
    return Made(files=tuple(files), trust=replace(trust, keys=both))


def judged(data: bytes, trust: Trust) -> PackReport:
    return verify_pack(io.BytesIO(data), trust, now=NOW())


def codes(report: PackReport) -> set[Code]:
    """Return what is not well about the file and its event."""
    of_event = report.event.findings if report.event else ()
    return {finding.code for finding in (*report.findings, *of_event)} - {Code.OK}


def test_a_pack_of_two_good_bundles_passes(made: Made) -> None:
    report = judged(made.pack, made.trust)

    assert report.verdict is Verdict.PASSED, proof_pack_report.lines(report)
    assert [capture.part.role for capture in report.captures] == ["last-seen", "first-gone"]
    assert report.key_id == WITNESS.key_id
    said = "\n".join(proof_pack_report.lines(report))
    assert (
        "The proof is intact; the pack has not changed since it was signed, and no capture in the "
        "pack has changed since it was sealed. "
    ) in said
    assert "\nproof: PASSED (intact)\n" in said
    assert (
        f"\nthe capture 'last seen' ({made.names()[0]})\n  address        http://example.test/page\n"
    ) in said
    assert proof_pack_report.as_json(report)["verdict"] == "passed"


@pytest.mark.parametrize("end", [0, 1])
def test_one_byte_of_either_end_fails_with_the_name_of_that_end(made: Made, end: int) -> None:
    data = bytearray(made.pack)
    block = packs.block(made.files[end])
    data[data.index(block) + len(block) // 2] ^= 1
    named = f"the capture '{('last seen', 'first gone')[end]}' ({made.names()[end]}) was altered"

    report = judged(bytes(data), made.trust)

    assert (report.verdict, codes(report)) == (Verdict.FAILED, {Code.HASH})
    assert [finding.detail for finding in report.findings if finding.code is Code.HASH] == [named]
    assert named in "\n".join(proof_pack_report.lines(report))
    assert report.captures == ()


def test_a_pack_by_a_stranger_says_nothing_and_a_stolen_key_fails(made: Made) -> None:
    def judged_with(change: Callable[[TrustedKey], TrustedKey | None]) -> PackReport:
        changed = [change(key) if key.key_id == WITNESS.key_id else key for key in made.trust.keys]
        keys = tuple(key for key in changed if key is not None)
        return judged(made.pack, replace(made.trust, keys=keys))

    stranger = judged_with(lambda key: None)
    stolen = judged_with(lambda key: replace(key, revoked_at=NOW(), revoked_reason=COMPROMISED))

    assert (stranger.verdict, codes(stranger)) == (Verdict.INDETERMINATE, {Code.KEY_UNKNOWN})
    assert (stolen.verdict, codes(stolen)) == (Verdict.FAILED, {Code.KEY_REVOKED})
    assert proof_pack_report.lines(stranger)[0].endswith(
        "It is not established whether the proof is intact: the signing key is not a key that "
        "you trust. No check failed. The lines marked ? state which results are not "
        "established."
    )


def test_the_key_of_the_captures_makes_no_pack_of_them(made: Made) -> None:
    """Who stole it could write a page of their own around captures that are good."""
    report = judged(packs.written(made.files, signer=CAPTURER), made.trust)

    assert (report.verdict, codes(report)) == (Verdict.FAILED, {Code.EVENT_KEY})


def test_a_pack_says_what_nobody_checked_of_it(made: Made) -> None:
    without = proof_pack_report.lines(judged(made.pack, made.trust))[0]
    with_event = proof_pack_report.lines(_with(made, _record(_event(made))))

    assert (
        "The pack contains no take-down event, so no removal was concluded or checked."
    ) in without
    assert (
        "The words, the picture and the PDF of the page are stated only by the signer."
    ) in without
    assert "It is not established whether the proof is intact: " in with_event[0]
    assert any("was not derived again from its captures" in detail for detail in with_event)


def test_a_bundle_that_does_not_hold_fails_though_its_pack_is_signed(made: Made) -> None:
    """Whoever signs a pack can not make good what its capture is not."""
    bad = replace(made.files[0], data=bundles.flipped(made.files[0].data))

    report = judged(packs.written((bad, made.files[1]), signer=WITNESS), made.trust)

    assert report.verdict is Verdict.FAILED
    failed = [finding.detail for finding in report.findings if finding.verdict is Verdict.FAILED]
    assert failed == [
        f"the capture 'last seen' ({made.names()[0]}) failed its verification: CONTAINER",
    ]
    assert "FAIL container" in "\n".join(proof_pack_report.lines(report))


def test_a_bundle_under_the_name_of_another_fails(made: Made) -> None:
    first, second = made.files
    swapped = (replace(first, data=second.data), second)

    report = judged(packs.written(swapped, signer=WITNESS), made.trust)

    assert (report.verdict, codes(report)) == (Verdict.FAILED, {Code.FORMAT})


def test_what_stands_beside_a_capture_counts_for_it(made: Made, tmp_path: Path) -> None:
    """A token that came after the seal makes up for the one that is missing."""
    authority = _authority(tmp_path, "another authority")
    sealed = bundles.seal(tmp_path / "spool", signer=CAPTURER, clock=RealClock(-timedelta(hours=3)))
    seen = File(f"{sealed.id}.wacz", Role.LAST_SEEN, sealed.file.read_bytes())
    signature = bundles.unpack(seen.data)["seal/sig-01.der"]
    token = File(
        f"{seen.name}.late-01.tsr", Role.BESIDE, authority.stamp(signature)[0], of=seen.name
    )
    trust = replace(made.trust, authorities=(*made.trust.authorities, authority.anchor))

    without = judged(packs.written((seen, made.files[1]), signer=WITNESS), trust)
    with_it = judged(packs.written((seen, token, made.files[1]), signer=WITNESS), trust)

    assert (without.verdict, codes(without)) == (Verdict.INDETERMINATE, {Code.TS_MISSING})
    assert "TS_MISSING" in "\n".join(proof_pack_report.lines(without))
    assert with_it.verdict is Verdict.PASSED, proof_pack_report.lines(with_it)


def test_a_renewal_in_the_pack_is_looked_at_as_one_beside_a_bundle(made: Made) -> None:
    """One that does not hold says nothing against the bundle; half of one is none."""
    first, second = made.files
    renewal = (
        File(f"{first.name}.renewal-01.txt", Role.BESIDE, b"junk", of=first.name),
        File(f"{first.name}.renewal-01.tsr", Role.BESIDE, b"junk", of=first.name),
        File(f"{first.name}.renewal-02.txt", Role.BESIDE, b"junk", of=first.name),
    )

    report = judged(packs.written((first, *renewal, second), signer=WITNESS), made.trust)

    assert report.verdict is Verdict.PASSED
    assert [renewal.number for renewal in report.captures[0].report.renewals] == [1]


class Turncoat(io.BytesIO):
    """A file in which there is something else as soon as it was read to its end."""

    def __init__(self, data: bytes, other: bytes, at: int) -> None:
        super().__init__(data)
        self._other, self._at = other, at

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if self._other and self.tell() == len(self.getbuffer()) and self.tell() > len(found):
            self.seek(self._at)
            self.write(self._other)
            self._other = b""
        return found


def test_a_capture_that_changes_while_it_is_read_fails(made: Made) -> None:
    first, data = made.files[0], made.pack
    members = bundles.unpack(first.data)
    members["capture/dom.html"] = bundles.flipped(members["capture/dom.html"])
    there, other = (
        packs.block(file) for file in (first, replace(first, data=bundles.pack(members)))
    )
    begin = there.index(b">\n") + 2  # of its lines
    stream = Turncoat(data, other[begin:-10], data.index(there) + begin)

    report = verify_pack(stream, made.trust, now=NOW())

    assert (report.verdict, codes(report)) == (Verdict.FAILED, {Code.HASH})
    changed = f"the capture 'last seen' ({made.names()[0]}) changed while it was read"
    assert changed in [finding.detail for finding in report.findings]


# --- the event ------------------------------------------------------------------------------


def _observation(file: File, **changes: Any) -> Observation:
    base = exhibits.observation() if file.role is Role.LAST_SEEN else exhibits.gone()
    return replace(
        base,
        bundle_id=file.name[:-5],
        sha256=file.part.sha256,
        key_id=CAPTURER.key_id,
        **changes,
    )


def _event(made: Made, **changes: Any) -> Takedown:
    seen, gone = map(_observation, made.files)
    event = Takedown(
        event_id=packs.EVENT,
        kind=TakedownKind.REMOVED,
        at=gone.at,
        identity=seen.identity,
        url=seen.url,
        last_seen=seen,
        first_gone=gone,
    )
    return replace(event, **changes)


def _record(event: Takedown, signer: FileSigner = WITNESS) -> File:
    return File(f"{packs.EVENT}.json", Role.EVENT, takedown.encode(event, signer))


def _with(made: Made, *more: File, trust: Trust | None = None) -> PackReport:
    return judged(packs.written((*made.files, *more), signer=WITNESS), trust or made.trust)


NOT_DERIVED = {Code.VERDICT, Code.CONCLUSION}  # what nobody finds out without rules


def test_an_event_whose_captures_are_there_never_passes_without_rules(made: Made) -> None:
    report = _with(made, _record(_event(made)))

    assert report.verdict is Verdict.INDETERMINATE
    assert codes(report) == NOT_DERIVED, proof_pack_report.lines(report)
    assert proof_pack_report.as_json(report)["event_id"] == packs.EVENT
    assert report.event is not None
    assert [part.role for part in report.event.parts] == ["last seen", "first gone"]
    said = "\n".join(proof_pack_report.lines(report))
    assert f"event: {packs.EVENT}" in said
    assert "PASSED" not in said


def test_an_event_of_other_captures_fails(made: Made) -> None:
    event = _event(made)
    seen, gone = event.last_seen, event.first_gone
    other = replace(gone, bundle_id="20260101t000000z-aaaaaaaaaaaaaaaa", sha256="0" * 64)
    extra = replace(made.files[0], role=Role.CONFIRMATION, name=f"{other.bundle_id}.wacz")
    for changed, more, wanted in (
        (replace(event, first_gone=other), (), {Code.EVENT, Code.BUNDLE_MISSING}),
        (replace(event, last_seen=replace(seen, sha256="1" * 64)), (), {Code.BUNDLE_OTHER}),
        (event, (extra,), {Code.EVENT, Code.FORMAT}),
        (replace(event, event_id="20260101t000000z-aaaaaaaaaaaaaaaa"), (), {Code.EVENT}),
    ):
        report = _with(made, _record(changed), *more)

        assert report.verdict is Verdict.FAILED
        assert codes(report) == wanted | NOT_DERIVED, proof_pack_report.lines(report)


def test_what_an_event_rests_on_beyond_its_ends_may_be_left_out_and_is_missed(made: Made) -> None:
    again = _observation(made.files[1], proven_at=None)
    again = replace(again, bundle_id="20260101t000000z-aaaaaaaaaaaaaaaa", sha256="0" * 64)

    report = _with(made, _record(_event(made, confirmations=(again,))))

    assert report.verdict is Verdict.INDETERMINATE
    assert codes(report) == {Code.BUNDLE_MISSING} | NOT_DERIVED


def test_an_event_by_a_key_that_captures_or_by_nobody_known_does_not_pass(made: Made) -> None:
    own = _with(made, _record(_event(made), CAPTURER))
    stranger = _with(made, _record(_event(made), new_signer()))

    assert (own.verdict, codes(own) - NOT_DERIVED) == (Verdict.FAILED, {Code.EVENT_KEY})
    assert (
        "The file has not changed since it was signed, but the statement does not follow from the "
        "evidence in the file."
    ) in proof_pack_report.lines(own)[0]
    assert stranger.verdict is Verdict.INDETERMINATE
    assert codes(stranger) - NOT_DERIVED == {Code.KEY_UNKNOWN}


def test_a_record_that_is_too_long_is_none(made: Made) -> None:
    long = File(f"{packs.EVENT}.json", Role.EVENT, b"x" * (takedown.MAX_BYTES + 1))

    report = _with(made, long)

    assert (report.verdict, codes(report)) == (Verdict.FAILED, {Code.CONTAINER})


def test_a_record_that_is_none_or_is_not_there_fails(made: Made) -> None:
    junk = _with(made, File(f"{packs.EVENT}.json", Role.EVENT, b"{}\n{}\n"))
    value = packs.value_of(made.pack) | {"event_id": packs.EVENT}
    blocks = [packs.block(file) for file in made.files]
    absent = judged(packs.by_hand(value, blocks, signer=WITNESS), made.trust)

    assert (junk.verdict, codes(junk)) == (Verdict.FAILED, {Code.EVENT})
    assert (absent.verdict, codes(absent)) == (Verdict.FAILED, {Code.MISSING})


def test_an_events_log_proof_counts_for_whoever_believes_the_log(made: Made) -> None:
    record = _record(_event(made))
    entry = Leaf(kind=TAKEDOWN, name=packs.EVENT, sha256=record.part.sha256)
    text = Checkpoint(origin=LOG_KEY.name, size=1, root=entry.hash()).text  # its only entry
    signed = (note.signature(LOG_KEY, LOG_SIGNER.sign(text.encode())),)
    checkpoint = note.Note(text=text, signatures=signed).encode()
    proof = TlogProof(index=0, hashes=(), checkpoint=checkpoint).encode()
    file = File(f"{record.name}.tlog-proof", Role.EVENT_PROOF, proof)
    believing = replace(made.trust, log=LogPolicy(key=LOG_KEY))

    good = _with(made, record, file, trust=believing)
    bad = _with(made, record, replace(file, data=proof[:-3] + b"x=\n"), trust=believing)

    assert "the log contains the event as the entry with the index 0" in [
        finding.detail for finding in good.findings
    ]
    assert codes(good) == codes(_with(made, record, file)) == NOT_DERIVED
    assert (bad.verdict, codes(bad)) == (Verdict.INDETERMINATE, {Code.LOG} | NOT_DERIVED)


def test_what_is_no_pack_fails_and_says_why(made: Made) -> None:
    for data, code in (
        (b"<html>", Code.CONTAINER),
        (made.pack.replace(b'"software":"s', b'"software":"S'), Code.SIG),
    ):
        report = judged(data, made.trust)

        assert (report.verdict, codes(report)) == (Verdict.FAILED, {code})
        assert proof_pack_report.as_json(report)["made_at"] is None
        first = proof_pack_report.lines(report)[0]
        assert first.startswith("The proof is not intact: ")
        assert first.endswith(report_lines.DO_NOT_RELY)


def test_the_verifier_alone_reads_packs(made: Made, tmp_path: Path) -> None:
    """As a stranger has it, by a trust file that knows nobody here: intact, and no more."""
    file = tmp_path / "proof.html"
    vectors = Path(__file__).resolve().parents[2] / "vectors" / "trust"
    pin = (vectors / "root-key-id.txt").read_text().strip()

    def run(data: bytes, *more: str) -> tuple[int, str]:
        file.write_bytes(data)
        command = [sys.executable, "-m", "snapshotter.verify", str(file), "--root-key", pin]
        done = subprocess.run(
            [*command, "--trust", str(vectors / "trust.json"), *more],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    code, said = run(made.pack, "--json")
    assert (code, json.loads(said)["verdict"]) == (11, "indeterminate"), said
    code, said = run(made.pack.replace(b"It is gone.", b"It is here."))
    assert (code, "the text that you read in this file was altered" in said) == (10, True), said


HOWTO = Path(__file__).resolve().parents[3] / "docs" / "howto" / "check-a-proof-pack.md"


@pytest.mark.interop
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"", b"", "page as signed"),
        (b"It is gone.", b"It is here.", "AssertionError"),
        (b'"lacks":["pdf"]', b'"lacks":[]', "Verification failure"),
        (b"\nUEs", b"\nUEt", "computed checksum did NOT match"),
    ],
)
def test_what_the_howto_types_needs_nothing_of_ours(
    made: Made, tmp_path: Path, before: bytes, after: bytes, said: str
) -> None:
    for tool in ("bash", "sed", "base64", "sha256sum", "openssl", "python3"):
        system_tool(tool)
    data = made.pack
    assert before in data
    (tmp_path / "proof.html").write_bytes(data.replace(before, after, 1) if before else data)
    hostile = plant(tmp_path)
    (block,) = re.findall(r"```sh\n(P=.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)

    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert hostile.ran == []
    assert said in run.stdout + run.stderr
    good = {"Verified OK", "parts as signed", "page as signed"} <= set(run.stdout.splitlines())
    assert good is (not before), run.stdout + run.stderr
    if not before:
        assert WITNESS.key_id in run.stdout
        parts = (tmp_path / "by-hand/parts.txt").read_text().splitlines()
        taken = [line.split() for line in parts]
        for (_, ours, name), file in zip(taken, made.files, strict=True):
            assert name == file.name
            assert re.match(r"part-[0-9]{2}(\.wacz|$)", ours)
            assert (tmp_path / "by-hand" / ours).read_bytes() == file.data


def test_a_pack_says_that_nothing_bears_out_the_order_of_its_captures(tmp_path: Path) -> None:
    files = []
    for role, hours in ((Role.LAST_SEEN, 2), (Role.FIRST_GONE, 1)):
        sealed = bundles.seal(
            tmp_path / role, signer=CAPTURER, clock=RealClock(-timedelta(hours=hours))
        )
        files.append(File(f"{sealed.id}.wacz", role, sealed.file.read_bytes()))

    report = judged(packs.written(files), bundles.trust_in(CAPTURER, timestamps=0))

    assert report.verdict is Verdict.INDETERMINATE
    assert [(weak.role, weak.against) for weak in report.weak] == [
        ("last seen", ""),
        ("first gone", ""),
    ]
    told = "\n".join(proof_pack_report.lines(report))
    assert (
        "note only the clock of the capturing machine supports the place of these captures "
        "in the order, because no proof shows by what time they existed: last seen, first gone"
    ) in told
    assert [capture["role"] for capture in proof_pack_report.as_json(report)["weak"]] == [
        "last seen",
        "first gone",
    ]


# --- whose word each field is ------------------------------------------------------------------


def test_each_field_of_a_manifest_has_a_decision() -> None:
    manifest = fields.decisions("proof-pack.md", "Fields of the manifest")
    part = fields.decisions("proof-pack.md", "Fields of a part")
    roles = fields.decisions("proof-pack.md", "Parts")

    assert set(manifest) == fields.names(PackManifest)
    assert set(part) == fields.names(Part)
    assert {role.replace("_", "-") for role in roles} == set(Role)
    words = {
        name
        for table in (manifest, part, roles)
        for name, word in table.items()
        if word == "signer's word"
    }
    assert words | {"page"} == set(OWN_WORD)


FOR_PEOPLE = (
    File("event-key.pem", Role.KEY, b"a key"),
    File("rules-wechat.toml", Role.RULES, b"rules"),
    File("statement.pdf", Role.PDF, b"a sheet"),
)


def test_no_field_of_a_manifest_can_be_changed_unnoticed(made: Made) -> None:
    """Whoever holds the key of the pack signs it again."""
    seen = made.files[0].name
    beside = File(f"{seen}.late-01.tsr", Role.BESIDE, b"junk", of=seen)
    files = (*made.files, beside, *FOR_PEOPLE)
    good = pack._plain(replace(packs.manifest(files), lacks=("vantages",)))
    del good["format"]
    passed = set()

    for place, changed in fields.changed(PackManifest, good):
        found = judged(packs.rewritten(pack._plain(changed), files, WITNESS), made.trust)
        if found.verdict is Verdict.PASSED:
            passed.add(str(place[2] if place[0] == "parts" else place[0]))

    found = judged(
        packs.rewritten(pack._plain(typed.read(PackManifest, good)), files, WITNESS), made.trust
    )
    assert found.verdict is Verdict.PASSED
    assert passed == {"made_at", "software", "lacks", "text_sha256", "name", "role", "media_type"}
    assert passed <= set(found.own_word) <= set(proof_pack_report.as_json(found)["own_word"])
    own_word = "note the following is stated only by the signer and is not confirmed by a check: "
    (told,) = (line for line in proof_pack_report.lines(found) if line.startswith(own_word))
    assert all(proof_pack_report.OWN_WORDS[name] in told for name in passed)
    assert set(proof_pack_report.OWN_WORDS) == set(OWN_WORD)


def test_what_is_there_is_not_left_out(made: Made) -> None:
    files = (*made.files, *FOR_PEOPLE)  # whose manifest says that the sheet is left out

    found = judged(packs.written(files, signer=WITNESS), made.trust)

    said = [finding.detail for finding in found.findings if finding.code is Code.MANIFEST]
    assert said == ["the manifest lists pdf as left out, but the pack contains pdf"]
    assert found.verdict is Verdict.FAILED
