"""
Read and write files about a page (assessment, layout, form values), and read HTML, CSS and PNG.
"""
