"""
Capture the addresses of a table row by row. A batch can be interrupted at any moment.

Use cases: run a whole batch (`whole_batch`), begin or continue one (`open_batch`), capture its rows
in this process (`run`), hand its rows to the queue and read the results back (`enqueue`). `columns`
finds the columns of the table, `plan` decides what is done about each row, `journal` records
results, `output` writes the table, and `state` holds all of these for a running batch.
"""
