"""
What does this capture show? Pure: the same page and the same rules give the same answer.

No browser, no store, no network and no clock: a stranger who has a bundle and the rules
that lie in it comes to the same verdicts (`docs/explanation/verdicts.md`).
"""
