"""
Choose Chromium's command-line arguments: a capture adds some to those that Playwright sets, and
leaves out some of them.
"""

from collections.abc import Iterator
from pathlib import Path

from snapshotter.model.request import Decision

# What Playwright does not already pass. Never `--disable-features`: Chromium
# reads the last one only, and Playwright's own would be lost.
_ARGUMENTS = (
    "--site-per-process",  # the shell has no site isolation by default
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--no-pings",
    "--dns-prefetch-disable",
    # The page's frame paints what lies below the window as well, so that a part of it can be
    # photographed. The protocol's own way (`captureBeyondViewport`) resizes the page for each
    # shot, to 1 x 1 px at times, and tells it so. Chromium reads the last such flag only:
    # what Playwright sets, a mouse that hovers, is repeated here.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,"
    "availablePointerTypes=4,mainFrameClipsContent=false",
)

# What Playwright passes and we do not want. Chromium lets a page change its address 200 times
# in ten seconds, as for every reader; without that limit, the news of it fills the queues
# of the browser's own process, and no order of ours comes through.
_NOT_ARGUMENTS = ("--disable-ipc-flooding-protection",)

# What a page draws with WebGL and WebGPU is drawn by a process that has no filter of system calls.
_NO_WEBGL = ("--disable-3d-apis",)
_OF_WEBGL = ("--enable-unsafe-swiftshader",)

# zstd is left out: readers of WARC files cannot decode it.
ACCEPT_ENCODING = "gzip, deflate, br"


def added_arguments(decision: Decision, port: int, key_log: Path) -> list[str]:
    """
    Return the arguments that a capture adds to those of Playwright.

    Args:
        port: The loopback port at which the browser reaches the egress guard.
        key_log: The file for the TLS secrets of its connections.
    """
    webgl = () if decision.webgl else _NO_WEBGL
    return [*_ARGUMENTS, *webgl, *_network_arguments(port, key_log)]


def removed_arguments(decision: Decision) -> list[str]:
    """Return the arguments of Playwright that a capture leaves out."""
    return [*_NOT_ARGUMENTS, *(() if decision.webgl else _OF_WEBGL)]


def _network_arguments(port: int, key_log: Path) -> Iterator[str]:
    """Yield arguments that send all traffic through the egress guard, which also resolves names."""
    yield f"--proxy-server=http://127.0.0.1:{port}"
    yield "--proxy-bypass-list=<-loopback>"  # or loopback would be reached without the proxy
    # A resolver may be reached through a file (nscd, systemd-resolved), out of any network.
    yield "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    yield f"--ssl-key-log-file={key_log}"
