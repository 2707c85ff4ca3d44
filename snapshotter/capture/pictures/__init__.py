"""
Photograph a page: take its screenshots in tiles, join them to PNG files, and print the page as PDF.

- `picture_set`: each kind of picture of one capture; `screenshot`: how a picture is taken.
- `screenshot_command`, `raster_gate`: the request to the browser, and the limit on parallel ones.
- `png_stitching`, `deflate_blocks`: join the tiles; `pixel_comparison`: compare two pictures.
- `first_look`: an early picture of a page that may not last.
"""
