import { RespError } from '../../src/cli/resp-client.ts';
import { CausewayError } from '../../src/errors.ts';
import { quantile } from './figures.ts';

/** What is seen of a request a few times: that it works, or the code of its error and how long that takes, the median. */
export async function outcome(looks: number, run: () => unknown): Promise<string> {
  const tookMs: number[] = [];
  let said = 'works';
  for (let look = 0; look < looks; look++) {
    const beganMs = performance.now();
    try {
      await run();
    } catch (error) {
      said = codeOf(error);
    }
    tookMs.push(performance.now() - beganMs);
  }
  return said === 'works' ? said : `${said} after ${(quantile(tookMs, 0.5) / 1_000).toFixed(1)} s`;
}

function codeOf(error: unknown): string {
  if (error instanceof CausewayError) return error.code;
  if (error instanceof RespError) return error.message.split(' ')[0] ?? '';
  throw error;
}
