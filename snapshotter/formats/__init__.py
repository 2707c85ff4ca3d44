"""
Read and write the formats that snapshotter uses: bytes to values and back, without input or output.

One module for each format or specification. The packages:

- `bundle`: what is inside a bundle and beside it in a store (zip, manifests, custody, WARC, keys)
- `http`: recorded HTTP connections, WebSocket, content codings, character sets
- `lists`: lists of addresses (feeds, sitemaps, tables, links)
- `page`: files about a page (assessment, layout, form values) and readers of HTML and PNG
- `proofs`: timestamps, and the transparency log (Merkle trees, tiles, notes, proofs)
- `signatures`: public keys, signatures, encryption for recipients
- `statements`: signed records (holds, tombstones, gaps, take-down events, reports, proof packs)
- `tls`: recorded TLS connections and server certificates
"""
