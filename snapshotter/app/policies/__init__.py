"""
Choose, explain and check policies and files of rules.

Use cases: choose the policy of a page or job (`configured_policy`), decide how the pages of a
command are captured (`decisions`, `capture_options`), explain what a capture would be like
(`capture_preview`), lint and try rules (`checks`), make a visit plan from options and a policy
(`visit_plan`).
"""
