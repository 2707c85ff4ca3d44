// Where things stand on the page, for its pictures.

let box = null;

// The box that scrolls in the page's place: what scrolling found, or the body itself.
function boxOfPage() {
  const found = findInner();
  if (found) return found;
  const body = doc.body();
  if (!body || body === doc.scrollingElement()) return null;
  const scrolls = /auto|scroll|overlay/.test(getComputedStyle(body).overflowY);
  return scrolls && body.scrollHeight - body.clientHeight > 20 ? body : null;
}

lib.drawn = async () => { await frames(2); return true; };

lib.innerBox = async (top, anew) => {
  if (anew) box = boxOfPage();
  if (!box || !of.connected(box)) return {there: false};
  if (top !== null) box.scrollTo({top, left: 0, behavior: 'instant'});
  await frames(2);
  return {there: true, name: pathOf(box), whole: box.scrollHeight, shown: box.clientHeight,
    top: Math.round(box.scrollTop)};
};

// Whether there are texts or images between two heights that somebody would see. What has the
// colour that is there already does not count, nor what only touches the range.
lib.showsSomething = (from, to, [red, green, blue]) => {
  const end = performance.now() + 500, down = scrollY, wide = doc.documentElement().scrollWidth;
  const near = (colour) => {
    const part = (colour.match(/[\d.]+/g) ?? []).map(Number);
    if (part.length > 3 && part[3] < 0.1) return true;
    return Math.abs(part[0] - red) + Math.abs(part[1] - green) + Math.abs(part[2] - blue) < 24;
  };
  const here = (it) => {
    const across = it.left + it.width / 2, middle = it.top + it.height / 2 + down;
    return it.width * it.height >= 40 && across > 0 && across < wide
      && middle > from + 2 && middle < to - 2;
  };
  const seen = (element) => of.shown(element, {opacityProperty: true, visibilityProperty: true,
    contentVisibilityAuto: true});
  const range = new Range();
  for (const root of roots()) {
    const walk = bind(Document.prototype.createTreeWalker)(
      document, root instanceof Document ? doc.documentElement() : root,
      NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      if (performance.now() > end) return {shows: false};
      const node = walk.currentNode;
      if (node instanceof Element) {
        if (node instanceof HTMLImageElement && node.complete && node.naturalWidth >= 32
            && node.naturalHeight >= 32 && here(of.box(node)) && seen(node)) return {shows: true};
        continue;
      }
      const parent = of.parent(node);
      if (!(parent instanceof Element) || of.text(node).trim().length < 3) continue;
      range.selectNodeContents(node);
      if (![...range.getClientRects()].some(here) || !seen(parent)) continue;
      if (!near(getComputedStyle(parent).color)) return {shows: true};
    }
  }
  return {shows: false};
};
