// Equations first, then whole slides: what doesn't fit moves on to a next one.
'use strict';
const ROOM = 720 - 40 - 64;
const DARK = 'ddpm-lite-dark';
const READABLE = 20 / 17.36;            // pictures are drawn with letters of 12.5 pt at 100 dpi; a slide has 20 px

const leaves = () => [...document.querySelectorAll('.slides > section > section')];

function dark(on) {
  document.documentElement.classList.toggle('dark', on);
  try { localStorage.setItem(DARK, on ? 'yes' : 'no'); } catch { /* a file without storage */ }
}

function wantsDark() {
  let kept = null;
  try { kept = localStorage.getItem(DARK); } catch { /* a file without storage */ }
  return kept ? kept === 'yes' : matchMedia('(prefers-color-scheme: dark)').matches;
}

// A wide formula is made as much smaller as it must be; a test sees that it stays readable.
function narrow(formula) {
  const left = formula.getBoundingClientRect().left;
  const wide = Math.max(...[...formula.querySelectorAll('svg')].map(one => one.getBoundingClientRect().right)) - left;
  const room = formula.closest('.part').getBoundingClientRect().right - left;
  if (wide > room) formula.style.fontSize = `${Math.floor(100 * room / wide)}%`;
}

// The height of what stands on a slide, in pixels of the slide.
function height(section) {
  const top = section.getBoundingClientRect().top + 40;
  return Math.max(0, ...[...section.querySelectorAll('.part')].map(one => one.getBoundingClientRect().bottom - top));
}

const EXHIBIT = 'img, .highlight, mjx-container[display="true"], table, .question';

// A few words and what they lead to share a slide, if there is room; the second half waits for its key.
function join(section) {
  const next = section.nextElementSibling;
  if (!next?.querySelector('.section') || section.querySelector('h1')) return;
  if (section.querySelector(EXHIBIT) && next.querySelector(EXHIBIT)) return;
  const kicker = next.querySelector('.section').closest('.part');
  if (height(section) + height(next) - kicker.getBoundingClientRect().height > ROOM) return;
  kicker.remove();
  for (const one of next.querySelectorAll(':scope > .part')) {
    one.classList.add('fragment');
    section.querySelector('footer').before(one);
  }
  section.querySelector('footer').append(...next.querySelectorAll('.proof'));
  const notes = next.querySelector('.notes'), kept = section.querySelector('.notes');
  if (notes && kept) kept.append(...notes.childNodes);
  else if (notes) section.append(notes);
  next.remove();
  join(section);
}

// A picture takes the room that there is, up to half as large again, and stays readable.
function fit(section) {
  const images = [...section.querySelectorAll('img')].filter(one => !one.closest('.frames') || one.matches('.now'));
  const natural = images.reduce((sum, one) => sum + one.naturalHeight, 0);
  images.forEach(one => { one.height = one.naturalHeight; one.width = one.naturalWidth; });
  const spare = ROOM - 2 - height(section) + natural;
  for (const one of images) {
    const scale = Math.min(1.5, 1168 / one.naturalWidth, Math.max(READABLE, spare / natural));
    const same = one.closest('.frames')?.querySelectorAll('img') ?? [one];
    same.forEach(each => { each.width = Math.round(scale * one.naturalWidth); each.height = Math.round(scale * one.naturalHeight); });
  }
  const table = section.querySelector('table');
  if (table && height(section) > ROOM) table.style.fontSize = '20px';
}

// What of a slide can move to the next one: blocks, or the points of a list that is alone.
function blocks(section) {
  const found = [...section.querySelectorAll(':scope > .part > *')];
  const rest = found.filter(one => !heads(one));
  if (rest.length !== 1 || !/^[UO]L$/.test(rest[0].tagName)) return found;
  return [...found.filter(heads), ...rest[0].children];
}

const heads = block => /^H\d$/.test(block.tagName);

// Moves the last blocks of a slide that is too full to a new slide after it. No heading stays behind alone.
function part(section) {
  const movable = () => blocks(section).filter(one => !heads(one)).length > 1;
  if (height(section) <= ROOM || !movable()) return;
  const next = section.cloneNode(false), title = section.querySelector('h2, h3');
  next.dataset.continued = '';
  let from, to;
  const move = () => {
    const last = blocks(section).at(-1);
    if (last.parentElement !== from) {
      from = last.parentElement;
      to = from.cloneNode(false);
      if (from.matches('.part')) next.prepend(to);
      else {
        const around = from.parentElement.cloneNode(false);
        around.append(to);
        next.prepend(around);
      }
    }
    if (to.tagName === 'OL') to.start = from.start + from.children.length - 1;
    to.prepend(last);
    if (!from.children.length) from.remove();
  };
  do move(); while (movable() && (height(section) > ROOM || heads(blocks(section).at(-1))));
  const first = next.firstElementChild;
  first.classList.remove('fragment');
  if (!first.querySelector('h1, h2, h3')) {
    const again = document.createElement('h3');
    again.className = 'section';
    again.innerHTML = title?.innerHTML ?? '';
    first.prepend(again);
  }
  next.append(section.querySelector('footer').cloneNode(true));
  next.querySelector('.proof')?.remove();
  section.after(next);
  part(next);
}

function play(player) {
  const images = [...player.querySelectorAll('.frames img')], slider = player.querySelector('input');
  const told = player.querySelector('output');
  const show = () => {
    images.forEach((one, i) => one.classList.toggle('now', i === slider.valueAsNumber));
    told.textContent = images[slider.valueAsNumber].dataset.value;
    slider.setAttribute('aria-valuetext', told.textContent);
  };
  slider.addEventListener('input', show);
  slider.addEventListener('keydown', event => {         // a clicker's keys turn pages here as well
    if (!['PageDown', 'PageUp', 'Escape'].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    slider.blur();
    if (event.key === 'PageDown') Reveal.next();
    if (event.key === 'PageUp') Reveal.prev();
  });
  show();
}

function handout() {
  document.documentElement.classList.add('handout', 'print-pdf');       // reveal's own print styles stay away
  const pages = leaves().map(section => {
    const sheet = document.createElement('div'), frame = document.createElement('div'), said = document.createElement('div');
    sheet.className = 'sheet';
    frame.className = 'frame reveal';
    said.className = 'said';
    const notes = section.querySelector('aside.notes');
    if (notes) said.append(...notes.childNodes);
    notes?.remove();
    frame.append(section);
    sheet.append(frame, said);
    return sheet;
  });
  const all = document.createElement('main');
  all.append(...pages);
  document.querySelector('.reveal').replaceWith(all);
}

async function start() {
  const asked = new URLSearchParams(location.search);
  dark(!asked.has('handout') && wantsDark());
  await MathJax.startup.promise;
  await MathJax.typesetPromise();
  await document.fonts.ready;
  await Promise.all([...document.images].map(one => one.complete || new Promise(done => { one.onload = one.onerror = done; })));
  document.querySelectorAll('.player').forEach(play);
  document.documentElement.classList.add('laying');
  document.querySelectorAll('.part mjx-container').forEach(narrow);
  for (const one of leaves()) if (one.isConnected) join(one);
  leaves().forEach(fit);
  leaves().forEach(part);
  leaves().forEach(fit);
  document.documentElement.classList.remove('laying');
  if (asked.has('handout')) return handout();
  await Reveal.initialize({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false, hash: true, controls: false,
    slideNumber: 'c/t', transition: 'none', backgroundTransition: 'none', pdfSeparateFragments: false,
    plugins: [RevealNotes], keyboard: {68: () => dark(!document.documentElement.classList.contains('dark'))},
  });
  Reveal.registerKeyboardShortcut('D', 'Dark and light');
}

window.ready = start();
