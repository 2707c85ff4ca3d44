"""Read recorded TLS connections and server certificates, and check what servers signed."""
