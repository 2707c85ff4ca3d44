"""
The fixture site: our own pages that behave like those of platforms, with a clock and states.

Tests, `snapshotter demo` and `snapshotter policy test` use it. All texts are our own, except for
the short notices, which are the platforms' own words. It needs only the standard library and
`model`, so it is available wherever the package is installed.

    render("wx/deleted-zh")                    a response, without a socket
    settle("wx/rumor")                         the response after redirects and scripts
    with FixtureSite() as site:                the same over HTTP
        site.url("/wx/article")
        site.show("wx/article", removed("wx-01"))
"""
