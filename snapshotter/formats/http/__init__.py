"""Read recorded HTTP traffic: HTTP/1.1, HTTP/2, WebSocket, content codings and character sets."""
