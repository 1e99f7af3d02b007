// SPDX-License-Identifier: Apache-2.0
// What a report of Kubernetes' tests says, in the JUnit form that Ginkgo writes. Pure. A test that was not chosen is in
// there as well, as skipped.

export interface Outcome {
  readonly name: string;
  readonly verdict: 'passed' | 'failed' | 'skipped';
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#34;': '"',
  '&apos;': "'",
  '&#39;': "'",
  '&amp;': '&',
};

/** Each test of the report: Ginkgo's own steps around them only when they failed. */
export function outcomesOf(junit: string): readonly Outcome[] {
  const cases = junit.matchAll(/<testcase name="([^"]*)"[^>]*? status="(\w+)"/g);
  return [...cases].flatMap(([, name = '', status = '']) => {
    const verdict = verdictOf(status);
    const isTest = name.startsWith('[It] ');
    return isTest || verdict === 'failed'
      ? [{ name: unescaped(name).replace(/^\[It\] /, ''), verdict }]
      : [];
  });
}

/** Ginkgo has more words for failures (panicked, timedout, interrupted) than for the others. */
function verdictOf(status: string): Outcome['verdict'] {
  if (status === 'passed') return 'passed';
  return status === 'skipped' || status === 'pending' ? 'skipped' : 'failed';
}

function unescaped(text: string): string {
  return text.replaceAll(
    /&(?:lt|gt|quot|apos|amp|#3[49]);/g,
    (entity) => ENTITIES[entity] ?? entity,
  );
}
