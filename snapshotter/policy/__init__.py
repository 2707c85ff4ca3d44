"""
Read the policies and rule files that people write, and derive decisions from them.

- Policies: `load.py` loads a policy, `tables.py` validates it, `policy_selection.py` chooses one
  for an address, and `capture_decision.py` decides how a page is captured. `difference.py` and
  `policy_toml.py` compare and write policies; `retention.py` computes retention.
- Rules about pages: `takedown_rules.py` with `rule_tables.py` and `patterns.py`,
  `site_readings.py`, and `page_identity.py`.
- Pacing: `politeness.py` decides about visits, by the rules of `politeness_file.py` and
  `host_rules.py` and the responses of `host_responses.py`; `politeness_estimate.py` estimates how
  long visits take. `curve.py` and `quiet_hours.py` compute times of visits.
- For all of these: `files.py` reads files, `times.py` parses times, `addresses.py` matches hosts,
  and `selectors.py` checks CSS selectors.

Modules of this package read policy and rule files, and use no other input or output.
"""
