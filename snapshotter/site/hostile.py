"""
Make pages that attack a capture.

The capture of each must state what happened, and the page must do no harm.
"""

from collections.abc import Callable

from snapshotter.site.response import Response, Visit, document, html, redirect

METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
REBINDING = "rebinding.example"  # a name whose addresses change, as whoever resolves it decides
FLOOD_BYTES = 5 << 30

_MIB = 1 << 20


def _metadata(visit: Visit) -> Response:
    return redirect(METADATA)


def _rebinding(visit: Visit) -> Response:
    """A page whose script asks its own host again, and hopes for another address."""
    return document(
        "rebinding",
        "<h1>A page of a name with two addresses</h1>\n<p id=said>nothing yet</p>\n"
        "<script>fetch('/secret').then(r => r.text()).then(t => said.textContent = t,"
        " () => said.textContent = 'refused')</script>\n",
    )


def _inside(visit: Visit) -> Response:
    """A page that reaches for what only this machine can see."""
    return document(
        "inside",
        "<h1>A page that looks around</h1>\n<p id=said></p>\n"
        f"<img src='{METADATA}' alt=''><img src='http://10.0.0.1/admin' alt=''>\n"
        "<img src='http://[::1]:6379/' alt=''><iframe src='file:///etc/passwd'></iframe>\n"
        "<script>fetch('file:///etc/hostname').then(r => r.text()).then(t =>"
        " said.textContent = t, () => said.textContent = 'refused')</script>\n",
    )


def _endless(visit: Visit) -> Response:
    return document(
        "endless",
        "<h1>It goes on</h1>\n<div id=all></div>\n<script>\nlet count = 0;\nfunction more() {\n"
        " for (let i = 0; i < 20; i++) { const p = document.createElement('p');\n"
        "  p.textContent = 'paragraph ' + ++count; all.append(p); } }\n"
        "addEventListener('scroll', more); more(); more(); more();\n</script>\n",
    )


def _flood(visit: Visit) -> Response:
    """Five gigabytes, a megabyte at a time."""
    return Response(
        headers=(("Content-Type", "text/html; charset=utf-8"),),
        body=b"<p>" + b"x" * (_MIB - 3),
        repeats=FLOOD_BYTES // _MIB,
    )


def _windows(visit: Visit) -> Response:
    return document(
        "windows",
        "<h1>Many windows</h1>\n<script>for (let i = 0; i < 40; i++)"
        " open('/hostile/windows?' + i)</script>\n",
    )


def _dialogs(visit: Visit) -> Response:
    return document(
        "dialogs", "<h1>Call this number</h1>\n<script>for (;;) alert('call us')</script>\n"
    )


def _sibling(visit: Visit) -> Response:
    """A script that reads other captures, if somebody ever shows this one with its scripts on."""
    return document(
        "sibling",
        "<h1>Reads its neighbours</h1>\n<p id=said>nothing</p>\n"
        "<script>for (const path of ['/captures/', '../../../', '/api/bundles'])"
        " fetch(path).then(r => r.text()).then(t => said.textContent = 'READ ' + t.length,"
        " () => 0)</script>\n",
    )


def _loop(visit: Visit) -> Response:
    count = visit.query.get("n", "0")
    return redirect(f"/hostile/loop?n={int(count) + 1 if count.isdigit() else 0}")


def _title(visit: Visit) -> Response:
    """Escape sequences and marks of direction, where a terminal or a file name would take them."""
    return html(
        "<!doctype html><meta charset=utf-8><title>safe\u202egnp.exe\x1b[2J\x07</title>"
        "<h1>A title that turns round</h1>\n"
    )


PAGES: dict[str, tuple[Callable[[Visit], Response], str]] = {
    "hostile/metadata": (_metadata, "a redirect to the metadata service of clouds"),
    "hostile/rebinding": (_rebinding, "a name that changes its address between two questions"),
    "hostile/inside": (_inside, "images, frames and scripts that ask for private places"),
    "hostile/endless": (_endless, "a page that grows as it is scrolled"),
    "hostile/flood": (_flood, "a body of 5 GB"),
    "hostile/windows": (_windows, "forty windows, each of which opens forty"),
    "hostile/dialogs": (_dialogs, "a dialog without end"),
    "hostile/sibling": (_sibling, "a script that reads other captures"),
    "hostile/loop": (_loop, "redirects without end, each to a new address"),
    "hostile/title": (_title, "a title with control characters"),
}
