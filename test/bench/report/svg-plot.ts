// SPDX-License-Identifier: Apache-2.0
// From a plot's options to SVG text: drawn without a browser, then given what a screen reader and a page with several
// plots need. Deterministic. The colours of arms are here.

import { BarChart, CustomChart, LineChart, ScatterChart } from 'echarts/charts';
import { GraphicComponent, GridComponent, TitleComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { LabelLayout } from 'echarts/features';
import { SVGRenderer } from 'echarts/renderers';
import type { ArmName } from '../result.ts';

use([
  BarChart,
  CustomChart,
  GraphicComponent,
  GridComponent,
  LabelLayout,
  LineChart,
  ScatterChart,
  SVGRenderer,
  TitleComponent,
]);

export const WIDTH = 800;
/** Without quotation marks: they would end the attribute that this is written into. */
const FONT = 'system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif';
export const INK = '#1b1b1b';
export const FAINT = '#d9d9d9';

/** In characters of the widest of the fonts. */
const LINE_LENGTH = 30;

export interface Style {
  /** Of Okabe and Ito: told apart by people who see fewer colours. */
  readonly color: string;
  /** The same, dark enough for text on white. */
  readonly ink: string;
  /** Told apart in black and white. */
  readonly dash: readonly number[];
  readonly symbol: string;
}

export const STYLES: Readonly<Record<ArmName, Style>> = {
  direct: { color: '#000000', ink: '#000000', dash: [2, 4], symbol: 'circle' },
  directAgain: { color: '#777777', ink: '#555555', dash: [2, 4], symbol: 'emptyCircle' },
  signalbox: { color: '#0072b2', ink: '#005a8f', dash: [], symbol: 'rect' },
  nftables: { color: '#d55e00', ink: '#a04600', dash: [9, 5], symbol: 'triangle' },
  iptables: { color: '#009e73', ink: '#00664a', dash: [12, 4, 2, 4], symbol: 'diamond' },
};

export interface Plot {
  readonly name: string;
  readonly title: string;
  /** Under the title, and all of it that a screen reader reads. */
  readonly subtitle: string;
  readonly height: number;
  readonly options: EChartsCoreOption;
}

export function drawSvg({ name, title, subtitle, height, options }: Plot): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: FONT, color: INK, fontSize: 13 },
      title: {
        text: title,
        subtext: subtitle,
        left: 12,
        top: 8,
        textStyle: { fontSize: 16, color: INK, fontFamily: FONT },
        subtextStyle: { fontSize: 12, color: '#444444', fontFamily: FONT, lineHeight: 16 },
      },
      ...options,
    });
    return accessible(chart.renderToSVGString(), { name, title, subtitle });
  } finally {
    chart.dispose();
  }
}

/** Ids are of the plot, not of how many were drawn before it; and nothing answers to a mouse. */
function accessible(
  svg: string,
  { name, title, subtitle }: Pick<Plot, 'name' | 'title' | 'subtitle'>,
): string {
  const begin = /<svg [^>]*>/.exec(svg)?.[0];
  if (begin === undefined) throw new Error(`no SVG came of the plot ${name}`);
  const named = begin.replace(
    '<svg ',
    `<svg role="img" aria-labelledby="${name}-title ${name}-desc" `,
  );
  const texts = `<title id="${name}-title">${escapeXml(title)}</title>\n<desc id="${name}-desc">${escapeXml(subtitle)}</desc>`;
  return svg
    .replace(begin, () => `${named}\n${texts}`)
    .replace(/<style[^>]*>[\s\S]*?<\/style>\s*/g, '')
    .replace(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
    .replace(/\bzr\d+-/g, `${name}-`)
    .trim();
}

/** In several lines where a name is longer than there is room for beside a plot. */
export function wrapped(label: string, length = LINE_LENGTH): string {
  const at = label.lastIndexOf(' ', length);
  if (label.length <= length || at < 0) return label;
  return `${label.slice(0, at)}\n${wrapped(label.slice(at + 1), length)}`;
}

/** For text and attributes of XML and HTML. Characters that XML does not have are left out. */
export function escapeXml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML does not have.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}
