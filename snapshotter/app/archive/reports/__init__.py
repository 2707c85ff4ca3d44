"""
Make the documents about captures that people print, sign and file.

`capture` makes the report about one capture, `case` the report about all exhibits of a case, and
`declaration` the draft of a declaration. Each returns a value of `snapshotter.model`, from which
`snapshotter.report` writes the files.
"""
