"""
List the known errors and limits of this version, which reports about captures must state.

`scripts/make_cli_reference.py` writes the list to docs/reference/known-limits.md. What no capture
can prove is in `report_statements.LIMITS`.
"""

from typing import Final

from snapshotter.translation import tr

KNOWN_LIMITS: Final = (
    tr(
        "Text and picture of a page can show different moments. The record has the time of each "
        "step."
    ),
    tr(
        "A site can recognise the browser as a robot and send another page. The headless browser "
        "names itself in its user agent."
    ),
    tr(
        "A site can choose the page by language, time zone and network. The policy sets language "
        "and time zone, and each capture begins with a new browser profile."
    ),
    tr(
        "Changes inside a canvas, a video or the background of a style sheet are not detected "
        "while the page is photographed."
    ),
    tr(
        "The wait for a page does not see WebRTC, WebTransport, crypto.subtle and compilation. The "
        "page can change after the wait because of them."
    ),
    tr(
        "The layout has at most 10,000 blocks and a million characters. The first 200 frames are "
        "read."
    ),
    tr(
        "A capture with the setting ignore_certificate_errors accepts a server with an invalid "
        "certificate. The record states the setting."
    ),
    tr(
        "An answer of the server in which the software replaced a value differs from what the "
        "server sent. The network record marks this answer."
    ),
    tr("Pictures are not changed by redactions. The record has the positions of replaced texts."),
    tr(
        "Names of the capturing person that the settings do not list can stay in files of the "
        "bundle."
    ),
    tr(
        "The kernel does not enforce the path through the network on every machine. The record "
        "states whether the kernel enforced the path."
    ),
    tr(
        "The clock of the capturing machine gives the time of each step. The record has what the "
        "operating system states about this clock."
    ),
    tr("The software reads no list of qualified timestamp authorities."),
)
