"""What must hold for the repository itself: a clone is all that a stranger needs."""

import graphlib
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from importlib import metadata
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements/capture.txt", "requirements/dev.txt", "requirements/tools.txt")

# A folder that exists on one person's machine, or in the place where something was built.
# Written in two parts, so that this file does not name one.
MACHINE_PATH = re.compile(rb"(?<![\w.$}~-])/" + rb"(?:root|work|home/[a-z][\w.-]*|Users/\w+)/")
# Servers that hand out packages: a clone takes whichever its owner has configured.
INDEX_HOST = re.compile(
    rb"(?:files\." + rb"pythonhosted|pypi\." + rb"org|registry\." + rb"npmjs|/opt/" + rb"wheels)"
)


def tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git, or no clone: there is no list of tracked files")
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT, capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert len(paths) > 20, "git lists almost nothing: this test would see nothing"
    return [path for path in paths if path.is_file()]


def lines_with(pattern: re.Pattern[bytes]) -> list[str]:
    found = []
    for path in tracked_files():
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line[:120]!r}")
    return found


def test_no_tracked_file_names_a_folder_of_somebodys_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_no_tracked_file_names_a_package_index() -> None:
    assert lines_with(INDEX_HOST) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_one_version_and_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())

    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+ (?:; .*)?\\\n", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


@pytest.mark.parametrize("lock", [*LOCKS, "requirements/npm/package-lock.json"])
def test_lock_files_name_no_host_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in text
    assert "/opt/" not in text
    assert '"resolved"' not in text


def test_the_lock_for_tests_holds_the_same_versions_as_the_lock_for_capture() -> None:
    """The venv for tests stands in for the one for capture: scripts/setup.sh counts on it."""
    pinned = re.compile(r"^([a-z0-9._-]+==\S+)", re.MULTILINE)
    capture, dev = (
        set(pinned.findall((ROOT / f"requirements/{name}.txt").read_text()))
        for name in ("capture", "dev")
    )

    assert capture
    assert capture - dev == set()


def test_the_lock_files_pin_every_package_that_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in wanted} - {"snapshotter"}
    lock = (ROOT / "requirements/capture.txt").read_text()

    assert len(names) > 5
    assert {name for name in names if not re.search(rf"^{re.escape(name)}==", lock, re.M)} == set()


def test_the_licence_of_every_dependency_is_documented() -> None:
    page = (ROOT / "docs/reference/dependencies.md").read_text()
    rows = re.findall(r"^- ([^:]+): (.+)$", page.partition("## All packages")[2], re.M)
    licences = {name: licence for licence, names in rows for name in names.split(", ")}
    lock = (ROOT / "requirements/capture.txt").read_text()

    assert licences.keys() == set(re.findall(r"^([a-z0-9._-]+)==", lock, re.M))
    for name, licence in licences.items():
        try:
            stated = metadata.metadata(name).json.get("license_expression")
        except metadata.PackageNotFoundError:  # of another system, such as tzdata
            continue
        assert stated in (licence, None), name
    exceptions = {licence for licence in licences if re.search("GPL|MPL", licences[licence])}
    assert exceptions == {"certifi", "pathspec", "psycopg", "psycopg-binary", "tld"}


def test_gpl_tools_are_never_dependencies_of_ours() -> None:
    for lock in ("requirements/capture.txt", "requirements/dev.txt"):
        text = (ROOT / lock).read_text()
        assert not re.search(r"^(?:pywb|brotlipy|wacz)==", text, re.MULTILINE), lock


def test_the_import_rules_name_every_room() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    rooms = {
        f"snapshotter.{path.stem}"
        for path in (ROOT / "snapshotter").iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py"
    }

    assert rooms - {"snapshotter.__init__", "snapshotter.__main__"} - named == set()


def test_no_modules_import_each_other_in_a_cycle() -> None:
    """Imports inside of functions and for type checkers count as well."""
    graph = grimp.build_graph("snapshotter", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    assert len(imports) > 400
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules


def test_make_help_names_the_two_commands_of_the_readme() -> None:
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert re.search(r"^  capture +Capture a page", listed, re.MULTILINE)
    assert re.search(r"^  test +Run all checks of CI", listed, re.MULTILINE)


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh"), key=str))
def test_shell_scripts_parse(script: Path) -> None:
    checked = subprocess.run(
        ["bash", "-n", str(script)], capture_output=True, text=True, check=False, timeout=30
    )

    assert checked.stderr == ""


def test_make_capture_without_an_address_says_what_to_type() -> None:
    ran = subprocess.run(
        ["make", "capture"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )

    assert ran.returncode == 2
    assert "make capture: try: name a URL:\n  make capture URL=https://example.org\n" in ran.stderr


LINK = re.compile(r"\]\(([^)\s]+)\)")


def links(page: Path) -> list[tuple[Path, str]]:
    """Return the files and headings of ours that a page links to."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = []
    for link in LINK.findall(text):
        if not link.startswith(("http:", "https:", "mailto:")):
            name, _, heading = link.partition("#")
            found.append(((page.parent / name).resolve() if name else page, heading))
    return found


def headings(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def test_every_link_of_a_page_leads_somewhere() -> None:
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    lost = [
        f"{page.relative_to(ROOT)}: {target.name}#{heading}"
        for page in pages
        for target, heading in links(page)
        if not target.exists()
        or (heading and target.suffix == ".md" and heading not in headings(target))
    ]

    assert len(pages) > 50
    assert lost == []


def test_the_index_names_every_page_once() -> None:
    docs = ROOT / "docs"
    named = Counter(target for target, _ in links(docs / "README.md"))
    pages = [
        path
        for path in tracked_files()
        if path.suffix == ".md" and path.is_relative_to(docs) and path.parent.name != "adr"
    ]

    assert {
        page.name: named[page] for page in pages if page.name != "README.md" and named[page] != 1
    } == {}


def test_the_index_of_decisions_has_number_and_title_of_each_page() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    rows = []
    for page in pages:
        heading, _, summary = page.read_text(encoding="utf-8").splitlines()[:3]
        number, _, title = heading.removeprefix("# ").partition(". ")
        assert int(number) == int(page.name[:4]), page.name
        assert summary.removeprefix("**Summary:** ") not in ("", summary), page.name
        rows.append(f"{number}. [{title}]({page.name})")

    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8").splitlines()

    assert len(rows) > 70
    assert [line for line in index if line[:1].isdecimal() or "](" in line] == rows
