import { PacketNode, state } from './zz-lead.ts';
import { Packets } from './places.ts';
import { web } from './rows.ts';
const ends: any[] = [];
const node: any = await PacketNode.create({ teardown: (e: any) => ends.push(e) } as any);
try {
  for (const family of ['IPv4','IPv6'] as const) {
  const p: any = new Packets(family);
  await node.reset();
  await node.serve(...web(p, ['localPod']));
  const doit = (hook: string, name: string, pkt: any) => { state.repeat = 50000; const o = node.run(hook, pkt, 'uplink'); state.repeat = 1; console.log(family, hook, name, o.verdict, o.counts.join(), state.ns.toFixed(0)); };
  doit('ingress', 'plain TCP data to pod', p.tcp('stranger:40000 > localPod:9999', 'ACK', { payload: 'x' }));
  doit('ingress', 'plain TCP SYN to pod', p.tcp('stranger:40000 > localPod:9999', 'SYN'));
  doit('ingress', 'plain UDP to pod', p.udp('stranger:40000 > localPod:9999'));
  doit('ingress', 'plain UDP to node', p.udp('stranger:40000 > node:8472'));
  doit('ingress', 'plain TCP data to node', p.tcp('stranger:40000 > node:6443','ACK'));
  doit('egress', 'plain TCP data', p.tcp('localPod:9999 > stranger:40000','ACK'));
  doit('egress', 'plain UDP', p.udp('localPod:9999 > stranger:40000'));
  node.run('ingress', p.tcp('client:40000 > node:30080','SYN'),'uplink');
  }
} finally { for (const e of ends.reverse()) await e(); }
