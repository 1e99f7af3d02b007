// SPDX-License-Identifier: Apache-2.0
// The look of the HTML report: on a phone, in the dark, on paper. Plots are on a white panel of their own everywhere.

export const STYLE = `:root {
  --ink: #1b1b1b;
  --faint: #5a5a5a;
  --paper: #ffffff;
  --panel: #f4f5f7;
  --line: #d4d7dc;
  --met: #00664a;
  --missed: #a83900;
  --link: #005a8f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8e8e8;
    --faint: #a9adb3;
    --paper: #16181b;
    --panel: #202328;
    --line: #3b4048;
    --met: #4fd0a5;
    --missed: #ff9a66;
    --link: #7cc4f2;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; padding-top: 0.5rem; border-top: 2px solid var(--line); }
p, li { max-width: 75ch; overflow-wrap: anywhere; }
a { color: var(--link); }
.headlines { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 0.75rem; }
.headlines p { margin: 0; padding: 0.75rem 1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; }
.headlines strong, .headlines span, .headlines small { display: block; }
.headlines strong { font-size: 1.9rem; line-height: 1.2; }
.headlines small { color: var(--faint); font-size: 0.9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; margin: 1rem 0; }
figure.wide { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 4px; }
figure svg { display: block; width: 100%; height: auto; min-width: 640px; max-width: 800px; margin: 0 auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--line); white-space: nowrap; }
tbody th { font-weight: 400; min-width: 14rem; }
.number { text-align: right; white-space: nowrap; }
.met td:last-child, .missed td:last-child, .open td:last-child { white-space: nowrap; font-weight: 600; }
.met td:last-child { color: var(--met); }
.missed td:last-child { color: var(--missed); }
.open td:last-child { color: var(--faint); font-weight: 400; }
/* On a phone, a budget is a card: its verdict is not to be scrolled to. */
@media screen and (max-width: 45rem) {
  .budgets thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .budgets tr { display: block; padding: 0.5rem 0; border-bottom: 1px solid var(--line); }
  .budgets th, .budgets td { display: block; border: 0; padding: 0.1rem 0; }
  .budgets tbody th { font-weight: 600; }
  .budgets td::before { content: attr(data-head) ": "; color: var(--faint); font-weight: 400; }
}
@media print {
  :root { --ink: #000000; --faint: #333333; --paper: #ffffff; --panel: #ffffff; --line: #999999; --met: #000000; --missed: #000000; --link: #000000; }
  @page { margin: 14mm; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; margin-top: 1.2rem; }
  .wide { overflow: visible; }
  figure, table { break-inside: avoid; }
  figure svg { width: auto; min-width: 0; max-width: 100%; max-height: 225mm; }
  .headlines p, tr { break-inside: avoid; }
  table { font-size: 7.5pt; width: 100%; }
  caption { break-after: avoid; }
  thead { display: table-header-group; }
  th, td { padding: 1px 6px 1px 0; }
  tbody th { min-width: 0; }
}
`;
