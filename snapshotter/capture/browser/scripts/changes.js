// What changed of a frame since it was held still: is what is photographed what is read?
//
// A place that had changed again and again before (a ticker, a clock, a counter) is told apart
// from one that changes now: it changes for ever, and no later picture shows more of the page.

const RESTLESS = 3;  // changes of a place before it was held still
const GROWN = 200;  // characters by which a text grows that is more than another number in a ticker
const PLACES = 5;
const SHOWING = ['class', 'style', 'hidden', 'open', 'src', 'srcset', 'data', 'poster'];

const changeCounts = new WeakMap();  // of a node: its changes since we came
let changedNodes = new Map();  // since the frame was held still: node to whether it is restless
let held = null;  // the frame as it was then

function count(records) {
  for (const {type, target, removedNodes} of records) {
    const before = changeCounts.get(target) ?? 0;
    changeCounts.set(target, before + 1);
    // What is only put in may be new, however often something was put in before.
    const isNew = before < RESTLESS || (type === 'childList' && !removedNodes.length);
    if (isNew || !changedNodes.has(target)) changedNodes.set(target, isNew);
  }
}
const changeObserver = new MutationObserver(count);
onWatch((root) => changeObserver.observe(root,
  {childList: true, characterData: true, subtree: true, attributeFilter: SHOWING}));

function standing() {
  const root = doc.documentElement(), {loaded} = fontState();
  const images = lookAtImages().filter(({state}) => state === 'loaded').length;
  return {images, fonts: loaded, height: pageHeight(), text: root ? of.text(root).length : 0};
}

function hold() {
  count(changeObserver.takeRecords());
  changedNodes = new Map();
  held = standing();
}

// Before pictures that are taken while the page is observed. `finish` tells what changed since.
lib.holdStill = async ({decodeMs}) => {
  restoreLoading();
  roots(true);
  await within(decodeMs, Promise.all(decode(lookAtImages())));
  hold();
  return {still: !skipsContent() && !movesByClock()};
};

const placeOf = (node) => pathOf(node instanceof Element ? node : of.parent(node))
  || (node instanceof ShadowRoot ? `shadow root of ${pathOf(of.host(node))}` : 'the document');

lib.sinceHeld = () => {
  count(changeObserver.takeRecords());
  if (!held) { hold(); return {isOther: true}; }  // a document that came since
  const now = standing(), places = {fresh: [], restless: []};
  let fresh = 0;
  for (const [node, isNew] of changedNodes) {
    fresh += isNew;
    const list = isNew ? places.fresh : places.restless;
    if (list.length < PLACES) list.push(cut(placeOf(node), 200));
  }
  return {isOther: false, fresh, restless: changedNodes.size - fresh, places,
    images: now.images - held.images, fonts: now.fonts - held.fonts,
    height: now.height - held.height, grown: now.text - held.text > GROWN};
};
