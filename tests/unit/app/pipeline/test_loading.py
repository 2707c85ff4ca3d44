"""The modules that make a bundle are loaded while the page settles, and not before."""

import contextlib
import importlib
import io
import sys
import threading
from collections.abc import Iterable

import pytest

from snapshotter.app.pipeline import loading
from snapshotter.model.request import Decision, ReadingRules


@pytest.mark.parametrize("qr", [True, False])
def test_loading_begins_once_after_the_navigation(
    monkeypatch: pytest.MonkeyPatch, qr: bool
) -> None:
    decision = Decision(policy_name="any", policy_text="", readings=ReadingRules(qr=qr))
    names: list[str] = []
    loaded: list[list[tuple[str, str]]] = []
    told: list[tuple[str, str]] = []
    done = threading.Event()

    def load(modules: Iterable[str]) -> None:
        loaded.append(list(told))
        names.extend(modules)
        done.set()

    monkeypatch.setattr(loading, "_load", load)
    progress = loading.load_meanwhile(lambda step, detail: told.append((step, detail)), decision)

    for step in ("launch", "navigate", "scroll", "settle"):
        progress(step, "")
    assert done.wait(10)

    assert told == [("launch", ""), ("navigate", ""), ("scroll", ""), ("settle", "")]
    assert len(loaded) == 1
    assert loaded[0][:2] == [("launch", ""), ("navigate", "")]
    assert "snapshotter.seal.sealer" in names
    assert ("zxingcpp" in names) is qr


def test_every_module_that_is_loaded_exists() -> None:
    for name in (*loading._MODULES, *loading._FOR_CODES):
        importlib.import_module(name)


def test_a_module_that_is_missing_is_left_to_whoever_needs_it() -> None:
    sys.modules.pop("this", None)
    with contextlib.redirect_stdout(io.StringIO()):
        loading._load(("snapshotter.no_such_module", "this"))

    assert "this" in sys.modules
