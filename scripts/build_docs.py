#!/usr/bin/env python3
"""
Build the documentation site from docs/ with Zensical.

    make docs                          into site/
    scripts/build_docs.py FOLDER       into another folder

The site needs no server and makes no request to another host: it can be opened from a disk, with
its search. The build fails if a link or an anchor leads nowhere.

    (1) copy docs/ and two pages of the top folder: a site cannot link out of its folder
    (2) write the navigation: a section for each folder, its pages sorted by title
    (3) build the site, and put it in the place of the old one
    (4) replace the one script that a page would fetch from another host

Two changes make the search useful: pages for developers are not searched, and the search ignores
a plural "s".
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
ZENSICAL: Final = ROOT / ".venv-tools" / "bin" / "zensical"
# In the order in which a newcomer reads: the folder in docs/, and the title of its section.
SECTIONS: Final = (
    ("tutorial", "Tutorials"),
    ("howto", "How-to guides"),
    ("explanation", "Explanation"),
    ("reference", "Reference"),
    ("spec", "Formats"),
    ("adr", "Decisions"),
)
TOP_PAGES: Final = ("CHANGELOG.md", "CONTRIBUTING.md")
# Pages for developers: their words would hide the pages that answer a user's question.
UNSEARCHED: Final = ("adr/*.md", "performance.md", *(name.lower() for name in TOP_PAGES))
_UNSEARCHED_HEAD: Final = "---\nsearch:\n  exclude: true\n---\n\n"
# How the search worker spells a word, of pages and of queries; and the same without a plural.
_SPELLED: Final = 't.normalize("NFKD").toLowerCase()'
_SINGULAR: Final = '.replace(/([a-z]{2})ies$/,"$1y").replace(/([a-z]{2}[^s])s$/,"$1")'
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
# Browsers refuse workers of a page on a disk. Zensical fetches a substitute from another host.
_FETCHED: Final = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*></script>')
_OTHER_HOST: Final = re.compile(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=\"(?:https?:)?//")


def main() -> int:
    """Build the site, and print where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", nargs="?", default=ROOT / "site", type=Path, help="where it goes")
    site = parser.parse_args().site.resolve()
    if not ZENSICAL.exists():
        print("build_docs: Zensical is not installed", file=sys.stderr)
        print("build_docs: try: install it:\n  make setup-tools", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        source = Path(folder)
        copy_pages(source / "docs")
        (source / "zensical.toml").write_text(settings(source / "docs"), encoding="utf-8")
        built = subprocess.run([ZENSICAL, "build", "--strict", "--clean"], cwd=source, check=False)
        if built.returncode != 0:
            print("build_docs: the site was not built: see the messages above", file=sys.stderr)
            return 1
        ignore_plurals(source / "site")
        keep_requests_here(source / "site")
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(source / "site", site)
    print(f"the documentation is in {site}; open it in a browser:\n  {site / 'index.html'}")
    return 0


def copy_pages(docs: Path) -> None:
    """Copy the documentation, and turn links to files outside of it into plain text."""
    shutil.copytree(ROOT / "docs", docs)
    for name in TOP_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        # As if the page were in docs/: its links into docs/ lose a folder, all others leave it.
        text = _LINK.sub(lambda link: f"]({_seen_from_docs(link[1])})", text)
        (docs / name.lower()).write_text(text, encoding="utf-8")
    for page in docs.rglob("*.md"):
        up = "../" * (len(page.relative_to(docs).parts) - 1)
        text = page.read_text(encoding="utf-8")
        for name in TOP_PAGES:
            text = text.replace(f"]({up}../{name}", f"]({up}{name.lower()}")
        outside = re.compile(rf"\[([^\]]*)\]\({re.escape(up)}\.\./([^)#]*)(?:#[^)]*)?\)")
        page.write_text(outside.sub(_without_link, text), encoding="utf-8")
    for page in (page for pattern in UNSEARCHED for page in docs.glob(pattern)):
        page.write_text(_UNSEARCHED_HEAD + page.read_text(encoding="utf-8"), encoding="utf-8")


def _seen_from_docs(target: str) -> str:
    """Return the target of a link of a page at the top of the repository, as docs/ has it."""
    if target.startswith(("#", "http:", "https:", "mailto:")):
        return target
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"


def _without_link(link: re.Match[str]) -> str:
    """Return the text of a link, and the path of a file that only the repository has."""
    text, path = link[1], link[2]
    return text if path in text else f"{text} (`{path}` in the repository)"


def settings(docs: Path) -> str:
    """Return Zensical's settings with the navigation of all pages."""
    nav: list[object] = [{"Start": "README.md"}]
    for folder, title in SECTIONS:
        pages = sorted(
            (docs / folder).glob("*.md"), key=lambda page: (page.name != "README.md", _order(page))
        )
        nav.append({title: [{_title(page): str(page.relative_to(docs))} for page in pages]})
    nav += [
        {"Performance": "performance.md"},
        {"Contributing": "contributing.md"},
        {"Changes": "changelog.md"},
    ]
    base = (ROOT / "docs" / "site.toml").read_text(encoding="utf-8")
    return base.replace("[project]\n", f"[project]\nnav = {_toml(nav)}\n", 1)


def _title(page: Path) -> str:
    """Return the first heading of a page, without marks of Markdown."""
    heading = re.search(r"^# (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return re.sub(r"[`*]", "", heading[1]) if heading else page.stem


def _order(page: Path) -> str:
    """Return by what the pages of a section are sorted: decisions by number, others by title."""
    return page.name if page.parent.name == "adr" else _title(page).lower()


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(entry) for entry in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {_toml(v)}' for k, v in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def ignore_plurals(site: Path) -> None:
    """Let the search find "timestamp" by "timestamps", and the reverse."""
    worker = _search_worker(site)
    source = worker.read_text(encoding="utf-8")
    if source.count(_SPELLED) != 1:
        raise SystemExit(f"build_docs: {worker.name} does not contain {_SPELLED} exactly once")
    worker.write_text(source.replace(_SPELLED, _SPELLED + _SINGULAR), encoding="utf-8")


def _search_worker(site: Path) -> Path:
    (worker,) = (site / "assets" / "javascripts" / "workers").glob("search.*.js")
    return worker


def keep_requests_here(site: Path) -> None:
    """
    Replace the script that a page on a disk would fetch, and check that none is left.

    The substitute starts the search worker from its source text, which a page on a disk may do.
    """
    source = json.dumps(_search_worker(site).read_text(encoding="utf-8")).replace("</", "<\\/")
    (site / "assets" / "javascripts" / "worker.js").write_text(
        f"""// Start the search worker of a page that was opened from a disk.
if (location.protocol === "file:") {{
  const source = {source};
  const url = URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }}));
  window.Worker = class extends Worker {{ constructor() {{ super(url); }} }};
}}
""",
        encoding="utf-8",
    )
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        text = _FETCHED.sub(
            f'<script src="{up}assets/javascripts/worker.js"></script>',
            page.read_text(encoding="utf-8"),
        )
        if found := _OTHER_HOST.search(text):
            raise SystemExit(f"build_docs: {page.relative_to(site)} loads {found[0]}…")
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
