// What the form controls of a frame hold now: typed, chosen or restored. The document has only
// what it came with. A password never leaves the page, nor what is named like one.

const FORM_CONTROLS = 2000;
const FORM_CHARACTERS = 10000;  // of one value
const FIELDS = 'input, textarea, select, [contenteditable]:not([contenteditable="false" i])';
const HAS_NO_VALUE = ['hidden', 'file', 'submit', 'reset', 'button', 'image'];
const IS_SECRET = /passw|passphrase|pwd|one-time-code|\botp\b|cc-csc|cc-number|\bcv[vc]2?\b/i;

const its = {
  type: getter(HTMLInputElement.prototype, 'type'),
  value: getter(HTMLInputElement.prototype, 'value'),
  before: getter(HTMLInputElement.prototype, 'defaultValue'),
  checked: getter(HTMLInputElement.prototype, 'checked'),
  checkedBefore: getter(HTMLInputElement.prototype, 'defaultChecked'),
  area: getter(HTMLTextAreaElement.prototype, 'value'),
  areaBefore: getter(HTMLTextAreaElement.prototype, 'defaultValue'),
  chosen: getter(HTMLSelectElement.prototype, 'selectedOptions'),
  option: getter(HTMLOptionElement.prototype, 'text'),
  optionBefore: getter(HTMLOptionElement.prototype, 'defaultSelected'),
};

function formValue(element) {
  if (element instanceof HTMLTextAreaElement) {
    const value = its.area(element);
    return value ? {type: 'textarea', value, changed: value !== its.areaBefore(element)} : null;
  }
  if (element instanceof HTMLSelectElement) {
    const chosen = [...its.chosen(element)], options = [...all(element, 'option')];
    const isMultiple = of.hasAttribute(element, 'multiple');
    let before = options.filter((option) => its.optionBefore(option));
    if (!isMultiple) before = before.length ? before.slice(-1) : options.slice(0, 1);
    const changed = chosen.length !== before.length
      || chosen.some((option) => !before.includes(option));
    const value = chosen.map((option) => its.option(option)).join('\n');
    return value ? {type: 'select', value, changed} : null;
  }
  if (!(element instanceof HTMLInputElement)) {
    // Its text is in the document and in the text of the page, too.
    if (!(element instanceof HTMLElement) || of.closest(of.parent(element), FIELDS)) return null;
    const value = of.innerText(element).trim();
    return value ? {type: 'contenteditable', value, changed: false} : null;
  }
  const type = its.type(element);
  if (HAS_NO_VALUE.includes(type)) return null;
  if (type === 'checkbox' || type === 'radio') {
    const [checked, before] = [its.checked(element), its.checkedBefore(element)];
    return checked || before ? {type, checked, changed: checked !== before} : null;
  }
  const value = its.value(element);
  if (!value) return null;
  const changed = value !== its.before(element);
  const words = ['name', 'id', 'autocomplete'].map((name) => of.attribute(element, name) ?? '');
  return type === 'password' || IS_SECRET.test(words.join(' '))
    ? {type, withheld: true, changed} : {type, value, changed};
}

function formValues() {
  const controls = everywhere(FIELDS), found = [];
  for (const element of controls.slice(0, FORM_CONTROLS)) {
    const it = formValue(element);
    if (it === null) continue;
    found.push({path: pathOf(element), name: of.attribute(element, 'name') ?? '',
      shown: of.shown(boxOf(element)), ...it,
      ...('value' in it ? {value: cut(it.value, FORM_CHARACTERS)} : {})});
  }
  return {found, more: Math.max(0, controls.length - FORM_CONTROLS)};
}
