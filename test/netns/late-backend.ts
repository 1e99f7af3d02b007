// SPDX-License-Identifier: Apache-2.0
// Program: late-backend PORT MILLISECONDS. Sends every datagram back, so much later: there always is an answer under
// way. Started by startLateBackend().

import { createSocket } from 'node:dgram';

const [port = 0, lateMs] = process.argv.slice(2).map(Number);
// Of both families.
const socket = createSocket('udp6');
socket.on('message', (data, from) => {
  setTimeout(() => socket.send(data, from.port, from.address), lateMs);
});
socket.bind(port, () => console.log('listening'));
