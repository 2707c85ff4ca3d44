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
const vm = require('vm');
const zlib = require('zlib');
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

// V8's compiled form of a script that was run, with the functions that were called; undefined
// without one. V8 compares only the lengths of the texts, so the file begins with two checksums.
function compiledForm(of) {
  let kept;
  try {
    kept = fs.readFileSync(process.env.DRIVER_COMPILED);
  } catch {
    return undefined; // it does not exist or cannot be read: it is compiled now
  }
  const form = kept.subarray(8);
  const isOurs = kept.length > 8 && kept.readUInt32LE(0) === zlib.crc32(of);
  return isOurs && kept.readUInt32LE(4) === zlib.crc32(form) ? form : undefined;
}

// Have the compiled form written at the end, if that is asked for.
function keepCompiledForm(script, of) {
  const file = process.env.DRIVER_COMPILE_TO;
  if (!file) return;
  process.on('exit', () => {
    const form = script.createCachedData();
    const sums = Buffer.alloc(8);
    sums.writeUInt32LE(zlib.crc32(of), 0);
    sums.writeUInt32LE(zlib.crc32(form), 4);
    fs.writeFileSync(file, Buffer.concat([sums, form]));
  });
}

// The function that runs the driver, or null.
function loadDriver(cli) {
  const lib = path.join(path.dirname(cli), 'lib');
  const name = path.join(lib, 'coreBundle.js');
  const file = fs.readFileSync(name);
  if (!keepDriver(file)) return null;
  require(path.join(lib, 'bootstrap'));
  const script = new vm.Script(`(function (exports, require, module, __filename, __dirname) {${file}\n})`, {
    filename: name,
    cachedData: compiledForm(file),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  keepCompiledForm(script, file);
  const usual = Module.createRequire(name);
  const {libraries, started} = lazyLibraries(() => usual('./utilsBundle'));
  const bundle = {exports: {}};
  const give = (wanted) => wanted === './utilsBundle' ? libraries : usual(wanted);
  script.runInThisContext()(bundle.exports, Object.assign(give, usual), bundle, name, lib);
  started();
  return bundle.exports;
}

const [cli, ...words] = process.argv.slice(2);
process.argv.splice(1, 1); // as without this file
const isDriver = words.join(' ') === 'run-driver' && !process.env.DEBUG;
const run = isDriver ? loadDriver(cli) : null;
if (run) run();
else require(cli);
