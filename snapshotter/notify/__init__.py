"""
Send notifications to people: choose which recipients get which events, and compose and deliver the
messages.

`rules.py` reads the rules from `notify.toml`, `grouping.py` groups events into messages, and
`message.py` composes a message. `mail.py` and `webhook.py` deliver it, over the connections of
`egress.py`.

Messages go to mail servers and chat services on other machines. By default they contain ids and no
addresses. A message never contains a page's content.
"""
