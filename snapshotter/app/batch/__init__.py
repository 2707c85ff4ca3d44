"""
A table of addresses, captured row by row, that can be interrupted at any moment.

`plan` says what each row asks for, `journal` what came of it so far, `run` captures in this
process, `queued` hands over to workers, `output` writes the table with what came of it.
"""
