"""
Provide the command line: commands that declare options, call a function of `app` and print its
result.

Each command, or group of subcommands, has a module with its name, which `main.py` imports. The
modules `*_output.py` print and format results. Options that several commands share are in
`options.py`, `capture_options.py`, `key_options.py` and `trust_editing.py`. Only this package
imports click.
"""
