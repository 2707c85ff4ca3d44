"""
Watched lists: feeds, sitemaps, pages and tables of addresses that are polled for new pages.

The poller reads lists that are due and hands their new pages to the queue or to a schedule.
"""
