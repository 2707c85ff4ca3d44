"""
Read and write files about a page, and read its HTML and pictures.

The files of a bundle are `assessment`, `layout` and `form_values`. For HTML there are
`plain_markup`, `element_path` and `selectors`, for texts `plain_text`, and for screenshots `png`.
"""
