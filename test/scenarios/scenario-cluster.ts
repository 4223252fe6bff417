import { latin1Range } from '../../src/base/bytes.ts';
import { REPLICATION_LIMITS } from '../../src/causal/limits.ts';
import { originText } from '../../src/clock/dot.ts';
import { incarnationOf } from '../../src/clock/origin.ts';
import { WireTap, noCounts, type WireCounts } from '../properties/delivery/wire-tap.ts';
import { VirtualCluster, type VirtualNode } from '../support/virtual-cluster.ts';

type Disk = VirtualNode['disk'];

/** The commands of scenario files over a virtual cluster. Each takes words and returns the lines that it says. */
export class ScenarioCluster {
  #cluster: VirtualCluster | null = null;
  #tap: WireTap = new WireTap();
  #said: WireCounts = noCounts();
  readonly #slow: Map<string, number> = new Map();
  readonly #backups: Map<VirtualNode, Disk> = new Map();

  run(line: string): string[] {
    const [name = '', ...words] = line.split(/\s+/);
    const command = COMMANDS[name];
    if (command === undefined) throw new Error(`no command "${name}": there are ${Object.keys(COMMANDS).join(' ')}`);
    return command(this, words);
  }

  get cluster(): VirtualCluster {
    if (this.#cluster === null) throw new Error('begin with `cluster REGION…`');
    return this.#cluster;
  }

  /** `cluster us eu ap nodes=2 delay=20 holdBackBytesMax=300`: words with `=` are options or limits. It runs for a second. */
  begin(words: readonly string[]): void {
    const options = new Map(
      words.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string]),
    );
    const number = (name: string, usual: number): number => Number(options.get(name) ?? usual);
    const limits: Record<string, number> = {};
    for (const [name, value] of options) if (name in REPLICATION_LIMITS) limits[name] = Number(value);
    const delayMs = number('delay', 10);
    this.#cluster = new VirtualCluster({
      regions: words.filter((word) => !word.includes('=')),
      nodesPerRegion: number('nodes', 1),
      diskMs: number('disk', 5),
      limits,
      delayMs: (from, to) => this.#slow.get(`${from.region}>${to.region}`) ?? delayMs,
    });
    this.#tap = new WireTap();
    this.#cluster.observer = { carried: (from, to, _kind, bytes) => this.#tap.carried(from, to, bytes) };
    this.#cluster.run(1_000);
    this.#said = { ...this.#tap.counts };
  }

  /** `us` is `us/a`. */
  node(name = ''): VirtualNode {
    const node = this.cluster.nodes.find((each) => each.id === (name.includes('/') ? name : `${name}/a`));
    if (node === undefined) throw new Error(`no node "${name}"`);
    return node;
  }

  /** A line for each running node. */
  each(say: (node: VirtualNode) => string): string[] {
    return this.cluster.nodes.map((node) => `${node.id.padEnd(6)} ${node.isRunning ? say(node) : 'down'}`);
  }

  write(node: VirtualNode, make: () => number): string[] {
    const refused = node.core.refusal(true, false);
    if (refused !== null) return [refused.code];
    return [`${originText(node.core.origin, node.core.names)}:${make()}`];
  }

  slow(from: string, to: string, ms: number): void {
    for (const pair of [`${from}>${to}`, `${to}>${from}`]) this.#slow.set(pair, ms);
  }

  fast(from: string, to: string): void {
    for (const pair of [`${from}>${to}`, `${to}>${from}`]) this.#slow.delete(pair);
  }

  backup(node: VirtualNode): void {
    this.#backups.set(node, node.disk.copy());
  }

  restart(node: VirtualNode, how: string | undefined): void {
    const backup = this.#backups.get(node);
    if (how === 'backup' && backup !== undefined) this.cluster.restart(node, { backup });
    else this.cluster.restart(node, { emptyDisk: how === 'empty' });
  }

  vector(node: VirtualNode): string {
    const names = node.core.names;
    const parts = [...node.vector().entries()]
      .toSorted(([left], [right]) => left - right)
      .map(([origin, seq]) =>
        incarnationOf(origin) === 0
          ? `${originText(origin, names).replace('#0', '')} from #${seq}`
          : `${originText(origin, names)}:${seq}`,
      );
    return parts.join(', ');
  }

  state(node: VirtualNode): string {
    const {
      holdBackTransactions: held,
      pausedOrigins: paused,
      logTransactions: log,
      tombstones,
      keys,
    } = node.core.telemetry(0);
    const ready = node.core.unreadyReasons(0)[0] ?? 'ready';
    return `keys ${keys}, held ${held}, paused ${paused}, log ${log}, tombstones ${tombstones}, ${ready}`;
  }

  /** What went over the wire since this was asked last. */
  wire(): string[] {
    const now = this.#tap.counts;
    const before = this.#said;
    this.#said = { ...now };
    return (['fetches', 'asked', 'rewinds', 'truncated', 'snapshotsEnded', 'relayed'] as const).map(
      (name) => `${name} ${now[name] - before[name] === 0 ? 'none' : 'some'}`,
    );
  }
}

type Command = (scenario: ScenarioCluster, words: readonly string[]) => string[];

const quiet =
  (run: (scenario: ScenarioCluster, words: readonly string[]) => void): Command =>
  (scenario, words) => {
    run(scenario, words);
    return [];
  };

const COMMANDS: Readonly<Record<string, Command>> = {
  cluster: quiet((scenario, words) => scenario.begin(words)),
  set: (scenario, [name, key = '', value = '']) => {
    const node = scenario.node(name);
    return scenario.write(node, () => node.set(key, value));
  },
  /** `fill us k 40`: k0 … k39, a transaction each. */
  fill: (scenario, [name, key = '', count = '1']) => {
    const node = scenario.node(name);
    let said: string[] = [];
    for (let at = 0; at < Number(count); at++) said = scenario.write(node, () => node.set(`${key}${at}`, 'v'));
    return said;
  },
  incr: (scenario, [name, key = '', by = '1']) => {
    const node = scenario.node(name);
    return scenario.write(node, () => node.increment(key, BigInt(by)));
  },
  del: (scenario, [name, key = '']) => {
    const node = scenario.node(name);
    return scenario.write(node, () => node.delete(key));
  },
  sadd: (scenario, [name, key = '', member = '']) => {
    const node = scenario.node(name);
    return scenario.write(node, () => node.setAdd(key, member));
  },
  srem: (scenario, [name, key = '', member = '']) => {
    const node = scenario.node(name);
    return scenario.write(node, () => node.setRemove(key, member));
  },
  /** EXPIRE in milliseconds by the node's clock. */
  pexpire: (scenario, [name, key = '', ms = '0']) => {
    const node = scenario.node(name);
    return scenario.write(node, () =>
      node.write((tx) => tx.expire(latin1Range(key), 0, node.now().wallMs + Number(ms))),
    );
  },
  get: (scenario, [key = '']) => scenario.each((node) => node.get(key) ?? '-'),
  members: (scenario, [key = '']) => scenario.each((node) => node.members(key).join(' ') || '-'),
  vector: (scenario) => scenario.each((node) => scenario.vector(node)),
  state: (scenario) => scenario.each((node) => scenario.state(node)),
  wire: (scenario) => scenario.wire(),
  peers: (scenario, [name]) =>
    scenario
      .node(name)
      .core.peers(0)
      .map((peer) => `${peer.id.padEnd(6)} ${peer.connected ? 'up' : 'down'}, behind by ${peer.lagTransactions}`),
  /** How many other regions have all that the node wrote. */
  wait: (scenario, [name]) => {
    const { core } = scenario.node(name);
    const dot = core.lastDot();
    return [dot === null ? '0' : `${core.regionsCovering(dot)}`];
  },
  equal: (scenario) => [scenario.cluster.areEqual() ? 'yes' : 'no'],
  run: quiet((scenario, [ms = '0']) => scenario.cluster.run(Number(ms))),
  /** Lets time pass until all are ready and equal, at most so long. */
  converge: (scenario, [limitMs = '60000']) => [
    scenario.cluster.runUntil(() => scenario.cluster.areReady() && scenario.cluster.areEqual(), Number(limitMs))
      ? 'equal'
      : 'not equal',
  ],
  cut: quiet((scenario, [left = '', right = '']) => scenario.cluster.cut(left, right)),
  heal: quiet((scenario, [left = '', right = '']) => scenario.cluster.heal(left, right)),
  slow: quiet((scenario, [left = '', right = '', ms = '0']) => scenario.slow(left, right, Number(ms))),
  fast: quiet((scenario, [left = '', right = '']) => scenario.fast(left, right)),
  kill: quiet((scenario, [name]) => scenario.cluster.kill(scenario.node(name))),
  backup: quiet((scenario, [name]) => scenario.backup(scenario.node(name))),
  /** `restart us`, `restart us empty`, `restart us backup` */
  restart: quiet((scenario, [name, how]) => scenario.restart(scenario.node(name), how)),
  pause: quiet((scenario, [name]) => scenario.cluster.pause(scenario.node(name))),
  resume: quiet((scenario, [name]) => scenario.cluster.resume(scenario.node(name))),
  /** Sets how far a node's clock is ahead. */
  clock: quiet((scenario, [name, ms = '0']) => {
    scenario.node(name).clockOffsetMs = Number(ms);
  }),
};
