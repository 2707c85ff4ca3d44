"""
Make the bucket of a store with Object Lock, for trying out: `bucket.py s3://BUCKET/PREFIX ENDPOINT`.

Runs in the image, with its boto3. Waits for the server; a bucket that is there is left alone. In
earnest a bucket is made by whoever keeps it: snapshotter itself never makes one.
"""

import sys
import time
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_TRIES, _PAUSE_S = 60, 1.0


def main(store: str, endpoint: str) -> int:
    """Make it; 0 when it is there at the end."""
    bucket = urlsplit(store).netloc
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )  # fmt: skip
    why: Exception | None = None
    for _ in range(_TRIES):
        try:
            if bucket in {it["Name"] for it in client.list_buckets()["Buckets"]}:
                print(f"the bucket {bucket} exists")
                return 0
            client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        except (BotoCoreError, ClientError) as error:
            why = error
            time.sleep(_PAUSE_S)
    print(f"the bucket {bucket} could not be created: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
