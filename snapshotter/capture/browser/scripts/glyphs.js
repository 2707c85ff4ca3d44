// Characters that no font has: they are drawn as the font's sign for "not there" (tofu).
// Each character is drawn in each font that its text has, beside one that can have no glyph;
// equal pixels and equal width mean that it was not found. A mark is drawn on a circle, because
// alone it may get one by itself.

const GLYPH_CHARACTERS = 4096;  // that are tried
const GLYPH_TEXT = 2e6;  // characters of text that are looked through
const GENERATED_MS = 300;  // that what styles write is looked for
const CELL = 24;
const NEVER = '\u{10FFFF}';  // a noncharacter
const NOT_DRAWN = /[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\u2800]/u;
const MARK = /\p{M}/u;
const CIRCLE = '\u25CC';
const SCRIPTS = ['Han', 'Hiragana', 'Katakana', 'Hangul', 'Bopomofo', 'Latin', 'Cyrillic', 'Greek',
  'Arabic', 'Hebrew', 'Devanagari', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya', 'Tamil', 'Telugu',
  'Kannada', 'Malayalam', 'Sinhala', 'Thai', 'Lao', 'Tibetan', 'Myanmar', 'Georgian', 'Armenian',
  'Ethiopic', 'Khmer', 'Mongolian', 'Cherokee', 'Yi', 'Syriac', 'Thaana', 'Nko', 'Tifinagh',
  'Canadian_Aboriginal', 'Javanese', 'Balinese', 'Coptic', 'Gothic', 'Cuneiform',
  'Egyptian_Hieroglyphs'].map((name) => [name, new RegExp(`^\\p{Script=${name}}`, 'u')]);

function scriptOf(character) {
  for (const [name, pattern] of SCRIPTS) if (pattern.test(character)) return name;
  if (/\p{Co}/u.test(character)) return 'Private_Use';
  if (/\p{Extended_Pictographic}/u.test(character)) return 'Emoji';
  return /[\p{S}\p{P}\p{N}]/u.test(character) ? 'Symbols' : 'Other';
}

function missingGlyphs() {
  const byFont = new Map();  // font to the characters that stand in it
  let read = 0, tried = 0;
  const take = (text, font) => {
    read += text.length;
    let known = null;  // the characters of its font
    for (const character of text) {
      // ASCII is in every font; the letter A is tried to be sure that there is one at all.
      if ((character < '\u0080' && character !== 'A') || known?.has(character)) continue;
      if (NOT_DRAWN.test(character)) continue;
      if (known === null) {
        const family = font();
        if (family === null) return;
        if (!byFont.has(family)) byFont.set(family, new Set());
        known = byFont.get(family);
      }
      if (known.has(character)) continue;
      known.add(character);
      tried += 1;
    }
  };
  const fontOf = (element) => element instanceof Element && !of.closest(element, NO_TEXT)
    && of.shown(element) ? getComputedStyle(element).fontFamily : null;
  const goesOn = () => read < GLYPH_TEXT && tried < GLYPH_CHARACTERS;
  for (const root of roots()) {
    const walker = bind(Document.prototype.createTreeWalker)(document, root, NodeFilter.SHOW_TEXT);
    for (let node; goesOn() && (node = walker.nextNode());) {
      const parent = of.parent(node);
      take(node.data, () => fontOf(parent instanceof ShadowRoot ? of.host(parent) : parent));
    }
  }
  // What a style writes before and behind elements: icons, mostly.
  const end = performance.now() + GENERATED_MS;
  for (const element of everywhere('*')) {
    if (!goesOn() || performance.now() > end) break;
    for (const pseudo of ['::before', '::after']) {
      const style = getComputedStyle(element, pseudo);
      if (style.content.includes('"')) take(style.content, () => fontOf(element) && style.fontFamily);
    }
  }
  if (!tried) return [];
  const canvas = create('canvas');  // never in the document
  [canvas.width, canvas.height] = [CELL * 64, CELL];
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const missing = new Map();
  const fonts = [...byFont].flatMap(([family, characters]) => [
    [family, '', [...characters].filter((character) => !MARK.test(character))],
    [family, CIRCLE, [...characters].filter((character) => MARK.test(character))]]);
  for (const [family, before, characters] of fonts) {
    context.font = `16px ${family}`;
    context.textBaseline = 'middle';
    const nothing = context.measureText(before + NEVER).width;
    for (let start = 0; start < characters.length; start += 63) {
      const row = [NEVER, ...characters.slice(start, start + 63)];
      context.clearRect(0, 0, canvas.width, CELL);
      row.forEach((character, i) => {
        context.save();
        context.beginPath();
        context.rect(i * CELL, 0, CELL, CELL);
        context.clip();
        context.fillText(before + character, i * CELL + 2, CELL / 2);
        context.restore();
      });
      const {data} = context.getImageData(0, 0, canvas.width, CELL);
      for (let i = 1; i < row.length; i += 1) {
        if (context.measureText(before + row[i]).width !== nothing || !sameCell(data, i)) continue;
        const script = scriptOf(row[i]);
        if (!missing.has(script)) missing.set(script, new Set());
        missing.get(script).add(row[i]);
      }
    }
  }
  return [...missing].map(([script, characters]) =>
    ({script, count: characters.size, characters: [...characters].slice(0, 20).join('')}));
}

function sameCell(data, i) {
  const width = CELL * 64;
  for (let y = 0; y < CELL; y += 1) for (let x = 0; x < CELL; x += 1)
    if (data[(y * width + x) * 4 + 3] !== data[(y * width + i * CELL + x) * 4 + 3]) return false;
  return true;
}
