"""Signatures of webhooks, by the numbers of the specification's own libraries."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures.standard_webhooks import new_secret, parse_secrets, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime.fromtimestamp(1614265330, UTC)
ID, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'


def test_the_signature_is_that_of_the_specification() -> None:
    headers = sign(parse_secrets(SECRET), ID, AT, BODY)

    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_is_exchanged_each_of_the_two_opens_it() -> None:
    new = new_secret()
    headers = sign(parse_secrets(f"{new}\n\n{SECRET}\n"), ID, AT, BODY)

    by_new, by_old = headers["webhook-signature"].split(" ")
    key = base64.b64decode(new.removeprefix("whsec_"))
    signed = f"{ID}.1614265330.".encode() + BODY
    made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert by_new == f"v1,{made}"
    assert by_old == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_are_never_the_same() -> None:
    assert len({new_secret() for _ in range(10)}) == 10
    assert len(parse_secrets(new_secret())[0]) == 32


@pytest.mark.parametrize(
    "text",
    ["", "\n \n", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 !", "\n".join([SECRET] * 6)],
)
def test_what_is_no_secret_is_refused_and_never_quoted(text: str) -> None:
    with pytest.raises(SnapshotterError) as caught:
        parse_secrets(text)

    assert "c2hvcnQ" not in str(caught.value)
    assert "notify secret" in caught.value.hint
