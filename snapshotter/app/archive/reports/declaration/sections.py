"""Quote the values of a report in the sections of a draft."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Kind,
    Presence,
    Source,
    Table,
)
from snapshotter.model.declaration import (
    DeclaredBundle,
    Item,
    Quoted,
    Section,
    Sentence,
)
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Sentences of a report that a draft takes over. Who stored a capture is signed by nobody.
_FROM_REPORT: Final = (
    "captured", "redirected", "title", "page", "notice", "whole", "signed", "time", "log",
)  # fmt: skip
_ORDER: Final = tuple(Basis)
VERIFICATION: Final = Source(file="verification")


def section_of(key: str, term: str, items: Iterable[Item]) -> Section:
    """Return a section of the first level."""
    return Section(key=key, number="", term=term, items=tuple(items))


def part_of(capture: "DeclaredCapture", key: str, term: str, items: Iterable[Item]) -> Section:
    """Return a part of a section, about one capture."""
    return Section(
        key=key, number="", term=term, items=tuple(items), bundle_id=capture.bundle_id, level=2
    )


def about_software(key: str, text: str, *, listed: bool = False) -> Sentence:
    """Return a sentence about the software, which has no source in a bundle."""
    return Sentence(key=key, text=text, is_listed=listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredCapture:
    """A report, and how its values come into a draft."""

    report: CaptureReport
    local: LocalTime

    @property
    def bundle_id(self) -> str:
        """The id of the bundle."""
        return self.report.bundle_id

    @property
    def bundle(self) -> DeclaredBundle:
        """The bundle as the draft names it."""
        return DeclaredBundle(
            bundle_id=self.bundle_id,
            sha256=self.text("what.bundle_sha256"),
            manifest_sha256=self.text("integrity.manifest_sha256"),
            trust=self.trust,
            verdict=self.report.verdict,
        )

    @property
    def is_redacted(self) -> bool:
        """Whether the file is a redacted copy."""
        redactions = next(group for group in self.report.groups if group.key == "redactions")
        return any(item.key == "withheld_values" for item in redactions.items)

    @property
    def trust(self) -> str:
        """By what the keys were judged."""
        digest = self.report.find("integrity.trust_sha256")
        if isinstance(digest, Field) and digest.presence is Presence.PRESENT:
            return self.report.trust
        return tr(
            "the keys in the settings of the person who made this draft, without a trust file"
        )

    def text(self, path: str) -> str:
        """Return a text that may be used; "" if there is none."""
        item = self.report.find(path)
        if isinstance(item, Field) and _is_signed(item) and isinstance(item.value, str):
            return item.value
        return ""

    def sentence(self, key: str, text: str, *paths: str, shown: str = "") -> Sentence:
        """Return a sentence that follows from values of the report."""
        items = [self.report.find(path) for path in paths]
        bases = [basis for item in items for basis in _bases(item)]
        box = self.report.find(shown) if shown else None
        return Sentence(
            key=key,
            text=text,
            fields=tuple(f"{self.bundle_id}/{path}" for path in paths),
            basis=max(bases, key=_ORDER.index, default=Basis.VERIFIED),
            sources=tuple(dict.fromkeys(item.source for item in items)),
            shown=box if isinstance(box, Field) else None,
        )

    def from_report(self) -> Iterator[Sentence]:
        """Yield the sentences of the report that only follow from values that may be used."""
        keys = self._key_ids()
        for said in self.report.statements:
            whole = next(keys, None) if said.key == "signed" else None
            if said.key in _FROM_REPORT and said.basis is not Basis.UNVERIFIED:
                found = self.sentence(said.key, said.text, *said.fields)
                yield replace(found, basis=said.basis, shown=whole or said.shown)

    def _key_ids(self) -> Iterator[Field]:
        """Yield the whole key ids, which the sentences of the report shorten."""
        table = self.report.find("integrity.signatures")
        if not isinstance(table, Table):
            return
        keys = [column.key for column in table.columns]
        for row in table.rows:
            by_key = dict(zip(keys, row.values, strict=True))
            yield Field(
                key="key_id", term=tr("Key id"), value=by_key["key_id"], kind=Kind.DIGEST,
                basis=row.basis, source=row.source,
            )  # fmt: skip

    def quotes(self, group: str, *keys: str) -> Iterator[Item]:
        """Yield values of a group, and then which of them are missing or may not be used."""
        absent, unsigned = list[str](), list[str]()
        paths = dict[str, str]()
        for key in keys:
            path = f"{group}.{key}"
            item = self.report.find(path)
            paths[item.term] = path
            if isinstance(item, Table):
                yield from self._quoted_table(path, item)
            elif item.presence is Presence.ABSENT and not item.note:
                absent.append(item.term)
            elif _is_signed(item):
                yield Quoted(path=f"{self.bundle_id}/{path}", item=item)
            else:
                unsigned.append(item.term)
        for name, text, terms in (
            ("absent", tr("Not stated: {terms}.", terms=" · ".join(absent)), absent),
            (
                "unsigned",
                tr(
                    "No signature covers these values, so the draft does not use them: {terms}.",
                    terms=" · ".join(unsigned),
                ),
                unsigned,
            ),
        ):
            if terms:
                yield Sentence(
                    key=f"{name}.{group}",
                    text=text,
                    fields=tuple(f"{self.bundle_id}/{paths[term]}" for term in terms),
                )

    def _quoted_table(self, path: str, table: Table) -> Iterator[Item]:
        rows = tuple(row for row in table.rows if row.basis is not Basis.UNVERIFIED)
        left_out = len(table.rows) - len(rows)
        empty = tr("No signature covers the rows of the source.") if left_out else table.empty
        kept = replace(table, rows=rows, total=table.total - left_out, empty=empty)
        yield Quoted(path=f"{self.bundle_id}/{path}", item=kept)
        if left_out:
            yield Sentence(
                key=f"unsigned.{table.key}",
                text=tr(
                    "No signature covers some rows of this table, so the draft does not use "
                    "them. Number of these rows: {count}.",
                    count=left_out,
                ),
                fields=(f"{self.bundle_id}/{path}",),
            )


def _bases(item: Field | Table) -> Iterable[Basis]:
    return [row.basis for row in item.rows] if isinstance(item, Table) else [item.basis]


def _is_signed(item: Field) -> bool:
    return item.basis is not Basis.UNVERIFIED
