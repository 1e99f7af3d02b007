// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { licenceProblems } from '../../../../scripts/checks/licence-lines.ts';

const APACHE = '// SPDX-License-Identifier: Apache-2.0\n';
const KERNEL = '// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n';

test('the line is the first, or the second of a script', (t) => {
  const files = [
    { path: 'agent/main.ts', text: APACHE },
    { path: 'scripts/setup', text: `#!/bin/sh\n${APACHE.replace('//', '#')}` },
    { path: 'bpf/a.bpf.c', text: KERNEL },
    { path: 'bpf/a.h', text: '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n' },
    { path: 'README.md', text: 'no source' },
    { path: 'deploy/daemon-set.yaml', text: 'kind: DaemonSet' },
  ];
  t.deepEqual(licenceProblems(files), []);
});

test('a line that is missing, late or of the other half of the tree is a problem', (t) => {
  const files = [
    { path: 'agent/main.ts', text: 'export {};\n' },
    { path: 'agent/late.ts', text: `// What this is\n${APACHE}` },
    { path: 'scripts/setup', text: '#!/bin/sh\n' },
    { path: 'agent/kernel.ts', text: KERNEL },
    { path: 'bpf/a.h', text: APACHE },
    { path: 'deploy/Dockerfile', text: 'FROM scratch\n' },
  ];
  t.deepEqual(
    licenceProblems(files).map((problem) => problem.split(':')[0]),
    files.map((file) => file.path),
  );
});
