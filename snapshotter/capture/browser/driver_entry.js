// Start Playwright's driver, and load only the part of Playwright that the driver consists of.
//
//     node driver_entry.js …/driver/package/cli.js run-driver
//
// Playwright's own entry (cli.js) also loads its command line, its tools for language models and
// all libraries of these: half of the time until it answers. Here, Playwright's file is loaded with
// two changes, in memory: it initializes the module of the driver only, with all modules that this
// one imports, and its libraries (utilsBundle.js) are loaded when the first of them is used.
//
// If the file is not as expected, nothing is changed: cli.js runs as always.

'use strict';

const fs = require('fs');
const path = require('path');
const Module = require('module');

const ALL = '\ninit_coreBundle();\n'; // initializes everything
const PART = '\ninit_driver();\n';
const NOTE = '// Annotate the CommonJS export names for ESM import in node:\n'; // comes next
const RESULT = 'module.exports = runDriver; //';

// Have Playwright's file initialize the driver only. Return whether it is the file that we know.
//
// The file has millions of bytes, so it is changed in its place and not copied.
function keepDriver(file) {
  const at = file.lastIndexOf(ALL + NOTE);
  if (at < 0 || !file.includes('\nvar init_driver = __esm({\n')) return false;
  file.write(PART.trimEnd().padEnd(ALL.length - 1), at);
  file.write(RESULT, at + ALL.length);
  return true;
}

// The libraries, of which none is loaded before it is used.
//
// While Playwright initializes itself, it takes functions and classes out of them and calls none,
// except for `debug`. That one prints what the environment variable DEBUG names, and the driver is
// started without that variable.
function lazyLibraries(load) {
  const silent = () => Object.assign(() => {}, {enabled: false, extend: silent});
  const debug = Object.assign(silent, {enabled: () => false, enable() {}, disable: () => ''});
  const state = {loaded: null, starting: true};
  const at = (names) => {
    state.loaded ??= load();
    return names.reduce((value, name) => value[name], state.loaded);
  };
  const later = (...names) => new Proxy(function () {}, {
    get: (_, name) => {
      if (!state.starting || state.loaded) return Reflect.get(at(names), name);
      return typeof name === 'symbol' ? undefined : later(...names, name);
    },
    set: (_, name, value) => Reflect.set(at(names), name, value),
    has: (_, name) => Reflect.has(at(names), name),
    apply: (_, self, given) => Reflect.apply(at(names), self, given),
    construct: (_, given, target) => Reflect.construct(at(names), given, target),
  });
  const libraries = new Proxy({}, {
    get: (_, name) => name === 'debug' ? debug : state.loaded ? state.loaded[name] : later(name),
  });
  return {libraries, started() { state.starting = false; }};
}

// The function that runs the driver, or null.
function loadDriver(cli) {
  const lib = path.join(path.dirname(cli), 'lib');
  const name = path.join(lib, 'coreBundle.js');
  const file = fs.readFileSync(name);
  if (!keepDriver(file)) return null;
  require(path.join(lib, 'bootstrap'));
  const bundle = new Module(name, module);
  bundle.filename = name;
  const usual = bundle.require.bind(bundle);
  const {libraries, started} = lazyLibraries(() => usual('./utilsBundle'));
  bundle.require = (wanted) => wanted === './utilsBundle' ? libraries : usual(wanted);
  bundle._compile(file.toString(), name);
  started();
  return bundle.exports;
}

const [cli, ...words] = process.argv.slice(2);
process.argv.splice(1, 1); // as without this file
const isDriver = words.join(' ') === 'run-driver' && !process.env.DEBUG;
const run = isDriver ? loadDriver(cli) : null;
if (run) run();
else require(cli);
