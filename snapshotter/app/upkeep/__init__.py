"""
Keep a store and its log intact over the years.

Use cases: audit a store (`audit`), log what is not in the log yet (`log_sync`), copy a store
(`replication`), repair it from a copy (`repair`), renew timestamps (`renewal`), request owed
tokens (`late_tokens`), place and lift holds (`holds`), erase a bundle by order (`erasure`), read
the log and prove its entries (`log_entry_proof`). The other modules read, check and write the
objects and reminders that these use cases share.
"""
