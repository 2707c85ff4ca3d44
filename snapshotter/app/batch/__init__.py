"""
Capture the addresses of a table row by row; the work can be interrupted at any moment.

Use cases: run a whole batch (`whole_batch`), begin or continue one (`open_batch`), capture its rows
in this process (`run`), hand its rows to the queue and read the results back (`enqueue`), count its
results (`rows`). `plan` reads the table, `journal` remembers results, `output` writes the table.
"""
