"""
Compare two captures of one page: what changed, and what did not. Nothing is fetched or stored.

`captures.py` compares whole captures. It uses `text_diff.py` with `word_diff.py` for the texts,
`image_diff.py` with `picture_rows.py` and `picture_regions.py` for the pictures, and
`value_diff.py` for counts, metadata, links and verdicts.
`masks.py` leaves out the parts that a policy names, and `sequences.py` aligns two sequences.
"""
