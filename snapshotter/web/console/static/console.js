// What makes the console quicker to use. Every page works without it. It writes text and never
// markup: the policy of the pages requires Trusted Types and allows none.

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const KEYS = "snapshotter-keys"; // in localStorage: "off" if the keys are switched off

// --- Forms ---------------------------------------------------------------------------------------

// A form is sent once. A second press would find a disabled button; the server has a key as well.
for (const form of all("form[data-once]")) {
  form.addEventListener("submit", () => {
    const button = one("button:not([type=button])", form);
    if (button) setTimeout(() => { button.disabled = true; }, 0);
  });
}
// After "back" a page may come from the browser's memory, with its buttons disabled.
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of all("form[data-once] button")) button.disabled = false;
});
one("[data-focus]")?.focus();

// What a person began to write is kept in this tab until the form is sent.
for (const place of all("[data-draft]")) {
  const name = `snapshotter-draft/${place.dataset.draft}`;
  const box = one("textarea, input", place);
  const keep = (work) => { try { return work(); } catch (error) { console.warn(error); return null; } }; // storage may be switched off
  if (box.value === "") box.value = keep(() => sessionStorage.getItem(name)) ?? "";
  box.addEventListener("input", () => keep(() => sessionStorage.setItem(name, box.value)));
  box.form?.addEventListener("submit", () => keep(() => sessionStorage.removeItem(name)));
}

// --- Selection -----------------------------------------------------------------------------------

for (const bar of all(".selection")) {
  const form = bar.closest("form");
  const count = one("[data-selected]", bar);
  const toggle = one("[data-select-all]", bar);
  if (!form || !count || !toggle) continue;
  const boxes = () => all("[data-select]", form);
  const show = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    count.textContent = `${chosen} selected`;
    toggle.textContent = chosen === boxes().length && chosen ? "Select none" : "Select all on this page";
  };
  toggle.addEventListener("click", () => {
    const value = boxes().some((box) => !box.checked);
    for (const box of boxes()) box.checked = value;
    show();
  });
  form.addEventListener("change", show);
  count.hidden = toggle.hidden = false;
  show();
}

// --- Copy ----------------------------------------------------------------------------------------

for (const button of all("[data-copy]")) {
  if (!navigator.clipboard) break; // not on a plain http address
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = one("code", button.parentElement).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch (error) {
      button.textContent = "Not copied"; // the browser refused: the text can still be selected
      console.warn(error);
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// --- Live parts ----------------------------------------------------------------------------------

// An element with data-live has the address of a JSON object:
//   {"parts": {name: text}, "classes": {name: classes}, "lists": {name: [{"key": …, "words": {slot: text}, "links": {slot: path},
//    "bars": {slot: [value, max]}, "classes": {slot: name}}]}, "spoken": sentence, "every_ms": …,
//    "reload": true if the page is to be read again}
// A list has a <template> of its rows. Only `spoken` is in a live region, and it changes at steps.
const live = one("[data-live]");
if (live) {
  let spoken = null;
  const fill = (row, item) => {
    for (const [slot, text] of Object.entries(item.words ?? {})) {
      for (const place of all(`[data-slot="${slot}"]`, row)) {
        if (place.textContent !== text) place.textContent = text;
      }
    }
    for (const [slot, path] of Object.entries(item.links ?? {})) {
      // Paths of this server only: a value that begins otherwise is no link.
      if (/^\/(?![/\\])/.test(path)) for (const place of all(`[data-link="${slot}"]`, row)) place.setAttribute("href", path);
    }
    for (const [slot, [value, max]] of Object.entries(item.bars ?? {})) {
      for (const place of all(`[data-bar="${slot}"]`, row)) { place.max = max; place.value = value; }
    }
    for (const [slot, name] of Object.entries(item.classes ?? {})) {
      for (const place of all(`[data-class="${slot}"]`, row)) place.className = name;
    }
  };
  const show = (found) => {
    fill(document, { words: found.parts, classes: found.classes });
    for (const [name, items] of Object.entries(found.lists ?? {})) {
      const list = one(`[data-list="${name}"]`);
      const template = one(`template[data-row="${name}"]`);
      if (!list || !template) continue;
      const known = new Map(all(":scope > [data-key]", list).map((row) => [row.dataset.key, row]));
      let last = null;
      for (const item of items) {
        let row = known.get(item.key);
        known.delete(item.key);
        if (!row) {
          row = template.content.firstElementChild.cloneNode(true);
          row.dataset.key = item.key;
        }
        // A row is moved only where the order changed: moving takes the focus away.
        const place = last ? last.nextElementSibling : list.firstElementChild;
        if (row !== place && !row.contains(document.activeElement)) list.insertBefore(row, place);
        last = row;
        fill(row, item);
      }
      for (const gone of known.values()) if (!gone.contains(document.activeElement)) gone.remove();
      for (const empty of all(`[data-empty="${name}"]`)) empty.hidden = items.length > 0;
    }
    const voice = one("[data-spoken]");
    if (voice && found.spoken !== spoken) {
      if (spoken !== null) voice.textContent = found.spoken;
      spoken = found.spoken;
    }
  };
  for (const place of all("[data-without-script]")) place.hidden = true;
  const poll = async () => {
    let pause = 2000;
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(live.dataset.live, { headers: { Accept: "application/json" }, cache: "no-store" });
        if (answer.status === 401 || answer.status === 403) return; // logged out: the next page says so
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        const found = await answer.json();
        if (found.reload) { location.reload(); return; }
        show(found);
        pause = found.every_ms ?? pause;
        for (const note of all("[data-offline]")) note.hidden = true;
      } catch (error) {
        for (const note of all("[data-offline]")) note.hidden = false; // what is shown is old
        pause = 5000;
        console.warn(error);
      }
    }
    setTimeout(poll, pause);
  };
  setTimeout(poll, 500);
}

// --- Keys ----------------------------------------------------------------------------------------

const stored = () => { try { return localStorage.getItem(KEYS); } catch { return null; } }; // storage may be switched off
const dialog = one("#keys");
const isTyping = (target) => target instanceof Element && target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
let first = ""; // "g", for a second after it
for (const box of all("[data-keys-switch]")) {
  box.checked = stored() !== "off";
  box.disabled = false;
  box.addEventListener("change", () => {
    try { localStorage.setItem(KEYS, box.checked ? "on" : "off"); } catch (error) { console.warn(error); }
    for (const other of all("[data-keys-switch]")) other.checked = box.checked;
  });
}
for (const button of all("[data-keys-open]")) {
  button.hidden = false;
  button.addEventListener("click", () => dialog?.showModal());
}
document.addEventListener("keydown", (event) => {
  // An input method composes with keys of its own, and `keyCode` 229 is how old ones say so.
  if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (stored() === "off" || isTyping(event.target) || (dialog?.open && event.key !== "?")) return;
  const place = first === "g" && one(`#nav a[data-go="${CSS.escape(event.key)}"]`);
  first = "";
  if (place) {
    event.preventDefault();
    place.click();
    return;
  }
  if (event.key === "g") {
    first = "g";
    setTimeout(() => { first = ""; }, 1000);
  } else if (event.key === "/") {
    const box = one("#find");
    if (box) { event.preventDefault(); box.focus(); box.select(); }
  } else if (event.key === "?") {
    if (dialog) { event.preventDefault(); if (dialog.open) dialog.close(); else dialog.showModal(); }
  } else {
    // A page gives a key to a button or a link with data-press; only one that is shown is pressed.
    const target = all(`[data-press="${CSS.escape(event.key)}"]`).find((it) => it.matches("a, button") && it.offsetParent);
    if (target) { event.preventDefault(); target.click(); }
  }
});
