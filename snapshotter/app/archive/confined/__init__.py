"""
Read captures of strangers for a server, in processes without rights.

`previews` makes small pictures (`preview_process` starts `preview_main`, `preview_folder` keeps
what it made). `confined_verification` verifies bundles in `verification_main`. Such a process has
no keys, no environment, no files and no network, and its answers are not trusted more than the
capture itself.
"""
