"""Rule files: strict, and every mistake is named with its file, its rule and its key."""

import hashlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.assessment import Cause
from snapshotter.model.rules import ContentRule, Match, NoticeRule, PhraseRule
from snapshotter.policy.rule_tables import ContentTable, NoticeTable, PhraseTable
from snapshotter.policy.takedown_rules import (
    find_rules,
    load_rule_texts,
    load_rules,
    parse_rules,
    rules_for,
    shipped_rules,
)

HEAD = """
schema = "snapshotter/takedown-rules@1"
id = "forum"
version = "2026.1"
hosts = ["forum.example", "*.forum.example"]
"""
NOTICE = """
[[notice]]
id = "f-01"
cause = "author"
select = ".gone"
equals = ["Deleted by its author"]
"""


def test_a_file_is_read_into_values_with_its_text_and_its_hash() -> None:
    text = HEAD + NOTICE

    rules = parse_rules(text, "forum.toml")

    assert rules.file.id == "forum"
    assert rules.file.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert rules.text == text
    (notice,) = rules.notices
    assert (notice.about.id, notice.cause, notice.takedown) == ("f-01", Cause.AUTHOR, True)
    assert notice.match.equals == ("Deleted by its author",)


@pytest.mark.parametrize("name", shipped_rules())
def test_every_shipped_file_is_read(name: str) -> None:
    (rules,) = load_rules([name])

    assert rules.file.id == name
    assert rules.text == find_rules(name).read_text(encoding="utf-8")


def test_the_order_that_was_asked_for_is_kept_and_nothing_comes_twice() -> None:
    names = [rule_set.file.id for rule_set in load_rules(["generic", "wechat", "generic"])]

    assert names == ["generic", "wechat"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + NOTICE.replace("cause", "causes"), "forum.toml: f-01: "),
        (HEAD + NOTICE.replace('"author"', '"motive"'), "forum.toml: f-01: cause"),
        (HEAD + NOTICE.replace('".gone"', '".gone:hover"'), "forum.toml: f-01: select"),
        (HEAD + NOTICE.replace('".gone"', "7"), "forum.toml: f-01: select"),
        (HEAD + NOTICE + 'matches = ["(a+)+"]', "forum.toml: f-01: matches.0"),
        (HEAD + NOTICE + "grade = 'E'", "forum.toml: f-01: grade"),
        (HEAD + NOTICE + NOTICE, "two rules have the id f-01"),
        (HEAD + NOTICE.replace('id = "f-01"', ""), r"\[\[notice\]\] number 1"),
        (HEAD + NOTICE.replace('select = ".gone"', ""), "f-01: conditions on text need `select`"),
        (HEAD + '[[notice]]\nid = "f-01"\ncause = "author"\n', "f-01: the rule has no condition"),
        (HEAD + NOTICE + 'detail_of = ["f-09"]', "f-01: detail_of"),
        (HEAD + NOTICE + '[notice.extract]\ndetail = { from = "cited_rule" }', "extract.detail"),
        (HEAD + NOTICE + '[notice.extract]\nmotive = { select = "p" }', "extract.motive"),
        (
            HEAD + NOTICE + '[notice.extract]\ndetail = { select = "p", regex = "a" }',
            "exactly one group",
        ),
        (HEAD + NOTICE.replace('"author"', '"owner_setting"'), "not a take-down"),
        (HEAD + '[[wall]]\nid = "f-w1"\nkind = "login"\nscript = ["a(b)"]', "plain letters"),
        (HEAD + '[[status]]\nid = "f-s1"\ncause = "legal"\nselect = "p"', "needs `status`"),
        (HEAD + '[[json]]\nid = "f-j1"\ncause = "author"\nselect = "p"', "give `data`"),
        (HEAD + '[[content]]\nid = "f-c1"', "f-c1: give either `any`"),
        (HEAD + '[[content]]\nid = "f-c1"\nany = ["p"]\nmin_text = 0', "give min_text"),
        (HEAD + '[[message]]\nid = "f-m1"', "give either `url`"),
        (HEAD.replace("rules@1", "rules@2"), "forum.toml: schema"),
        (HEAD.replace('"forum.example"', '"https://forum.example/"'), "forum.toml: hosts.0"),
        (HEAD + "wall_grace = '8s'", "forum.toml: wall_grace"),
        (HEAD + "a = [", "is not valid TOML"),
        (HEAD + "a = " + "[" * 5000, "are nested too deeply|is not valid TOML"),
        (HEAD + f"a = {'9' * 10000}", "is not valid TOML"),
        (HEAD + f"reason = '{'x' * (1 << 20)}'", "longer than"),
        (HEAD + NOTICE + "[notice.seen]\nfirst = 2026-02-01\nlast = 2026-01-01", "f-01: seen"),
    ],
)
def test_a_mistake_is_named_with_file_rule_and_key(text: str, words: str) -> None:
    with pytest.raises(SnapshotterError, match=words) as caught:
        parse_rules(text, "forum.toml")

    assert str(caught.value).startswith(
        ("forum.toml", "the tables or lists in forum.toml are nested too deeply")
    )


def test_rules_that_are_not_there_are_named_with_those_that_are() -> None:
    with pytest.raises(SnapshotterError, match="take-down rules myspace do not exist") as caught:
        load_rules(["myspace"])

    assert "wechat" in caught.value.hint


def test_a_file_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + NOTICE)

    (rules,) = load_rules([str(path)])

    assert rules.file.id == "forum"


def test_two_different_files_of_one_id_are_not_mixed(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(HEAD + NOTICE)
    two.write_text(HEAD)

    with pytest.raises(SnapshotterError, match="another rule file has the same id, forum"):
        load_rules([str(one), str(two)])


def test_a_file_that_is_not_there_or_no_text_is_said_to_be(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff\xfe")

    for path in (broken, tmp_path / "none.toml"):
        with pytest.raises(SnapshotterError, match="cannot be read"):
            load_rules([str(path)])


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        (["forum.example"], ["forum", "generic"]),
        (["a.b.forum.example"], ["forum", "generic"]),
        (["otherforum.example"], ["generic"]),
        (["elsewhere.example", "forum.example"], ["forum", "generic"]),
        ([""], ["generic"]),
    ],
)
def test_rules_are_chosen_by_host_and_those_for_all_come_last(
    hosts: list[str], chosen: list[str]
) -> None:
    sets = (*load_rules(["generic"]), parse_rules(HEAD + NOTICE, "forum.toml"))

    assert [rule_set.file.id for rule_set in rules_for(sets, hosts)] == chosen


def test_the_example_of_the_reference_is_a_file_of_rules() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "takedown-rules.md"
    example = re.search(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None

    rules = parse_rules(example[1], "example")

    assert [about.id for about in rules.abouts] == ["f-thread", "f-w1", "f-01"]


def test_each_field_of_a_rule_is_a_key_of_its_table_or_made_of_others() -> None:
    for table, value, made in (
        (NoticeTable, Match, {"json"}),
        (ContentTable, ContentRule, {"about", "json"}),
        (NoticeTable, NoticeRule, {"about", "match", "extracts"}),
        (PhraseTable, PhraseRule, {"about"}),
    ):
        names = {field.name for field in fields(value)}

        assert names - {info.name for info in table.key_infos()} == made, value.__name__


def test_the_texts_of_shipped_files_have_the_ids_that_the_files_state() -> None:
    """They are not parsed when a decision is made, so the names of the files stand for the ids."""
    ids = shipped_rules()

    assert load_rule_texts(ids) == tuple(
        (rules.file.id, rules.text) for rules in load_rules((*ids, *ids))
    )
    assert tuple(rules_id for rules_id, _ in load_rule_texts(ids)) == ids


def test_a_file_of_ones_own_is_checked_when_its_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('schema = "snapshotter/takedown-rules@1"\n')

    with pytest.raises(SnapshotterError, match=r"own\.toml: id: this key is missing"):
        load_rule_texts(("wechat", str(path)))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            '[[notice]]\nid = "f-02"\ncause = "legal"\nheader = [{ name = "x-removed" }]',
            "f-02: header: a [[notice]] rule never tests headers",
        ),
        (
            '[[notice]]\nid = "f-02"\ncause = "legal"\nselect = ".gone"\n'
            'header = [{ name = "x-removed" }]',
            "f-02: header: a [[notice]] rule never tests headers",
        ),
        (
            '[[json]]\nid = "f-02"\ncause = "legal"\ndata = [{ path = "gone" }]\n'
            'header = [{ name = "x-removed" }]',
            "f-02: header: a [[json]] rule never tests headers",
        ),
        (
            '[[notice]]\nid = "f-02"\ncause = "legal"\nstatus = [451]',
            "f-02: status: a [[notice]] rule with only `status` never matches",
        ),
    ],
)
def test_a_condition_that_is_never_tested_is_refused_but_read_from_older_bundles(
    rule: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "forum.toml"
    path.write_text(HEAD + NOTICE + rule + "\n")

    with pytest.raises(SnapshotterError) as refused:
        load_rule_texts([str(path)])

    assert f"{path}: {words}" in refused.value.message
    assert "[[status]] rule" in refused.value.message
    assert parse_rules(path.read_text(), "rules forum").file.id == "forum"


def test_a_status_rule_may_test_a_header(tmp_path: Path) -> None:
    path = tmp_path / "forum.toml"
    rule = '[[status]]\nid = "f-02"\ncause = "legal"\nstatus = [451]\nheader = [{ name = "x" }]\n'
    path.write_text(HEAD + NOTICE + rule)

    (rules,) = load_rules([str(path)])

    assert [status.about.id for status in rules.statuses] == ["f-02"]
