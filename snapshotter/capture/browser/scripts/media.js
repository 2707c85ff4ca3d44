// Images that the page wants: what became of each, and those that it holds back until later.

// Where pages write down the address of an image that they will show when it is near: a policy
// says it (`media.lazy_attributes`), each time that we look.
let later = [];
const LATER_SETS = ['data-srcset', 'data-lazy-srcset', 'data-original-set'];
const STYLED = 20_000;  // elements whose style is looked at for pictures that did not come
const STYLED_MS = 1500;  // and how long: what is not found is in the list of failed requests
const PICTURED = ['backgroundImage', 'borderImageSource', 'listStyleImage', 'maskImage', 'content',
  'shapeOutside'];
const LATER_BACKGROUNDS = ['data-bg', 'data-background', 'data-background-image',
  'data-bg-src', 'data-lazy-background'];
const SMALL = 10;  // pixels: a placeholder's width or height
const SHARED = 3;  // images of different wanted sources that show the same one
const IMAGES = 5000;  // that are told one by one

const pendingSince = new WeakMap();
const undecodable = new WeakSet();  // or asked for anew meanwhile: tried again at the end
const decodings = new WeakMap();  // image to the address that it showed, and a promise
let woken = [];  // elements whose `loading` we changed, with what it was
const wokenFrames = new WeakMap();  // frame to the address that it had when we woke it

function address(element, value) {
  if (!value || !/[./]/.test(value) || /\s/.test(value.trim())) return '';
  try {
    const url = new URL(value.trim(), of.base(element));
    return /^https?:$/.test(url.protocol) ? url.href : '';
  } catch { return ''; }
}
const firstOfSet = (value) => (value ?? '').trim().split(/\s*,\s+|\s+/)[0];

function wantedOf(image) {
  for (const name of later) {
    const found = address(image, of.attribute(image, name));
    if (found) return found;
  }
  const parent = of.parent(image);
  const sources = parent instanceof HTMLPictureElement ? all(parent, 'source') : [];
  for (const element of [image, ...sources]) for (const name of LATER_SETS) {
    const found = address(image, firstOfSet(of.attribute(element, name)));
    if (found) return found;
  }
  return '';
}

function hasSource(image) {
  if (of.attribute(image, 'src') || of.attribute(image, 'srcset') || image.currentSrc) return true;
  const parent = of.parent(image);
  return parent instanceof HTMLPictureElement && all(parent, 'source[srcset]').length > 0;
}

// What became of every image: [image, state, wanted]. Unwanted ones are left out: those that
// nobody will see, and that the browser therefore never asks for.
function lookAtImages() {
  const found = everywhere('img').map((image) => ({
    image, wanted: wantedOf(image), current: image.currentSrc || image.src,
  }));
  const shared = new Map();
  for (const {wanted, current} of found)
    if (wanted && current) shared.set(current, (shared.get(current) ?? new Set()).add(wanted));
  const result = [];
  for (const it of found) {
    const {image, wanted, current} = it;
    const source = hasSource(image);
    if (!source && !wanted) continue;
    const laidOut = of.rects(image).length > 0;
    const holdsBack = wanted && wanted !== current && (!source || !/^https?:/.test(current)
      || (image.complete && (image.naturalWidth <= SMALL || image.naturalHeight <= SMALL))
      || shared.get(current)?.size >= SHARED);
    if (holdsBack) {
      if (laidOut) result.push({...it, state: 'placeholder'});
    } else if (!image.complete) {
      if (image.loading !== 'lazy' || laidOut) result.push({...it, state: 'pending'});
    } else if (image.naturalWidth > 0 && !undecodable.has(image)) {
      result.push({...it, state: 'loaded'});
    } else result.push({...it, state: 'failed'});
  }
  return result;
}

// Decode what has loaded, once for each address; says when that is done. Begun while the page
// still waits for other things, it costs little at the end.
function decode(looked) {
  const all = [];
  for (const {image, state, current} of looked) {
    if (state !== 'loaded') continue;
    let known = decodings.get(image);
    if (known?.current !== current) {
      const done = image.decode().catch(() => {
        if (of.connected(image) && (image.currentSrc || image.src) === current)
          undecodable.add(image);
      });
      known = {current, done};
      decodings.set(image, known);
    }
    all.push(known.done);
  }
  return all;
}

function wake() {
  let count = 0;
  for (const element of everywhere('img[loading=lazy i], iframe[loading=lazy i]')) {
    if (!of.rects(element).length) continue;
    const isImage = element instanceof HTMLImageElement, source = of.attribute(element, 'src');
    if (isImage ? element.complete : wokenFrames.get(element) === source) continue;
    woken.push([element, of.attribute(element, 'loading')]);
    element.loading = 'eager';
    if (isImage) count += 1;
    else wokenFrames.set(element, source);
  }
  return count;
}

// Give the page back what we changed of it; says whether that was anything.
function restoreLoading() {
  const changed = woken;
  woken = [];
  for (const [element, was] of changed) of.setAttribute(element, 'loading', was);
  return changed.length > 0;
}

// Do what the page would have done for an image that comes near.
function honour(looked) {
  const urls = [];
  for (const {image, state, wanted} of looked) {
    if (state !== 'placeholder') continue;
    const parent = of.parent(image);
    const sources = parent instanceof HTMLPictureElement ? all(parent, 'source') : [];
    let hasSet = false;
    for (const element of [...sources, image]) for (const name of LATER_SETS) {
      const set = of.attribute(element, name);
      if (!set) continue;
      of.setAttribute(element, 'srcset', set);
      hasSet ||= element === image;
      break;
    }
    if (later.some((name) => address(image, of.attribute(image, name)))) {
      if (!hasSet) of.removeAttribute(image, 'srcset');  // or the placeholder's would win
      of.setAttribute(image, 'src', wanted);
    }
    urls.push(wanted);
  }
  for (const [element, url] of heldBackgrounds()) {
    element.style.setProperty('background-image', `url(${JSON.stringify(url)})`);
    urls.push(url);
  }
  return urls;
}

function heldBackgrounds() {
  const found = [];
  for (const element of everywhere(LATER_BACKGROUNDS.map((name) => `[${name}]`).join())) {
    if (!(element instanceof HTMLElement) || element instanceof HTMLImageElement) continue;
    if (!of.rects(element).length || getComputedStyle(element).backgroundImage !== 'none') continue;
    const url = LATER_BACKGROUNDS.map((name) => address(element, of.attribute(element, name)
      ?.replace(/^url\(\s*["']?|["']?\s*\)$/g, ''))).find((it) => it);
    if (url) found.push([element, url]);
  }
  return found;
}

// Pictures that a style asks for and that did not come, each once: no element is theirs, and
// nothing in the page tells. Only addresses that were lost are looked for, and where few
// elements can be meant.
function lostOfStyles(lost) {
  const wanted = new Set(lost), found = new Set();
  if (!wanted.size) return [];
  const end = performance.now() + STYLED_MS;
  for (const element of everywhere('*').slice(0, STYLED)) {
    if (!of.rects(element).length) continue;
    for (const part of [null, '::before', '::after', '::marker']) {
      const style = getComputedStyle(element, part);
      for (const name of PICTURED)
        for (const [, quoted] of (style[name] || '').matchAll(/url\("((?:[^"\\]|\\.)*)"\)/g)) {
          const url = quoted.replace(/\\(.)/g, '$1').replace(/#.*/s, '');
          if (wanted.has(url)) found.add(url);
        }
    }
    if (found.size === wanted.size || performance.now() > end) break;
  }
  return [...found];
}

function fontState() {
  const faces = {loaded: 0, failed: [], loading: []};
  for (const face of doc.fonts()) {
    const name = cut(`${face.family} ${face.weight} ${face.style}`, 200);
    if (face.status === 'loaded') faces.loaded += 1;
    else if (face.status === 'error') faces.failed.push(name);
    else if (face.status === 'loading') faces.loading.push(name);
  }
  return faces;
}

// All that settling has to know of a frame, in one answer.
lib.state = ({imageMs, wakeLazy, honourLater, lazy}) => {
  later = lazy;
  const counts = {woken: wakeLazy ? wake() : 0, honoured: [], pending: 0, waiting: 0};
  let looked = lookAtImages();
  if (honourLater) {
    counts.honoured = honour(looked).map((url) => cut(url));
    if (counts.honoured.length) looked = lookAtImages();
  }
  decode(looked);
  const now = performance.now();
  for (const {image, state} of looked) {
    if (state !== 'pending') { pendingSince.delete(image); continue; }
    if (!pendingSince.has(image)) pendingSince.set(image, now);
    counts.pending += 1;
    if (now - pendingSince.get(image) < imageMs) counts.waiting += 1;
  }
  mutations += observer.takeRecords().length;
  return {...counts, fonts: doc.fonts().status === 'loaded', height: pageHeight(), mutations,
    animationMs: animationTime(),
    animations: bind(Document.prototype.getAnimations)(document).length - shownWhole.size};
};

// How long animations still run that end by themselves: a page may go on when one does.
function animationTime() {
  let longest = 0;
  for (const animation of bind(Document.prototype.getAnimations)(document)) {
    const {endTime} = animation.effect?.getComputedTiming() ?? {};
    const left = endTime - animation.currentTime;
    if (animation.playState === 'running' && animation.playbackRate > 0 && Number.isFinite(left))
      longest = Math.max(longest, left / animation.playbackRate);
  }
  return longest;
}

// What the browser leaves out because it is out of view is shown. A picture of the whole page would
// be empty there, and so would its text. An animation does it, of which no document has a trace.
const SKIPPED_MS = 500;
const shownWhole = new Map();  // element to its animation
function showSkipped() {
  const end = performance.now() + SKIPPED_MS, before = shownWhole.size;
  for (const element of everywhere('*')) {
    if (performance.now() > end) break;
    if (!isSkipped(element)) continue;
    shownWhole.set(element, of.animate(
      element, {contentVisibility: ['visible', 'visible']}, {duration: 1, fill: 'both'}));
  }
  return shownWhole.size - before;
}

const isSkipped = (element) =>
  !shownWhole.has(element) && getComputedStyle(element).contentVisibility === 'auto';
function skipsContent() {
  const end = performance.now() + SKIPPED_MS;
  return everywhere('*').some((element) => performance.now() > end || isSkipped(element));
}

// What moves and is not among the animations of the document: those of shadow trees, those of
// SVG, and marquees. Only the stopped clock of the page holds them still. And what shows something
// else without a change of the document or of what is painted.
const MOVING = 'animate, animateMotion, animateTransform, set, marquee, canvas, video';
const animationsOfTree = bind(ShadowRoot.prototype.getAnimations);
const movesByClock = () => everywhere(MOVING).length > 0
  || roots().some((root) => root instanceof ShadowRoot && animationsOfTree(root).length > 0);

// Everything stands still and is told: animations at their end, images decoded.
lib.finish = async ({decodeMs, lost, lazy}) => {
  later = lazy;
  const restored = restoreLoading();
  let animations = 0;
  const ours = new Set(shownWhole.values());
  for (const animation of bind(Document.prototype.getAnimations)(document)) {
    if (ours.has(animation)) continue;
    animations += 1;
    try { animation.finish(); } catch { animation.pause(); }
  }
  roots(true);
  const skipped = showSkipped();
  for (const image of everywhere('img'))
    if (undecodable.delete(image)) decodings.delete(image);
  let looked = lookAtImages();
  const decoding = decode(looked);
  const decoded = decoding.length === 0
    || await within(decodeMs, Promise.all(decoding).then(() => true)) === true;
  looked = lookAtImages();
  const counts = {loaded: 0, failed: 0, pending: 0, placeholder: 0};
  for (const {state} of looked) counts[state] += 1;
  const images = looked.slice(0, IMAGES).map(({image, state, wanted, current}) => ({
    state, wanted: cut(wanted), current: cut(current, /^data:/.test(current) ? 64 : 2000),
    kind: 'img', alt: cut(of.attribute(image, 'alt') ?? '', 500),
    width: image.naturalWidth, height: image.naturalHeight,
  }));
  for (const [, url] of heldBackgrounds()) {
    counts.placeholder += 1;
    images.push({state: 'placeholder', wanted: cut(url), current: '', kind: 'background', alt: '',
      width: 0, height: 0});
  }
  for (const url of lostOfStyles(lost)) {
    counts.failed += 1;
    images.push({state: 'failed', wanted: '', current: cut(url), kind: 'background', alt: '',
      width: 0, height: 0});
  }
  const posters = [];
  for (const video of everywhere('video[poster]')) {
    const url = address(video, of.attribute(video, 'poster'));
    if (url && of.rects(video).length) posters.push(cut(url));
  }
  const root = doc.documentElement();
  const since = held ? lib.sinceHeld() : {isOther: true};  // before this frame is held anew
  hold();
  const touched = restored || movesByClock();  // what was taken before may show it
  return {animations, skipped, touched, since, decoded, counts, images, posters, fonts: fontState(),
    title: doc.title(), language: root ? of.attribute(root, 'lang') ?? '' : '',
    height: pageHeight(), change: measure()};
};
