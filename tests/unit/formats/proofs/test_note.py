"""Signed notes: the specification's own examples, and everything that is nearly one."""

import base64
import dataclasses
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle, note
from snapshotter.formats.proofs.note import (
    COSIGNATURE_V1,
    ED25519,
    Checkpoint,
    LogPolicy,
    NoteSignature,
    VerifierKey,
    open_checkpoint,
    parse_verifier_key,
)

# C2SP signed-note, "Example".
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONnc"
    "AlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# C2SP tlog-cosignature, the example of a checkpoint; its keys are not published.
BEHIND_THE_SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q"
    "1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2o"
    "yin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_KEY = VerifierKey(
    name="example.com/log", kind=ED25519, public_key=LOG.public_key().public_bytes_raw()
)
WITNESS_KEY = VerifierKey(
    name="w.example", kind=COSIGNATURE_V1, public_key=WITNESS.public_key().public_bytes_raw()
)
CHECKPOINT = Checkpoint(origin="example.com/log", size=7, root=merkle.leaf_hash(b"a root"))
SECONDS = 1_795_000_000


def log_signature(text: str = CHECKPOINT.text) -> NoteSignature:
    return note.signature(LOG_KEY, LOG.sign(text.encode()))


def witness_signature(text: str = CHECKPOINT.text, seconds: int = SECONDS) -> NoteSignature:
    return note.signature(WITNESS_KEY, WITNESS.sign(note.cosigned_message(text, seconds)), seconds)


def encoded(*signatures: NoteSignature, text: str = CHECKPOINT.text) -> bytes:
    return note.Note(text=text, signatures=signatures).encode()


def test_the_specifications_example_verifies() -> None:
    read = note.parse(EXAMPLE_NOTE)

    assert note.signed_by(read, parse_verifier_key(EXAMPLE_KEY))
    assert read.text == "This is an example message.\n"
    assert read.encode() == EXAMPLE_NOTE


def test_a_verifier_key_is_written_as_it_was_read() -> None:
    key = parse_verifier_key(EXAMPLE_KEY)

    assert (key.name, key.kind, key.id.hex()) == ("example.com/foo", ED25519, "530d903a")
    assert key.text == EXAMPLE_KEY
    assert parse_verifier_key(WITNESS_KEY.text) == WITNESS_KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("example.com/foo", "example.com/fop"),
        EXAMPLE_KEY.replace("example.com/foo", "example.com /foo"),
        EXAMPLE_KEY.replace("example.com/foo", ""),
        EXAMPLE_KEY + " ",
        EXAMPLE_KEY + "\n",
        EXAMPLE_KEY[:-1],
        EXAMPLE_KEY[:-1] + "l",  # the same bytes in base64's second spelling
        EXAMPLE_KEY + "+x",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+" + base64.b64encode(b"\x06" + bytes(32)).decode(),
        "example.com/foo+530d903a+\u00e4",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(EvidenceInvalid):
        parse_verifier_key(text)


def test_a_note_of_nobody_known_is_signed_by_nobody() -> None:
    assert not note.signed_by(note.parse(EXAMPLE_NOTE), LOG_KEY)


def test_a_known_keys_bad_signature_spoils_a_note() -> None:
    spoiled = EXAMPLE_NOTE.replace(b"an example", b"no example")

    with pytest.raises(EvidenceInvalid, match="is not valid"):
        note.signed_by(note.parse(spoiled), parse_verifier_key(EXAMPLE_KEY))


def test_a_text_may_have_empty_lines_and_the_last_ends_it() -> None:
    text = "one\n\ntwo\n\n\nthree\n"
    read = note.parse(encoded(log_signature(text), text=text))

    assert read.text == text
    assert note.signed_by(read, LOG_KEY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        EXAMPLE_NOTE[:-1],
        EXAMPLE_NOTE + b"\n",
        EXAMPLE_NOTE.replace("— ".encode(), b"- "),
        EXAMPLE_NOTE.replace("— ".encode(), "—  ".encode()),
        EXAMPLE_NOTE.replace(b"foo Uw", b"foo\tUw"),
        EXAMPLE_NOTE.replace(b"foo Uw", b"f+o Uw"),
        EXAMPLE_NOTE.replace(b"message.", b"mess\0age."),
        EXAMPLE_NOTE.replace(b"message.", b"message.\r"),
        EXAMPLE_NOTE.replace(b"message.", b"mess\xffage."),
        EXAMPLE_NOTE.replace(b"aQM=", b"aQN="),  # the same bytes, spelled otherwise
        EXAMPLE_NOTE.replace(b"aQM=", b"aQM"),
        b"text\n\n" + "— name AAAA\n".encode(),
        b"text\n\n" + "— name AAAAAAA=\n".encode() * 65,
        b"t" * 65_536 + EXAMPLE_NOTE,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        note.parse(data)


def test_a_checkpoint_of_the_specification_is_read() -> None:
    read = note.parse(BEHIND_THE_SOFA)
    checkpoint = note.parse_checkpoint(read.text)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.text == read.text
    assert read.encode() == BEHIND_THE_SOFA
    # "time 1679315147" in the specification's text.
    assert int.from_bytes(read.signatures[1].signature[:8], "big") == 1_679_315_147


def test_what_a_witness_signs_is_as_the_specification_says() -> None:
    text = note.parse(BEHIND_THE_SOFA).text

    assert note.cosigned_message(text, 1_679_315_147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_checkpoint_is_opened_with_its_witnesses() -> None:
    data = encoded(log_signature(), witness_signature())
    opened = open_checkpoint(data, LOG_KEY, [WITNESS_KEY])

    assert opened.checkpoint == CHECKPOINT
    assert [(cosignature.key, cosignature.time) for cosignature in opened.cosignatures] == [
        (WITNESS_KEY, datetime.fromtimestamp(SECONDS, UTC))
    ]
    assert open_checkpoint(data, LOG_KEY).cosignatures == ()


def test_signatures_of_strangers_are_passed_over() -> None:
    stranger = NoteSignature(name="x.example", id=b"abcd", signature=b"anything")
    namesake = NoteSignature(name=LOG_KEY.name, id=b"abcd", signature=b"anything")
    opened = open_checkpoint(encoded(stranger, namesake, log_signature()), LOG_KEY, [WITNESS_KEY])

    assert opened.size == 7


def test_a_cosignature_that_does_not_hold_does_not_count() -> None:
    good, other = witness_signature(), witness_signature(seconds=SECONDS + 1)
    forged = NoteSignature(
        name=good.name, id=good.id, signature=good.signature[:8] + other.signature[8:]
    )
    for signatures in ((forged,), (good, forged)):
        opened = open_checkpoint(encoded(log_signature(), *signatures), LOG_KEY, [WITNESS_KEY])
        assert opened.cosignatures == ()


def test_one_key_is_one_witness_whatever_it_is_called() -> None:
    twin = VerifierKey(name="w2.example", kind=COSIGNATURE_V1, public_key=WITNESS_KEY.public_key)
    again = note.signature(
        twin, WITNESS.sign(note.cosigned_message(CHECKPOINT.text, SECONDS)), SECONDS
    )
    data = encoded(log_signature(), witness_signature(), again)

    assert len(open_checkpoint(data, LOG_KEY, [WITNESS_KEY, twin]).cosignatures) == 1


def test_of_several_cosignatures_of_one_witness_the_earliest_counts() -> None:
    data = encoded(log_signature(), witness_signature(seconds=SECONDS + 9), witness_signature())

    (cosignature,) = open_checkpoint(data, LOG_KEY, [WITNESS_KEY]).cosignatures
    assert cosignature.time == datetime.fromtimestamp(SECONDS, UTC)


def test_a_checkpoint_is_its_logs_alone() -> None:
    other = Checkpoint(origin="example.com/other", size=7, root=CHECKPOINT.root)

    with pytest.raises(EvidenceInvalid, match="does not belong to the log"):
        open_checkpoint(encoded(log_signature(other.text), text=other.text), LOG_KEY)
    with pytest.raises(EvidenceInvalid, match="not signed"):
        open_checkpoint(encoded(witness_signature()), LOG_KEY)


@pytest.mark.parametrize(
    "text",
    [
        "example.com/log\n7\n",
        CHECKPOINT.text[:-1],
        CHECKPOINT.text + "\n",
        CHECKPOINT.text.replace("\n7\n", "\n07\n"),
        CHECKPOINT.text.replace("\n7\n", "\n-7\n"),
        CHECKPOINT.text.replace("\n7\n", "\n\u0667\n"),
        CHECKPOINT.text.replace("\n7\n", "\n9007199254740992\n"),
        CHECKPOINT.text.replace("\n7\n", "\n0\n"),  # an empty tree has one root
        CHECKPOINT.text.replace("=\n", "\n"),
        "\n7\n" + CHECKPOINT.text.split("\n")[2] + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(EvidenceInvalid):
        note.parse_checkpoint(text)


def test_extension_lines_are_kept_and_signed() -> None:
    longer = Checkpoint(origin="example.com/log", size=7, root=CHECKPOINT.root, extensions=("x y",))
    opened = open_checkpoint(encoded(log_signature(longer.text), text=longer.text), LOG_KEY)

    assert opened.checkpoint == longer


def test_of_one_key_the_signature_that_was_there_stays() -> None:
    before = note.parse(encoded(log_signature(), witness_signature()))
    later = witness_signature(seconds=SECONDS + 5)
    stranger = NoteSignature(name="x.example", id=b"abcd", signature=b"anything")

    after = note.with_signatures(before, [later, stranger])
    assert after.signatures == (*before.signatures, stranger)


def test_a_policy_counts_the_witnesses_that_it_names() -> None:
    data = encoded(log_signature(), witness_signature())
    policy = LogPolicy(key=LOG_KEY, witnesses=(WITNESS_KEY,), quorum=1)

    assert policy.is_met_by(policy.open(data))
    assert not policy.is_met_by(policy.open(encoded(log_signature())))
    assert LogPolicy(key=LOG_KEY).is_met_by(LogPolicy(key=LOG_KEY).open(data))


@pytest.mark.parametrize(
    ("key", "witnesses", "quorum"),
    [
        (WITNESS_KEY, (), 0),
        (LOG_KEY, (LOG_KEY,), 0),
        (LOG_KEY, (WITNESS_KEY,), 2),
        (LOG_KEY, (WITNESS_KEY,), -1),
        (LOG_KEY, (WITNESS_KEY, dataclasses.replace(WITNESS_KEY, name="twin")), 1),
        (LOG_KEY, (dataclasses.replace(LOG_KEY, kind=COSIGNATURE_V1),), 1),
    ],
)
def test_a_policy_that_can_not_be_met_in_earnest_is_refused(
    key: VerifierKey, witnesses: tuple[VerifierKey, ...], quorum: int
) -> None:
    with pytest.raises(ValueError, match=r"key|quorum"):
        LogPolicy(key=key, witnesses=witnesses, quorum=quorum)


@given(st.data())
def test_no_byte_of_a_signed_checkpoint_can_change(data: st.DataObject) -> None:
    good = encoded(log_signature())
    at = data.draw(st.integers(0, len(good) - 1))
    spoiled = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]

    with pytest.raises(EvidenceInvalid):
        open_checkpoint(spoiled, LOG_KEY)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_our_error(data: bytes) -> None:
    try:
        read = note.parse(data)
    except EvidenceInvalid:
        return
    assert read.encode() == data
