"""
Define the draft of a declaration about captures: sections with sentences, values and blanks.

A draft contains only values that a verification checked, or that a signed file of the bundle
states (`Basis`). A value that the software does not know is a blank, which a person fills
(docs/spec/declaration.md).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from snapshotter.model.capture_report import Basis, Field, Source, Table
from snapshotter.model.finding import Verdict
from snapshotter.value_class import dataclass

# The key of the first sentences of a draft about bundles that are not PASSED.
NOT_PASSED: Final = "not_passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, and the values of the capture report from which it follows."""

    key: str  # in its section
    text: str
    fields: tuple[str, ...] = ()  # `BUNDLE-ID/group.key`; (): about the software or the document
    basis: Basis | None = None  # the weakest of those fields; None: there are none
    sources: tuple[Source, ...] = ()  # of those fields
    shown: Field | None = None  # a text of a stranger's, in a box of its own after the sentence
    is_listed: bool = False  # an item of a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A value of a capture report."""

    path: str  # `BUNDLE-ID/group.key`
    item: Field | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """What a person writes or ticks."""

    key: str  # in its section
    term: str
    lines: int = 1  # space for writing
    options: tuple[str, ...] = ()  # tick boxes in place of a line
    bundle_id: str = ""  # of one of several captures; "" for that of the section
    number: int = 0  # in the order of the draft, from 1


Item = Sentence | Quoted | Blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A numbered section."""

    key: str
    number: str  # "3", "A.2"
    term: str
    items: tuple[Item, ...]
    bundle_id: str = ""  # the capture that it is about; "" for none or all
    level: int = 1  # 2: a part of the section before


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBundle:
    """A bundle that a draft is about."""

    bundle_id: str
    sha256: str  # of the bundle
    manifest_sha256: str  # of its signed list of files; "" if the report does not state it
    trust: str  # the source of the trusted keys
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSelfTest:
    """The self-test that a draft states."""

    file: str  # its validation report
    sha256: str  # of this file
    ended_at: datetime
    software: str  # that was tested
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The draft of a declaration."""

    bundles: tuple[DeclaredBundle, ...]
    sections: tuple[Section, ...]
    self_test: DeclaredSelfTest | None  # None: the draft uses none
    verified_at: datetime
    software: str
    zone: str  # of local times: "UTC+08:00"

    @property
    def blanks(self) -> Iterator[tuple[Section, Blank]]:
        """All blanks in their order, each with its section."""
        for section in self.sections:
            for item in section.items:
                if isinstance(item, Blank):
                    yield section, item
