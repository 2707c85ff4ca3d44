"""
Capture one page with Chromium: render it, photograph and read it, record its network traffic.

This is the only package that imports Playwright. `engine` is the entry: it implements
`ports.Capturer`. `session` lists the steps of one capture; `page_steps` lists those on the page.

- `browser`: find, start, confine, watch and end Chromium, and call it within time limits.
- `page`: navigate, assess, read and write one page.
- `behaviours`: scroll, click, wait and stop animations, so that a page shows all it has.
- `pictures`: screenshots, PDF and their files.
- `record`: read the wire and write the network record (WARC).
- `redaction`: replace secrets, and whatever identifies the capturing person.
"""
