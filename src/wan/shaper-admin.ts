import { z } from 'zod';
import { CausewayError } from '../errors.ts';
import { addressOf, parseAddress, type Address } from '../server/address.ts';
import { explainZodError } from '../server/explain-zod-error.ts';
import type { AdminRoute } from './admin-server.ts';
import { WAN_LIMITS } from './limits.ts';
import type { Shaper } from './shaper.ts';

const region = z.string().min(1).max(64);
const pair = { from: region, to: region, oneDirection: z.boolean().default(false) };

const pairBody = z.strictObject(pair);
const slowBody = z.strictObject({ ...pair, oneWayMs: z.number().min(0).max(WAN_LIMITS.oneWayMsMax) });
const registerBody = z.strictObject({
  forwards: z
    .array(
      z.strictObject({
        from: z.string().max(80),
        to: z.string().max(80),
        target: z.string(),
        listen: z.string().optional(),
      }),
    )
    .max(WAN_LIMITS.forwardsMax),
});

/** What the shaper can be asked for over HTTP. */
export function shaperRoutes(shaper: Shaper): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/links',
      handle: () => ({ links: shaper.links(), forwards: shaper.forwards() }),
    },
    {
      method: 'POST',
      path: '/links',
      async handle(body) {
        const { forwards } = read(registerBody, body);
        const requests = forwards.map((forward) => ({
          from: forward.from,
          to: forward.to,
          target: addressOf(forward.target, 'target'),
          listen: forward.listen === undefined ? undefined : listenAddressOf(forward.listen),
        }));
        return { forwards: await shaper.register(requests) };
      },
    },
    {
      method: 'POST',
      path: '/cut',
      handle(body) {
        const { from, to, oneDirection } = read(pairBody, body);
        return { links: shaper.cut(from, to, oneDirection) };
      },
    },
    {
      method: 'POST',
      path: '/slow',
      handle(body) {
        const { from, to, oneDirection, oneWayMs } = read(slowBody, body);
        return { links: shaper.slow(from, to, oneDirection, oneWayMs) };
      },
    },
    {
      method: 'POST',
      path: '/heal',
      handle(body) {
        const { from, to, oneDirection } = read(pairBody, body);
        return { links: shaper.heal(from, to, oneDirection) };
      },
    },
  ];
}

function read<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CausewayError('CONFIG', explainZodError('body', parsed.error));
}

function listenAddressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new CausewayError('CONFIG', `listen: expected "host:port", got "${text}"`);
  return address;
}
