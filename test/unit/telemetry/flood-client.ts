// SPDX-License-Identifier: Apache-2.0
// Opens connections to a port of this machine as fast as they are closed, and says nothing, or an endless header bit by
// bit. A process of its own, started by health-flood.test.ts with the port and the number of connections; it ends when it
// is told to, or with its parent. Its messages: how many it has opened.

import net from 'node:net';

const [port, connections] = process.argv.slice(2).map(Number);
let opened = 0;

function open(isSlow: boolean): void {
  const socket = net.connect({ port: port ?? 0, host: '127.0.0.1' });
  let drip: NodeJS.Timeout | undefined;
  socket.on('connect', () => {
    opened++;
    if (!isSlow) return;
    socket.write('GET /livez HTTP/1.1\r\n');
    drip = setInterval(() => socket.write('A: b\r\n'), 100);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    clearInterval(drip);
    setImmediate(open, isSlow);
  });
}

for (let i = 0; i < (connections ?? 0); i++) open(i % 2 === 0);
setInterval(() => process.send?.(opened), 100);
process.on('disconnect', () => process.exit());
