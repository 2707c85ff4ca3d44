"use strict";
// Compares this page and its files with its signed list. It loads nothing from the network, and makes
// no markup: all that it shows is text. It finds damage, but no forgery: see "with another program".
(function () {
  // By the prototypes: an element whose name is that of a method does not take its place.
  const byId = (id) => Document.prototype.getElementById.call(document, id);
  const BLOCK = 77 * 4096; // characters: whole lines of base64, each 76 and a newline

  // SHA-256 (FIPS 180-4), for browsers that have none for pages from a disk.
  const K = new Uint32Array(64), START = new Uint32Array(8);
  (function () { // the first 32 bits of the fractions of roots of the first primes
    const fraction = (x) => Math.floor((x - Math.floor(x)) * 4294967296);
    for (let n = 2, found = 0; found < 64; n++) {
      let prime = true;
      for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
      if (!prime) continue;
      if (found < 8) START[found] = fraction(Math.sqrt(n));
      K[found++] = fraction(Math.cbrt(n));
    }
  })();
  function blocks(state, bytes, from, to) {
    const w = new Uint32Array(64);
    for (let at = from; at < to; at += 64) {
      for (let i = 0; i < 16; i++) {
        const j = at + 4 * i;
        w[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
      }
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15], y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
      }
      state[0] += a; state[1] += b; state[2] += c; state[3] += d;
      state[4] += e; state[5] += f; state[6] += g; state[7] += h;
    }
  }
  function ownSha256(bytes) {
    const state = Uint32Array.from(START);
    const whole = bytes.length - (bytes.length % 64);
    blocks(state, bytes, 0, whole);
    const rest = bytes.subarray(whole);
    const last = new Uint8Array(rest.length < 56 ? 64 : 128);
    last.set(rest);
    last[rest.length] = 0x80;
    const view = new DataView(last.buffer);
    view.setUint32(last.length - 8, Math.floor(bytes.length / 536870912));
    view.setUint32(last.length - 4, (bytes.length * 8) >>> 0);
    blocks(state, last, 0, last.length);
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
  }
  const subtle = window.crypto && window.crypto.subtle;
  async function sha256(bytes) {
    if (!subtle) return ownSha256(bytes);
    const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Bytes from base64 as the `base64` command prints it: in no other spelling.
  function decoded(text) {
    const pieces = [];
    let length = 0;
    for (let at = 0; at < text.length; at += BLOCK) {
      const block = text.slice(at, at + BLOCK), line = block.replaceAll("\n", ""), raw = atob(line);
      if (btoa(raw) !== line || !/^(?:[^\n]{76}\n)*(?:[^\n]{1,76}\n)?$/.test(block)) throw new Error("another spelling");
      const piece = new Uint8Array(raw.length);
      for (let i = 0; i < raw.length; i++) piece[i] = raw.charCodeAt(i);
      pieces.push(piece);
      length += piece.length;
    }
    if (pieces.length === 1) return pieces[0];
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) { bytes.set(piece, at); at += piece.length; }
    return bytes;
  }

  // ECDSA as the list has it, DER, to how browsers take it: r and s, each as long as the curve.
  function rawSignature(der, size) {
    const out = new Uint8Array(2 * size);
    let at = der[1] & 0x80 ? 3 : 2;
    for (let half = 0; half < 2; half++) {
      let length = der[at + 1], from = at + 2;
      at = from + length;
      while (length > size) { from++; length--; }
      out.set(der.subarray(from, from + length), (half + 1) * size - length);
    }
    return out;
  }
  // The one signature of a pack: shortest DER, and of the twins (r, s) and (r, n - s) the smaller s.
  const HALF = { // n / 2
    "P-384": "7fffffffffffffffffffffffffffffffffffffffffffffffe3b1a6c0fa1b96efac0d06d9245853bd76760cb5666294b9",
    "P-256": "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
  };
  function hasOneSpelling(der, raw, curve) {
    const size = raw.length / 2, again = [0x30, 0];
    for (const half of [raw.subarray(0, size), raw.subarray(size)]) {
      let from = 0;
      while (from < size - 1 && !half[from]) from++;
      const number = [...(half[from] & 0x80 ? [0] : []), ...half.subarray(from)];
      again.push(2, number.length, ...number);
    }
    again[1] = again.length - 2;
    const s = Array.from(raw.subarray(size), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return again.join() === Array.from(der).join() && s <= HALF[curve];
  }
  async function signatureHolds(signed, seal) {
    const lines = seal.public_key.split("\n"), coded = lines.slice(1, -2).join("");
    const der = bytesOf(coded), wrapped = coded.match(/.{1,64}/g).join("\n");
    const pem = "-----BEGIN PUBLIC KEY-----\n" + wrapped + "\n-----END PUBLIC KEY-----\n";
    if (pem !== seal.public_key || (await sha256(der)) !== seal.key_id) return false;
    const signature = bytesOf(seal.signature);
    const curve = der.length > 100 ? ["P-384", "SHA-384", 48] : ["P-256", "SHA-256", 32];
    const raw = rawSignature(signature, curve[2]);
    if (!hasOneSpelling(signature, raw, curve[0])) return false;
    if (!subtle) return null;
    const key = await subtle.importKey("spki", der, { name: "ECDSA", namedCurve: curve[0] }, false, ["verify"]);
    return subtle.verify({ name: "ECDSA", hash: curve[1] }, key, raw, signed);
  }
  function bytesOf(base64) {
    const raw = atob(base64);
    if (btoa(raw) !== base64) throw new Error("the signed list is not in its one form");
    return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
  }

  // Everything that the browser made of the file, as the list's `text_sha256` has it: see
  // proof-pack.md, "What the page compares". Read by the prototypes' own getters, as above.
  const getter = (owner, name) => {
    const get = Object.getOwnPropertyDescriptor(owner.prototype, name).get;
    return (node) => get.call(node);
  };
  const nodesOf = getter(Node, "childNodes"), kindOf = getter(Node, "nodeType"), nameOf = getter(Element, "localName");
  const attributesOf = getter(Element, "attributes"), spaceOf = getter(Element, "namespaceURI");
  const textOf = getter(CharacterData, "data"), shadowOf = getter(Element, "shadowRoot");
  const HTML = "http://www.w3.org/1999/xhtml";
  function listed(node, inside, found) {
    for (const child of nodesOf(node)) {
      const kind = kindOf(child), last = found[found.length - 1];
      if (kind === Node.ELEMENT_NODE) {
        const name = nameOf(child), attributes = Array.from(attributesOf(child));
        const row = ["element", spaceOf(child) === HTML ? name : spaceOf(child) + " " + name];
        for (const it of attributes) row.push(it.name, it.value);
        if (shadowOf(child)) row.push("shadow");
        found.push(row);
        const isData = name === "script" && attributes.some((it) => it.name === "type" && it.value === "text/plain");
        if (!isData) listed(child, name, found); // what is in those is compared by other means
        found.push(["end"]);
      } else if (kind === Node.TEXT_NODE) {
        const text = textOf(child);
        if (inside === "html" && /^[\t\n\f\r ]*$/.test(text)) continue;
        if (last[0] === "text") last[1] += text;
        else found.push(["text", text]);
      } else if (kind === Node.COMMENT_NODE) {
        found.push(["comment", textOf(child)]);
      } else { // the document's type
        found.push(["doctype", [child.name, child.publicId, child.systemId].join(" ").trim()]);
      }
    }
    return found;
  }
  // Elements can be given other content to show than they hold (a shadow tree, which may be closed
  // to scripts). So each is made anew of what was compared: that is then what is shown.
  function showWhatWasListed() {
    const hosts = "article, aside, blockquote, body, div, footer, h1, h2, h3, h4, h5, h6, header, main, nav, p, section, span";
    for (const old of Document.prototype.querySelectorAll.call(document, hosts)) {
      const fresh = document.createElement(nameOf(old));
      for (const it of attributesOf(old)) fresh.setAttribute(it.name, it.value);
      fresh.append(...nodesOf(old));
      old.replaceWith(fresh);
    }
  }

  function tell(state, text) {
    document.documentElement.className = state;
    document.documentElement.dataset.state = state;
    byId("verdict").textContent = (state === "good" ? "✓ " : state === "bad" ? "✗ " : "… ") + text;
  }

  async function check() {
    const encoder = new TextEncoder();
    const shown = encoder.encode(JSON.stringify(listed(document, "", []))); // before anything is changed
    showWhatWasListed();
    tell("checking", "Checking this file …");
    const lines = byId("manifest").textContent.split("\n");
    const manifest = JSON.parse(lines[1]), seal = JSON.parse(lines[2]);
    const wrong = [];
    const inForm = lines.length === 4 && !lines[0] && !lines[3] && JSON.stringify(seal) === lines[2]
      && Object.keys(seal).join() === "key_id,public_key,signature";
    const signature = inForm && (await signatureHolds(encoder.encode(lines[1] + "\n"), seal));
    if (signature === false) wrong.push("the signed list");
    if ((await sha256(shown)) !== manifest.text_sha256) {
      wrong.push("the text that you read in this file (an add-on of the browser that changes pages has the same effect: try without add-ons)");
    }
    const elements = document.querySelectorAll("script.part");
    const rows = byId("files").tBodies[0].rows;
    if (elements.length !== manifest.parts.length || rows.length !== manifest.parts.length) {
      wrong.push("the number of files");
    }
    for (let i = 0; i < manifest.parts.length; i++) {
      const part = manifest.parts[i], element = elements[i], row = rows[i];
      let bytes = null;
      try {
        const text = element.textContent;
        if (element.dataset.name === part.name && text[0] === "\n") bytes = decoded(text.slice(1));
      } catch (error) {
        bytes = null; // not base64 as it was written: altered
      }
      const good = bytes !== null && bytes.length === part.length && (await sha256(bytes)) === part.sha256;
      const what = row.cells[1].textContent;
      row.cells[0].textContent = good ? "✓ unchanged" : "✗ ALTERED";
      row.cells[0].className = good ? "good" : "bad";
      if (!good) { wrong.push(what); continue; }
      const address = URL.createObjectURL(new Blob([bytes], { type: part.media_type }));
      const link = document.createElement("a");
      link.href = address;
      link.download = part.name;
      link.textContent = part.name;
      row.cells[2].replaceChildren(link);
      if (part.role === "picture" && byId("picture")) byId("picture").src = address;
      await new Promise((resolve) => setTimeout(resolve)); // the page stays awake between files
    }
    byId("compared").textContent = "Compared: every file, character by character, and everything that the browser made of "
      + "the page, shown or hidden: its title, words, attributes, comments, style and script. "
      + (signature === null ? "The signature of the list was not checked. " : "The signature of the list was checked. ")
      + "Not compared: details of the HTML code that change nothing in the browser.";
    const files = manifest.parts.length + " files";
    if (wrong.length) {
      tell("bad", "ALTERED: " + wrong.join("; ") + ". Do not rely on this file.");
    } else if (signature === null) {
      tell("good", "All " + files + " and everything that this page shows match the list. This browser could not check the signature of the list.");
    } else {
      tell("good", "All " + files + " and everything that this page shows match the signed list exactly.");
    }
    byId("key").textContent = "The list names the key " + seal.key_id
      + ". Compare this fingerprint with the fingerprint that its owner published elsewhere. This page cannot know whose key it is.";
  }
  // What stands behind this script is part of the file as well.
  const whole = document.readyState !== "loading" ? Promise.resolve()
    : new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
  whole.then(check).catch((error) => tell("bad", "This file could not be checked: " + error.message + ". Do not rely on it."));
})();
