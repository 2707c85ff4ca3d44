"""
Control the outgoing connections of browsers, and of our requests for lists, timestamps and
notifications: the egress guard checks and makes them.

- `guard`: the entry, a forward proxy; `connection_manager`, `relay`, `framing`, `server_name`: its
  connections.
- `rules`, `addresses`: what is allowed; `resolver`, `dialer`, `upstream`, `connection_slots`: how a
  connection is made; `unanswered_hosts`: how long hosts that do not answer may delay a page.
- `tee`, `connection_log`, `errors`: what is kept of each connection, and why one failed.
- `namespace`, `enter`, `file_view`: let the browser reach only the guard and its own files;
  `peer_owner`: let only the processes of one user reach the guard.
- `transport`, `fetch`: requests of our own through a guard.
"""
