"""Parts of ids, and `latest`, in the commands that take ids."""

from pathlib import Path

from tests.unit.cli.bundle_shell import BundleShell


def test_commands_take_an_end_of_an_id_and_latest(shell: BundleShell) -> None:
    end = shell.id[-6:]
    for command in (
        ("show",), ("custody", "show"), ("verify",), ("hold", "list"), ("renew", "--dry-run"),
        ("log", "sync", "--dry-run"), ("store", "replicate", "copy"), ("export", "-o", "out"),
        ("store", "retain", "--days", "1"), ("store", "repair", "--from", "copy"),
        ("hold", "place", "--name", "a", "--reason", "b"),
    ):  # fmt: skip
        assert shell.run(*command, end) in {0, 11}, (command, shell.err)
        assert "not an id" not in shell.err
    for command in (("show",), ("verify",), ("hold", "list"), ("custody", "show")):
        assert shell.run(*command, "zzzz") == 1, command
        assert "zzzz" in shell.err
    assert shell.run("show", "--json", "latest") == 0
    assert shell.object["bundle_id"] == shell.id


def test_erase_asks_about_and_erases_the_whole_id(shell: BundleShell) -> None:
    order = ("--order", "o", "--reason", "r", "--json", "--yes")

    assert shell.run("erase", *order, shell.id[-6:]) == 0, shell.err

    assert shell.object["bundle_id"] == shell.id
    assert shell.run("custody", "show", shell.id[-6:]) == 0, "what remains is found by a part"


def test_a_part_of_several_ids_ends_with_2_and_their_titles(shell: BundleShell) -> None:
    year = shell.id[:4]
    other = f"{year}0101t000000z-zzzzzzzzzzzz2345"
    copy = Path(f"captures/bundles/{year}/01/01/{other}.wacz")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(shell.bytes)

    assert shell.run("show", year) == 2
    assert f"{shell.id}  {year}" in shell.err
    assert f"{other}  {year}-01-01 00:00:00 UTC  A page" in shell.err
    assert shell.run("hold", "list", "2345", shell.id[-4:], shell.id, "--json") == 0
    assert [printed["bundle_id"] for printed in shell.objects] == [other, shell.id]


def test_a_text_that_is_no_id_is_a_usage_error(shell: BundleShell) -> None:
    assert shell.run("hold", "list", "no id") == 2
    assert "no id is not an id" in shell.err


def test_a_file_goes_before_a_part_of_an_id_unless_a_store_is_named(shell: BundleShell) -> None:
    end = shell.id[-6:]
    Path(end).write_bytes(b"no bundle")
    Path("latest").write_bytes(b"no bundle")

    assert shell.run("show", end) == 10
    assert shell.run("show", "--store", "captures", end) == 0
    assert shell.run("show", "latest") == 2
    assert "./latest" in shell.err
    assert shell.run("verify", "--store", "captures", "latest") in {0, 11}


def test_the_title_of_a_capture_in_quarantine_is_no_candidate(shell: BundleShell) -> None:
    year = shell.id[:4]
    copy = Path(f"captures/bundles/{year}/01/01/{year}0101t000000z-zzzzzzzzzzzz2345.wacz")
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(b"no bundle")
    assert shell.run("quarantine", "--reason", "names a minor", shell.id) == 0, shell.err

    assert shell.run("hold", "list", year) == 2
    assert shell.id in shell.err
    assert "A page" not in shell.err
    assert "a notice of quarantine" in shell.err
    assert shell.run("show", shell.id) == 0
    assert shell.out.startswith("in quarantine: names a minor\n")


def test_log_prove_takes_parts_of_the_ids_of_its_kinds(shell: BundleShell) -> None:
    assert shell.run("log", "init") == 0, shell.err
    assert shell.run("log", "sync", "latest") == 0, shell.err
    report = shell.folder / "captures" / "audits" / "2026" / "01" / "02"
    report.mkdir(parents=True)
    (report / "20260102t030405z-aaaaaaaaaaaaaaaa.json").write_bytes(b"a report")
    for words in ((shell.id[-6:],), ("latest",), ("--kind", "custody", "latest")):
        assert shell.run("log", "prove", *words, "-o", "proof", "--json") == 0, shell.err
    assert shell.run("log", "prove", "--kind", "report", "latest") == 1
    assert "kind report with the name 20260102t030405z-aaaaaaaaaaaaaaaa" in shell.err
    assert shell.run("log", "prove", "zzzz") == 1
    assert "no id in the store" in shell.err
    assert shell.run("log", "prove", "--kind", "trust", "3") == 1
