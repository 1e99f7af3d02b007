// SPDX-License-Identifier: Apache-2.0
// Command lines and configuration files, and what kube-proxy 1.36 makes of each: the same are given to
// `signalbox agent` (test/unit/config/kube-proxy-cases.test.ts) and, where there is one, to a real
// kube-proxy (test/netns/kube-proxy-cases.test.ts), so that the rows stay true. Pure.

export const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

export interface KubeProxyCase {
  readonly args: readonly string[];
  /** What --config names; undefined: nothing. */
  readonly file?: string;
  readonly taken: boolean;
  /** Why Signalbox says otherwise, or writes something else; docs/configuration.md has it, too. */
  readonly differs?: string;
}

/** Lines below the head of a file. */
const files = (taken: boolean, ...bodies: readonly string[]): KubeProxyCase[] =>
  bodies.map((body) => ({ args: [], file: `${HEAD}${body}\n`, taken }));

/** Words of a command line; · is a space. */
const lines = (taken: boolean, ...texts: readonly string[]): KubeProxyCase[] =>
  texts.map((text) => ({
    args: text.split(' ').map((word) => word.replaceAll('·', ' ')),
    taken,
  }));

const differing = (differs: string, cases: readonly KubeProxyCase[]): KubeProxyCase[] =>
  cases.map((each) => ({ ...each, differs }));

export const KUBEADM = `${HEAD}bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection: {acceptContentTypes: "", burst: 0, contentType: "", kubeconfig: /var/lib/kube-proxy/kubeconfig.conf, qps: 0}
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack: {maxPerCore: null, min: null, tcpBeLiberal: false, tcpCloseWaitTimeout: null, tcpEstablishedTimeout: null, udpStreamTimeout: 0s, udpTimeout: 0s}
detectLocal: {bridgeInterface: "", interfaceNamePrefix: ""}
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables: {localhostNodePorts: null, masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
ipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "", strictARP: false, syncPeriod: 0s, tcpFinTimeout: 0s, tcpTimeout: 0s, udpTimeout: 0s}
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}, verbosity: 0}
metricsBindAddress: ""
mode: ""
nftables: {masqueradeAll: false, masqueradeBit: null, minSyncPeriod: 0s, syncPeriod: 0s}
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel: {enableDSR: false, forwardHealthCheckVip: false, networkName: "", rootHnsEndpointName: "", sourceVip: ""}
`;

/** As clusters have them. */
const OF_CLUSTERS: readonly KubeProxyCase[] = [
  { args: ['--hostname-override=Node-1'], file: KUBEADM, taken: true },
  // kind: conntrack is the host's; both families.
  {
    args: ['--hostname-override=kind-control-plane'],
    file: `${HEAD}mode: iptables\nclusterCIDR: 10.244.0.0/16,fd00:10:244::/56\nconntrack: {maxPerCore: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s}\niptables: {minSyncPeriod: 1s, syncPeriod: 0s}`,
    taken: true,
  },
  // EKS: keys of the past among them.
  {
    args: ['--v=2', '--hostname-override=ip-10-0-0-1.ec2.internal'],
    file: `${HEAD}mode: "ipvs"\nconntrack: {max: 0, maxPerCore: 32768, min: 131072, tcpCloseWaitTimeout: 1h0m0s, tcpEstablishedTimeout: 24h0m0s}\nipvs: {excludeCIDRs: null, minSyncPeriod: 0s, scheduler: "rr", syncPeriod: 30s}\noomScoreAdj: -998\nmetricsBindAddress: 0.0.0.0:10249\nudpIdleTimeout: 250ms\nresourceContainer: ""`,
    taken: true,
  },
  // k3s, but for the address of its health checks, which has no port: --write-config-to wants one.
  ...lines(
    true,
    '--cluster-cidr=10.42.0.0/16 --conntrack-max-per-core=0 --conntrack-tcp-timeout-close-wait=0s --conntrack-tcp-timeout-established=0s --healthz-bind-address=127.0.0.1:10256 --hostname-override=k3s --kubeconfig=/var/lib/rancher/k3s/agent/kubeproxy.kubeconfig --proxy-mode=iptables',
    // GKE
    '--kubeconfig=/var/lib/kube-proxy/kubeconfig --cluster-cidr=10.4.0.0/14 --oom-score-adj=-998 --v=2 --feature-gates=AllBeta=true --iptables-sync-period=1m --iptables-min-sync-period=10s --ipvs-sync-period=1m --ipvs-min-sync-period=10s --detect-local-mode=NodeCIDR',
  ),
];

const FILES: readonly KubeProxyCase[] = [
  ...files(
    true,
    'mode: ipvs',
    'mode: nftables',
    'bindAddress: 010.0.0.1',
    'bindAddress: "::ffff:10.0.0.1"',
    'bindAddress: "fd00::1"',
    'healthzBindAddress: "0.0.0.0:+80"',
    'healthzBindAddress: "0.0.0.0:000080"',
    'healthzBindAddress: "[10.0.0.1]:80"',
    'healthzBindAddress: "::"',
    'clusterCIDR: 10.0.0.1/8',
    'clusterCIDR: "::ffff:10.0.0.0/104,fd00::/48"',
    'nodePortAddresses: [10.0.0.0/8, 10.0.0.0/8]',
    'nodePortAddresses: [primary]',
    'configSyncPeriod: 0s',
    'iptables: {minSyncPeriod: 0s}',
    'iptables: {syncPeriod: ".5s", minSyncPeriod: 100us}',
    'iptables: {masqueradeBit: 0, localhostNodePorts: false}',
    'nftables: {masqueradeBit: 40}',
    'nftables: {syncPeriod: -1s}',
    'ipvs: {excludeCIDRs: [x], tcpTimeout: -1s, syncPeriod: -1s}',
    'mode: ipvs\nipvs: {scheduler: nonsense}',
    'detectLocalMode: NodeCIDR\nclusterCIDR: nope',
    'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}\nclusterCIDR: nope',
    'portRange: bad',
    'hostnameOverride: Node-A',
    'featureGates: {WatchListClient: null}',
    'showHiddenMetricsForVersion: "1.35"',
    'noSuchField: 5',
    'iptables: {SyncPeriod: 5s}',
    'mode: iptables\nmode: ipvs',
    'bindAddressHardFail: yes',
    'oomScoreAdj: 010',
    'clientConnection: {burst: 5.0}',
    'logging: {format: json, verbosity: 4}',
    'logging: {vmodule: [{filePattern: a}, {filePattern: b, verbosity: 3, more: 1}]}',
    'logging: {options: {text: {splitStream: true}}}',
    'featureGates: {LoggingAlphaOptions: true}\nlogging: {options: {text: {infoBufferSize: 64Ki}}}',
    'mode: ipvs\n---\nmode: nftables',
    '---',
  ),
  ...files(
    false,
    'mode: userspace',
    'mode: IPTables',
    'mode: true',
    'bindAddress: 10.0.0.1:80',
    'bindAddress: " 10.0.0.1"',
    'healthzBindAddress: "host:10256"',
    'metricsBindAddress: 0.0.0.0:0',
    'metricsBindAddress: ":10249"',
    'clusterCIDR: 10.0.0.0/8,11.0.0.0/8',
    'clusterCIDR: 10.0.0.0/8, fd00::/48',
    'clusterCIDR: 10.0.0.0/8,',
    'nodePortAddresses: [primary, 10.0.0.0/8]',
    'nodePortAddresses: [10.0.0.1]',
    'nodePortAddresses: [" 10.0.0.0/8"]',
    'nodePortAddresses: 10.0.0.0/8',
    'oomScoreAdj: 2000',
    'oomScoreAdj: 5.5',
    'configSyncPeriod: -1s',
    'configSyncPeriod: 1d',
    'iptables: {syncPeriod: 10s, minSyncPeriod: 20s}',
    'iptables: {masqueradeBit: 40}',
    'mode: nftables\niptables: {masqueradeBit: 40}',
    'mode: nftables\nnftables: {masqueradeBit: 40}',
    'mode: ipvs\nipvs: {excludeCIDRs: [x]}',
    'detectLocalMode: LocalModeNodeCIDR',
    'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: ""}',
    'conntrack: {maxPerCore: -1}',
    'clientConnection: {burst: -1}',
    'clientConnection: {qps: 1e40}',
    'bindAddressHardFail: 5',
    'logging: {format: xml}',
    'logging: {flushFrequency: -1s}',
    'logging: {vmodule: [{filePattern: "a=b"}]}',
    'logging: {format: json, vmodule: [{filePattern: a, verbosity: 3}]}',
    'logging: {options: {json: {infoBufferSize: 64Ki}}}',
    'mode: [',
    '\tmode: ipvs',
  ),
  { args: [], file: '', taken: false },
  { args: [], file: 'kind: KubeProxyConfiguration\n', taken: false },
  { args: [], file: HEAD.replace('alpha1', 'beta1'), taken: false },
];

const BESIDE_A_FILE: readonly KubeProxyCase[] = [
  ...['--proxy-mode=bogus', '--oom-score-adj=5000', '--hostname-override=', '--vmodule=a=3'].map(
    (arg) => ({ args: [arg], file: `${HEAD}hostnameOverride: FileName\n`, taken: true }),
  ),
  ...['--bind-address=nope', '--hostname-override= ', '--log-flush-frequency=0'].map((arg) => ({
    args: [arg],
    file: HEAD,
    taken: false,
  })),
];

const FLAGS: readonly KubeProxyCase[] = [
  ...lines(
    true,
    '--bind-address=',
    '--proxy-mode=',
    '--detect-local-mode=',
    '--healthz-bind-address=[::]:10256',
    '--healthz-port 70000',
    '--kube-api-burst 010',
    '--kube-api-burst 1_000',
    '--kube-api-burst 0x10',
    '--kube-api-qps=1e3',
    '--cluster-cidr=10.0.0.0/8 --cluster-cidr=fd00::/48',
    '--nodeport-addresses=',
    '--nodeport-addresses="10.0.0.0/8"',
    '--nodeport-addresses=10.0.0.0/8 --nodeport-addresses=192.168.0.0/16',
    '--feature-gates AllAlpha=T --feature-gates ·AllBeta·=·true,',
    '--iptables-sync-period=1m --proxy-mode=nftables --masquerade-all',
    '--ipvs-sync-period=0',
    '--boot-id-file=/x --machine-id-file=/y',
    '--vmodule=a=3 --vmodule=b=4,',
    '--logging_format=json -v2',
    '--log-text-info-buffer-size=64Ki --feature-gates=LoggingAlphaOptions=true',
    '--masquerade-all=1 --cleanup=false --init-only=F',
  ),
  ...lines(
    false,
    'extra',
    '--no-such-flag',
    '--masquerade-all true',
    '--masquerade-all=',
    '--bind-address=10.0.0.1:5',
    '--healthz-bind-address nope',
    '--healthz-bind-address=:10256',
    '--kube-api-burst 1e3',
    '--kube-api-burst 99999999999',
    '--kube-api-qps=1e50',
    '--cluster-cidr a,b',
    '--cluster-cidr=10.0.0.0/8,',
    '--nodeport-addresses=10.0.0.0/8,',
    '--nodeport-addresses=10.0.0.0/8,·192.168.0.0/16',
    '--feature-gates NoSuch',
    '--hostname-override ··',
    '--iptables-sync-period 0',
    '--iptables-sync-period 30',
    '--ipvs-sync-period=0 --proxy-mode=ipvs',
    '--version=x',
    '-v=0x10',
    '-v=-1',
    '--vmodule=a=3 --logging-format=json',
    '--logging-format=',
    '-kubeconfig=x',
  ),
];

const DIFFERENT: readonly KubeProxyCase[] = [
  ...differing('null is the default everywhere', files(false, 'configSyncPeriod: null')),
  ...differing('no metric is hidden', files(false, 'showHiddenMetricsForVersion: "1.2"')),
  ...differing('a name that kube-proxy finds empty later', files(true, 'hostnameOverride: " "')),
  ...differing(
    'feature gates have no effect',
    files(false, 'featureGates: {LoggingBetaOptions: false}\nlogging: {format: json}'),
  ),
  ...differing('where lines go', lines(false, '--log-text-split-stream')),
  ...differing('nothing said', lines(false, '--cluster-cidr=')),
  ...differing('the port is put in', lines(false, '--metrics-bind-address=0.0.0.0')),
  ...differing('of the past', lines(false, '--logtostderr', '--log-dir=/tmp', '--cleanup-ipvs')),
];

export const KUBE_PROXY_CASES: readonly KubeProxyCase[] = [
  ...OF_CLUSTERS,
  ...FILES,
  ...BESIDE_A_FILE,
  ...FLAGS,
  ...DIFFERENT,
];

export function titleOf({ args, file }: KubeProxyCase): string {
  const text = file?.replace(HEAD, '').trim().replaceAll('\n', '; ').slice(0, 80);
  return [args.join(' '), text ?? ''].filter(Boolean).join(' beside ') || 'an empty file';
}
