"""
Name the person who acts.

Each use case that changes something takes the person who does so. One person uses a console on a
machine for now: the operator or pseudonym of the settings.
"""

from typing import Self

from snapshotter.model.annotations import AnnotationAuthor
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person who acts, as annotations name their authors."""

    name: str = ""  # "" if the settings name nobody
    role: str = ""
    commitment: str = ""  # to the name behind a pseudonym, "sha256:<hex>"; "" without a pseudonym

    @classmethod
    def of_author(cls, author: AnnotationAuthor) -> Self:
        """Return the person who is named as the author of annotations."""
        return cls(name=author.name, role=author.role, commitment=author.commitment)

    @property
    def author(self) -> AnnotationAuthor:
        """The same person as the author of an annotation."""
        return AnnotationAuthor(name=self.name, role=self.role, commitment=self.commitment)
