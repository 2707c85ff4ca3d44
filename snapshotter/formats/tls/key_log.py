"""
Read the key log that a TLS client writes about its own connections.

The format is NSS's SSLKEYLOGFILE. It has a line `LABEL client-random secret` in hexadecimal for
each secret. TLS 1.3 has a label for each traffic secret (RFC 8446 section 7.1), and TLS 1.2 has
`CLIENT_RANDOM` with the master secret.
"""

import re

MASTER_SECRET = "CLIENT_RANDOM"  # noqa: S105 - a label, and no secret
CLIENT_EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
CLIENT_HANDSHAKE = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
SERVER_HANDSHAKE = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
CLIENT_TRAFFIC = "CLIENT_TRAFFIC_SECRET_0"
SERVER_TRAFFIC = "SERVER_TRAFFIC_SECRET_0"

# A line that was cut, as by a browser that was killed, is no line: it has no end.
_LINE = re.compile(
    rb"^([A-Z][A-Z0-9_]{0,63}) ([0-9a-fA-F]{64}) ((?:[0-9a-fA-F]{2}){16,64})\r?\n", re.MULTILINE
)


class KeyLog:
    """
    The secrets of a client's connections, by client random and label.

    It opens what it belongs to: it is never written, logged or shown.
    """

    __slots__ = ("_secrets",)

    def __init__(self, secrets: dict[tuple[bytes, str], bytes]) -> None:
        self._secrets = secrets

    @classmethod
    def parse(cls, data: bytes) -> "KeyLog":
        """Return what the log holds; lines that are not of its form are passed over."""
        return cls(
            {
                (bytes.fromhex(random.decode()), label.decode()): bytes.fromhex(secret.decode())
                for label, random, secret in _LINE.findall(data)
            }
        )

    def secret(self, client_random: bytes, label: str) -> bytes | None:
        """Return the secret of one connection, or None when the log has no such line."""
        return self._secrets.get((client_random, label))

    def knows(self, client_random: bytes) -> bool:
        """Whether the log has any secret of this connection."""
        return any(
            (client_random, label) in self._secrets
            for label in (MASTER_SECRET, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT_TRAFFIC)
        )

    def __len__(self) -> int:
        return len(self._secrets)
