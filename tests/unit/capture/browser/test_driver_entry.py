"""The script that starts Playwright's driver, and loads only what the driver consists of."""

import json
import subprocess
from pathlib import Path

import pytest

from snapshotter.capture.browser import driver_script

ENTRY = Path(driver_script.__file__).with_name("driver_entry.js")
NODE = driver_script.driver_directory() / "node"
_LIMIT_S = 30
_PRINT_LOADED = """
process.on('exit', () => {
  console.error(JSON.stringify(Object.keys(require('module')._cache)));
});
"""
_PRINT_USE = """
const vm = require('vm');
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options);
    const {cachedData} = options;
    console.error(!cachedData ? 'without' : this.cachedDataRejected ? 'rejected' : 'used');
  }
};
"""
# A file with the same structure as Playwright's: modules that are initialized in a function each.
_BUNDLE = """"use strict";
var run, Reader, answer, pick;
function runDriver() {
  console.log(answer() + new Reader("text").length() + pick(3) + typeof debug("pw:api"));
}
var init_driver = __esm({
});
function __esm() {
  return () => {
    debug = require("./utilsBundle").debug;
    ({ answer } = require("./utilsBundle"));
    Reader = class extends require("./utilsBundle").Text {};
    pick = require("./utilsBundle").nested.pick;
    debug("pw:api")("nothing is printed");
    console.log("started");
  };
}
var debug;
module.exports = {};
var init_coreBundle = () => console.log("everything is loaded");
init_coreBundle();
// Annotate the CommonJS export names for ESM import in node:
0 && (module.exports = {
});
"""
_LIBRARIES = """
console.log("the libraries are loaded");
exports.answer = () => "42 ";
exports.Text = class {
  constructor(text) { this.text = text; }
  length() { return this.text.length; }
};
exports.nested = {pick: (value) => ` ${value} `};
exports.debug = () => console.log;
"""


def _package(folder: Path, bundle: str) -> Path:
    """Return the entry of a package that is made like Playwright's."""
    lib = folder / "package" / "lib"
    lib.mkdir(parents=True)
    (lib / "bootstrap.js").write_text("")
    (lib / "coreBundle.js").write_text(bundle)
    (lib / "utilsBundle.js").write_text(_LIBRARIES)
    cli = folder / "package" / "cli.js"
    cli.write_text("console.log(`usual: ${process.argv.slice(1).join(' ')}`);")
    return cli


def _run(*arguments: Path | str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [NODE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=_LIMIT_S, check=True, env=environment,
    )  # fmt: skip


def test_the_driver_loads_neither_its_command_line_nor_its_libraries(tmp_path: Path) -> None:
    hook = tmp_path / "hook.js"
    hook.write_text(_PRINT_LOADED)

    done = _run("--require", hook, ENTRY, *driver_script.driver_command())

    loaded = {Path(name).name for name in json.loads(done.stderr)}
    assert "bootstrap.js" in loaded
    assert not loaded & {"cli.js", "utilsBundle.js"}


def test_the_entry_is_tested_with_the_driver_that_is_installed() -> None:
    """After an update of Playwright: run the tests with a browser, then change the constant."""
    assert driver_script._entry() == (ENTRY,)


def test_libraries_are_loaded_when_the_first_of_them_is_used(tmp_path: Path) -> None:
    done = _run(ENTRY, _package(tmp_path, _BUNDLE), "run-driver")

    assert done.stdout.splitlines() == [
        "started",
        "the libraries are loaded",
        "42 4 3 function",
    ]


def test_a_driver_of_another_structure_is_started_as_always(tmp_path: Path) -> None:
    other = _BUNDLE.replace("\ninit_coreBundle();\n", "\nstartAll();\n")
    cli = _package(tmp_path, other)

    assert _run(ENTRY, cli, "run-driver").stdout == f"usual: {cli} run-driver\n"


def test_other_commands_and_debugging_go_the_usual_way(tmp_path: Path) -> None:
    cli = _package(tmp_path, _BUNDLE)

    assert _run(ENTRY, cli, "install", "chromium").stdout == f"usual: {cli} install chromium\n"
    assert _run(ENTRY, cli, "run-driver", DEBUG="pw:api").stdout == f"usual: {cli} run-driver\n"


def _compile_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NODE_COMPILE_CACHE", str(folder))
    kept = driver_script._compiled(NODE, {})
    assert kept is not None
    return kept


def _use_of(compiled: Path, folder: Path, cli: Path | str) -> str:
    """Return whether the driver starts with its compiled form."""
    hook = folder / "hook.js"
    hook.write_text(_PRINT_USE)
    done = _run("--require", hook, ENTRY, cli, "run-driver", DRIVER_COMPILED=str(compiled))
    return done.stderr.strip()


def test_the_driver_starts_with_its_compiled_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = _compile_into(tmp_path, monkeypatch)

    assert compiled.stat().st_size > 1_000_000
    assert _use_of(compiled, tmp_path, driver_script.driver_command()[0]) == "used"
    assert _use_of(tmp_path / "none", tmp_path, driver_script.driver_command()[0]) == "without"


def test_a_compiled_form_of_another_text_or_with_a_wrong_byte_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = _compile_into(tmp_path / "cache", monkeypatch)
    data = bytearray(compiled.read_bytes())
    data[-1] ^= 1
    damaged = tmp_path / "damaged.v8"
    damaged.write_bytes(data)
    other = _package(tmp_path, _BUNDLE)

    assert _use_of(compiled, tmp_path, other) == "without"
    assert _use_of(damaged, tmp_path, driver_script.driver_command()[0]) == "without"


@pytest.mark.parametrize("code", [0, 1])
def test_a_file_that_another_process_renames_meanwhile_is_no_obstacle_and_none_is_left(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, cache = tmp_path / "node", tmp_path / "cache"
    node.write_text(
        f'#!/bin/sh\n: >"$DRIVER_COMPILE_TO"\nln -s none "$NODE_COMPILE_CACHE/gone"\nexit {code}\n'
    )
    node.chmod(0o700)
    monkeypatch.setenv("NODE_COMPILE_CACHE", str(cache))

    kept = driver_script._compiled(node, {"PATH": "/usr/bin:/bin"})

    assert (kept is None) == bool(code)
    assert [*cache.glob("new-*")] == []


def test_scripts_are_compiled_again_for_a_driver_at_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_COMPILE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(driver_script, "driver_version", lambda: "1.0")
    compiled: list[tuple[str, ...]] = []
    monkeypatch.setattr("subprocess.run", lambda command, **_: compiled.append(command))
    for place in (tmp_path / "first", tmp_path / "second", tmp_path / "second"):
        monkeypatch.setattr(driver_script, "driver_directory", lambda place=place: place)
        driver_script._compiled(NODE, {})

    assert len(compiled) == 2
