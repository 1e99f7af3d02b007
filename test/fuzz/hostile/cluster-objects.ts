// SPDX-License-Identifier: Apache-2.0
// Kubernetes objects in order, with everything in them that the agent reads: what the tests of hostile objects, lists,
// watches and manifests damage.

export const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'web',
    namespace: 'default',
    uid: '3f6b0c9e-7d1a-4f8e-9f5b-2f8f1d0c1a2b',
    resourceVersion: '1001',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { app: 'web', 'service.kubernetes.io/topology-mode': 'Auto' },
    annotations: { 'signalbox/balancing': 'maglev', 'kubectl.kubernetes.io/last-applied': '{}' },
  },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10', 'fd00:10:96::a'],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    externalIPs: ['203.0.113.7', '2001:db8::7'],
    loadBalancerSourceRanges: ['10.0.0.0/8', 'fd00::/8'],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 32_000,
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } },
    selector: { app: 'web' },
    ports: [
      { name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30_080 },
      { name: 'dns', protocol: 'UDP', port: 53, targetPort: 'dns', nodePort: 30_053 },
      { name: 'sig', protocol: 'SCTP', port: 2905, targetPort: 2905 },
    ],
  },
  status: {
    loadBalancer: {
      ingress: [
        { ip: '198.51.100.9', ipMode: 'VIP', ports: [{ port: 80, protocol: 'TCP' }] },
        { ip: '198.51.100.10', ipMode: 'Proxy' },
        { hostname: 'lb.example' },
      ],
    },
  },
};

export const ENDPOINT_SLICE = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'web-abcde',
    namespace: 'default',
    resourceVersion: '1002',
    labels: { 'kubernetes.io/service-name': 'web' },
    annotations: {
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:01Z',
      'signalbox/weight': '10',
    },
  },
  addressType: 'IPv4',
  ports: [
    { name: 'http', protocol: 'TCP', port: 8080 },
    { name: 'dns', protocol: 'UDP', port: 53 },
  ],
  endpoints: [
    {
      addresses: ['10.244.1.2'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      zone: 'zone-a',
      hints: { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-1' }] },
    },
    { addresses: ['10.244.2.2'], conditions: { ready: false, serving: true, terminating: true } },
    { addresses: ['10.244.3.2'], conditions: {}, targetRef: { kind: 'Pod', name: 'web-1' } },
  ],
};

export const SLICE_OF_IPV6 = {
  ...ENDPOINT_SLICE,
  metadata: { ...ENDPOINT_SLICE.metadata, name: 'web-fghij', resourceVersion: '1003' },
  addressType: 'IPv6',
  endpoints: [{ addresses: ['fd00:10:244::2'], conditions: { ready: true } }],
};

export const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: 'node-1',
    resourceVersion: '1004',
    labels: { 'topology.kubernetes.io/zone': 'zone-a' },
  },
  spec: {
    podCIDR: '10.244.1.0/24',
    podCIDRs: ['10.244.1.0/24', 'fd00:10:244::/64'],
    taints: [{ key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }],
  },
  status: {
    addresses: [
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '2001:db8::1' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'Hostname', address: 'node-1' },
    ],
  },
};

export const SERVICE_CIDR = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name: 'kubernetes', resourceVersion: '1005' },
  spec: { cidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] },
};

export const HEADLESS = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'db', namespace: 'default', resourceVersion: '1006' },
  spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ port: 5432 }] },
};

export const OTHER_PROXY = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'mesh',
    namespace: 'default',
    resourceVersion: '1007',
    labels: { 'service.kubernetes.io/service-proxy-name': 'mesh' },
  },
  spec: { clusterIP: '10.96.0.77', ports: [{ port: 80 }] },
};

export const OBJECTS: readonly object[] = [
  SERVICE,
  ENDPOINT_SLICE,
  SLICE_OF_IPV6,
  NODE,
  SERVICE_CIDR,
  HEADLESS,
  OTHER_PROXY,
];

/** Values of fields that are numbers: those of other ports, too. */
export const NUMBERS: readonly number[] = [0, 1, 80, 53, 8080, 30_080, 30_053, 65_535, 86_400];

/** Values of fields. */
export const WORDS: readonly string[] = [
  'http',
  'dns',
  '10.96.0.10',
  'fd00:10:96::a',
  'None',
  'IPv4',
  'IPv6',
  'FQDN',
  'TCP',
  'UDP',
  'SCTP',
  'Local',
  'Cluster',
  'ClientIP',
  'LoadBalancer',
  'NodePort',
  'ExternalName',
  'VIP',
  'Proxy',
  'maglev',
  '0.0.0.0',
  '127.0.0.1',
  '::',
  '::ffff:10.0.0.1',
  'fe80::1%eth0',
  '10.0.0.0/33',
  '010.0.0.1',
  '::/0',
  'ToBeDeletedByClusterAutoscaler',
];
