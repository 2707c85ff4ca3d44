"""
Make pages, pictures and sentences for people, from values that other packages computed.

`campaign.py`, `diff.py`, `pack.py` and `statement.py` make the campaign report, the comparison of
two captures, the page of a proof pack, and its statement. `html.py` renders their templates,
`picture_copies.py` and `side_by_side.py` make pictures, and `wording.py` formats times.

This package decides nothing and uses no network.
"""
