"""
Capture one page with Chromium: render it, photograph and read it, and record its network traffic.

This is the only package that imports Playwright. `engine` is the entry: it implements
`ports.Capturer`. `unrendered` implements it for a page that is given up.

- `session`: the steps of one capture; `supervision`: its limits, watched from another thread.
- `opened_page`, `page_context`, `page_steps`, `retakes`: one page, and the steps taken on it.
- `steps`, `capture_builder`, `spool`, `recording_checks`: the record and the files of a capture.
- `browser`: find, start, confine, watch and end Chromium, and call it within time limits.
- `page`: navigate, assess, read and write one page.
- `behaviours`: scroll, click, wait and stop animations, so that a page shows all it has.
- `pictures`: take screenshots, print PDF, and write both to files.
- `record`: read the network traffic and write the network record (WARC).
- `redaction`: replace secrets, and what identifies the capturing person.
"""
