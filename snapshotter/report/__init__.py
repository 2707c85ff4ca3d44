"""
Make pages, pictures and sentences for people, from values that other packages computed.

`campaign.py`, `capture_page.py`, `day.py`, `diff.py`, `pack.py` and `statement.py` make the
campaign report, the page about a capture, the report about a day, the comparison of two captures,
the page of a proof pack, and its statement. `html.py` renders their templates, `states.py` gives
states their words, shapes and tones, `picture_copies.py`, `side_by_side.py` and `frames.py` make
pictures, and `wording.py` and `local_time.py` format times. New pages extend
`templates/base.html.j2`, begin their style with `base.css`, and use the components of
`macros.html.j2`.

This package decides nothing and uses no network.
"""
