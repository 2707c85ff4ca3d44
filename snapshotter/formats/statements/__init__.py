"""
Read and write signed records that stand outside of bundles.

They are legal holds (`holds`), tombstones (`tombstone`), gap records (`gap`), take-down events
(`takedown`), campaign reports (`campaign`) and proof packs (`pack`).
"""
