"""
Read and write signed records: holds, tombstones, gaps, take-down events, reports and proof packs.
"""
