"""
Navigate to one page, assess it while it is open, and read and write its document and text.

- `navigation`, `main_document`, `file_target`, `received_documents`: how the page was reached.
- `console`, `popup_blocker`, `size_limits`: what a page may not do to its capture.
- `pending_callbacks`: what a page has announced and not done yet.
- `live_assessment`: whether the page is worth another look.
- `page_writer`, `text`, `blocks`, `geometry`, `clock_checks`, `text_difference`: what it shows.
"""
