"""
The application layer: one package for each capability, and the use cases in them.

A use case is one function that takes values and adapters and returns a value. Front ends call
these functions. `wiring` alone builds adapters, and front ends alone import it.

    pipeline     one capture, from request to stored bundle
    batch        a table of addresses, captured row by row
    monitoring   schedules, watched lists, alerts, what workers do
    takedown     take-down events, proof packs, campaign reports, and their verification
    archive      list, read, compare and export bundles
    upkeep       audit, log, replicas, repair, renewals, holds, erasure, owed tokens
    policies     choose, explain and check policies
    trust        read and change trust files
    wiring       build adapters from settings

Single modules are shared by several packages: settings, folders and private files of this
machine. `doctor`, `demo` and `verification` are use cases of their own.
docs/adr/0069-an-application-layer-by-capability.md gives the reasons.
"""
