// SPDX-License-Identifier: Apache-2.0
// How long connections live: by the rules, and as the programs have it, whose function is compiled here.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { protocolNumber } from '../../../agent/model/protocol.ts';
import { flowState, flowTimeoutSeconds, idleSeconds } from '../../../agent/plan/flow-life.ts';
import { FlowFlags } from '../../../agent/sys/layout.gen.ts';
import { requireProgram } from '../../helpers/requirements.ts';

const BPF = path.join(import.meta.dirname, '../../../bpf');
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
const { CONFIRMED, REQUEST_FIN, REPLY_FIN, REPLY_FIN_FIRST, RESET } = FlowFlags;

const lives = test.macro({
  exec(t, protocol: (typeof PROTOCOLS)[number], flags: number, state: string, seconds: number) {
    const number = protocolNumber(protocol);
    // What else is noted of a flow has no say in it.
    const others = [0, FlowFlags.REQUEST, FlowFlags.AT_EGRESS | FlowFlags.MASQUERADED];
    for (const other of others) {
      t.is(flowState(number, flags | other), state as ReturnType<typeof flowState>);
      t.is(flowTimeoutSeconds(number, flags | other), seconds);
    }
  },
  title: (_, protocol, flags, state) => `${protocol} with flags ${flags} is ${state}`,
});
test(lives, 'TCP', 0, 'opening', 60);
test(lives, 'TCP', CONFIRMED, 'established', 24 * 3600);
test(lives, 'TCP', CONFIRMED | REQUEST_FIN, 'closing', 3600);
test(lives, 'TCP', CONFIRMED | REPLY_FIN, 'closing', 3600);
test(lives, 'TCP', REQUEST_FIN, 'closing', 3600);
test(lives, 'TCP', CONFIRMED | REQUEST_FIN | REPLY_FIN, 'closed', 10);
test(lives, 'TCP', CONFIRMED | REQUEST_FIN | REPLY_FIN | REPLY_FIN_FIRST, 'closed', 60);
test(lives, 'TCP', CONFIRMED | RESET, 'closed', 120);
test(lives, 'TCP', CONFIRMED | REPLY_FIN | REPLY_FIN_FIRST | RESET, 'closed', 120);
test(lives, 'TCP', RESET, 'closed', 120);
test(lives, 'TCP', CONFIRMED | REQUEST_FIN | RESET, 'closed', 120);
test(lives, 'UDP', 0, 'unanswered', 30);
test(lives, 'UDP', CONFIRMED, 'answered', 120);
test(lives, 'UDP', CONFIRMED | RESET, 'answered', 120);
test(lives, 'SCTP', 0, 'unanswered', 60);
test(lives, 'SCTP', CONFIRMED, 'answered', 300);

test('what was used after the clock was read is used now', (t) => {
  t.is(idleSeconds(1_000_000_000n, 3_500_000_000n), 2.5);
  t.is(idleSeconds(3_500_000_001n, 3_500_000_000n), 0);
});

test('the programs have the same time-outs', (t) => {
  if (!requireProgram(t, 'cc')) return;
  const header = readFileSync(path.join(BPF, 'flow.bpf.h'), 'utf8');
  const [timeout = ''] = header.match(/^static __always_inline __u32 flow_timeout\(.*?^\}/ms) ?? [];
  t.not(timeout, '', 'bpf/flow.bpf.h has no flow_timeout()');
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-flow-life-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const binary = path.join(folder, 'timeouts');
  writeFileSync(
    `${binary}.c`,
    `#include <netinet/in.h>
#include <stdio.h>
#include "abi.h"
${timeout}
int main(void)
{
	int protocols[] = {${PROTOCOLS.map(protocolNumber).join(', ')}};

	for (int i = 0; i < 3; i++)
		for (int flags = 0; flags < 1024; flags++)
			printf("%u\\n", flow_timeout(protocols[i], flags));
	return 0;
}
`,
  );
  execFileSync('cc', [`-I${BPF}`, `${binary}.c`, '-o', binary]);
  const ofPrograms = execFileSync(binary, { encoding: 'utf8' }).trim().split('\n').map(Number);
  const ours = PROTOCOLS.flatMap((protocol) =>
    Array.from({ length: 1024 }, (_, flags) => flowTimeoutSeconds(protocolNumber(protocol), flags)),
  );
  t.deepEqual(ofPrograms, ours);
});
