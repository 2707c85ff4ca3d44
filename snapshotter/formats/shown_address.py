"""
Make addresses safe to show in logs and in messages that leave this machine, or remove them.

An address can hold a password, a session id or the name of the person who shared it, and no list
can name all such parameters of all sites. So logs get the names of parameters without values. In
messages people must recognise the page: parameters that are known to be secret lose their values,
and the address is changed so that it cannot be clicked: `hxxps://example[.]org/`.

The functions accept any text, because the texts come from untrusted sources.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from snapshotter.formats.printable import printable

LEFT_OUT: Final = "…"
_LONGEST: Final = 500  # characters shown
_UNREADABLE: Final = "(not a valid address)"

# Names of parameters whose value opens something, or says who looked or shared.
_SECRET: Final = re.compile(
    r"token|secret|passw|pwd|pass_ticket|session|auth|credential|signature|jwt|otp|captcha|apikey"
    r"|^(?:.*[_-])?(?:key|sid|sig|code|ticket|uin|pass|hmac|nonce)$|^x-amz-|^sharer_|^share_",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"'`]+")
_DOMAIN: Final = re.compile(r"(?<![\w.\[-])(?:[\w-]{1,63}\.){1,20}[^\W\d_][\w-]{1,62}(?![\w-])")
_IPV4: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")

# The name of a schedule that was given none: it was made of the host, with six digits behind it.
_OF_A_HOST = re.compile(r"\b[a-z0-9][a-z0-9-]*-(?=[0-9a-f]{6}(?:[.@]|$))")
# The end of a job's id, made of the address: whoever guesses an address could try its digest.
_OF_AN_ADDRESS = re.compile(r"(?<=[.-])[0-9a-f]{12,64}(?=(?:@.*|-[0-9]{1,6})?$)")


def redact_url_for_log(url: str) -> str:
    """Return an address with the names of its parameters, without any value, user or fragment."""
    return _shown(url, lambda name: True, fragment=False)


def defang_url_for_message(url: str) -> str:
    """Return an address without user, password and what is known to be secret, defanged."""
    return _defanged(_shown(url, lambda name: bool(_SECRET.search(unquote(name))), fragment=True))


def redact_text_for_log(text: str) -> str:
    """Return a sentence with every address in it as `redact_url_for_log` has it."""
    return _ADDRESS.sub(lambda match: redact_url_for_log(match[0]), text)


def defang_text_for_message(text: str) -> str:
    """Return a sentence with every address and every name of a host in it defanged."""
    parts, end = [], 0
    for found in _ADDRESS.finditer(text):
        parts += [_dots(text[end : found.start()]), defang_url_for_message(found[0])]
        end = found.end()
    return "".join((*parts, _dots(text[end:])))


def remove_addresses(text: str, *, host: str = "") -> str:
    """Return a sentence without any address, and without the name of this host."""
    text = _ADDRESS.sub(LEFT_OUT, text)
    if not host:
        return text
    return re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", LEFT_OUT, text, flags=re.IGNORECASE)


def remove_page_from_name(name: str) -> str:
    """Return the id of a job, or an origin, without what is made of a host or an address."""
    return _OF_A_HOST.sub(LEFT_OUT, _OF_AN_ADDRESS.sub(LEFT_OUT, name))


def _shown(url: str, is_left_out: Callable[[str], bool], *, fragment: bool) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return _UNREADABLE
    shown = f"{parts.scheme}://{host}" if parts.scheme else host
    segments = (_parameters(part, ";", is_left_out, first=False) for part in parts.path.split("/"))
    shown += "/".join(segments)
    if parts.query:
        shown += f"?{_parameters(parts.query, '&', is_left_out)}"
    if parts.fragment:
        left = _parameters(parts.fragment, "&", is_left_out) if fragment else LEFT_OUT
        shown += f"#{left}"
    shown = printable(shown)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + LEFT_OUT


def _parameters(
    text: str, divider: str, is_left_out: Callable[[str], bool], *, first: bool = True
) -> str:
    """Return parameters without values; `first`: also what stands before the first divider."""
    shown: list[str] = []
    for number, part in enumerate(text.split(divider)):
        name, equals, value = part.partition("=")
        if number == 0 and not first:
            shown.append(part)
        elif not equals:  # one without a name may be anything
            shown.append(LEFT_OUT if part and is_left_out("") else part)
        else:
            shown.append(f"{name}={LEFT_OUT}" if value and is_left_out(name) else part)
    return divider.join(shown)


def _defanged(url: str) -> str:
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        return _dots(url)
    end = re.search(r"[/?#]", rest)
    cut = end.start() if end else len(rest)
    host, path = rest[:cut], rest[cut:]
    host = host.replace(".", "[.]")
    if host.startswith("["):
        host = host.replace(":", "[:]")
    return f"{scheme.replace('tt', 'xx')}://{host}{path}"


def _dots(text: str) -> str:
    """Return text in which no mail program or chat finds the name of a host to make a link of."""
    text = _DOMAIN.sub(lambda match: match[0].replace(".", "[.]"), text)
    return _IPV4.sub(lambda match: match[0].replace(".", "[.]"), text)
