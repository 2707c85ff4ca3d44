"""
Navigate to one page, assess it while it is open, and read and write its document and text.

- `navigation`, `main_document`, `file_target`: reach the page, or keep the file in its place.
- `console`, `popup_blocker`, `size_limits`: limit what a page can do to its capture.
- `pending_callbacks`: what a page has announced and not done yet.
- `live_assessment`: whether to wait for the page or to reload it.
- `page_writer`, `text`, `blocks`, `geometry`: read what the page shows, and write it to files.
- `received_documents`, `text_difference`, `clock_checks`: compare it with what the server sent.
"""
