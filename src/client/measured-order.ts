import { Connection } from './connection.ts';
import type { Candidate, ClientSettings } from './client-options.ts';
import { CausewayError } from '../errors.ts';

const PINGS = 3;
const SILENT_OWNER = { push: () => undefined, flushing: () => undefined, closed: () => undefined };

/** The candidates by how quickly a node of their region answers; regions that do not, last and as they were given. */
export async function measuredOrder(settings: ClientSettings): Promise<readonly Candidate[]> {
  const regions = [...new Set(settings.candidates.map(({ region }) => region))];
  const times = new Map(
    await Promise.all(
      regions.map(async (region) => {
        const nodes = settings.candidates.filter((candidate) => candidate.region === region);
        const measured = await Promise.all(nodes.map(async (candidate) => pingMs(candidate, settings)));
        return [region, Math.min(...measured)] as const;
      }),
    ),
  );
  const msOf = ({ region }: Candidate): number => times.get(region) ?? Infinity;
  return settings.candidates.toSorted((a, b) => (msOf(a) === msOf(b) ? 0 : msOf(a) - msOf(b)));
}

/** The shortest of a few round trips; Infinity where there was none in time. A refusal takes as long as an answer. */
async function pingMs({ address }: Candidate, settings: ClientSettings): Promise<number> {
  const signal = AbortSignal.timeout(settings.connectMs);
  try {
    const connection = await Connection.open(address, settings, SILENT_OWNER, signal);
    const late = (): void => connection.close(new CausewayError('UNAVAILABLE', 'too slow'));
    signal.addEventListener('abort', late);
    let shortestMs = Infinity;
    try {
      for (let ping = 0; ping < PINGS; ping++) {
        const startMs = performance.now();
        await connection.ask(['PING']);
        shortestMs = Math.min(shortestMs, performance.now() - startMs);
      }
    } finally {
      signal.removeEventListener('abort', late);
      connection.close(new CausewayError('Closed', 'measured'));
    }
    return shortestMs;
  } catch {
    return Infinity;
  }
}
