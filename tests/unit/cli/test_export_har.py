"""`export --har`: an HTTP archive and nothing else."""

import json
from pathlib import Path

from tests.cases import in_one_test
from tests.unit.cli.bundle_shell import BundleShell


def test_an_http_archive_is_written_alone(shell: BundleShell) -> None:
    assert shell.run("export", "--har", "-o", "out", shell.id, "--json") == 0, shell.err

    assert shell.object == {"bundle_id": shell.id, "files": [f"out/{shell.id}.har"]}
    assert [path.name for path in Path("out").iterdir()] == [f"{shell.id}.har"]
    log = json.loads(Path("out", f"{shell.id}.har").read_bytes())["log"]
    assert log["version"] == "1.2"
    assert log["pages"][0]["title"] == "A page"
    assert shell.id in log["comment"]


@in_one_test(
    "option", [["--unpack"], ["--masked"], ["--redact", "title"], ["--evidence"], ["--scitt"]]
)
def test_an_http_archive_is_made_without_other_exports(
    option: list[str], shell: BundleShell
) -> None:
    assert shell.run("export", "--har", *option, "-o", "out", shell.id) == 2
    assert "--har does not work with" in shell.err
    assert not Path("out").exists()
