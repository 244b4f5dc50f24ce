// Typeset when told to, not by itself; a formula that is too wide is found by a test, not shrunk unseen.
window.MathJax = {
  tex: {inlineMath: [['$', '$'], ['\\(', '\\)']], displayMath: [['$$', '$$'], ['\\[', '\\]']], processEscapes: true, tags: 'none'},
  svg: {fontCache: 'global'},
  options: {enableMenu: false},
  startup: {typeset: false},
};
