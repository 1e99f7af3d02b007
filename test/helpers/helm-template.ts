// SPDX-License-Identifier: Apache-2.0
// Renders the chart's templates: of Helm's language just the forms that scripts/deploy/template-text.ts writes. Whatever
// else stands between braces is an error. Helm's own engine came to the same objects when these forms were chosen.

import { type Values, valueAt } from '../../scripts/deploy/place.ts';

export interface Chart {
  /** Helm's root object: Values and Release. */
  readonly root: { readonly Values: Values; readonly Release: Values };
  /** Files of the chart besides templates, by name. */
  readonly files: Readonly<Record<string, string>>;
}

const IF = /^\{\{- if \.(Values\.[\w.]+) \}\}$/;
const RANGE = /^\s*\{\{- range \.(Values\.[\w.]+) \}\}$/;
const END = /^\s*\{\{- end \}\}$/;

/** @throws Error at a form that is none of ours. */
export function renderTemplate(template: string, chart: Chart): string {
  const rendered: string[] = [];
  const lines = template.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const [, condition] = IF.exec(line) ?? [];
    const [, list] = RANGE.exec(line) ?? [];
    if (condition !== undefined) {
      if (!valueAt(condition, chart.root)) at = lines.findLastIndex((later) => END.test(later));
    } else if (list !== undefined) {
      const item = lines[at + 1] ?? '';
      if (!END.test(lines[at + 2] ?? '')) throw new Error(`more than one line in a range: ${line}`);
      for (const value of valueAt(list, chart.root) as readonly unknown[])
        rendered.push(renderLine(item, chart, value));
      at += 2;
    } else if (!END.test(line)) {
      rendered.push(renderLine(line, chart));
    }
  }
  return rendered.join('\n');
}

function renderLine(line: string, chart: Chart, dot?: unknown): string {
  return line.replace(/\{\{(.*?)\}\}/g, (action, inner: string) => {
    const form = inner.trim();
    if (form === '"{{"') return '{{';
    if (form === 'toJson .' && dot !== undefined) return JSON.stringify(dot);
    const [, path] = /^toJson \.([\w.]+)$/.exec(form) ?? [];
    if (path !== undefined) return JSON.stringify(valueAt(path, chart.root));
    const [, text] = /^\.(Values\.[\w.]+)$/.exec(form) ?? [];
    if (text !== undefined) return String(valueAt(text, chart.root));
    const [, file] = /^toJson \(\.Files\.Get "([\w.]+)"\)$/.exec(form) ?? [];
    if (file !== undefined && file in chart.files) return JSON.stringify(chart.files[file]);
    throw new Error(`a template has a form that is not known here: ${action}`);
  });
}
