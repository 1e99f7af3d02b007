// SPDX-License-Identifier: Apache-2.0
// What people are given: nothing is lost on the way, a stand-in is always called one, no text of a run becomes markup,
// and the page needs nothing but itself.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { EnvironmentError } from '../../../agent/errors.ts';
import type { Result } from '../result.ts';
import { budgetRows } from './budgets.ts';
import {
  baselineDocument,
  baselinePlot,
  makeReportDirectory,
  resultJson,
  writeReport,
} from './files.ts';
import { emptyResult, OPPONENTS, plausibleResult, results } from './fixtures.ts';
import { html } from './html.ts';
import { labelOf } from './lookup.ts';
import { markdown } from './markdown.ts';
import { PLOT_NAMES } from './plot-names.ts';
import { plotSvg } from './plots.ts';
import { checkedResult, readResult } from './read-result.ts';
import { formatSummary } from './terminal.ts';

const PATHS = { json: 'b.json', markdown: 'b.md', html: 'b.html' };
const STAND_IN = /rules shaped like\s+kube-proxy’s, (nftables|iptables)/g;

test('a stand-in is called one wherever it is named', (t) => {
  const result = judged(plausibleResult('standIns'));
  const svgs = PLOT_NAMES.map((name) => plotSvg(result, name) ?? '');
  const page = html(result).replace(/<svg[\s\S]*?<\/svg>/g, '');
  const texts = [markdown(result), page];
  for (const text of texts) {
    const named = text.match(STAND_IN)?.length ?? 0;
    t.true(named > 0);
    t.is(text.match(/(nftables|iptables)[\s\u00a0]\(stand-in\)/g)?.length, named);
  }
  const summary = formatSummary(result, PATHS, false);
  const modes = summary.match(/(nftables|iptables)(?! is no kube-proxy)/g)?.length ?? 0;
  t.true(modes > 0);
  t.is(summary.match(/(nftables|iptables) \(stand-in\)/g)?.length, modes);
  // Long names are in two lines of a plot.
  for (const svg of svgs.filter((each) => /nftables/.test(each))) {
    t.is(
      svg.match(/nftables/g)?.length,
      svg.match(/nftables \(stand-in\)|nftables<\/text>\s*<text[^>]*>\(stand-in\)/g)?.length,
    );
  }
});

test('nothing of a stand-in looks like kube-proxy itself', (t) => {
  const text = markdown(judged(plausibleResult('standIns')));
  t.notRegex(text, /kube-proxy at its best|kube-proxy 1\.36/);
  t.regex(text, /in kube-proxy’s place, rules/);
});

test('every note and every measured number is in the report', (t) => {
  const result = judged(plausibleResult());
  for (const text of [markdown(result), html(result).replaceAll('\u00a0', ' ')]) {
    t.true(text.includes('The round trips of IPv6 through a ClusterIP were not measured.'));
    for (const { what, measured } of result.budgets) {
      t.true(text.includes(what), what);
      t.true(text.includes(measured), measured);
    }
    for (const [name, instructions] of [['sb', '812']] as const) {
      t.true(text.includes(name) && text.includes(instructions));
    }
  }
});

test('whatever was measured, and whatever a machine calls itself, there is a report', (t) => {
  fc.assert(
    fc.property(results, (bare) => {
      const result = judged(bare);
      isWellFormed(bodyOf(html(result)));
      t.true(markdown(result).includes('## How it was measured'));
      t.true(formatSummary(result, PATHS, true).includes('b.html'));
    }),
    { numRuns: 4 },
  );
});

test('a run that measured nothing says so of every part and draws nothing', (t) => {
  const result = judged(emptyResult());
  t.is(markdown(result).match(/Not measured in this run\./g)?.length, 9);
  t.deepEqual(
    PLOT_NAMES.filter((name) => plotSvg(result, name) !== undefined),
    [],
  );
  t.notRegex(html(result), /<figure/);
});

test('text of a run stays text', (t) => {
  const evil = '<script>alert(1)</script> & | `x` [a](b) <img src=x>';
  const result = judged(plausibleResult());
  const arms = result.arms.map((arm) => ({ ...arm, label: `${arm.label}${evil}` }));
  const machine = { ...result.machine, cpu: evil, kernel: evil };
  const changed: Result = { ...result, arms, machine, notes: [evil] };
  const page = html({ ...changed, budgets: budgetRows(changed) });
  t.notRegex(page, /<script|<img/i);
  t.true(page.includes('&lt;script&gt;'));
  const text = markdown({ ...changed, budgets: budgetRows(changed) });
  t.notRegex(text, /<script|<img|(?<!\\)\[a\]/i);
});

test('the page asks nobody for anything', (t) => {
  const page = html(judged(plausibleResult()));
  t.notRegex(page, /\b(src|srcset|data|poster|action|xlink:href)\s*=|@import|url\(\s*['"]?(?!#)/i);
  for (const [, target] of page.matchAll(/\bhref="([^"]*)"/g)) t.regex(target ?? '', /^#s\d+$/);
  t.notRegex(page, /<(script|link|iframe|object|embed|base)\b/i);
  const ids = [...page.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => id);
  t.is(new Set(ids).size, ids.length);
});

test('verdicts have words', (t) => {
  const result = judged(plausibleResult());
  const budgets = result.budgets.map((row, at) => ({
    ...row,
    isMet: [true, false, undefined][at % 3],
  }));
  for (const text of [markdown, html].map((make) => make({ ...result, budgets }))) {
    for (const words of ['✓ met', '✗ missed', '– not judged']) t.true(text.includes(words));
  }
});

for (const opponents of OPPONENTS) {
  test(`every plot is well-formed, named and the same every time: ${opponents}`, (t) => {
    const result = plausibleResult(opponents);
    for (const name of PLOT_NAMES) {
      const svg = plotSvg(result, name);
      if (svg === undefined) {
        t.fail(`${name} was not drawn`);
        continue;
      }
      isWellFormed(svg);
      t.regex(svg, new RegExp(`^<svg role="img" aria-labelledby="${name}-title ${name}-desc" `));
      t.regex(
        svg,
        new RegExp(
          `<title id="${name}-title">[^<]{10,}</title>\\s*<desc id="${name}-desc">[^<]{10,}</desc>`,
        ),
      );
      t.is(plotSvg(result, name), svg);
      for (const [, size] of svg.matchAll(/font-size:\s*([\d.]+)/g)) t.true(Number(size) >= 11);
      t.notRegex(svg, /NaN|undefined|Infinity|\[object/);
    }
  });
}

test('a run of one size, and values that are zero, are drawn', (t) => {
  const result = plausibleResult();
  const zero = { count: 1, min: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  const odd: Result = {
    ...result,
    latencies: result.latencies.filter(({ services }) => services === 10_000),
    starts: result.starts.map((start) => ({ ...start, cpuSeconds: zero })),
    changes: result.changes.map((change) => ({ ...change, landedMs: zero })),
    streams: result.streams.map((bulk) => ({
      ...bulk,
      arms: bulk.arms.map((taken) => ({ ...taken, cpuSeconds: zero })),
    })),
  };
  for (const name of PLOT_NAMES)
    t.notRegex(plotSvg(odd, name) ?? '', /NaN|undefined|Infinity/, name);
});

test('a result survives its file', (t) => {
  fc.assert(
    fc.property(results, (bare) => {
      const result = judged(bare);
      t.deepEqual(
        checkedResult(JSON.parse(resultJson(result)), 'f'),
        JSON.parse(JSON.stringify(result)),
      );
    }),
    { numRuns: 30 },
  );
});

test('all three files are written, and the first reads back', (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'report-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const result = judged(plausibleResult());
  const paths = writeReport(result, path.join(directory, 'new'));
  t.is(path.basename(paths.json), 'bench-2026-11-21T120000.json');
  t.deepEqual(readResult(paths.json), result);
  t.is(readFileSync(paths.markdown, 'utf8'), markdown(result));
  t.is(readFileSync(paths.html, 'utf8'), html(result));
});

test('where nothing can be written is told before anything is measured', (t) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'report-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'file');
  writeFileSync(file, '');
  for (const place of [file, path.join(file, 'below')]) {
    const error = t.throws(() => makeReportDirectory(place), { instanceOf: EnvironmentError });
    t.true(error?.message.includes(place));
  }
});

test('no two arms are called the same', (t) => {
  const result = plausibleResult();
  const labels = result.arms.map(({ name }) => labelOf(result, name));
  t.true(labels.length > 3);
  t.is(new Set(labels).size, labels.length);
});

test('memory of several sizes is drawn apart', (t) => {
  const result = plausibleResult();
  const small = result.costs.map((cost) => ({ ...cost, services: 10 }));
  const svg = plotSvg({ ...result, costs: [...result.costs, ...small] }, 'memory') ?? '';
  for (const size of ['10 Services', '10,000 Services']) {
    t.true(svg.includes(`process, RSS, ${size}`), size);
  }
});

test('names beside a plot end within it', (t) => {
  // Of DejaVu Sans, the widest of the fonts, at 12 pixels; what is left of 800 pixels beside a piece of line.
  const [pixels, room] = [7.4, 192];
  const result = plausibleResult();
  const labels = result.arms.map((arm) =>
    arm.name === 'iptables' ? { ...arm, label: 'kube-proxy 1.36.13, iptables-legacy' } : arm,
  );
  const svg = plotSvg({ ...result, arms: labels }, 'connect-distribution') ?? '';
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text = '']) => text);
  const names = texts.filter((text) => /^(kube-proxy|iptables|nftables|p50 )/.test(text));
  t.true(names.length > 3);
  for (const name of names) t.true(name.length * pixels <= room, name);
});

test('what is no result is refused with the file, the place and what to do', (t) => {
  const refused = (value: unknown) =>
    t.throws(() => checkedResult(value, 'x.json'), { instanceOf: EnvironmentError });
  const whole = plausibleResult();
  t.regex(refused(null)?.message ?? '', /x\.json is no result .* no version/);
  t.regex(refused({ ...whole, version: 2 })?.message ?? '', /version 2 where 1 is read/);
  const { notes: _, ...noNotes } = whole;
  t.regex(refused(noNotes)?.message ?? '', /at its top, there is no notes/);
  const starts = whole.starts.map((start) => ({ ...start, seconds: 'long' }));
  const error = refused({ ...whole, starts });
  t.regex(error?.message ?? '', /at \/starts\/0\/seconds/);
  t.regex((error as EnvironmentError).hint ?? '', /npm run bench/);
  t.throws(() => readResult('/nonexistent/x.json'), {
    message: /x\.json could not be read.*ENOENT/,
  });
});

test('the document of the baseline links its plot, which stands alone on white', (t) => {
  const result = judged(plausibleResult());
  const text = baselineDocument('benchmark.svg', result);
  t.regex(text, /!\[[^\]]+\]\(benchmark\.svg\)/);
  t.regex(text, /^<!-- Made from test\/bench\/baseline\.json/);
  t.regex(baselinePlot(result), /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  t.regex(baselinePlot(result), /fill="#ffffff"/);
});

function judged(result: Result): Result {
  return { ...result, budgets: budgetRows(result) };
}

function bodyOf(page: string): string {
  return page.slice(page.indexOf('<body>'), page.indexOf('</html>'));
}

/** @throws Error where a tag is not closed, an attribute not quoted, or a character not escaped. */
function isWellFormed(xml: string): void {
  const open: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi,
    (_, isEnd: string, name: string, __, isEmpty: string) => {
      if (isEnd) {
        const last = open.pop();
        if (last !== name) throw new Error(`</${name}> ends <${last}>`);
      } else if (!isEmpty) open.push(name);
      return '';
    },
  );
  if (open.length > 0) throw new Error(`not ended: ${open.join(' ')}`);
  const odd = /[<>]|&(?!(?:amp|lt|gt|quot|#\d+|#x[\da-f]+);)/i.exec(
    rest.replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, ''),
  );
  if (odd) throw new Error(`not escaped: ${rest.slice(odd.index - 40, odd.index + 40)}`);
}
