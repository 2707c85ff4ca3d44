"""Build the adapters from the settings, one module for each part. No other package does."""
