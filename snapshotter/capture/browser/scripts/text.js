// The text of a frame and of its shadow trees, what of it is hidden, and its document.

const HIDDEN_BLOCKS = 2000;
const HIDDEN_CHARACTERS = 4e6;
const HIDDEN_MS = 2000;  // that it is looked for: each element costs a look at its style
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

function textOfFrame(most) {
  const read = doc.body() ?? doc.documentElement();
  const trees = roots(true).slice(1);
  const shadows = trees.slice(0, most).map((root) =>
    ({host: of.tag(of.host(root)), text: textOfRoot(root)}));
  return {text: read ? rendered(read) ?? '' : '', shadows: shadows.filter(({text}) => text.trim()),
    more: Math.max(0, trees.length - most)};
}

// Why text that is laid out is not seen all the same; '' when it is. It is in `text` too.
function whyUnseen(element) {
  element = boxOf(element);
  if (!of.shown(element, {visibilityProperty: true})) return 'invisible';
  if (!of.shown(element, {opacityProperty: true})) return 'transparent';
  const style = getComputedStyle(element);
  if (parseFloat(style.fontSize) < 2) return 'tiny';
  for (let at = element, steps = 0; at && steps < 3; at = above(at), steps += 1) {
    const its = at === element ? style : getComputedStyle(at);
    if (/^rect\((0|1)px,? (0|1)px,? (0|1)px,? (0|1)px\)/.test(its.clip)
      || /inset\(\s*(50|100)%/.test(its.clipPath)) return 'clipped';
    const box = of.box(at);
    if (its.overflow !== 'visible' && its.display !== 'contents' && box.width <= 1
      && box.height <= 1) return 'clipped';
  }
  return '';
}

// `display: contents` has no box of its own and hides nothing.
function boxOf(element) {
  let at = element;
  while (at && getComputedStyle(at).display === 'contents') at = above(at);
  return at ?? element;
}

function isInClosedDetails(element) {
  for (let at = element; at;) {
    const details = of.closest(at, 'details:not([open])');
    if (!details) return false;
    const summary = of.closest(at, 'summary');
    if (!summary || of.parent(summary) !== details) return true;
    at = above(details);
  }
  return false;
}

const NOT_LAID_OUT = 'script, style, noscript, template, title, select, datalist';
const BLOCK = 'address, article, aside, blockquote, dd, details, div, dl, dt, figcaption, figure,'
  + 'footer, form, h1, h2, h3, h4, h5, h6, header, li, main, nav, ol, p, pre, section, summary,'
  + 'table, td, th, tr, ul';

// Text that stands in the document and that a reader does not see, with why: one entry for
// each outermost element that is hidden in the same way.
function hiddenText() {
  const blocks = [], known = new Map(), range = new Range();
  const why = (element) => {
    if (!known.has(element)) known.set(element, whyUnseen(element));
    return known.get(element);
  };
  let last = null, block = null, isWhole = true;
  const end = performance.now() + HIDDEN_MS;
  for (const root of roots()) {
    const walker = bind(Document.prototype.createTreeWalker)(document, root, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()) && blocks.length < HIDDEN_BLOCKS;) {
      if (performance.now() > end) { isWhole = false; break; }
      if (!node.data.trim()) continue;
      const parent = of.parent(node);
      if (!(parent instanceof Element) || of.closest(parent, NOT_LAID_OUT)) continue;
      range.selectNodeContents(node);
      const closed = isInClosedDetails(parent);
      // The text in a text area has no box of its own: what it shows is its value.
      const hasBox = parent instanceof HTMLTextAreaElement || range.getClientRects().length > 0;
      const laidOut = !closed && hasBox && of.shown(boxOf(parent));
      const reason = closed ? 'closed-details' : laidOut ? why(parent) : 'not-rendered';
      if (!reason) { last = null; continue; }
      const its = of.closest(parent, BLOCK);
      if (last && last.reason === reason && bind(Node.prototype.contains)(last.top, node)) {
        last.parts.push(its === block ? '' : '\n', node.data);
        block = its;
        continue;
      }
      let top = parent;
      for (let up = above(top); up && up !== doc.body(); up = above(up)) {
        if (closed ? !isInClosedDetails(up) : laidOut ? why(up) !== reason : of.shown(boxOf(up))) break;
        top = up;
      }
      block = its;
      last = {reason, top, parts: [node.data]};
      blocks.push(last);
    }
  }
  let left = HIDDEN_CHARACTERS;
  const found = blocks.map(({reason, top, parts}) => {
    const text = parts.join('').replace(/[ \t]*\n\s*/g, '\n').trim();
    const kept = cut(text, Math.max(100, left));
    left -= kept.length;
    return {reason, path: pathOf(top), text: kept};
  });
  return {found, isWhole};
}

// Everything that is to be read of a frame. The text is what counts: the rest may fail alone.
lib.read = ({shadowRoots}) => {
  const answer = {...textOfFrame(shadowRoots), hidden: [], glyphs: [], forms: [], failed: []};
  try {
    const {found, isWhole} = hiddenText();
    answer.hidden = found;
    if (!isWhole) answer.failed.push(`hidden text: the search did not end within ${HIDDEN_MS} ms`);
  } catch (error) { answer.failed.push(`hidden text: ${error}`); }
  try {
    const {found, more} = formValues();
    answer.forms = found;
    if (more) answer.failed.push(`form values: controls over the limit: ${more}`);
  } catch (error) { answer.failed.push(`form values: ${error}`); }
  try { answer.glyphs = missingGlyphs(); } catch (error) { answer.failed.push(`glyphs: ${error}`); }
  return answer;
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
