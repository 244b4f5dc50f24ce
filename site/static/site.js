// What the pages need beside the theme. It runs once the equations are there.
'use strict';

// The search shows excerpts of the pages it found, which a page that was opened from disk may not fetch.
if (typeof DOCUMENTATION_OPTIONS !== 'undefined')
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== 'file:';

// A box that scrolls sideways can be reached and moved by keyboard.
function reach() {
  const names = {'div.math': 'equation', '.text_html': 'output', '.pst-scrollable-table-container': 'table'};
  for (const [boxes, name] of Object.entries(names))
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth <= box.clientWidth) continue;
      box.tabIndex = 0;
      box.setAttribute('role', 'group');
      box.setAttribute('aria-label', `${name}, scrolls sideways`);
    }
}

// A quiz's answer is heard in words and seen as maths.
function say() {
  for (const answer of document.querySelectorAll('.bd-article summary[aria-label]')) {
    const seen = document.createElement('span'), heard = document.createElement('span');
    seen.append(...answer.childNodes);
    seen.setAttribute('aria-hidden', 'true');
    heard.className = 'visually-hidden';
    heard.textContent = answer.getAttribute('aria-label');
    answer.append(seen, heard);
    answer.removeAttribute('aria-label');
  }
}

// The theme's search button has a name that isn't what it shows, its arrows have none.
function name() {
  document.querySelectorAll('.search-button-field').forEach(one => one.removeAttribute('aria-label'));
  for (const arrow of document.querySelectorAll('.bd-sidebar-primary summary'))
    arrow.setAttribute('aria-label', `pages under ${arrow.closest('li').querySelector('a').textContent.trim()}`);
}

addEventListener('load', () => Promise.resolve(window.MathJax?.startup?.promise).then(() => { reach(); say(); name(); }));
addEventListener('resize', reach);
