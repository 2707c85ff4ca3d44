"""
The fixture site: pages of our own that behave like those of platforms, with a clock and states.

Tests, `snapshotter demo` and `snapshotter policy test` use it. Every text on it is ours
but for the short notices, which are the platforms' own words. Of the standard library and
`model` alone, so that it can be had wherever the package is.

    render("wx/deleted-zh")                    an answer, without a socket
    settle("wx/rumor")                         the answer at the end of redirects and scripts
    with FixtureSite() as site:                the same over HTTP
        site.url("/wx/article")
        site.show("wx/article", removed("wx-01"))
"""
