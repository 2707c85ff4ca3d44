"""
Provide the fixture site: our own pages that behave like those of platforms, with a clock and
states.

Tests, `snapshotter demo` and `snapshotter policy test` use it. The texts are our own, except for
the short notices, which are the platforms' own words. The pages need only the standard library and
`model`, so they are available wherever the package is installed.

    render("wx/deleted-zh")                    a response, without a socket
    follow_visit("wx/rumor")                   the response after redirects and scripts
    with FixtureSite() as site:                the same over HTTP
        site.url("/wx/article")
        site.show("wx/article", removed("wx-01"))

- `catalogue`: all pages; `state`, `response`: what a page is made from, and its answer.
- `server`: the site over HTTP; `rendered_pages`: its pages as a capture would keep them.
- `wechat`, `weibo`, `other_platforms`, `news`, `edited_articles`, `notices`, `phrases`, `walls`,
  `late_content`, `measured`, `hostile`, `pictures`: the pages.
- `timestamp_authority`: a local timestamp authority for demonstrations.
"""
