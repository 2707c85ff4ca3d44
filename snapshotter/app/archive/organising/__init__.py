"""
Organise captures: cases with exhibits, tags, notes, marks, review decisions.

`cases` adds the records to the annotation chain. `case_view` and `case_export_plan` tell what a
case has, and what an export of it contains. `review_list` lists captures that a person must see.
"""
