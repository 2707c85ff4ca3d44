"""The arithmetic of a self-test: what is not checked never counts as right."""

from snapshotter.model.finding import Verdict
from snapshotter.model.validation import CheckGroup, ValidationCount, case_verdict, counts
from snapshotter.model.validation_sentences import count_sentence, result_sentence
from tests.unit.validation_reports import case, check, report


def test_one_wrong_value_makes_failed_whatever_else_was_found() -> None:
    cases = (case(check(), check(None)), case(check("404"), name="page/two"))

    assert case_verdict(cases) is Verdict.FAILED


def test_a_value_that_was_not_found_is_never_passed() -> None:
    assert case_verdict([case(check(), check(None))]) is Verdict.INDETERMINATE
    assert case_verdict([case(check(), check())]) is Verdict.PASSED


def test_a_test_without_cases_or_a_case_without_checks_shows_nothing() -> None:
    assert case_verdict([]) is Verdict.INDETERMINATE
    assert case_verdict([case(check()), case(name="page/empty")]) is Verdict.INDETERMINATE


def test_counts_are_kept_apart_by_group_and_verifier() -> None:
    first = case(check(), check("404"), check(None))
    second = case(
        check(group=CheckGroup.ALTERED, verifier="one"),
        check("404", group=CheckGroup.ALTERED, verifier="two"),
        name="altered/one",
    )

    assert counts([first, second]) == (
        ValidationCount(group=CheckGroup.CONTENT, made=2, wrong=1, not_made=1),
        ValidationCount(group=CheckGroup.ALTERED, verifier="one", made=1, wrong=0, not_made=0),
        ValidationCount(group=CheckGroup.ALTERED, verifier="two", made=1, wrong=1, not_made=0),
    )


def test_an_error_count_is_stated_with_its_number_of_checks_and_never_in_percent() -> None:
    count = ValidationCount(group=CheckGroup.CONTENT, made=24, wrong=0, not_made=2)

    assert count_sentence(count) == "0 of 24 wrong, not made: 2"
    assert result_sentence(report(case(check(), check(None)))) == (
        "The self-test is INDETERMINATE: 0 of 1 checks are wrong, and checks that could not be "
        "made: 1."
    )
