// SPDX-License-Identifier: Apache-2.0
// Which kernels there are by name, and what apt's words about them mean. Pure; fetch-kernel.ts does what this decides.

/** A kernel that is ready to boot. */
export interface Kernel {
  /** By which it was asked for: `6.1`, or a folder's name. */
  readonly name: string;
  /** As `uname -r` tells it: 6.1.0-56-amd64. */
  readonly release: string;
  /** The exact Debian package, linux-image-RELEASE; empty for a folder that is from elsewhere. */
  readonly package: string;
  /** Of the package, as Debian counts: 6.1.192-2. */
  readonly version: string;
  /** Holds the ELF file vmlinux and lib/modules/RELEASE. */
  readonly directory: string;
}

export interface KernelSource {
  readonly name: string;
  readonly alias?: string;
  /** By code name: which release is `stable` changes. */
  readonly suite: string;
  readonly title: string;
  /** Its security updates are published beside it. */
  readonly hasSecurity: boolean;
}

export const KERNELS: readonly KernelSource[] = [
  { name: '6.1', alias: 'oldest', suite: 'bookworm', title: 'Debian 12', hasSecurity: true },
  { name: '6.12', suite: 'trixie', title: 'Debian 13', hasSecurity: true },
  { name: 'newest', suite: 'sid', title: 'Debian sid', hasSecurity: false },
];

/** Depends on the exact package of the newest kernel of its release. */
export const META_PACKAGE = 'linux-image-amd64';

export function findSource(name: string): KernelSource | undefined {
  return KERNELS.find((source) => source.name === name || source.alias === name);
}

export interface Mirrors {
  readonly main: string;
  readonly security: string;
}

/** What `mirrorsOf` reads: ORIGIN and LABEL are empty where no lists are downloaded yet. */
export const TARGET_FORMAT = '$(ORIGIN)|$(LABEL)|$(REPO_URI)';

/** @param targets of `apt-get indextargets`, by TARGET_FORMAT. @returns where this machine finds Debian; undefined when it does not. */
export function mirrorsOf(targets: string): Mirrors | undefined {
  const sources = targets.split('\n').map((line) => {
    const [origin = '', label = '', address = ''] = line.split('|');
    return { origin, label, address: address.replace(/\/+$/, '') };
  });
  const find = (wanted: string, folder: string) =>
    sources.find(({ origin, label, address }) =>
      origin === '' ? address.endsWith(`/${folder}`) : origin === 'Debian' && label === wanted,
    )?.address;
  const main = find('Debian', 'debian');
  if (main === undefined) return undefined;
  return { main, security: find('Debian-Security', 'debian-security') ?? `${main}-security` };
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** @returns a sources.list with nothing but what the kernel's packages are in. */
export function sourcesOf(source: KernelSource, { main, security }: Mirrors): string {
  const { suite, hasSecurity } = source;
  const line = (address: string, name: string) =>
    `deb [signed-by=${KEYRING}] ${address} ${name} main\n`;
  return line(main, suite) + (hasSecurity ? line(security, `${suite}-security`) : '');
}

export interface ExactPackage {
  readonly name: string;
  readonly version: string;
}

/** @param stanza of `apt-cache show`. @returns what the package depends on in exactly one version, in the order of the stanza. */
export function exactDepends(stanza: string): readonly ExactPackage[] {
  const depends = stanza.match(/^Depends: (.*)$/m)?.[1] ?? '';
  return [...depends.matchAll(/(?:^|, )(\S+) \(= ([^)]+)\)(?=,|$)/g)].map(
    ([, name = '', version = '']) => ({ name, version }),
  );
}

const IMAGE = /^linux-image-(\d.*)$/;

/** @returns the kernel's package among what the meta package depends on; undefined when there is none. */
export function imageOf(depends: readonly ExactPackage[]): ExactPackage | undefined {
  return depends.find(({ name }) => IMAGE.test(name));
}

/** @returns what `uname -r` says with the kernel of this package. */
export function releaseOf(image: string): string {
  const release = image.match(IMAGE)?.[1];
  if (release === undefined) throw new Error(`${image} is no package of a kernel`);
  return release;
}

/** @returns the packages of the image's dependencies that its files are in: since 7, it holds none itself. */
export function partsOf(depends: readonly ExactPackage[]): readonly ExactPackage[] {
  return depends.filter(({ name }) => /^linux-(?:binary|modules|base)-\d/.test(name));
}
