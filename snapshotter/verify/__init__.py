"""What a stranger runs: is a bundle, or a whole store, as it was sealed? No browser, no network."""
