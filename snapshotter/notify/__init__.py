"""
Send notifications: choose the recipients of an event, the content of a message, and its channel.

Messages leave this machine for mail servers and chat services. By default they contain ids and no
addresses. A message never contains a page's content.
"""
