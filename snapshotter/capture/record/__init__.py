"""
Record the network traffic of one page: read its connections, pair them with events, write WARC.

- `recorder`: the entry; `observer`: the browser's events about requests.
- `wire_reader`, `http_heads`, `websocket_frames`, `tls_facts`: what the connections carried.
- `exchange_pairing`, `failure_causes`: one request with its response, or why there is none.
- `archive_writer`, `encrypted_streams`: the files in the bundle; `rederivation`: check the first
  against the second.
- `scratch`, `read_budget`: bodies on disk meanwhile, and limits on time and memory.
"""
