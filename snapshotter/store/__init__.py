"""Where bundles and their sidecars live: a directory or a bucket. Not trusted, only kept."""
