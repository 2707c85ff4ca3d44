// The text of a frame and of its shadow trees, what of it is hidden, and its document.

const HIDDEN_BLOCKS = 2000;
const NO_TEXT = 'script, style, noscript, template, title';

const rendered = (element) =>
  element instanceof HTMLElement ? of.innerText(element) : of.text(element);

// A shadow root has no innerText itself; its elements have.
function textOfRoot(root) {
  const parts = [];
  for (const node of of.children(root)) {
    if (node instanceof Text) parts.push(node.data.trim());
    else if (node instanceof HTMLElement && !of.matches(node, NO_TEXT)) parts.push(rendered(node));
  }
  return parts.filter((part) => part.trim()).join('\n');
}

lib.text = (most) => {
  const read = doc.body() ?? doc.documentElement();
  const trees = roots(true).slice(1);
  const shadows = trees.slice(0, most).map((root) =>
    ({host: of.tag(of.host(root)), text: textOfRoot(root)}));
  return {text: read ? rendered(read) ?? '' : '', shadows: shadows.filter(({text}) => text.trim()),
    more: Math.max(0, trees.length - most), language: ''};
};

// Text that stands in the document and that a reader does not see, with why. One entry for
// each outermost hidden element. What is transparent or clipped is laid out all the same, so
// it is in the frame's text too.
function whyHidden(element) {
  if (!of.shown(element)) {
    const details = of.closest(element, 'details:not([open])');
    return details && !of.closest(element, 'summary') ? 'closed-details' : 'not-rendered';
  }
  if (!of.shown(element, {visibilityProperty: true})) return 'invisible';
  if (!of.shown(element, {opacityProperty: true})) return 'transparent';
  const style = getComputedStyle(element);
  if (parseFloat(style.fontSize) < 2) return 'tiny';
  for (let at = element, steps = 0; at && steps < 3; at = above(at), steps += 1) {
    const its = at === element ? style : getComputedStyle(at);
    if (/^rect\(0px,? 0px,? 0px,? 0px\)|^rect\(1px,? 1px,? 1px,? 1px\)/.test(its.clip)
      || /inset\(\s*(50|100)%/.test(its.clipPath)) return 'clipped';
    const box = of.box(at);
    if (its.overflow !== 'visible' && box.width <= 1 && box.height <= 1) return 'clipped';
  }
  return '';
}

lib.hiddenText = () => {
  const blocks = [], known = new Map();
  const why = (element) => {  // of an element, by the nearest decision that was made above it
    if (!known.has(element)) known.set(element, whyHidden(element));
    return known.get(element);
  };
  let characters = 0;
  for (const root of roots()) {
    const walker = bind(Document.prototype.createTreeWalker)(document, root, NodeFilter.SHOW_TEXT);
    let last = null;
    for (let node; (node = walker.nextNode()) && blocks.length < HIDDEN_BLOCKS;) {
      if (!node.data.trim()) continue;
      const parent = of.parent(node);
      if (!(parent instanceof Element) || of.closest(parent, NO_TEXT)) continue;
      const reason = why(parent);
      if (!reason) { last = null; continue; }
      if (last && last.reason === reason && last.top.contains(node)) {
        last.parts.push(node.data);
        continue;
      }
      let top = parent;
      for (let up = above(top); up && up !== doc.body() && why(up) === reason; up = above(up)) top = up;
      last = {reason, top, parts: [node.data]};
      blocks.push(last);
    }
  }
  return blocks.map(({reason, top, parts}) => {
    const text = parts.map((part) => part.trim()).filter((part) => part).join('\n');
    characters += text.length;
    return {reason, path: pathOf(top), text: characters < 4e6 ? text : cut(text, 100)};
  });
};

// The document as it stands, doctype and comments included; shadow trees as declarative ones.
lib.html = () => {
  const parts = [];
  for (const node of of.children(document)) {
    if (node instanceof DocumentType) {
      const ids = node.publicId ? ` PUBLIC "${node.publicId}"${node.systemId ? ` "${node.systemId}"` : ''}`
        : node.systemId ? ` SYSTEM "${node.systemId}"` : '';
      parts.push(`<!DOCTYPE ${node.name}${ids}>`);
    } else if (node instanceof Comment) parts.push(`<!--${node.data}-->`);
    else if (node instanceof Element) parts.push(of.outerHTML(node));
  }
  return {html: parts.join('\n')};
};
