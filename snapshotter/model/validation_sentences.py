"""Write what a validation report states as sentences, the same for terminal, page and verifier."""

from snapshotter.model.validation import KeyOrigin, ValidationCount, ValidationReport
from snapshotter.translation import tr


def result_sentence(report: ValidationReport) -> str:
    """Return the result of a self-test with its numbers, as one sentence."""
    made = sum(count.made for count in report.counts)
    wrong = sum(count.wrong for count in report.counts)
    not_made = sum(count.not_made for count in report.counts)
    return tr(
        "The self-test is {verdict}: {wrong} of {made} checks are wrong, and checks that could not "
        "be made: {not_made}.",
        verdict=report.verdict.name,
        wrong=wrong,
        made=made,
        not_made=not_made,
    )


def count_sentence(count: ValidationCount) -> str:
    """Return what a count states: "0 of 24", and never a rate without its number of cases."""
    said = tr("{wrong} of {made} wrong", wrong=count.wrong, made=count.made)
    if count.not_made:
        return tr("{said}, not made: {not_made}", said=said, not_made=count.not_made)
    return said


def key_sentence(report: ValidationReport) -> str:
    """Return what the signature of the report means."""
    if report.key_origin is KeyOrigin.CAPTURE_KEY:
        return tr(
            "The key that signs captures on the machine of the test signed the report. The "
            "signature shows which key signed the report."
        )
    return tr(
        "A key that was made for this report signed the report. The signature shows only that the "
        "report was not changed after the test. The signature does not show who made the report."
    )
