"""Variables and data in scripts: read as text, never run."""

import pytest

from snapshotter.assess.script_data import at_path, find_json_data, parse_json, variable


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ('var read_num = "3797" * 1;', "3797"),
        ("x = {read_num: '3797' * 1}", "3797"),
        ('{"read_num":3797}', "3797"),
        ("{'read_num' : 3797,", "3797"),
        ("window.read_num=3797;", "3797"),
        ("read_num: JsDecode('a\\x26b')", "a&b"),
        ('read_num = "\\u4e2d\\ud83d\\ude00\\n"', "中😀\n"),
        ("var read_num = '' || '5'; read_num = '7'", "7"),
        ("read_num = 'it\\'s'", "it's"),
    ],
)
def test_what_a_script_gives_a_name_is_its_value(script: str, value: str) -> None:
    assert next(variable([("s", script)], "read_num")) == ("s: read_num", value)


@pytest.mark.parametrize(
    "script",
    [
        "", "read_num", "read_num == '5'", "read_num === 5", "data.read_num = '5'",
        "x.window.my_read_num = 5", "old_read_num: '5'", "read_num2 = 5", "$read_num = 5",
        "read_num = data.read_num", "read_num = 5.5", "read_num = '", "read_num: ''",
        "\"read_num' : 5", "read_num = 'line\nbreak'", "read_num = 12345678901234567890",
    ],
)  # fmt: skip
def test_what_is_no_plain_value_is_none(script: str) -> None:
    assert list(variable([("s", script)], "read_num")) == []


def test_data_is_found_behind_its_name_or_as_the_whole_script() -> None:
    render = 'if (x) {} var $render_data = [{"status": {"a": [1, 2]}}][0] || {};'

    ((where, data),) = find_json_data([("s", render)], "$render_data")
    assert (where, at_path(data, "0.status.a.1")) == ("s: $render_data", 2)
    assert list(find_json_data([("s", ' {"a": 1}'), ("t", "a = 1")], "")) == [("s", {"a": 1})]


@pytest.mark.parametrize("path", ["x", "0.x", "1", "0.a.9", "0.a.-1", "0.a.b", ".".join("0" * 50)])
def test_a_path_that_leads_nowhere_leads_to_nothing(path: str) -> None:
    assert at_path([{"a": [1]}], path) is None


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 100_000, "9" * 5_000_000])
def test_what_is_no_data_is_none(text: str) -> None:
    assert parse_json(text) is None


def test_a_name_a_hundred_thousand_times_takes_no_time_to_speak_of() -> None:
    assert list(variable([("s", "read_num=x;" * 100_000)], "read_num")) == []
