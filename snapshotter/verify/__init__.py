"""
Verify bundles, take-down events, proof packs, logs and whole stores.

`file_kind` finds the kind of a file. `bundle` verifies a bundle, `takedown` and
`event_without_rules` an event, `proof_pack` a pack, `log` a log and `audit` a store; `trust` reads
the trust file by which all of them judge, and `report` formats what was found. The package runs
alone (`python -I -m snapshotter.verify`): it needs no browser and no network, and of snapshotter
only `formats`, `model`, `ports`, and the small modules `errors`, `import_path` and
`regular_file`.
"""
