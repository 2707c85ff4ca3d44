"""
Telling people: which event goes where, what of it may be said, and the ways to say it.

Messages leave this machine for mail servers and chat vendors. By default they have ids and
no addresses; a page's content is never in one.
"""
