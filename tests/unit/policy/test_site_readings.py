"""The file of what is known of sites: strict, and shipped in good order."""

from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.reading_rules import Rounding
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.policy.site_readings import parse, shipped_sites

HEAD = 'schema = "snapshotter/reading-rules@1"\nid = "readings"\nversion = "2026.11.1"\n'
SITE = '[[site]]\nid = "x"\n'


def test_the_shipped_file_says_that_the_platform_truncates() -> None:
    sites = {site.id: site for site in shipped_sites().sites}

    assert sites["wechat"].rounding is Rounding.TRUNCATED
    assert sites["all"].rounding is Rounding.EITHER
    assert sites["wordpress"].age is Rounding.ROUNDED
    assert sites["all"].units["转发"] == "reposts"


def test_a_file_reads_back_as_the_text_that_lies_in_a_bundle() -> None:
    assert parse(shipped_sites().text) == shipped_sites()


def test_a_decision_has_them_and_the_text_for_the_bundle() -> None:
    readings = decide(load("default")).readings

    assert readings.sites == shipped_sites().sites
    assert readings.rules == (("readings", shipped_sites().text),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "schema: this key is missing"),
        (HEAD + SITE + 'colour = "red"', "site.0.colour"),
        (HEAD + SITE + 'rounding = "up"', "site.0.rounding"),
        (HEAD + SITE + 'main = ["p:hover"]', "site.0.main.0"),
        (HEAD + SITE + 'main = ["<"]', "site.0.main.0"),
        (HEAD + SITE + "[site.regions]\nmiddle = ['p']", "middle is not a region"),
        (HEAD + SITE + '[[site.count]]\nunit = "reads"', "give one of select, variable and data"),
        (HEAD + SITE + '[[site.count]]\nunit = "Reads"\nselect = "p"', "site.0.count.0.unit"),
        (
            HEAD + SITE + '[[site.count]]\nunit = "a"\nselect = "p"\nvariable = "b"',
            "select cannot be combined with variable or data",
        ),
        (
            HEAD + SITE + '[[site.count]]\nunit = "a"\nvariable = "b"\nattribute = "c"',
            "`attribute` needs `select`",
        ),
        (HEAD + SITE + '[[site.metadata]]\nname = "age"\nselect = "p"', "site.0.metadata.0.name"),
        (HEAD + SITE + SITE, "the same id"),
        (HEAD.replace("@1", "@2") + SITE, "schema"),
        (HEAD + "site = 1", "site"),
        ("a = [", "the file"),
        ("[" * 10_000, "the file"),
        ("#" * 300_000, "longer than"),
    ],
)
def test_a_key_or_value_without_a_meaning_is_refused_with_its_name(text: str, said: str) -> None:
    with pytest.raises(SnapshotterError, match="the file") as caught:
        parse(text)

    assert said in str(caught.value)


def test_a_policy_names_lists_of_what_pages_say_of_their_visitor() -> None:
    rules = decide(load("wechat-article")).redact

    assert {"uin", "devicetype", "isoversea", "sharer_*"} <= set(rules.viewer_names)
    assert "uin" in rules.url_params
    assert decide(load("default")).redact.viewer_names == ()


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text('name = "own"\nextends = "default"\n[redact]\nviewer_fields = ["weixin"]\n')

    with pytest.raises(
        SnapshotterError, match="the list of viewer fields weixin does not exist"
    ) as caught:
        decide(load(str(policy)))

    assert caught.value.hint == "give one of these lists: wechat"


@pytest.mark.parametrize("name", ["*", "a b", "", "9x", "ä"])
def test_a_parameter_that_can_be_none_is_refused(tmp_path: Path, name: str) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text(f'name = "own"\nextends = "default"\n[redact]\nurl_params = ["{name}"]\n')

    with pytest.raises(SnapshotterError, match=r"redact\.url_params"):
        load(str(policy))
