"""
Act on a page so that it shows all its content: scroll, click, wait and stop animations.

- `reveal`: the entry, which calls the others in order.
- `controls`: dismiss consent banners, and click the controls that hide text.
- `scrolling`, `segments`: scroll through a page, and read what it shows only in part at a time.
- `settling`, `freezing`: wait until a page is at rest, and stop its animations.

Every action has limits and is recorded as an `Action`, because it may have changed the page. The
scripts run in JavaScript worlds that the page cannot reach (`capture/browser/isolated_worlds.py`).
"""
