"""Playwright need not determine the signature of our handlers for each event."""

import inspect

from playwright._impl._impl_to_api_mapping import ImplToApiMapping

from snapshotter.capture.browser.event_handlers import with_known_signature


def test_a_handler_gets_its_value_and_its_signature_is_made_once() -> None:
    heard: list[object] = []

    handler = with_known_signature(heard.append)
    ImplToApiMapping().wrap_handler(handler)({"timestamp": 1})

    assert heard == [{"timestamp": 1}]
    assert inspect.signature(handler) is inspect.signature(with_known_signature(print))
