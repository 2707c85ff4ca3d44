"""
Assess captured pages: verdicts, readings, take-down events and the findings of a campaign.

`assessor` gives the assessment of a page. For its verdicts it uses `availability`, `content`,
`rule_matching`, `phrases`, `text_normalisation` and `page_view`; for its readings `readings` with
`counts`, `dates`, `metadata`, `regions`, `script_data` and `dom`. `qr` decodes the QR codes in
pictures, and `rule_stub` drafts a rule for an unknown notice. `takedown_events`, `campaign` and
`thresholds` draw conclusions from many captures.

Nothing here uses a browser, a store, the network or a clock. A stranger who has a bundle and
the rules in it gets the same verdicts (`docs/explanation/verdicts.md`).
"""
