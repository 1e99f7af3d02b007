// SPDX-License-Identifier: Apache-2.0
// The Kubernetes DNS specification, record by record, over a small cluster.

import test from 'ava';
import type { Answer, RecordType } from 'dns-packet';
import { ClusterRecords } from '../../../lab/dns/cluster-records.ts';
import { resolve } from '../../../lab/dns/resolve.ts';
import type { KubeObject } from '../../../lab/object-store.ts';

const service = (name: string, spec: object): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { type: 'ClusterIP', ...spec },
});
const slice = (
  of: string,
  addressType: string,
  endpoints: object[],
  ports: object[],
): KubeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `${of}-${addressType.toLowerCase()}`,
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': of },
  },
  addressType,
  endpoints,
  ports,
});

const pgPort = { name: 'pg', protocol: 'TCP', port: 5432 };

function cluster(): ClusterRecords {
  const records = new ClusterRecords('Cluster.Local.');
  const objects = [
    service('kubernetes', {
      clusterIPs: ['10.96.0.1'],
      ports: [
        { name: 'https', protocol: 'TCP', port: 443 },
        { protocol: 'UDP', port: 9 },
      ],
    }),
    service('dual', {
      clusterIPs: ['10.96.0.7', 'fd00:10:96::7'],
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    }),
    service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [pgPort] }),
    service('waiting', { clusterIP: 'None', ports: [pgPort] }),
    service('ext', { type: 'ExternalName', externalName: 'www.example.com.' }),
    service('inside', {
      type: 'ExternalName',
      externalName: 'kubernetes.default.svc.cluster.local',
    }),
    service('loop', { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' }),
    slice(
      'db',
      'IPv4',
      [
        { addresses: ['10.244.0.5'], hostname: 'db-0', conditions: { ready: true } },
        { addresses: ['10.244.0.6'], conditions: {} },
        { addresses: ['10.244.0.7'], hostname: 'db-2', conditions: { ready: false } },
      ],
      [pgPort],
    ),
    slice('db', 'IPv6', [{ addresses: ['fd00::5'], hostname: 'db-0' }], [pgPort]),
    slice(
      'waiting',
      'IPv4',
      [{ addresses: ['10.244.0.9'], conditions: { ready: false } }],
      [pgPort],
    ),
    // A backend of a Service with a cluster IP is nobody's name.
    slice('kubernetes', 'IPv4', [{ addresses: ['10.244.0.1'], hostname: 'api' }], []),
  ];
  for (const object of objects) records.set(object);
  return records;
}

function dataOf(answer: Answer): string {
  if (answer.type === 'SRV') {
    const { priority, weight, port, target } = answer.data;
    return `SRV ${priority} ${weight} ${port} ${target}`;
  }
  return 'data' in answer ? `${answer.type} ${String(answer.data)}` : answer.type;
}

const SVC = 'default.svc.cluster.local';
const rows: [type: RecordType, name: string, expected: string[] | 'NXDOMAIN' | 'REFUSED'][] = [
  ['TXT', 'dns-version.cluster.local', ['TXT 1.1.0']],
  ['A', 'dns-version.cluster.local', []],
  ['A', `kubernetes.${SVC}`, ['A 10.96.0.1']],
  ['A', `Kubernetes.DEFAULT.svc.Cluster.Local`, ['A 10.96.0.1']],
  ['AAAA', `kubernetes.${SVC}`, []],
  ['AAAA', `dual.${SVC}`, ['AAAA fd00:10:96::7']],
  ['A', `dual.${SVC}`, ['A 10.96.0.7']],
  ['SRV', `_https._tcp.kubernetes.${SVC}`, [`SRV 0 100 443 kubernetes.${SVC}`]],
  ['A', `_https._tcp.kubernetes.${SVC}`, []],
  ['SRV', `_https._udp.kubernetes.${SVC}`, 'NXDOMAIN'],
  ['SRV', `_http._tcp.kubernetes.${SVC}`, 'NXDOMAIN'],
  ['SRV', `_tcp.kubernetes.${SVC}`, []],
  ['SRV', `_._tcp.dual.${SVC}`, 'NXDOMAIN'],
  ['SRV', `kubernetes.${SVC}`, [`SRV 0 50 443 kubernetes.${SVC}`, `SRV 0 50 9 kubernetes.${SVC}`]],
  ['A', `api.kubernetes.${SVC}`, 'NXDOMAIN'],
  ['A', `db.${SVC}`, ['A 10.244.0.5', 'A 10.244.0.6']],
  ['AAAA', `db.${SVC}`, ['AAAA fd00::5']],
  ['A', `db-0.db.${SVC}`, ['A 10.244.0.5']],
  ['AAAA', `db-0.db.${SVC}`, ['AAAA fd00::5']],
  ['A', `10-244-0-6.db.${SVC}`, ['A 10.244.0.6']],
  ['A', `db-2.db.${SVC}`, 'NXDOMAIN'],
  [
    'SRV',
    `_pg._tcp.db.${SVC}`,
    [`SRV 0 50 5432 db-0.db.${SVC}`, `SRV 0 50 5432 10-244-0-6.db.${SVC}`],
  ],
  ['A', `waiting.${SVC}`, 'NXDOMAIN'],
  ['SRV', `_pg._tcp.waiting.${SVC}`, 'NXDOMAIN'],
  ['A', `ext.${SVC}`, ['CNAME www.example.com']],
  ['CNAME', `ext.${SVC}`, ['CNAME www.example.com']],
  ['A', `inside.${SVC}`, [`CNAME kubernetes.${SVC}`, 'A 10.96.0.1']],
  ['CNAME', `inside.${SVC}`, [`CNAME kubernetes.${SVC}`]],
  ['A', `nothing.${SVC}`, 'NXDOMAIN'],
  ['A', SVC, []],
  ['A', 'svc.cluster.local', []],
  ['A', 'other.svc.cluster.local', 'NXDOMAIN'],
  ['A', 'cluster.local', []],
  ['A', 'elsewhere.cluster.local', 'NXDOMAIN'],
  ['A', `a.b.c.kubernetes.${SVC}`, 'NXDOMAIN'],
  ['A', '10-244-0-5.default.pod.cluster.local', ['A 10.244.0.5']],
  ['AAAA', 'fd00--5.default.pod.cluster.local', ['AAAA fd00::5']],
  ['A', '10-244-0.default.pod.cluster.local', 'NXDOMAIN'],
  ['A', '10-244-0-5.other.pod.cluster.local', 'NXDOMAIN'],
  ['PTR', '1.0.96.10.in-addr.arpa', [`PTR kubernetes.${SVC}`]],
  ['PTR', '5.0.244.10.in-addr.arpa', [`PTR db-0.db.${SVC}`]],
  ['PTR', '7.0.244.10.in-addr.arpa', 'NXDOMAIN'],
  ['PTR', '1.0.244.10.in-addr.arpa', 'NXDOMAIN'],
  [
    'PTR',
    '7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa',
    [`PTR dual.${SVC}`],
  ],
  ['A', '1.0.96.10.in-addr.arpa', []],
  ['PTR', '96.10.in-addr.arpa', 'NXDOMAIN'],
  ['A', 'www.example.com', 'REFUSED'],
  ['A', 'notcluster.local', 'REFUSED'],
];
for (const [type, name, expected] of rows) {
  test(`${type} ${name}`, (t) => {
    const { rcode, answers, authorities } = resolve({ type, name }, cluster());
    t.is(rcode, typeof expected === 'string' ? expected : 'NOERROR');
    t.deepEqual(answers.map(dataOf), typeof expected === 'string' ? [] : expected);
    // A negative answer says for how long it may be kept (RFC 2308).
    const soa = rcode !== 'REFUSED' && answers.length === 0 ? ['SOA'] : [];
    t.deepEqual(
      authorities.map((record) => record.type),
      soa,
    );
  });
}

test('answers repeat the asker’s spelling; SRV brings the addresses along', (t) => {
  const name = `_PG._tcp.Db.${SVC}`;
  const { answers, additionals } = resolve({ type: 'SRV', name }, cluster());
  t.true(answers.every((answer) => answer.name === name));
  t.deepEqual(
    additionals.map((record) => `${record.name} ${dataOf(record)}`),
    [
      `db-0.db.${SVC} A 10.244.0.5`,
      `10-244-0-6.db.${SVC} A 10.244.0.6`,
      `db-0.db.${SVC} AAAA fd00::5`,
    ],
  );
});

test('aliases in a circle come to an end', (t) => {
  t.true(resolve({ type: 'A', name: `loop.${SVC}` }, cluster()).answers.length < 20);
});

test('what is removed is no longer known', (t) => {
  const records = cluster();
  records.remove('EndpointSlice', 'default/db-ipv4');
  records.remove('EndpointSlice', 'default/none');
  const ask = (type: RecordType) => resolve({ type, name: `db.${SVC}` }, records);
  t.deepEqual(ask('A').answers, []);
  t.is(ask('AAAA').answers.length, 1);
  for (const key of records.keys('Service')) records.remove('Service', key);
  t.is(ask('AAAA').rcode, 'NXDOMAIN');
  t.is(resolve({ type: 'A', name: SVC }, records).rcode, 'NXDOMAIN');
});
