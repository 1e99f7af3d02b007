// SPDX-License-Identifier: Apache-2.0
// docs/kernels.md, from the run of `npm run test:kernels` that test/vm/results.json holds. Pure, but for reading it.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { markdownTable } from 'markdown-table';
import { LEFT_OUT, MOST_VERIFIED, PLAN, SUITES } from '../../test/vm/plan.ts';
import { type KernelResult, type Result, sumsOf } from '../../test/vm/result.ts';
import {
  grouped,
  programRows,
  type Row,
  secondAttempts,
  skipRows,
  summary,
  testRows,
} from '../../test/vm/tables.ts';

const RESULTS = path.join(import.meta.dirname, '../../test/vm/results.json');

/** Without a run there is no document. */
export const KERNEL_FILES: readonly { readonly file: string; readonly text: () => string }[] =
  existsSync(RESULTS)
    ? [
        {
          file: 'docs/kernels.md',
          text: () => kernelDocument(JSON.parse(readFileSync(RESULTS, 'utf8')) as Result),
        },
      ]
    : [];

export function kernelDocument(result: Result): string {
  const { kernels, date, minutes, processorMinutes, processors, later } = result;
  const since = later.map(
    (run) => `${run.suites.join(', ')} with ${run.kernels.join(', ')} (${run.date.slice(0, 10)})`,
  );
  const all = summary(sumsOf(kernels.flatMap(({ files }) => files)));
  const again = secondAttempts(kernels);
  const columns = kernels.map(({ name }) => name);
  return `<!-- Made from test/vm/results.json by npm run generate: run npm run test:kernels -- --write instead of editing. -->

# Kernels

The project's own tests with the kernels that people run, each in a virtual machine. The last whole run, on ${date.slice(0, 10)}${since.length > 0 ? ', with what was run again since in its place' : ''}: ${all}.
Signalbox needs Linux 6.1; what a later kernel brings is used where it is there, and what stands in for it where it is not.

${table(['kernel', 'of', 'package', 'version', 'on devices', 'closes UDP sockets by', 'doctor says'], kernels.map(kernelRow))}

\`\`\`
npm run test:kernels                                  # all of it
npm run test:kernels -- --kernel 6.1 --only sockets   # a part of it
npm run test:kernels -- --write && npm run generate   # this page anew
scripts/vm --kernel newest COMMAND                    # anything with that kernel
\`\`\`

The last whole run took ${minutes} minutes on ${processors} processors, which worked ${processorMinutes} minutes for it altogether.${since.length > 0 ? ` Run again since: ${since.join('; ')}.` : ''}
\`npm test\` runs a part of it with the oldest kernel: [\`test/vm/oldest-kernel.test.ts\`](../test/vm/oldest-kernel.test.ts).

## Tests

A test that asserts which of two ways is used is among them: programs are attached by TCX where the kernel has it and as
filters of clsact where not (\`devices\`, "auto"), and where it has both, both are tested. The same is true of
\`bpf_sock_destroy\` and SOCK_DIAG (\`stale-sockets\`).

${SUITES.map((suite) => `- **${suite}**: ${PLAN[suite].title}`).join('\n')}

${table(['passed, of', ...columns], testRows(kernels).map(codeRow))}

${skips(kernels, columns)}

${
  again.length === 0
    ? 'Nothing was run a second time.'
    : `Run a second time, because Node had crashed (see [below](#what-emulation-means)), and told here with what the guest's kernel said of that:\n\n${again.map((line) => `- ${line}`).join('\n')}`
}

## What the verifier does

Instructions of each program as compiled (${result.clang}), then for each kernel those that its verifier went through, over all
paths, and how long that took, emulated and with other guests beside it: a processor takes a tenth of it or less. The kernel allows 1,000,000; a guest in which a program takes
${grouped(MOST_VERIFIED)} fails. Figures of the kernel that the project is developed on are in [\`bpf/costs.json\`](../bpf/costs.json).

${table(['program', 'instructions', ...columns], programRows(kernels).map(codeRow), 1)}

## What is left out

${SUITES.flatMap((suite) => Object.entries(PLAN[suite].titles ?? {}))
  .map(
    ([file, titles]) =>
      `- of \`${file}\` all but ${titles.map((title) => `"${title.replaceAll('*', '...')}"`).join(', ')}: each takes long, and the kernel does little that is new in it`,
  )
  .join('\n')}
${LEFT_OUT.map(({ what, why }) => `- ${what}: ${why}`).join('\n')}

## What emulation means

- Guests are emulated (${result.qemu}, TCG), so that nothing depends on a processor that lends itself. Everything takes ten times as long or more: no
  time on this page says anything about a node, and deadlines of tests are twenty times as long as elsewhere.
- Their processor has no CMPXCHG16B, which QEMU 7.2 emulates wrongly. Kernels of today need it to keep what BPF stores with a socket, except
  in slabs that are checked, which they are told to use (\`slab_debug=F,kmalloc-*\`).
- A guest has one processor. What two processors do to each other at the same time is tested where the tests run natively.
- The guest's Node crashes about once in a hundred starts, in WebAssembly, natively never. A file of which a test failed is run a second
  time when the guest's kernel has logged such a crash, for no other reason; it is said above. Failed twice is failed.
- A guest sees this machine's files, and so its Node (${result.node}), compiler and libbpf: what differs is the kernel, with its modules and settings.
- A skip counts only for what a kernel is too old for. Any other is a failure.
`;
}

function kernelRow({ name, title, version, release, findings, ...kernel }: KernelResult): Row {
  const ids = findings.map(({ id }) => id);
  return {
    name: `${name}`,
    cells: [
      title,
      `\`${kernel.package || release}\``,
      version,
      ids.includes('no-tcx') ? 'filters of clsact' : 'TCX',
      ids.includes('no-socket-destroyer') ? 'SOCK_DIAG' : '`bpf_sock_destroy`',
      ids.map((id) => `\`${id}\``).join(', ') || 'nothing',
    ],
  };
}

function skips(kernels: readonly KernelResult[], columns: readonly string[]): string {
  const rows = skipRows(kernels);
  if (rows.length === 0) return 'None was skipped.';
  return table(['skipped, because it', ...columns], rows);
}

function codeRow({ name, cells }: Row): Row {
  return { name: name === 'all' ? 'all' : `\`${name}\``, cells };
}

/** @param from of the cells after the name, where figures begin, which are aligned to the right. */
function table(heads: readonly string[], rows: readonly Row[], from = heads.length): string {
  return markdownTable([[...heads], ...rows.map(({ name, cells }) => [name, ...cells])], {
    align: heads.map((_, i) => (i >= from ? 'r' : 'l')),
  });
}
