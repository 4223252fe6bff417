import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import { addressOf, parseAddress, type Address } from '../server/address.ts';
import { explainZodError } from '../server/explain-zod-error.ts';
import { parseYamlText } from '../server/topology.ts';
import type { ForwardRequest } from './shaper.ts';

/** What the shaper process is started with, checked. */
export interface ShaperConfig {
  readonly admin: { readonly listen: Address; readonly allowedHosts: readonly string[] };
  readonly scale: number;
  readonly hasJitter: boolean;
  readonly bytesPerMs: ReadonlyMap<string, number>;
  readonly forwards: readonly ForwardRequest[];
}

const BITS_PER_MS_OF_MBIT = 1_000;
const BITS_PER_BYTE = 8;

const listenAddress = z.string().transform((text, context): Address => {
  const address = parseAddress(text);
  if (address !== null) return address;
  context.addIssue(`expected "host:port", got "${text}"`);
  return z.NEVER;
});

const shaperFile = z.strictObject({
  admin: z
    .strictObject({ listen: listenAddress, allowedHosts: z.array(z.string()).default([]) })
    .default({ listen: { host: '127.0.0.1', port: 0 }, allowedHosts: [] }),
  scale: z.number().min(0).max(100).default(1),
  jitter: z.boolean().default(false),
  bandwidth: z
    .array(z.strictObject({ from: z.string(), to: z.string(), mbitPerSecond: z.number().positive() }))
    .default([]),
  forwards: z
    .array(z.strictObject({ from: z.string(), to: z.string(), listen: listenAddress, target: z.string() }))
    .default([]),
});

/** Reads the file of `wan-shaper --config`. Throws CONFIG with a line a problem. */
export function parseShaperConfig(text: string, source: string): ShaperConfig {
  const parsed = shaperFile.safeParse(parseYamlText(text, source) ?? {});
  if (!parsed.success) throw new CausewayError('CONFIG', explainZodError(source, parsed.error));
  const file = parsed.data;
  const bytesPerMs = file.bandwidth.map(({ from, to, mbitPerSecond }): [string, number] => [
    `${from}>${to}`,
    (mbitPerSecond * BITS_PER_MS_OF_MBIT) / BITS_PER_BYTE,
  ]);
  return {
    admin: file.admin,
    scale: file.scale,
    hasJitter: file.jitter,
    bytesPerMs: new Map(bytesPerMs),
    forwards: file.forwards.map((forward, index) => ({
      ...forward,
      target: addressOf(forward.target, `${source}: forwards.${index}.target`),
    })),
  };
}
