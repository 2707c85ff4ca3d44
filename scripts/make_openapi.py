"""
Write docs/reference/openapi.json: the description of the API, as a server serves it.

    .venv/bin/python scripts/make_openapi.py

Run it after a change of the API. tests/unit/web/api/test_openapi.py fails if it was forgotten.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from snapshotter.web.api.application import describe_api

FILE = Path(__file__).parent.parent / "docs/reference/openapi.json"


def encoded() -> str:
    """Return the text of the file."""
    return json.dumps(describe_api(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    FILE.write_text(encoded(), encoding="utf-8")
    print(f"{FILE} was written")
