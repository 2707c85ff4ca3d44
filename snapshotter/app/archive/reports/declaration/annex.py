"""State the conditions of the operation, in the order of a French constat."""

from collections.abc import Iterator

from snapshotter.app.archive.reports.declaration.sections import (
    DeclaredCapture,
    about_software,
    part_of,
)
from snapshotter.model.declaration import (
    Blank,
    Item,
    Section,
)
from snapshotter.translation import tr


def annex_sections(capture: DeclaredCapture) -> Iterator[Section]:
    """Yield the annex about a capture, and its parts."""
    yield Section(
        key="annex", number="", bundle_id=capture.bundle_id,
        term=tr("Annex: conditions of the operation, bundle {id}", id=capture.bundle_id),
        items=(
            about_software(
                "form",
                tr(
                    "This annex has the order of a French constat: first the conditions, then each "
                    "step. This draft is not a constat. Only a public officer makes a constat."
                ),
            ),
        ),
    )  # fmt: skip
    yield part_of(capture, "equipment", tr("Machine (matériel)"), _equipment(capture))
    yield part_of(capture, "browser", tr("Browser (navigateur)"), capture.quotes(
        "how", "browser", "browser_revision", "browser_sha256", "user_agent",
        "window", "scale", "fonts_sha256", "fonts_count",
    ))  # fmt: skip
    yield part_of(capture, "network", tr("Network (connexion, serveur mandataire)"),
                _network(capture))  # fmt: skip
    yield part_of(capture, "clock", tr("Clock (horloge)"), _clock(capture))
    yield part_of(capture, "cache", tr("Cache, cookies and history (mémoire cache, témoins, "
                                     "historique)"), _cache())  # fmt: skip
    yield part_of(capture, "operations", tr("Each step (déroulement)"), _operations(capture))


def _equipment(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes(
        "how", "os", "kernel", "architecture", "python", "playwright", "image_digest",
        "sandbox_enforced", "sandbox_detail",
    )  # fmt: skip
    yield Blank(
        key="machine", term=tr("Machine: manufacturer and model, place, and operator"), lines=2
    )


def _network(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes(
        "who", "network_path", "network_enforced", "network_how", "vantage", "exit_country"
    )
    yield Blank(key="public_address", term=tr("Provider and public address of the connection"))
    yield from capture.quotes("from_whom", "connections")


def _clock(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes(
        "when", "clock_source", "clock_synchronised", "clock_offset_ms", "clock_max_error_ms",
        "timezone", "http_date", "clock_checks",
    )  # fmt: skip


def _cache() -> Iterator[Item]:
    yield about_software(
        "profile",
        tr(
            "The version that made this draft begins each capture with a new browser profile, "
            "without cookies, cache and history of earlier visits."
        ),
    )
    yield Blank(
        key="cache",
        term=tr("Cache, cookies and history before the capture, to the knowledge of the declarant"),
    )


def _operations(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes("how", "steps", "actions", "waits", "scroll_steps", "scroll_stopped",
                              "failed_requests")  # fmt: skip
