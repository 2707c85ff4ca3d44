"""
Provide the API below `/api/v1`: JSON in and out, the same use cases as the command line.

FastAPI and pydantic are used in this package only (docs/adr/0101). Each module has one resource;
`models` describes requests and responses, `problem` the answers to requests that fail.
"""
