// Down the page by steps, and back. The page's main scroll container may be an element.

const INNER_AREA = 0.35;  // of the viewport that an inner container has to cover
const INNER_RANGE = 0.3;  // of its own height that it has to be able to scroll
const SAMPLES_PER_STEP = 8;
const SAMPLE_TEXT = 200;  // characters that are compared

// Steps in a row that do not go down, and how long: the page does not let itself be scrolled. A
// page that holds itself for the moment in which it loads more does.
const BLOCKED = 2;
const BLOCKED_MS = 250;

let inner = null;
let blocked = 0, movedAt = 0;
let samples = [];

const pageHeight = () => (doc.scrollingElement() ?? doc.documentElement())?.scrollHeight ?? 0;

function scrollers() {
  return inner && of.connected(inner) ? [null, inner] : [null];
}

function place(scroller) {
  return scroller
    ? {top: Math.round(scroller.scrollTop), view: scroller.clientHeight,
       height: scroller.scrollHeight}
    : {top: Math.round(scrollY), view: innerHeight, height: pageHeight()};
}

// The element that scrolls where a document would: large, in view, with more than it shows.
function findInner() {
  let best = null, most = 0;
  const seen = new Set();
  for (const x of [0.5, 0.3, 0.7]) for (const y of [0.5, 0.3, 0.8]) {
    for (let at = deepest(innerWidth * x, innerHeight * y); at; at = above(at)) {
      if (seen.has(at)) break;
      seen.add(at);
      if (at === doc.documentElement() || at === doc.body() || !(at instanceof HTMLElement)) continue;
      const box = of.box(at), range = at.scrollHeight - at.clientHeight;
      if (range < at.clientHeight * INNER_RANGE || range <= most) continue;
      if (box.width * box.height < innerWidth * innerHeight * INNER_AREA) continue;
      if (!/auto|scroll|overlay/.test(getComputedStyle(at).overflowY)) continue;
      [best, most] = [at, range];
    }
  }
  return best;
}

const fromDocument = bind(Document.prototype.elementFromPoint);
const fromShadow = bind(ShadowRoot.prototype.elementFromPoint);
function deepest(x, y) {
  let element = fromDocument(document, x, y);
  for (let shadow; element && (shadow = shadowOf(element));) {
    const below = fromShadow(shadow, x, y);
    if (!below || below === element) break;
    element = below;
  }
  return element;
}
const above = (node) => {
  const parent = of.parent(node);
  return parent instanceof ShadowRoot ? of.host(parent) : parent instanceof Element ? parent : null;
};

// Blocks of text that stand on the screen now: whether they are still there at the end tells
// a page that takes its rows away from one that keeps them.
function sample(offset) {
  for (let i = 0; i < SAMPLES_PER_STEP; i += 1) {
    const element = deepest(innerWidth * (i % 2 ? 0.35 : 0.5),
      innerHeight * (i + 0.5) / SAMPLES_PER_STEP);
    if (!element || element === doc.body() || element === doc.documentElement()) continue;
    const text = of.text(element).trim();
    if (text && text.length <= 2000)
      samples.push({element, text: text.slice(0, SAMPLE_TEXT), offset});
  }
}

lib.beginScroll = () => {
  const document_ = place(null);
  inner = document_.height - document_.view < document_.view * 0.2 ? findInner() : null;
  samples = [];
  [blocked, movedAt] = [0, performance.now()];
  sample(0);
  return {...document_, inner: inner ? pathOf(inner) : '', change: measure()};
};

// Down by steps, one a frame; `instant` wins over smooth scrolling. Each is taken in the frame's
// own callback, so that this very frame is laid out at the new place and its observers are
// computed there; when the next callback comes, that is done, and so are the page's scroll
// handlers. Answers at the bottom, at a limit, or after a while with no word of why, so that the
// caller can look after limits of its own.
lib.scrollDown = async ({part, steps, ms, height}, which) => {
  const scroller = scrollers()[which] ?? null;
  const end = performance.now() + ms;
  let at = place(scroller), done = 0, stopped = '';
  await frames(1);
  while (!stopped && done < steps && (!done || performance.now() < end)) {
    const before = place(scroller);
    const by = {top: Math.max(1, Math.floor(before.view * part)), behavior: 'instant'};
    if (scroller) scroller.scrollBy(by); else scrollBy(by);
    await frames(1);
    at = place(scroller);
    sample(at.top);
    if (at.top > before.top) [blocked, movedAt] = [0, performance.now()];
    else blocked += 1;
    if (blocked <= BLOCKED) done += 1;  // more of these are no steps, they wait
    const bottom = at.top + at.view;
    // Rounded figures: a pixel more or less is the bottom all the same.
    if (bottom >= at.height - 2) stopped = 'bottom';
    else if (bottom >= height) stopped = 'height';
    else if (blocked >= BLOCKED && performance.now() - movedAt >= BLOCKED_MS) stopped = 'blocked';
  }
  return {...at, steps: done, stopped};
};

lib.pageHeight = (which) => place(scrollers()[which] ?? null).height;

// How many of the blocks that were seen well above are gone or say something else now.
lib.endScroll = (which) => {
  const {top, view} = place(scrollers()[which] ?? null);
  let seen = 0, gone = 0;
  const counted = new Set();
  for (const {element, text, offset} of samples) {
    if (offset > top - 2 * view || counted.has(text)) continue;
    counted.add(text);
    seen += 1;
    if (!of.connected(element) || of.text(element).trim().slice(0, SAMPLE_TEXT) !== text) gone += 1;
  }
  samples = [];
  return {seen, gone, change: measure()};
};

lib.toTop = async () => {
  let moved = false;
  for (const scroller of scrollers()) {
    moved ||= place(scroller).top > 0;
    if (scroller) scroller.scrollTo({top: 0, behavior: 'instant'});
    else scrollTo({top: 0, left: 0, behavior: 'instant'});
  }
  if (moved) await frames(2);
  return {moved, top: Math.round(scrollY)};
};

// One stretch of a page that takes its rows away: scroll to it, and read what stands there.
lib.segment = async (top, which) => {
  const scroller = scrollers()[which] ?? null;
  if (scroller) scroller.scrollTo({top, behavior: 'instant'});
  else scrollTo({top, behavior: 'instant'});
  await frames(2);
  const read = scroller ?? doc.body();
  return {...place(scroller), text: read ? of.innerText(read) ?? '' : ''};
};
