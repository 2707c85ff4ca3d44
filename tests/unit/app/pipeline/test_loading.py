"""The modules that make a bundle are loaded while the page settles, and not before."""

import importlib
import threading

import pytest

from snapshotter.app.pipeline import loading


def test_loading_begins_once_after_the_navigation(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[list[tuple[str, str]]] = []
    told: list[tuple[str, str]] = []
    done = threading.Event()

    def load() -> None:
        loaded.append(list(told))
        done.set()

    monkeypatch.setattr(loading, "_load", load)
    progress = loading.load_meanwhile(lambda step, detail: told.append((step, detail)))

    for step in ("launch", "navigate", "scroll", "settle"):
        progress(step, "")
    assert done.wait(10)

    assert told == [("launch", ""), ("navigate", ""), ("scroll", ""), ("settle", "")]
    assert len(loaded) == 1
    assert loaded[0][:2] == [("launch", ""), ("navigate", "")]


def test_every_module_that_is_loaded_exists() -> None:
    for name in loading._MODULES:
        importlib.import_module(name)


def test_a_module_that_is_missing_is_left_to_whoever_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "_MODULES", ("snapshotter.no_such_module", "string.templatelib"))

    loading._load()
