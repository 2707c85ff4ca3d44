"""
Prepare what people look at: lists of captures, cases and reviews, the history of a page, the day.

A screen shows what the index states, and says so: nothing is verified here but the single captures
of `capture_views`.
"""
