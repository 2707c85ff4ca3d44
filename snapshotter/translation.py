"""
Look up the sentences that people read in a message catalog, and fill in their values.

A sentence is written in English where it is used, as `tr("{path} does not exist", path=path)`.
Tools for catalogs (`pybabel extract -k tr`) find it there. No catalog exists yet, so every sentence
stays as it is written.

Two kinds of text are not looked up here. Text that becomes part of sealed evidence has one
language: the details of a capture record, an assessment or an event. A page (`report/templates`)
is translated as a whole file.
"""

import gettext

_catalog = gettext.NullTranslations()


def look_up(sentence: str) -> str:
    """Return a sentence in the language of the catalog: help texts, which take no values."""
    return _catalog.gettext(sentence) if sentence else ""


def tr(sentence: str, /, **values: object) -> str:
    """
    Return a sentence in the language of the catalog, with its values.

    Args:
        sentence: English, with a `{name}` for each value (`str.format`). Without values, braces
            have no meaning.
    """
    translated = look_up(sentence)
    return translated.format(**values) if values else translated
