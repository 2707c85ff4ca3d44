// Have large results of the browser written to files, instead of passing them on in messages.
//
//     node --require …/result_files.js …/cli.js run-driver
//
// Playwright's driver reads each message of the browser as text, parses it, and writes it again for
// the program that started the driver, which parses it once more. For pictures of many megabytes,
// this takes longer than anything else that the driver does.
//
// A command with the parameter "intoFile" asks for its result in a file. The parameter is removed
// before the command reaches the browser. When the answer comes, the text of its "data" goes to the
// file as it is, still escaped as in JSON, and the message goes on with an empty text. With the
// parameter "decodedIntoFile", the text is base64, and the bytes that it stands for go to the file.
// `result_files.py` is the other side. An answer that is short, is not as expected or cannot be
// written passes unchanged.

'use strict';

const childProcess = require('child_process');
const fs = require('fs');
const path = require('path');

const DIRECTORY = process.env.RESULTS_DIRECTORY;
const SHORT = 1 << 16; // bytes of a message that may as well pass
// Unescaped quotes: never inside a text.
const ASKED = /,"(intoFile|decodedIntoFile)":"(\d{1,9})"/;
const NUMBER = /^\{"id":(\d+),/;
const HEAD = /^\{"id":\d+,"result":\{"data":"/;
const TAIL = /"\}(?:,"sessionId":"\w+")?\}\0$/;
const TAIL_BYTES = 256;

// The message without the text of its result, once that is written; else the message itself.
function shortened(message, wanted) {
  const start = message.toString('latin1', 0, 64);
  const number = Number(NUMBER.exec(start)?.[1]);
  const file = wanted.get(number);
  if (file === undefined) return message;
  wanted.delete(number);
  const head = HEAD.exec(start);
  const tail = TAIL.exec(message.toString('latin1', Math.max(0, message.length - TAIL_BYTES)));
  if (!head || !tail || message.length < SHORT) return message;
  const end = message.length - tail[0].length;
  let data = message.subarray(head[0].length, end);
  if (file.decoded) {
    const text = data.toString('latin1');
    data = Buffer.from(text, 'base64'); // which leaves out what is no base64
    if (data.length !== Buffer.byteLength(text, 'base64')) return message;
  }
  try {
    fs.writeFileSync(path.join(DIRECTORY, file.name), data, {flag: 'wx', mode: 0o600});
  } catch {
    return message;
  }
  return Buffer.concat([message.subarray(0, head[0].length), message.subarray(end)]);
}

// Holds a message back until it is whole, as long as an answer is wanted. The driver does so, too.
function watch(toBrowser, fromBrowser) {
  const wanted = new Map(); // number of a command: its file
  const {write} = toBrowser;
  const {emit} = fromBrowser;
  let parts = []; // of a message that is held back
  let begun = false; // a part of the present message was passed on
  const pass = (data) => {
    begun = data[data.length - 1] !== 0;
    emit.call(fromBrowser, 'data', data);
  };
  toBrowser.write = function (data, ...rest) {
    const asked = typeof data === 'string' ? ASKED.exec(data) : null;
    const id = asked && NUMBER.exec(data);
    if (!id) return write.call(this, data, ...rest);
    wanted.set(Number(id[1]), {name: asked[2], decoded: asked[1] === 'decodedIntoFile'});
    return write.call(this, data.replace(asked[0], ''), ...rest);
  };
  fromBrowser.emit = function (event, ...values) {
    if (event !== 'data') return emit.call(this, event, ...values);
    for (let [data] = values; data.length;) {
      const end = data.indexOf(0) + 1 || data.length;
      if (begun || (!wanted.size && !parts.length)) {
        const passed = begun ? end : data.length;
        pass(data.subarray(0, passed));
        data = data.subarray(passed);
        continue;
      }
      parts.push(data.subarray(0, end));
      if (data[end - 1] === 0) {
        const message = parts.length === 1 ? parts[0] : Buffer.concat(parts);
        parts = [];
        pass(shortened(message, wanted));
      }
      data = data.subarray(end);
    }
    return true;
  };
}

const {spawn} = childProcess;
childProcess.spawn = function (...given) {
  const child = spawn.apply(this, given);
  // The browser's pipes (--remote-debugging-pipe): it reads from descriptor 3 and writes to 4.
  if (DIRECTORY && child.stdio?.[3] && child.stdio[4]) watch(child.stdio[3], child.stdio[4]);
  return child;
};
