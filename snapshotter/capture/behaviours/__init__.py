"""
What we do to a page so that it shows all it has.

One subject a module: going down the page, waiting until it has settled, its
images. Everything is bounded, runs in worlds that the page cannot reach
(`capture/browser/isolated_worlds.py`), and is recorded as an `Action`, because it may have
changed the page.
"""
