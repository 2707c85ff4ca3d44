"""
Create the tables of an index, and migrate them forward and back.

A migration adds to the tables of the migration before it. Its number is written into the table
`meta`, with the version of the code that makes rows. Tables or rows of a later version are refused.
Rows of an earlier version stay readable, and the next sync reads their bundles again.
"""

from datetime import UTC, datetime
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.index.database import IndexDatabase
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Increased with each change of how rows are made from bundles.
ROWS_VERSION: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Two lists of statements: from the tables of the migration before to these, and back."""

    forward: str
    back: str


_HAS_LONG_TEXT: Final = (
    "length(asked) > 200 OR length(stated) > 200 OR length(account) > 200 OR length(url) > 200 "
    "OR length(vantage) > 200 OR length(states) > 200 OR length(main_sha256) > 200"
)


def _read_again(condition: str) -> str:
    """Return statements that let the next sync read the bundles of some rows again."""
    return f"""
INSERT INTO meta (name, value)
  SELECT 'outdated', '1' WHERE EXISTS (SELECT 1 FROM bundle WHERE {condition})
  ON CONFLICT (name) DO NOTHING;
UPDATE folder SET stamp = '' WHERE EXISTS (SELECT 1 FROM bundle WHERE {condition});
UPDATE bundle SET listed = '' WHERE {condition}"""  # noqa: S608  no value is in it


MIGRATIONS: Final = (
    Migration(
        forward="""
CREATE TABLE bundle (
  key TEXT PRIMARY KEY,
  listed TEXT NOT NULL,
  verdict_source TEXT NOT NULL, problem TEXT NOT NULL,
  bundle_id TEXT NOT NULL, sha256 TEXT NOT NULL,
  asked TEXT NOT NULL, stated TEXT NOT NULL, account TEXT NOT NULL,
  url TEXT NOT NULL, host TEXT NOT NULL,
  began_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, proven_ms INTEGER,
  content TEXT NOT NULL, availability TEXT NOT NULL, ambiguous INTEGER NOT NULL,
  cause TEXT NOT NULL, undecided TEXT NOT NULL, states TEXT NOT NULL, rule TEXT NOT NULL,
  counts TEXT NOT NULL, main_sha256 TEXT NOT NULL, vantage TEXT NOT NULL,
  light INTEGER NOT NULL, key_id TEXT NOT NULL, observation TEXT NOT NULL,
  length INTEGER NOT NULL, sidecars TEXT NOT NULL,
  title TEXT NOT NULL, final_url TEXT NOT NULL, http_status INTEGER,
  outcome TEXT NOT NULL, reasons TEXT NOT NULL, missing TEXT NOT NULL,
  language TEXT NOT NULL, policy TEXT NOT NULL, operator TEXT NOT NULL,
  worker TEXT NOT NULL, schedule TEXT NOT NULL, tags TEXT NOT NULL,
  shown TEXT NOT NULL, text_whole INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX bundle_by_asked ON bundle (asked, at_ms);
CREATE INDEX bundle_by_stated ON bundle (stated, asked);
CREATE INDEX bundle_by_account ON bundle (account, at_ms);
CREATE INDEX bundle_by_url ON bundle (url, at_ms);
CREATE INDEX bundle_by_time ON bundle (at_ms);
CREATE INDEX bundle_by_id ON bundle (bundle_id);
CREATE INDEX bundle_by_host ON bundle (host, vantage, availability, began_ms);
CREATE INDEX bundle_by_verdict ON bundle (availability, states);
CREATE INDEX bundle_by_main ON bundle (main_sha256);
CREATE TABLE event (
  key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, data BLOB NOT NULL,
  event_id TEXT NOT NULL, identity TEXT NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL,
  at_ms INTEGER NOT NULL, problem TEXT NOT NULL,
  logged INTEGER NOT NULL DEFAULT 0, notified INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX event_by_identity ON event (identity, at_ms);
""",
        back="DROP TABLE event; DROP TABLE bundle",
    ),
    Migration(
        forward="""
CREATE TABLE passage (
  id INTEGER PRIMARY KEY,
  bundle_id TEXT NOT NULL, number INTEGER NOT NULL,
  region TEXT NOT NULL, text TEXT NOT NULL
);
CREATE UNIQUE INDEX passage_by_bundle ON passage (bundle_id, number);
""",
        back="DROP TABLE passage",
    ),
    # Tables of pieces have a row for each passage, with the id of the passage.
    Migration(
        forward="""
CREATE VIRTUAL TABLE piece
  USING fts5(text, content='', contentless_delete=1, tokenize='ascii')
""",
        back="DROP TABLE piece",
    ),
    Migration(
        forward="""
CREATE TABLE folder (prefix TEXT PRIMARY KEY, stamp TEXT NOT NULL) WITHOUT ROWID
""",
        back="DROP TABLE folder",
    ),
    # The fingerprint of the main text of a capture; `page` is the identity of the page.
    Migration(
        forward="""
CREATE TABLE fingerprint (
  value INTEGER NOT NULL, page TEXT NOT NULL, bundle_id TEXT NOT NULL,
  PRIMARY KEY (value, page, bundle_id)
) WITHOUT ROWID;
CREATE INDEX fingerprint_by_bundle ON fingerprint (bundle_id);
""",
        back="DROP TABLE fingerprint",
    ),
    # Valid objects of the annotation chain, as the store has them.
    Migration(
        forward="CREATE TABLE annotation (key TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
        back="DROP TABLE annotation",
    ),
    Migration(
        forward="""
ALTER TABLE bundle ADD COLUMN final_host TEXT NOT NULL DEFAULT '';
CREATE INDEX bundle_by_final_host ON bundle (final_host, bundle_id);
CREATE INDEX bundle_by_requested_host ON bundle (host, bundle_id);
CREATE INDEX bundle_by_content ON bundle (content, bundle_id);
CREATE INDEX bundle_by_availability ON bundle (availability, bundle_id);
""",
        back="""
DROP INDEX bundle_by_final_host;
DROP INDEX bundle_by_requested_host;
DROP INDEX bundle_by_content;
DROP INDEX bundle_by_availability;
ALTER TABLE bundle DROP COLUMN final_host
""",
    ),
    # A page has the values of all its captures once, however often it was captured.
    Migration(
        forward="""
DROP TABLE fingerprint;
CREATE TABLE fingerprint (
  value INTEGER NOT NULL, page TEXT NOT NULL, PRIMARY KEY (value, page)
) WITHOUT ROWID;
CREATE INDEX fingerprint_by_page ON fingerprint (page);
CREATE TABLE sketch (
  bundle_id TEXT PRIMARY KEY, page TEXT NOT NULL, hashes TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sketch_by_page ON sketch (page, bundle_id)
""",
        back="""
DROP TABLE sketch;
DROP TABLE fingerprint;
CREATE TABLE fingerprint (
  value INTEGER NOT NULL, page TEXT NOT NULL, bundle_id TEXT NOT NULL,
  PRIMARY KEY (value, page, bundle_id)
) WITHOUT ROWID;
CREATE INDEX fingerprint_by_bundle ON fingerprint (bundle_id)
""",
    ),
    # The few bundles of whose text only the beginning is in the index.
    Migration(
        forward="CREATE INDEX bundle_cut ON bundle (bundle_id) WHERE text_whole = 0",
        back="DROP INDEX bundle_cut",
    ),
    # One index has all columns that filters are about, so that a search reads no row that it does
    # not return. It holds the beginnings of texts: PostgreSQL takes 2,704 bytes of a row.
    Migration(
        forward="""
DROP INDEX bundle_by_id;
DROP INDEX bundle_by_final_host;
DROP INDEX bundle_by_requested_host;
DROP INDEX bundle_by_content;
DROP INDEX bundle_by_availability;
ALTER TABLE bundle ADD COLUMN is_missing INTEGER NOT NULL DEFAULT 0;
UPDATE bundle SET is_missing = 1 WHERE missing != '';
UPDATE bundle SET host = substr(host, 1, 150), final_host = substr(final_host, 1, 150),
  policy = substr(policy, 1, 100), language = substr(language, 1, 50),
  outcome = substr(outcome, 1, 10)
  WHERE length(host) > 150 OR length(final_host) > 150 OR length(policy) > 100
  OR length(language) > 50 OR length(outcome) > 10;
CREATE INDEX bundle_by_filters ON bundle (
  bundle_id, host, final_host, content, availability, outcome, policy, language, began_ms,
  proven_ms, is_missing
);
CREATE INDEX bundle_tagged ON bundle (bundle_id) WHERE tags != ''
""",
        back="""
DROP INDEX bundle_tagged;
DROP INDEX bundle_by_filters;
ALTER TABLE bundle DROP COLUMN is_missing;
CREATE INDEX bundle_by_availability ON bundle (availability, bundle_id);
CREATE INDEX bundle_by_content ON bundle (content, bundle_id);
CREATE INDEX bundle_by_requested_host ON bundle (host, bundle_id);
CREATE INDEX bundle_by_final_host ON bundle (final_host, bundle_id);
CREATE INDEX bundle_by_id ON bundle (bundle_id)
""",
    ),
    # Indexes have the beginnings of texts that a page or a stranger may make long. Captures of
    # pages with long names are read again, because `page` is then made of a digest.
    Migration(
        forward=f"""
DROP INDEX bundle_by_asked;
DROP INDEX bundle_by_stated;
DROP INDEX bundle_by_account;
DROP INDEX bundle_by_url;
DROP INDEX bundle_by_host;
DROP INDEX bundle_by_verdict;
DROP INDEX bundle_by_main;
DROP INDEX event_by_identity;
CREATE INDEX bundle_by_asked ON bundle (substr(asked, 1, 500), at_ms);
CREATE INDEX bundle_by_stated ON bundle (substr(stated, 1, 500));
CREATE INDEX bundle_by_account ON bundle (substr(account, 1, 500), at_ms);
CREATE INDEX bundle_by_url ON bundle (substr(url, 1, 500), at_ms);
CREATE INDEX bundle_by_host ON bundle (host, substr(vantage, 1, 500), availability, began_ms);
CREATE INDEX bundle_by_verdict ON bundle (availability);
CREATE INDEX bundle_with_states ON bundle (bundle_id) WHERE states != '';
CREATE INDEX event_by_identity ON event (substr(identity, 1, 500), at_ms);
{_read_again("bundle_id IN (SELECT bundle_id FROM sketch WHERE length(page) > 500)")};
DELETE FROM sketch WHERE length(page) > 500;
DELETE FROM fingerprint WHERE length(page) > 500
""",  # noqa: S608  no value is in it
        back=f"""
DROP INDEX bundle_by_asked;
DROP INDEX bundle_by_stated;
DROP INDEX bundle_by_account;
DROP INDEX bundle_by_url;
DROP INDEX bundle_by_host;
DROP INDEX bundle_by_verdict;
DROP INDEX bundle_with_states;
DROP INDEX event_by_identity;
{_read_again(_HAS_LONG_TEXT)};
UPDATE bundle SET asked = substr(asked, 1, 200), stated = substr(stated, 1, 200),
  account = substr(account, 1, 200), url = substr(url, 1, 200),
  vantage = substr(vantage, 1, 200), states = substr(states, 1, 200),
  main_sha256 = substr(main_sha256, 1, 200)
  WHERE {_HAS_LONG_TEXT};
DELETE FROM event WHERE length(identity) > 200;
CREATE INDEX bundle_by_asked ON bundle (asked, at_ms);
CREATE INDEX bundle_by_stated ON bundle (stated, asked);
CREATE INDEX bundle_by_account ON bundle (account, at_ms);
CREATE INDEX bundle_by_url ON bundle (url, at_ms);
CREATE INDEX bundle_by_host ON bundle (host, vantage, availability, began_ms);
CREATE INDEX bundle_by_verdict ON bundle (availability, states);
CREATE INDEX bundle_by_main ON bundle (main_sha256);
CREATE INDEX event_by_identity ON event (identity, at_ms)
""",  # noqa: S608
    ),
    # Previews and comparisons are bound to the manifest that the index has seen.
    Migration(
        forward="ALTER TABLE bundle ADD COLUMN manifest_sha256 TEXT NOT NULL DEFAULT ''",
        back="ALTER TABLE bundle DROP COLUMN manifest_sha256",
    ),
)
TABLES_VERSION: Final = len(MIGRATIONS)
_WHOLE: Final = "whole"  # in `meta`: when the whole store was listed, in seconds since 1970
_COMPLETE: Final = "complete"  # in `meta`: when the rows were complete, in seconds since 1970
_OUTDATED: Final = "outdated"  # in `meta` as long as rows may be outdated


def prepare(database: IndexDatabase) -> None:
    """
    Create the tables, or migrate older ones; mark rows of an older version as outdated.

    Raises:
        SnapshotterError: A later version of snapshotter made the tables or the rows.
    """
    # Readers must not wait for a writer if nothing is to be done.
    if database.has_table("meta") and _versions(database) == (TABLES_VERSION, ROWS_VERSION):
        return
    with database.writing():
        for statement in database.translate(
            "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
        ):
            database.execute(statement)
        tables, rows = _versions(database)
        if tables > TABLES_VERSION or rows > ROWS_VERSION:
            raise SnapshotterError(
                tr(
                    "the index {name} was made by a later version of snapshotter",
                    name=database.name,
                ),
                hint=tr(
                    "use that version of snapshotter, or delete the index, which this version "
                    "then makes again from the store"
                ),
            )
        migrate(database, tables, TABLES_VERSION)
        if 0 < rows < ROWS_VERSION:
            mark_outdated(database)
        _store_version(database, "rows", ROWS_VERSION)


def migrate(database: IndexDatabase, found: int, wanted: int) -> None:
    """Change the tables from one version to another, in a transaction of the caller; 0: none."""
    if found < wanted:
        steps = [migration.forward for migration in MIGRATIONS[found:wanted]]
    else:
        steps = [migration.back for migration in reversed(MIGRATIONS[wanted:found])]
    for step in steps:
        for statement in database.translate(step):
            database.execute(statement)
    _store_version(database, "tables", wanted)


def mark_outdated(database: IndexDatabase) -> None:
    """Let the next sync read every bundle again, in a transaction of the caller."""
    database.execute("UPDATE bundle SET listed = ''")
    database.execute("UPDATE folder SET stamp = ''")
    _store_version(database, _OUTDATED, 1)


def is_outdated(database: IndexDatabase) -> bool:
    """Return whether rows are outdated, so that a sync of the newest days is not enough."""
    return bool(database.rows("SELECT 1 FROM meta WHERE name = ?", (_OUTDATED,)))


def mark_current(database: IndexDatabase) -> None:
    """State that the sync of a whole store is complete, in a transaction of the caller."""
    database.execute("DELETE FROM meta WHERE name = ?", (_OUTDATED,))


def whole_since(database: IndexDatabase) -> datetime | None:
    """Return when the whole store was listed, or the first sync after that; None: not known."""
    return _instant(database, _WHOLE)


def store_whole_since(database: IndexDatabase, at: datetime) -> None:
    """Store when the whole store was listed, in a transaction of the caller."""
    _store_version(database, _WHOLE, int(at.timestamp()))


def completed_at(database: IndexDatabase) -> datetime | None:
    """Return when the rows were noted to be complete; None: never."""
    return _instant(database, _COMPLETE)


def store_completed_at(database: IndexDatabase, at: datetime) -> None:
    """Store when the rows were complete, in a transaction of the caller."""
    _store_version(database, _COMPLETE, int(at.timestamp()))


def _instant(database: IndexDatabase, name: str) -> datetime | None:
    found = database.rows("SELECT value FROM meta WHERE name = ?", (name,))
    return datetime.fromtimestamp(int(found[0][0]), UTC) if found else None


def _versions(database: IndexDatabase) -> tuple[int, int]:
    found = dict(database.rows("SELECT name, value FROM meta"))
    return int(found.get("tables", 0)), int(found.get("rows", 0))


def _store_version(database: IndexDatabase, name: str, version: int) -> None:
    database.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, str(version)),
    )
