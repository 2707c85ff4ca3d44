"""
Make the draft of a declaration (docs/howto/report.md).

`draft` puts the sections together. `captures` states what was verified, `persons` has what only a
person can state, `process` what the software does.
"""
