"""
This package is the application layer: it has one package of use cases for each capability.

A use case takes values and adapters and returns a value; most use cases are functions, which
front ends call. Adapters are built in `wiring` only, and only front ends import it.

    pipeline     one capture, from request to stored bundle
    batch        a table of addresses, captured row by row
    monitoring   schedules, watch lists, alerts, and the work of a worker
    takedown     take-down events, proof packs, campaign reports, and their verification
    archive      list, read, compare and export bundles
    upkeep       audit, log, replication, repair, renewal, holds, erasure, owed tokens
    policies     choose, explain and check policies
    trust        read and change trust files
    json_objects results of use cases as the objects of `--json` and of the API
    wiring       build adapters from settings

The single modules `doctor`, `demo` and `verification` are use cases of their own. The other single
modules are used by several packages: they read settings and lists, find the store and its folders,
write private files and records, read the clock, and handle signals.
docs/adr/0069-an-application-layer-by-capability.md gives the reasons.
"""
