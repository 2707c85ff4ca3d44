"""
Choose, explain and check policies and files of rules.

Use cases: choose the policy of a page or job (`choice`), decide how pages are captured
(`decisions`, `capture_options`), explain what a capture would be like (`explanation`), lint and try
rules (`checks`), make a visit plan from options and a policy (`visit_plan`).
"""
