"""The process that serves pages opens no signing key."""

import sys
from pathlib import Path
from urllib.parse import quote

from starlette.routing import Route

from snapshotter.seal.log_key import LogKeyDirectory
from snapshotter.seal.signer import KeyDirectory
from tests import observed
from tests.archived import Archive
from tests.webclient import FORM, console, console_settings

_opened: list[str] = []
_watched: list[str] = []


def _note(event: str, values: tuple[object, ...]) -> None:
    if event == "open" and _watched and isinstance(values[0], (str, bytes, Path)):
        path = values[0].decode() if isinstance(values[0], bytes) else str(values[0])
        if path.startswith(_watched[0]):
            _opened.append(path)


sys.addaudithook(_note)


def test_no_page_opens_a_key_or_makes_one(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    directory = KeyDirectory(keys)
    for name in ("default", "annotations", "events"):
        directory.create(name)
    LogKeyDirectory(path=keys).create(name="log.example")
    private = {file for file in keys.iterdir() if file.stat().st_mode & 0o077 == 0}
    for file in private:
        file.write_text("not a key")
    archive = Archive(tmp_path)
    first, second = archive.put(0), archive.put(1)
    _watched[:] = [str(keys)]
    _opened.clear()
    with console(console_settings(tmp_path)) as site:
        site.log_in()
        pages = [
            route.path
            for route in site.client.app.routes  # type: ignore[attr-defined]
            if isinstance(route, Route) and "GET" in (route.methods or ()) and "{" not in route.path
        ]
        address = quote(observed.ARTICLE, safe="")
        capture, api = f"/captures/{second}", f"/api/v1/captures/{second}"
        of_captures = [
            capture,
            f"{capture}/bundle",
            f"{capture}/thumbnail.webp",
            f"{capture}/picture/0",
            f"/addresses?identity={address}",
            f"/captures?q={second}",
            f"/policies/explain?url={address}",
            api,
            f"{api}/annotations",
            f"{api}/files",
            f"/api/v1/comparisons?a={first}&b={second}",
            f"/api/v1/policies/explain?url={address}",
            "/api/v1/captures",
            "/api/v1/events",
            "/api/v1/reviews",
        ]
        answers = {path: site.get(path).status_code for path in [*pages, *of_captures]}
        verified = site.client.post(f"{capture}/verify", headers=FORM)
    _watched.clear()

    assert answers["/"] == 200
    assert [path for path in of_captures if answers[path] not in (200, 303)] == [
        f"{capture}/picture/0"  # these captures have no picture
    ]
    assert verified.status_code == 303
    assert {path for path, status in answers.items() if status >= 500} == set()
    assert len(private) == 4
    assert {Path(path) for path in _opened} & private == set()
    assert {Path(path).name for path in _opened} > {"default.pub.pem", "annotations.pub.pem"}
    assert len(list(keys.iterdir())) == 8
