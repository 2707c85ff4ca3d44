"""The bucket that compose.yaml makes for trying out."""

import os
import subprocess
import sys

import pytest

from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS
from tests.tools import ROOT

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("seaweedfs")]


def test_the_bucket_is_born_with_object_lock_and_made_once(seaweedfs: SeaweedFS) -> None:
    command = [sys.executable, str(ROOT / "deploy/compose/bucket.py"), "s3://tried/captures",
               seaweedfs.endpoint_url]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    for _ in range(2):
        made = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (made.returncode, made.stderr) == (0, "")

    locked = seaweedfs.client().get_object_lock_configuration(Bucket="tried")
    assert locked["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
