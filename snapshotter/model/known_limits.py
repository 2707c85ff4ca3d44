"""
List the known errors and limits of this version, which reports about captures must state.

`scripts/make_cli_reference.py` writes the list to docs/reference/known-limits.md. What no capture
can prove is in `report_statements.LIMITS`.
"""

from typing import Final

from snapshotter.translation import tr

KNOWN_LIMITS: Final = (
    tr(
        "The text and the picture of a page can show different moments. The record has the time "
        "of each step."
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
        "The wait for a page does not detect WebRTC, WebTransport, crypto.subtle and the "
        "compilation of code. Each of these can change the page after the wait."
    ),
    tr(
        "The file layout.json has at most 10,000 blocks of text and one million characters. The "
        "software reads only the first 200 frames of a page."
    ),
    tr(
        "A capture with the setting ignore_certificate_errors accepts a server with an invalid "
        "certificate. The record states the setting."
    ),
    tr(
        "If the software replaces a value in an answer of the server, the stored answer differs "
        "from the answer that the server sent. The network record marks the stored answer."
    ),
    tr("Redactions do not change pictures. The record has the positions of replaced texts."),
    tr(
        "If the settings do not list a name of the capturing person, the name can stay in files "
        "of the bundle."
    ),
    tr(
        "On some machines the kernel does not enforce the path through the network. The record "
        "states whether the kernel enforced the path."
    ),
    tr(
        "The clock of the capturing machine gives the time of each step. The record has what the "
        "operating system states about this clock."
    ),
    tr("The software reads no list of qualified timestamp authorities."),
)
