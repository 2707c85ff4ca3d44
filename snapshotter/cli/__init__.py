"""The command line: parse, call one function of `app`, print. click lives here alone."""
