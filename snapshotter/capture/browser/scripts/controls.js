// Controls that hide text, and banners that ask for consent: found by selector or by words.
// Never a link that leads away, never a button that sends a form.

const CONTROL = 'button, summary, [role=button], a, [onclick], [aria-expanded=false],'
  + 'input[type=button]';
const MAIN = 'main, [role=main], article, #content, #main, #js_content, #js_article';
const AROUND = 'nav, aside, [role=navigation], [role=banner], [role=contentinfo],'
  + '[role=complementary], [role=search]';
const AROUND_ALL = `${AROUND}, header, footer`;
const CONSENT = /cookie|consent|gdpr|cmp|privacy|onetrust|didomi|usercentrics/i;
const ABOUT_CONSENT = new RegExp('cookie|consent|privacy|gdpr|personal data|datenschutz|einwillig'
  + '|confidentialité|privacidad|隐私|隱私|同意|プライバシー|クッキー|쿠키|개인정보', 'i');
const LABEL = 60;
const MORE = 16;  // characters that a label may have behind the word: "Show more (12)"

let controls = [];
const clicked = new WeakSet();
const buttonForm = getter(HTMLButtonElement.prototype, 'form');
const inputForm = getter(HTMLInputElement.prototype, 'form');

const tidy = (text) => text.normalize('NFKC').replace(/\s+/g, ' ').trim();
function labelOf(element) {
  if (element instanceof HTMLInputElement) return tidy(element.value);
  const text = tidy(element instanceof HTMLElement ? of.innerText(element) : of.text(element));
  return text || tidy(of.attribute(element, 'aria-label') ?? '');
}

function leadsAway(element) {
  const link = of.closest(element, 'a[href]');
  if (link) {
    const href = (of.attribute(link, 'href') ?? '').trim();
    if (!/^javascript:/i.test(href) && !/^#/.test(href)) return true;
  }
  const button = of.closest(element, 'button, input');
  if (button instanceof HTMLButtonElement)
    return button.type !== 'button' && buttonForm(button) !== null;
  if (button instanceof HTMLInputElement)
    return button.type !== 'button' && (inputForm(button) !== null || button.type === 'file');
  return false;
}

// Every ancestor, out of shadow trees too.
function some(element, test) {
  for (let at = element; at; at = above(at)) if (test(at)) return true;
  return false;
}

const isInMain = (hasMain) => (element) =>
  !some(element, (at) => of.matches(at, hasMain ? AROUND : AROUND_ALL))
  && (!hasMain || some(element, (at) => of.matches(at, MAIN)));

const isBanner = (element) => some(element, (at) => at !== doc.body()
  && at !== doc.documentElement()
  && (CONSENT.test(`${of.attribute(at, 'id') ?? ''} ${of.attribute(at, 'class') ?? ''}`)
    || ((/fixed|sticky/.test(getComputedStyle(at).position)
      || of.matches(at, 'dialog, [role=dialog], [role=alertdialog], [aria-modal=true]'))
      && ABOUT_CONSENT.test(of.text(at).slice(0, 20000)))));

// A control with such a label: the element itself, or what can be clicked around its words.
function byWords(words) {
  const wanted = words.map((word) => tidy(word).toLowerCase()).filter((word) => word);
  const matching = (label) => label && wanted.some((word) =>
    label === word || (label.startsWith(word) && label.length <= word.length + MORE));
  const found = [];
  for (const element of everywhere(CONTROL)) {
    if (of.text(element).length > 500) continue;
    if (matching(labelOf(element).toLowerCase())) found.push(element);
  }
  for (const root of roots()) {  // elements that are controls by their looks alone
    const walker = bind(Document.prototype.createTreeWalker)(document, root, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
      if (node.data.length > 200 || !matching(tidy(node.data).toLowerCase())) continue;
      const parent = of.parent(node);
      if (!(parent instanceof HTMLElement) || some(parent, (at) => of.matches(at, CONTROL))) continue;
      if (getComputedStyle(parent).cursor === 'pointer') found.push(parent);
    }
  }
  return found;
}

lib.findControls = ({selectors, words, region}) => {
  const isThere = region === 'main' ? isInMain(everywhere(MAIN).length > 0) : isBanner;
  const found = new Map();  // element to how it was found
  const refused = [];
  const add = (element, how, inRegion) => {
    if (found.has(element) || clicked.has(element) || !of.shown(element, {visibilityProperty: true}))
      return;
    if (!inRegion(element)) return;
    if (leadsAway(element)) refused.push(cut(labelOf(element), LABEL));
    else found.set(element, how);
  };
  const bad = [];
  for (const selector of selectors) {
    let elements = [];
    try { elements = everywhere(selector); } catch { bad.push(selector); }
    // A selector of a consent banner says itself what it is.
    for (const element of elements) add(element, selector, region === 'main' ? isThere : () => true);
  }
  for (const element of byWords(words)) add(element, 'words', isThere);
  controls = [...found.keys()];
  return {bad, refused, found: controls.map((element) =>
    ({path: pathOf(element), how: found.get(element), label: cut(labelOf(element), LABEL)}))};
};

// `click()` runs what the page listens for and what the element does, and is no action of a
// user's: it opens no window and starts no sound.
lib.clickControl = async (index) => {
  const element = controls[index];
  if (!element || !of.connected(element)) return {done: false, before: measure(), after: measure()};
  clicked.add(element);
  watchAttributes();
  const before = measure();
  element.click();
  await within(500, frames(2));
  return {done: true, before, after: measure(), height: pageHeight()};
};

// Where a mouse would have to be to click it; nothing when something else lies above it.
lib.pointOfControl = async (index) => {
  const element = controls[index];
  if (!element || !of.connected(element)) return {hit: false};
  element.scrollIntoView({block: 'center', behavior: 'instant'});
  await within(500, frames(1));
  const box = of.box(element);
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const hit = deepest(x, y);
  return {hit: hit !== null && some(hit, (at) => at === element), x, y};
};
