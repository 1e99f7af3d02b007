// SPDX-License-Identifier: Apache-2.0
// The few names and addresses that random clusters are made of, so that everything meets everything.

export const OWN_NODE = 'node-1';
export const NAMESPACES = ['a', 'b', undefined];
export const NAMES = ['p', 'q'];

/** The same places in either family. */
export const ADDRESSES = {
  IPv4: {
    services: ['10.96.0.1', '10.96.0.2', '10.96.0.3'],
    outside: ['203.0.113.1', '203.0.113.2'],
    node: ['10.0.0.11', '10.0.0.12'],
    otherNode: ['10.0.0.21'],
    /** Of the node itself, but in its pod CIDR. */
    gateway: ['10.244.1.254'],
    pods: ['10.244.1.1', '10.244.1.2', '10.244.1.3'],
    otherPods: ['10.244.2.1', '10.244.2.2'],
    stranger: ['198.51.100.7'],
    loopback: ['127.0.0.1', '127.0.0.2'],
  },
  IPv6: {
    services: ['fd00:96::1', 'fd00:96::2', 'fd00:96::3'],
    outside: ['2001:db8::1', '2001:db8::2'],
    node: ['fd00:10::11', 'fd00:10::12'],
    otherNode: ['fd00:10::21'],
    gateway: ['fd00:244:0:1::254'],
    pods: ['fd00:244:0:1::1', 'fd00:244:0:1::2', 'fd00:244:0:1::3'],
    otherPods: ['fd00:244:0:2::1', 'fd00:244:0:2::2'],
    stranger: ['2001:db8:7::7'],
    loopback: ['::1'],
  },
};
export const FAMILIES = ['IPv4', 'IPv6'] as const;
