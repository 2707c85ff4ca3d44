"""Provide `snapshotter search`: find captures by words and filters."""

import shlex
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.bundles import found_json, tags_of
from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    format_time,
    print_json,
    print_message,
    print_next,
    print_result,
    program_name,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from datetime import datetime

    from snapshotter.index.query import Query
    from snapshotter.index.search import FoundCapture, FoundPage

_EXCERPT = 160  # characters in text
_JSON_EXCERPT = 400  # characters in JSON
_TITLE = 120  # characters in text


@click.command(
    # -word excludes a word, so that a minus sign and letters are no option here, not even -h.
    context_settings={"ignore_unknown_options": True},
    add_help_option=False,
    epilog="""\b
Examples:
  snapshotter search 谣言
  snapshotter search '"exact words" site:example.org after:2026-11-01'
  snapshotter search censor* -draft
  snapshotter search case:harbour note:interview --json
""",
)
@click.argument("words", nargs=-1, metavar="WORDS…")
@store_option
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=20,
    show_default=True,
    help="Show at most this many captures.",
)
@click.option(
    "--before",
    metavar="BUNDLE-ID",
    default="",
    help="Show the results that follow this capture: the last of the results that you have.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each capture.")
@click.help_option("--help")
@click.pass_context
def search(
    ctx: click.Context,
    words: tuple[str, ...],
    store: str | None,
    limit: int,
    before: str,
    as_json: bool,
) -> None:
    """
    Find captures by words and filters, newest first.

    \b
    rumor 谣言            both words, anywhere in the title, the address, the text,
                          the notes and the tags of a capture
    '"exact words"'       a phrase (the outer quotation marks are for the shell)
    censor*               words that begin with these letters
    -draft                without the word
    notice OR wall        one of the two words, or both; (a OR b) c
    host:example.org      a filter: host: site: identity: verdict: outcome: case: tag:
                          note: lang: after: before: policy: has:
    in:title              search only this part: title, address, main, rest, hidden, note, tag

    In scripts with spaces between words, only whole words are found. Text of the document that the
    page did not show is searched only with in:hidden.

    The results show what the bundles contain. This command does not verify the bundles: use
    `snapshotter verify`.

    Exit codes: 0 the search was made, with or without results. 1 the store does not exist. 2 the
    query is invalid or cannot be answered.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive.lookup import search as use_case
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import trust as wiring_trust

    for word in words:
        if word.startswith("--"):
            raise click.NoSuchOption(word, ctx=ctx)
    if before and not use_case.is_cursor(before):
        raise click.BadParameter(
            tr("{before} is not the id of a bundle", before=before), param_hint="--before"
        )
    text = " ".join(words)
    if not text.strip():
        raise click.UsageError(
            tr("WORDS is missing. To list all captures: snapshotter list"), ctx=ctx
        )
    query = parse_query(text)
    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        found = use_case.search(
            source,
            query,
            limit=limit,
            before=before,
            now=machine.SystemClock().now(),
            is_trusted=wiring_trust.trusted_keys(settings),
        )
    if as_json:
        for capture in found.captures:
            print_json(found_json(capture))
        print_json(
            {
                "annotation_problems": source.annotation_problems,
                "cut": found.cut,
                "next": found.next or None,
                "results": len(found.captures),
                "searched_until": found.searched_until or None,
            }
        )
        return
    where = f" --store {shlex.quote(store)}" if store else ""
    _print(found, text, f"{program_name()} search {shlex.quote(text)}{where}")


def parse_query(text: str) -> "Query":
    """Return the query that a user typed. Raises UsageError with what is wrong and what to do."""
    from snapshotter.index.query import InvalidQuery, parse
    from snapshotter.model.sentences import capitalized

    try:
        return parse(text)
    except InvalidQuery as error:
        hint = f". {capitalized(error.hint)}" if error.hint else ""
        raise click.UsageError(f"{error}{hint}") from error


def _print(found: "FoundPage", query: str, command: str) -> None:
    """Print results; `command` is what the user typed."""
    for number, capture in enumerate(found.captures):
        if number:
            print_result()
        for line in found_lines(capture):
            print_result(line)
    if found.searched_until:
        print_message(
            tr(
                "the query is too broad: the search ended at the capture {bundle_id}. Earlier "
                "captures were not searched. Captures found: {count}. Add a rarer word, or a "
                "filter such as host: or after:",
                bundle_id=found.searched_until,
                count=len(found.captures),
            )
        )
    elif not found.captures:
        print_message(tr("no capture matches the query {query}", query=query))
    print_cut(found.cut)
    if found.searched_until:
        print_result()
        print_next(tr("search earlier captures"), f"{command} --before {found.next}")
    elif found.next:
        print_result()
        print_next(
            tr("show the next captures that match"),
            f"{command} --before {found.next}",
        )


def print_cut(count: int) -> None:
    """Print of how many captures only the beginning of the text was searched."""
    from snapshotter.index.passages import MAX_TOTAL

    if count:
        print_message(
            tr(
                "only the first {limit} characters of a text are searched. Captures with a longer "
                "text: {count}",
                limit=f"{MAX_TOTAL:,}",
                count=count,
            )
        )


def found_lines(capture: "FoundCapture") -> list[str]:
    """Return a result as lines of text, each safe for a terminal."""
    from snapshotter.app.archive.lookup.search import excerpt, with_brackets
    from snapshotter.formats.printable import cut, printable
    from snapshotter.model.capture import Outcome
    from snapshotter.model.sentences import page_words

    state = (
        tr("cannot be read: {problem}", problem=capture.problem)
        if capture.problem and capture.shown is None
        else page_words(
            capture.shown, Outcome(capture.outcome) if capture.outcome in set(Outcome) else None
        )
    )
    lines = [f"{capture.bundle_id}  {_both_times(capture.began_at)}  {state}"]
    if capture.title:
        lines.append(f"  {cut(printable(capture.title), _TITLE)}")
    lines.append(f"  {printable(capture.url)}")
    if capture.copies:
        addresses = ", ".join(copy.url for copy in capture.copies)
        lines.append(
            f"  {printable(tr('nearly the same text at {addresses}', addresses=addresses))}"
        )
    labels = [
        *(
            tr("case {name}, exhibit {number}", name=name, number=number)
            for name, number in capture.annotations.cases.items()
        ),
        *(tr("tag {name}", name=name) for name in tags_of(capture)),
    ]
    if labels:
        lines.append(f"  {printable('; '.join(labels))}")
    if not capture.is_text_whole:
        lines.append(f"  {tr('only the beginning of the text was searched')}")
    for hit in capture.hits:
        shown = with_brackets(excerpt(hit, _EXCERPT))
        lines.append(f"  {hit.region.value}: {printable(shown)}")
    return lines


def _both_times(at: "datetime") -> str:
    """Return an instant in UTC, and by the clock of this machine if that differs."""
    there = at.astimezone()
    if not there.utcoffset():
        return format_time(at)
    clock = f"{there:%H:%M:%S}" if there.date() == at.date() else f"{there:%Y-%m-%d %H:%M:%S}"
    offset = f"{there:%z}"
    return f"{format_time(at)} ({clock} UTC{offset[:3]}:{offset[3:5]})"
