// What all our scripts stand on. They run in an isolated world, where nothing that the page
// did to its own prototypes and globals is seen. One thing still reaches in: an element that is
// named like a property hides it on `document` and on forms (<img name="querySelectorAll">,
// <input name="children">). So properties of documents and elements are read through the
// accessors of their prototypes, never by their names.

const bind = (method) => Function.prototype.call.bind(method);
const getter = (prototype, name) =>
  bind(Object.getOwnPropertyDescriptor(prototype, name).get);

const doc = {};
for (const name of ['documentElement', 'body', 'scrollingElement', 'title', 'doctype', 'fonts'])
  doc[name] = () => getters[name](document);
const getters = {};
for (const name of Object.keys(doc)) getters[name] = getter(Document.prototype, name);

const of = {  // of a node
  attribute: bind(Element.prototype.getAttribute),
  hasAttribute: bind(Element.prototype.hasAttribute),
  setAttribute: bind(Element.prototype.setAttribute),
  removeAttribute: bind(Element.prototype.removeAttribute),
  rects: bind(Element.prototype.getClientRects),
  box: bind(Element.prototype.getBoundingClientRect),
  closest: bind(Element.prototype.closest),
  matches: bind(Element.prototype.matches),
  shown: bind(Element.prototype.checkVisibility),
  animate: bind(Element.prototype.animate),
  tag: getter(Element.prototype, 'localName'),
  shadow: getter(Element.prototype, 'shadowRoot'),
  outerHTML: getter(Element.prototype, 'outerHTML'),
  innerText: getter(HTMLElement.prototype, 'innerText'),
  text: getter(Node.prototype, 'textContent'),
  parent: getter(Node.prototype, 'parentNode'),
  children: getter(Node.prototype, 'childNodes'),
  connected: getter(Node.prototype, 'isConnected'),
  base: getter(Node.prototype, 'baseURI'),
  host: getter(ShadowRoot.prototype, 'host'),
};
const allOfDocument = bind(Document.prototype.querySelectorAll);
const allOfFragment = bind(DocumentFragment.prototype.querySelectorAll);
const allOfElement = bind(Element.prototype.querySelectorAll);
const all = (root, selector) =>
  root instanceof Document ? allOfDocument(root, selector)
  : root instanceof DocumentFragment ? allOfFragment(root, selector)
  : allOfElement(root, selector);
// Of HTML in any document: in one of XML, an element without a namespace is none of HTML.
const create = (name) =>
  bind(Document.prototype.createElementNS)(document, 'http://www.w3.org/1999/xhtml', name);

// Closed shadow roots are handed to us over the protocol: no script can find them.
const closedRoots = new Map();  // host to root
const shadowOf = (element) => of.shadow(element) ?? closedRoots.get(element) ?? null;

// The document and its shadow trees, each before those inside it, in document order.
let knownRoots = null;
let knownAt = -1;
function roots(fresh = false) {
  if (!fresh && knownRoots && knownAt === mutations) return knownRoots;
  const found = [];
  const visit = (root) => {
    found.push(root);
    for (const element of all(root, '*')) {
      const shadow = shadowOf(element);
      if (shadow) visit(shadow);
    }
  };
  visit(document);
  for (const root of found) watch(root);
  [knownRoots, knownAt] = [found, mutations];
  return found;
}
const everywhere = (selector) => roots().flatMap((root) => [...all(root, selector)]);

// Changes of the document since we came: nodes put in or taken out, texts that were changed.
let mutations = 0;
const observer = new MutationObserver((records) => { mutations += records.length; });
// The same and changes of attributes, which are many on some pages: only where we click.
let touches = 0;
let watchesAttributes = false;
const attributeObserver = new MutationObserver((records) => { touches += records.length; });
const watched = new WeakSet();
const watchers = [];  // further ones, each told of every root
function onWatch(observe) {
  watchers.push(observe);
  observe(document);
}
function watch(root) {
  if (watched.has(root)) return;
  watched.add(root);
  for (const observe of watchers) observe(root);
  observer.observe(root, {childList: true, characterData: true, subtree: true});
  if (watchesAttributes) attributeObserver.observe(root, {attributes: true, subtree: true});
}
function watchAttributes() {
  if (watchesAttributes) return;
  watchesAttributes = true;
  for (const root of roots(true)) attributeObserver.observe(root, {attributes: true, subtree: true});
}
watch(document);

function measure() {
  mutations += observer.takeRecords().length;
  touches += attributeObserver.takeRecords().length;
  const root = doc.documentElement();
  return {
    nodes: all(document, '*').length,
    text: root ? of.text(root).length : 0,
    mutations,
    touches: touches + mutations,
  };
}

const frames = (count) => new Promise((done) => {
  const next = () => (count-- > 0 ? requestAnimationFrame(next) : done());
  next();
});
// A task that a frame's own callback posts runs when that frame is laid out and its observers
// are computed: half the time of waiting for the next frame's callback.
const drawn = () => new Promise((done) => requestAnimationFrame(() => {
  const {port1, port2} = new MessageChannel();
  port1.onmessage = () => { port1.close(); done(); };
  port2.postMessage(null);
}));
// What a promise gives, or `undefined` after some time; no timer is left behind.
const within = (ms, promise) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  promise.then((value) => { clearTimeout(timer); done(value); });
});

const FAR = 5000;  // siblings that are counted: there may be half a million, and many ways
// A way to an element that a reader can follow: its id, or its place among its siblings.
function pathOf(element) {
  const parts = [];
  for (let at = element; at instanceof Element && parts.length < 6; at = of.parent(at)) {
    const id = of.attribute(at, 'id');
    if (id && /^[A-Za-z][\w-]{0,60}$/.test(id)) { parts.unshift(`#${id}`); break; }
    let place = 1;
    for (let it = at.previousElementSibling; it && place < FAR; it = it.previousElementSibling)
      if (of.tag(it) === of.tag(at)) place += 1;
    parts.unshift(`${of.tag(at)}:nth-of-type(${place < FAR ? place : `n + ${FAR}`})`);
  }
  return parts.join(' > ');
}

const cut = (text, limit = 2000) => (text.length > limit ? `${text.slice(0, limit)}…` : text);

lib.measure = measure;
// The number of a timer set now: the browser numbers those of a document one by one.
lib.timerNumber = () => {
  const number = setTimeout(() => {}, 0);
  clearTimeout(number);
  return number;
};
lib.adopt = (root) => { closedRoots.set(of.host(root), root); knownRoots = null; watch(root); };
