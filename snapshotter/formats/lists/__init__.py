"""
Read lists of addresses that are to be captured: feeds, sitemaps, tables, and links of HTML pages.

`reader` reads a watch list, whatever its kind, with `feeds`, `sitemap`, `csv_links` and
`html_links`; `listing` is their result. `tables` reads the table of a batch, and writes it again
with columns added.
"""
