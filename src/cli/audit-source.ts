import { LmdbAuditReader } from '../adapters/lmdb-audit-reader.ts';
import { latin1Of } from '../base/bytes.ts';
import { CausewayError } from '../errors.ts';
import { MEMBERS_GROUP } from '../groups/members-plan.ts';
import { formatAddress } from '../server/address.ts';
import { groupCodec } from '../wire/group-codec.ts';
import { auditLine, type AuditLine } from './audit-line.ts';
import { clusterNodesOf, connectTo, type NodesOptions } from './cluster-nodes.ts';
import type { RespClient, RespValue } from './resp-client.ts';

/** Where a group's chain is. */
export interface ChainHead {
  readonly count: number;
  readonly index: number;
  readonly hash: string;
}

/** Somewhere that a group's audit can be read: a node, or its data folder. */
export interface AuditSource {
  readonly name: string;
  groups(): Promise<string[]>;
  /** Null where the group is not known there. */
  head(group: string): Promise<ChainHead | null>;
  /** Some records of entries from a log index on, in order; none at the end. Throws PROTOCOL for what is no record. */
  lines(group: string, fromIndex: number): Promise<AuditLine[]>;
  close(): Promise<void>;
}

const PAGE_RECORDS = 1_000;

/** The nodes that can be reached; what is said of the others goes to `failed`. Throws ERR where there is none. */
export async function nodeSources(options: NodesOptions, failed: (text: string) => void): Promise<AuditSource[]> {
  const sources: AuditSource[] = [];
  for (const node of clusterNodesOf(options)) {
    try {
      if (!node.isRunning) throw new CausewayError('ERR', 'does not run');
      sources.push(new NodeSource(node.id, await connectTo(node.resp, options)));
    } catch (error) {
      failed(`${node.id} (${formatAddress(node.resp)}): ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (sources.length === 0) throw new CausewayError('ERR', 'no node can be asked');
  return sources;
}

const badReply = (): CausewayError => new CausewayError('PROTOCOL', 'the reply to CW.AUDIT is not of this version');

function listOf(reply: RespValue | undefined): readonly RespValue[] {
  if (!Array.isArray(reply)) throw badReply();
  return reply as readonly RespValue[];
}

function parsed(text: string, name: string): AuditLine {
  const line = auditLine(text);
  if (line === null) throw new CausewayError('PROTOCOL', `${name} sent what is no record of an audit`);
  return line;
}

class NodeSource implements AuditSource {
  readonly name: string;
  readonly #client: RespClient;

  constructor(name: string, client: RespClient) {
    this.name = name;
    this.#client = client;
  }

  async groups(): Promise<string[]> {
    return listOf(await this.#client.send('CW.GROUPS')).flatMap((group) => {
      const words = listOf(group);
      const name = words[words.indexOf('name') + 1];
      return typeof name === 'string' && name !== MEMBERS_GROUP ? [name] : [];
    });
  }

  async head(group: string): Promise<ChainHead | null> {
    if (!(await this.groups()).includes(group)) return null;
    const [count, index, hash] = await this.#ask(group, 0, 0);
    if (typeof count !== 'number' || typeof index !== 'number' || typeof hash !== 'string') throw badReply();
    return { count, index, hash };
  }

  async lines(group: string, fromIndex: number): Promise<AuditLine[]> {
    const reply = await this.#ask(group, fromIndex, PAGE_RECORDS);
    return listOf(reply[4]).map((line) => parsed(String(line), this.name));
  }

  async #ask(group: string, fromIndex: number, count: number): Promise<readonly RespValue[]> {
    return listOf(await this.#client.send('CW.AUDIT', group, fromIndex, count));
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

/** The data folder of a node, which may run or not. */
export class FolderSource implements AuditSource {
  readonly name: string;
  readonly #reader: LmdbAuditReader;

  constructor(dataDir: string) {
    this.name = dataDir;
    this.#reader = new LmdbAuditReader(dataDir);
  }

  async groups(): Promise<string[]> {
    // that of the members has no keys
    return this.#reader.groups().filter((group) => group !== MEMBERS_GROUP);
  }

  async head(group: string): Promise<ChainHead | null> {
    if (!(await this.groups()).includes(group)) return null;
    const meta = this.#reader.stateMeta(group);
    return meta === null ? EMPTY : groupCodec.decodeMeta(meta).audit;
  }

  async lines(group: string, fromIndex: number): Promise<AuditLine[]> {
    const page: AuditLine[] = [];
    for (const [, lines] of this.#reader.audit(group, fromIndex)) {
      const texts = latin1Of(lines, 0, lines.length).split('\n');
      page.push(...texts.map((text) => parsed(text, this.name)));
      if (page.length >= PAGE_RECORDS) break;
    }
    return page;
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }
}

const EMPTY: ChainHead = { count: 0, index: 0, hash: '0'.repeat(64) };
