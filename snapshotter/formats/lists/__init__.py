"""Read lists of addresses: feeds, sitemaps, tables, and links of HTML pages."""
