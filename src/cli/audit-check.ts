import { createReadStream } from 'node:fs';
import { CHAIN_START } from '../groups/audit-record.ts';
import { CausewayError } from '../errors.ts';
import { ChainCheck, type ChainFault, type PlacedLine } from './audit-chain.ts';
import { auditLine, SHA256_HEX } from './audit-line.ts';
import { nodeSources, type AuditSource } from './audit-source.ts';
import { EXIT_FAILED, EXIT_OK, printable, UsageError, type Terminal } from './usage.ts';

export interface AuditCheckOptions {
  /** The only group that may be there. */
  readonly group?: string;
  /** The hash that the first record names; without it the file begins with record 1. */
  readonly start?: string;
  /** The hash that the last record has. */
  readonly head?: string;
  /** Addresses of nodes: the file must end where the first of them that answers ends. */
  readonly against?: readonly string[];
  readonly password?: string;
}

/** The longest line that is read. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;
const NEWLINE = 10;

/** Something is wrong with what was checked, said in words. */
class Fault extends Error {}

/**
 * Follows the chains in exported files, taken as one, and says what is wrong first: with its file, line and log index. The exit
 * code is 0 where all is whole.
 */
export async function runAuditCheck(
  files: readonly string[],
  options: AuditCheckOptions,
  terminal: Terminal,
): Promise<number> {
  for (const hash of [options.start, options.head]) {
    if (hash !== undefined && !SHA256_HEX.test(hash))
      throw new UsageError(`${hash.slice(0, 80)} is no SHA-256: 64 hexadecimal digits in lower case`);
  }
  try {
    const chains = await follow(files, options);
    await compareEnds(chains, options);
    terminal.write(reportOf(chains));
    return EXIT_OK;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    terminal.write(`${printable(error.message)}\n`);
    return EXIT_FAILED;
  }
}

type Chains = ReadonlyMap<string, ChainCheck>;

async function follow(files: readonly string[], options: AuditCheckOptions): Promise<Chains> {
  const chains = new Map<string, ChainCheck>();
  let wanted: readonly [group: string, fault: ChainFault] | null = null;
  for await (const [at, text] of linesOf(files)) {
    const parsed = auditLine(text);
    if (wanted !== null) {
      const [group, fault] = wanted;
      if (parsed?.group === group && parsed.record === fault.missing?.[0])
        throw new Fault(movedText(fault, { ...parsed, at }));
      continue;
    }
    if (parsed === null) {
      endAll(chains);
      throw new Fault(`${at} holds no record: it was changed or cut off`);
    }
    const chain = chainOf(chains, { ...parsed, at }, options);
    const fault = chain.push({ ...parsed, at });
    if (fault === null) continue;
    if (fault.missing === undefined) throw new Fault(fault.text);
    const moved = chain.ahead(fault.missing[0]);
    if (moved !== null) throw new Fault(movedText(fault, moved));
    wanted = [parsed.group, fault];
  }
  if (wanted !== null) throw new Fault(wanted[1].text);
  endAll(chains);
  if (chains.size === 0) throw new Fault(`${files.join(', ')}: no record`);
  return chains;
}

function movedText({ text }: ChainFault, { record, at }: PlacedLine): string {
  return `${text}; record ${record} stands further down, at ${at}`;
}

function endAll(chains: Chains): void {
  for (const chain of chains.values()) {
    const fault = chain.end();
    if (fault !== null) throw new Fault(fault.text);
  }
}

function chainOf(chains: Map<string, ChainCheck>, line: PlacedLine, options: AuditCheckOptions): ChainCheck {
  const known = chains.get(line.group);
  if (known !== undefined) return known;
  const { group, start, head } = options;
  if (group !== undefined && line.group !== group) {
    endAll(chains);
    throw new Fault(`${line.at}: record ${line.record} is of group ${line.group}: it was changed or added`);
  }
  for (const other of chains.values()) {
    if (other.newest?.hash !== line.previous) continue;
    throw new Fault(`${line.at}: record ${line.record} was changed: it is of ${other.newest.group} by its place`);
  }
  if (chains.size > 0 && (start !== undefined || head !== undefined))
    throw new UsageError('--start and --head are of one group, and the file has several: name one with --group');
  const chain = new ChainCheck(start ?? null);
  chains.set(line.group, chain);
  return chain;
}

/** Each line with where it is, without its newline, a char a byte. */
async function* linesOf(files: readonly string[]): AsyncGenerator<readonly [at: string, text: string]> {
  for (const file of files) {
    let rest: Buffer = Buffer.alloc(0);
    let number = 0;
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
      let start = 0;
      for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
        number += 1;
        yield [`${file}:${number}`, rest.toString('latin1', start, end)];
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > LINE_BYTES_MAX) throw new Fault(`${file}:${number + 1} is longer than any record`);
    }
    if (rest.length > 0) yield [`${file}:${number + 1}`, rest.toString('latin1')];
  }
}

async function compareEnds(chains: Chains, { head, against, password }: AuditCheckOptions): Promise<void> {
  for (const { last } of chains.values()) {
    if (head !== undefined && last !== null && last.hash !== head)
      throw new Fault(
        `${endOf(last)} has the hash ${last.hash}, not ${head}: it was changed, or records behind it are missing`,
      );
  }
  if (against === undefined) return;
  const failures: string[] = [];
  const sources = await nodeSources(
    { nodes: against, ...(password === undefined ? {} : { password }) },
    (text) => void failures.push(text),
  );
  try {
    const [source] = sources;
    if (source === undefined) throw new CausewayError('ERR', failures.join('; '));
    for (const [group, { last }] of chains) if (last !== null) await compareWith(source, group, last);
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

const endOf = ({ at, record, index }: PlacedLine): string => `${at}: the last record, ${record} (log index ${index}),`;

/** Whether a chain ends as it does at a node. */
async function compareWith(source: AuditSource, group: string, last: PlacedLine): Promise<void> {
  const head = await source.head(group);
  if (head === null) throw new Fault(`${last.at}: ${source.name} has no group ${group}`);
  if (head.count < last.record)
    throw new Fault(`${endOf(last)} is not at ${source.name} yet, or was added: it has ${head.count} records`);
  const lines = await source.lines(group, last.index);
  const same = lines.find(({ record }) => record === last.record)?.hash;
  const following = lines.find(({ record }) => record === last.record + 1)?.previous;
  const hash = same ?? following ?? (head.count === last.record ? head.hash : undefined);
  if (hash === undefined)
    throw new Fault(`${source.name} does not have record ${last.record} of ${group}: ask another node`);
  if (hash !== last.hash) throw new Fault(`${endOf(last)} was changed: at ${source.name} it has the hash ${hash}`);
  if (head.count === last.record) return;
  const count = head.count - last.record;
  const which = count === 1 ? `record ${head.count} is` : `records ${last.record + 1} to ${head.count} are`;
  throw new Fault(
    `${endOf(last)} is whole, and ${which} missing behind it: ${source.name} ends at log index ${head.index}`,
  );
}

function reportOf(chains: Chains): string {
  const lines: string[] = [];
  for (const [group, { first, last }] of chains) {
    if (first === null || last === null) continue;
    const begin = first.previous === CHAIN_START ? '' : `begins after ${first.previous}\n  `;
    lines.push(
      `${printable(group)}: records ${first.record} to ${last.record} are whole, log index ${first.index} to ${last.index}\n` +
        `  ${begin}ends with ${last.hash}\n`,
    );
  }
  return lines.join('');
}
