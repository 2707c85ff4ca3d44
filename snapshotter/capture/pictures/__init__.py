"""
Photograph a page: screenshots in tiles, elements, other windows, PDF, and their files.

- `picture_set`: all pictures of one capture, in order; `screenshot`: how each is taken.
- `screenshot_command`, `raster_gate`: the request to the browser, and the limit on parallel ones.
- `png_stitching`, `deflate_blocks`: join the tiles; `pixel_comparison`: compare two pictures.
- `first_look`: an early picture of a page that may not last.
"""
