"""
Describe the requests and responses of the API.

The keys of responses are those of `--json` (`app/json_objects`); a response with another key is a
fault, and a test finds it.
"""
