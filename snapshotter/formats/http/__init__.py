"""
Read recorded HTTP traffic: connections, WebSocket messages, and the bodies of responses.

`http1` and `http2` split a connection into `events`; `websocket` splits what follows an upgrade.
`chunked`, `content_coding` and `charset` turn a recorded body into its content and its text.
"""
