"""
Poll watch lists (feeds, sitemaps, pages and tables of addresses) and capture their new pages.

`watches` adds and changes watch lists and records their polls, and `items` stores the pages
that they name. The `poller` reads the lists that are due (with `list_reader`) and hands their new
pages to the queue or to a schedule. `gap_records` notes the polls that were missed.
"""
