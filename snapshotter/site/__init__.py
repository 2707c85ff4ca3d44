"""
The fixture site: pages of our own that behave like those of platforms, with a clock and states.

Tests, `snapshotter demo` and `snapshotter policy test` use it. Every text on it is ours
but for the short notices, which are the platforms' own words.
"""
