"""One rendering of a page and what was received with it. The only room that knows Playwright."""
