"""What nobody expected, as a sentence."""

import errno

import pytest

from snapshotter.errors import bug


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_no_bug(code: int) -> None:
    found = bug(OSError(code, "No space left on device", "/spool/page.mhtml"))

    assert found.message == "no space left on the disk: /spool/page.mhtml could not be written"
    assert found.hint == "free space on the disk, and give the same command again"


def test_a_bug_says_where_it_is() -> None:
    error = ValueError("7 is\nno colour")
    try:
        raise error
    except ValueError:
        found = bug(error)

    assert found.message.startswith("ValueError: 7 is no colour (test_errors.py:")
    assert "report" in found.hint
