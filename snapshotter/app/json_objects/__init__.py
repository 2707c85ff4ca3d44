"""
Return the results of use cases as JSON objects: those of `--json` and those of the API.

Each key is a promise (docs/reference/json.md). There is one module for each kind of result:
`bundles` (also search results), `jobs` (also workers), `schedules`, `watches`, `annotations`
(also cases and reviews), `takedowns`, `policies`, `comparisons`, `tasks`. `values` has the values
that several kinds share. All functions return new objects that `json.dumps` can write.
"""
