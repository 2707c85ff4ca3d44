"""
Draft a rule for an unknown notice, as the text of a rule file.

The draft contains only what was observed: the place of the words, the words and the day. Its
cause is `not_stated` and its grade D until a person has checked it.
"""

import json
import re
from typing import Any

from snapshotter.assess.page_view import MAX_TEXT, PageView
from snapshotter.assess.rule_matching import RuleMatch
from snapshotter.formats.hosts import host_of
from snapshotter.model.rules import RuleSet
from snapshotter.policy.rule_tables import SCHEMA

_MOST_WORDS = 400  # characters; of a longer notice the rule has the beginning
_BEGINNING = 80
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")
_PLAIN_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def stub(view: PageView, rules: RuleSet, found: RuleMatch, shape: str, select: str = "") -> str:
    """
    Return a rule file with one notice, which the loader accepts.

    Args:
        shape: Selector of the notice's shape; "" for words in an address or data.
        select: Selector of the element, if it has neither an id nor classes.
    """
    host = host_of(view.url)
    words = " ".join(_CONTROLS.sub(" ", found.text).split())
    hosts = [host] if _PLAIN_HOST.fullmatch(host) else list(rules.hosts)
    day = view.page.captured_at.date().isoformat()
    select = _selector(found.element, shape) or select or next(iter(rules.notice_shape), "body")
    test = (
        f"equals = [{_quoted(words)}]"
        if len(words) <= _MOST_WORDS
        else f"starts = [{_quoted(words[:_BEGINNING])}]\nmost_text = {MAX_TEXT}"
    )
    return "\n".join(
        (
            f"# Seen on {day}, and no rule of {rules.file.id} {rules.file.version} knows it.",
            f"# Give it a cause and a gloss, and move [[notice]] into {rules.file.id}.toml,",
            "# or name this file before that one in the policy's takedown.rules.",
            f"schema = {_quoted(SCHEMA)}",
            f"id = {_quoted(f'{rules.file.id[:30]}-new')}",
            'version = "0.1"',
            f"hosts = [{', '.join(map(_quoted, hosts))}]",
            f"normalise = {_quoted(rules.normalise)}",
            "",
            "[[notice]]",
            f"id = {_quoted(f'{rules.file.id[:30]}-new-1')}",
            'cause = "not_stated"',
            'grade = "D"',
            f"select = {_quoted(select)}",
            test,
            "",
            "[notice.seen]",
            f"first = {day}",
            f"last = {day}",
            "",
        )
    )


def _selector(element: Any, shape: str) -> str:
    """Return a short selector of an element: by its id or its classes, in its shape."""
    if element is None:
        return shape
    name = element.get("id") or ""
    if _PLAIN_NAME.fullmatch(name):
        return f"#{name}"
    classes = [
        class_name
        for class_name in (element.get("class") or "").split()
        if _PLAIN_NAME.fullmatch(class_name)
    ]
    if classes:
        return "".join(f".{class_name}" for class_name in classes[:3])
    is_one = shape and "," not in shape
    return f"{shape} {element.tag}" if is_one and _PLAIN_NAME.fullmatch(element.tag) else shape


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, which is one of JSON without controls."""
    return json.dumps(text, ensure_ascii=False)
