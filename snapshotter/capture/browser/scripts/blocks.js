// The text of the main document block by block, as it is laid out: what verdicts look at.
//
// A text belongs to the innermost block around it. A hidden part of a line is a block of its
// own, or it would be read as if somebody had seen it. Selectors are those of model/page.py;
// assess/dom.py computes the same ones on the document as it is kept.

const BLOCKS = 10000;
const BLOCK_CHARACTERS = 1e6;  // of all together
const KEPT_MS = 1000;  // that a layout takes which is kept
const LOOK_MS = 300;  // and one that is only looked at
const DEPTH = 200;  // elements one in another; what stands deeper belongs to the one there
const MOST_PX = 1e7;
const INLINE = /^(inline|contents|ruby)/;
const A_BUTTON = 'button, input, [role=button], summary';
const BUTTONS = new Set(['submit', 'button', 'reset']);
const inputType = getter(HTMLInputElement.prototype, 'type');
const inputValue = getter(HTMLInputElement.prototype, 'value');

const clamped = (px) => Math.max(-MOST_PX, Math.min(MOST_PX, Number.isFinite(px) ? px : 0));

// Selectors of elements, each step counted once for all siblings.
function selectors() {
  const known = new Map(), places = new Map();
  const stepOf = (element, parent) => {
    if (!places.has(element)) {
      let place = 0;
      for (const node of of.children(parent))
        if (node instanceof Element) places.set(node, place += 1);
    }
    const name = of.tag(element).toLowerCase(), root = doc.documentElement();
    const word = /^[a-z_][a-z0-9_:.-]*$/.test(name) ? name : '*';
    if (parent === root && element === doc.body()) return name;
    return `${word}:nth-child(${places.get(element)})`;
  };
  return (element) => {
    const way = [];
    let at = element;
    while (!known.has(at)) {
      const parent = of.parent(at);
      if (!(parent instanceof Element)) { known.set(at, of.tag(at).toLowerCase()); break; }
      way.push([at, parent]);
      at = parent;
    }
    for (const [it, parent] of way.reverse())
      known.set(it, `${known.get(parent)} > ${stepOf(it, parent)}`);
    return known.get(element);
  };
}

function textBlocks(ms) {
  const all = roots(), end = performance.now() + ms, selectorOf = selectors();
  const facts = new Map();  // of an element: what its own text belongs to
  const found = new Map();  // blocks by element, in the order in which their text begins
  const across = scrollX, down = scrollY, range = new Range();
  let left = BLOCK_CHARACTERS, isWhole = true, last = null;

  const unseen = (element) => {
    if (!of.shown(boxOf(element)) || isInClosedDetails(element)) return true;
    if (whyUnseen(element)) return true;
    const box = of.box(element);
    return box.width > 0 && (box.right + across <= 0 || box.bottom + down <= 0);
  };
  const factsOf = (element) => {
    const way = [];
    let at = element;
    while (at && !facts.has(at)) { way.push(at); at = above(at); }
    let outer = at ? facts.get(at) : null;
    for (const it of way.reverse()) {
      const style = getComputedStyle(it), hidden = unseen(it);
      const isOwn = !outer || (outer.depth < DEPTH && (hidden !== outer.hidden
        || !INLINE.test(style.display) || of.matches(it, A_BUTTON)));
      outer = {
        block: isOwn ? it : outer.block,
        isLine: isOwn ? INLINE.test(style.display) || !of.rects(it).length : outer.isLine,
        px: isOwn ? Math.min(10000, Math.round(parseFloat(style.fontSize)) || 0) : outer.px,
        hidden,
        depth: (outer?.depth ?? 0) + 1,
        pre: /pre|break-spaces/.test(style.whiteSpace),
        link: (outer?.link ?? false)
          || (it instanceof HTMLAnchorElement && of.hasAttribute(it, 'href')),
      };
      facts.set(it, outer);
    }
    return outer;
  };
  const blockOf = ({block, hidden, isLine, px}) => {
    if (!found.has(block)) {
      if (found.size >= BLOCKS) { isWhole = false; return null; }
      found.set(block, {hidden, isLine, px, text: '', link: 0});
    }
    return found.get(block);
  };
  const add = (fact, text, isPre) => {
    const to = blockOf(fact);
    if (!to) return;
    // What goes on behind another block does so on a line of its own.
    if (last && last !== to && !last.isLine && text.trim() && to.text) to.text += '\n';
    if (text.trim()) last = to;
    let words = isPre ? text : text.replace(/[ \t\n\r\f]+/g, ' ');
    if (!isPre && (to.text === '' || /\s$/.test(to.text))) words = words.replace(/^ /, '');
    if (words.length > left) { words = words.slice(0, left); isWhole = false; }
    left -= words.length;
    to.text += words;
    if (fact.link) to.link += [...words].length;
  };

  let seen = 0;
  for (const root of all) {
    const walk = bind(Document.prototype.createTreeWalker)(
      document, root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    while (walk.nextNode() && isWhole) {
      if ((seen += 1) % 64 === 0 && performance.now() > end) isWhole = false;
      const node = walk.currentNode;
      if (node instanceof Text) {
        const parent = of.parent(node);
        if (!node.data.trim()) {
          // Between words of one block it is a space; between blocks it is nothing.
          const fact = parent instanceof Element && facts.get(parent);
          if (fact && found.has(fact.block)) add(fact, ' ', false);
        } else if (parent instanceof Element && !of.closest(parent, NOT_LAID_OUT)) {
          const fact = factsOf(parent);
          add(fact, node.data, fact.pre);
        } else if (parent instanceof ShadowRoot) add(factsOf(of.host(parent)), node.data, false);
      } else if (node instanceof HTMLBRElement) {
        const fact = of.parent(node) instanceof Element && factsOf(of.parent(node));
        if (fact && found.has(fact.block)) add(fact, '\n', true);
      } else if (node instanceof HTMLInputElement && BUTTONS.has(inputType(node))) {
        if (inputValue(node).trim()) add(factsOf(node), inputValue(node), false);
      }
    }
  }
  const blocks = [];
  for (const [element, {hidden, px, text, link}] of found) {
    const words = text.replace(/ +\n/g, '\n').trim();
    if (!words) continue;
    const box = of.box(element), hasBox = box.width > 0 || box.height > 0;
    let named = element;
    for (let root; (root = bind(Node.prototype.getRootNode)(named)) instanceof ShadowRoot;)
      named = of.host(root);
    blocks.push([selectorOf(named), of.tag(element).toLowerCase(), words, hasBox ? [
      Math.floor(clamped(box.left + across)), Math.floor(clamped(box.top + down)),
      Math.ceil(clamped(box.width)), Math.ceil(clamped(box.height))] : null,
      hidden, Math.min(link, [...words].length), px]);
  }
  return {blocks, isWhole};
}

// The document and its text blocks, of one moment: nothing of the page runs in between.
lib.page = () => {
  const answer = {...lib.html(), blocks: [], isWhole: false, failure: ''};
  try { Object.assign(answer, textBlocks(KEPT_MS)); } catch (error) { answer.failure = `${error}`; }
  return answer;
};
// The same with its text, while there is time to look again.
lib.look = (most) => {
  const read = doc.body() ?? doc.documentElement();
  const html = lib.html().html;
  return {...textBlocks(LOOK_MS), html: html.length > most ? '' : html,
    text: cut(read ? rendered(read) ?? '' : '', most)};
};
