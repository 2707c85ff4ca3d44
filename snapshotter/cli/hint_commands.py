"""Complete the commands that hints name with the store of the command that was given."""

import shlex
from typing import Final

# All commands with the option --store; tests/unit/cli checks them against the commands.
STORE_COMMANDS: Final = frozenset(
    {
        "audit", "batch", "capture", "case add", "case check", "case close", "case create",
        "case export", "case list", "case remove", "case show", "check", "counts",
        "custody show", "diff", "disclose", "doctor", "erase", "export",
        "hold lift", "hold list", "hold place", "index rebuild", "index status", "list",
        "log check", "log init", "log prove", "log repair", "log show", "log sync",
        "mark graphic", "note add", "note list", "open", "proof", "quarantine",
        "quote", "release", "renew", "report campaign", "report capture",
        "report case", "report day", "report declaration", "review",
        "schedule history", "schedule run", "search", "serve", "show", "store add", "store check",
        "store reindex", "store repair", "store replicate", "store retain", "streams check",
        "streams open", "tag add", "tag list", "tag remove", "takedown derive",
        "takedown export", "takedown list", "takedown show", "timestamp", "trust publish",
        "verify", "worker",
    }
)  # fmt: skip
_ENDINGS: Final = (".wacz", ".html", ".json")
_OF_FILES: Final = frozenset({"verify", "open", "show", "diff"})  # they need no store for a file


def with_store(line: str, store: str) -> str:
    """
    Return a line of a hint; `--store` is added if the line is a command that needs it.

    Args:
        line: One line, indented if it is a command.
        store: As the person gave it.
    """
    indent = line[: len(line) - len(line.lstrip(" "))]
    words = line.split()
    if not indent or len(words) < 2 or words[0].rpartition("/")[2] != "snapshotter":
        return line
    if "--store" in words or (
        words[1] in _OF_FILES and any(word.strip("'\"").endswith(_ENDINGS) for word in words)
    ):
        return line
    if words[1:3] == ["worker", "list"]:  # a group that is a command too
        return line
    for count in (3, 2):
        command = " ".join(words[:count])
        if " ".join(words[1:count]) in STORE_COMMANDS and line.startswith(indent + command):
            rest = line[len(indent + command) :]
            return f"{indent}{command} --store {shlex.quote(store)}{rest}"
    return line
