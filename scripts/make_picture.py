"""
Make the README's pictures: real runs, in a terminal.

    python -m scripts.make_picture                 both of them
    python -m scripts.make_picture demo            docs/assets/demo.svg alone

Nothing in the pictures is written by hand. For `first-capture`, the commands run on this machine
against the fixture site and the timestamp authority of our tests, and their output is drawn. The
third command verifies a copy in which one byte was changed. `demo` is `snapshotter demo`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from snapshotter.site.server import FixtureSite
from tests.servers.authority import TestAuthority

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "assets"
COLUMNS = 112
LIMIT_S = 120

_PROGRAM = """\
#!{python}
import sys
sys.path.insert(0, {root!r})
from snapshotter.cli.main import entry
entry()
"""


def main() -> None:
    """Run the commands and write the pictures."""
    pictures = {"first-capture": _first_capture, "demo": _demo}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=" or ".join(pictures))
    names = parser.parse_args().pictures or list(pictures)
    if unknown := set(names) - set(pictures):
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115  lives as long as this program
            pictures[name](console, Path(folder))
        svg = console.export_svg(title="snapshotter", unique_id=name)
        # Whatever font the reader has: a picture in a document must not ask a server for one.
        svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")


def _first_capture(console: Console, home: Path) -> None:
    with FixtureSite() as site, TestAuthority(home / "authority") as authority:
        site.clock = datetime.now(UTC)  # no warning about a wrong clock
        _install(home, authority)
        _run(home, "snapshotter keys init")
        page = site.url("/news/2014", "127.0.0.1")
        captured = _show(console, home, f"snapshotter capture {page}")
        bundle = captured.split("  snapshotter verify ")[1].strip()
        _show(console, home, f"snapshotter verify {bundle}")
        (home / "copy.wacz").write_bytes(_with_one_other_byte((home / bundle).read_bytes()))
        _show(console, home, "snapshotter verify copy.wacz   # one byte of the copy was changed")


def _demo(console: Console, home: Path) -> None:
    with TestAuthority(home / "authority") as authority:
        _install(home, authority)
    _show(console, home, "snapshotter demo")


def _install(home: Path, authority: TestAuthority) -> None:
    (home / "bin").mkdir()
    program = home / "bin" / "snapshotter"
    program.write_text(_PROGRAM.format(python=sys.executable, root=str(ROOT)))
    program.chmod(0o755)
    (home / "snapshotter.toml").write_text(
        'data_dir = "data"\nspool_dir = "spool"\nallow_networks = ["127.0.0.0/8"]\n'
        '[[authority]]\nname = "test authority"\n'
        f'url = "{authority.url("good")}"\nroot = "{authority.good.root_pem}"\n'
    )


def _show(console: Console, home: Path, command: str) -> str:
    printed = _run(home, command)
    console.print(Text(f"$ {command}", style="bold"), soft_wrap=False)
    for line in printed.splitlines():
        console.print(Text(line, style=_style(line)), soft_wrap=False)
    console.print()
    return printed


def _run(home: Path, command: str) -> str:
    """Return what a command printed on stdout: what is left on a terminal when it has ended."""
    done = subprocess.run(
        command.partition("   #")[0].split(),
        cwd=home,
        env=os.environ
        | {
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
            "SNAPSHOTTER_CONFIG": str(home / "snapshotter.toml"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    if done.returncode not in (0, 10):
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def _style(line: str) -> str:
    for beginning, style in (("FAIL", "bold red"), ("PASSED", "bold green"), ("ok", "green")):
        if line.removeprefix("  ").removeprefix("proof: ").startswith(beginning):
            return style
    # Of the demo: its steps, what each of them proves, and its two verdicts.
    for word, style in ((" FAILED: ", "bold red"), (" PASSED: ", "bold green")):
        if word in line:
            return style
    return "dim" if line.startswith(" " * 5) else ""


def _with_one_other_byte(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


if __name__ == "__main__":
    main()
