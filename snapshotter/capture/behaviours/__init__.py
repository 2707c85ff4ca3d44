"""
Act on a page so that it shows all its content: scroll, click, wait, stop animations.

Each module holds one kind of action, and `reveal` calls them in order. Every action has limits,
runs in JavaScript worlds that the page cannot reach (`capture/browser/isolated_worlds.py`), and is
recorded as an `Action`, because it may have changed the page.
"""
