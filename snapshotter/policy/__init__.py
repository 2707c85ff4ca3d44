"""
Read the policies and rule files that people write, and derive decisions from them.

- Policies: `load.py` loads a policy, `tables.py` validates it, `policy_selection.py` chooses one
  for an address, and `capture_decision.py` decides how a page is captured. `difference.py` and
  `policy_toml.py` compare and write policies; `retention.py` computes retention.
- Rules about pages: `takedown_rules.py` with `rule_tables.py` and `patterns.py`,
  `site_readings.py`, and `page_identity.py`.
- Times of visits: `politeness.py` decides when the next visit to a host may start.
  `host_rules.py` defines the rules for hosts, `politeness_file.py` reads them, and
  `host_responses.py` interprets a host's responses. `politeness_estimate.py` estimates how long
  visits take. `curve.py` computes the visits of a decay curve, and `quiet_hours.py` the hours
  without visits.
- For all of these: `files.py` reads files, `times.py` parses times, `addresses.py` matches hosts,
  and `selectors.py` checks CSS selectors.

Modules of this package read policies, rule files and the files that policies name. They write
nothing and use no network.
"""
