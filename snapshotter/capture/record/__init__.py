"""
Record the network traffic of one page: read its connections, pair them with the browser's events,
and write the network record (WARC).

- `recorder`: the entry; `observer`: the browser's events about requests.
- `wire_reader`, `http_heads`, `websocket_frames`, `tls_facts`: what the connections carried.
- `exchange_pairing`, `failure_causes`: one request with its response, or why there is none.
- `archive_writer`, `encrypted_streams`: write the network record and the encrypted streams.
- `rederivation`: compare the network record of a bundle with its streams.
- `scratch`, `read_budget`: store bodies meanwhile, and limit time and memory.
"""
