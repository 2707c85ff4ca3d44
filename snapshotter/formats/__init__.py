"""
Read and write the formats that snapshotter uses: bytes to values, and values to bytes.

There is one module for each format or specification. The modules use the bytes and streams that a
caller gives them, and neither the network nor a store. The packages:

- `bundle`: the files of a bundle and beside it in a store (zip, manifests, custody, WARC, keys)
- `http`: recorded HTTP connections, WebSocket, content codings, character sets
- `lists`: lists of addresses (feeds, sitemaps, tables, links)
- `page`: files about a page (assessment, layout, form values) and readers of HTML and PNG
- `proofs`: timestamps, and the transparency log (Merkle trees, tiles, notes, proofs)
- `signatures`: public keys, signatures, encryption for recipients
- `statements`: signed records (holds, tombstones, gaps, take-down events, reports, proof packs)
- `tls`: recorded TLS connections and server certificates

Several packages use the modules beside them: canonical JSON and its conversion to values, TOML,
digests, host names, and texts and addresses that are safe to show.
"""
