"""The pages of the console: `pages` has a module for each, `templating` renders them."""
