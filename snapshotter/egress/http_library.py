"""
Import httpx without its command line.

httpx imports its command line if it can, and with it rich and pygments: 75 modules that no capture
uses. It has a substitute for a system on which these are missing.
"""

import sys

if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # its import is an ImportError
    try:
        import httpx as httpx
    finally:
        del sys.modules["httpx._main"]
else:
    import httpx as httpx
