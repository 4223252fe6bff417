import { toCausewayError } from '../errors.ts';
import { loadTopology, readText } from '../server/topology.ts';
import { startAdminServer } from '../wan/admin-server.ts';
import { shaperRoutes } from '../wan/shaper-admin.ts';
import { parseShaperConfig } from '../wan/shaper-config.ts';
import { Shaper } from '../wan/shaper.ts';
import { isChildOfUp, untilAskedToEnd } from './child-life.ts';
import { tellParent } from './ipc.ts';
import { regionsFolder } from './package-root.ts';
import { EXIT_OK } from './usage.ts';

/** Runs the shaper until it is asked to end. Under `up` it says over IPC where it is steered. */
export async function runWanShaper(options: { config?: string }): Promise<number> {
  try {
    const asked = untilAskedToEnd();
    const { config: path } = options;
    const config = parseShaperConfig(path === undefined ? '' : readText(path), path ?? 'defaults');
    const shaper = new Shaper({ topology: loadTopology(regionsFolder()), ...config });
    const forwards = await shaper.register(config.forwards);
    const admin = await startAdminServer({ ...config.admin, routes: shaperRoutes(shaper) });
    tellParent({ type: 'shaper-listening', adminUrl: admin.url });
    if (!isChildOfUp()) {
      process.stdout.write(`WAN shaper: ${admin.url}\n`);
      for (const { from, to, listen, target } of forwards) {
        process.stdout.write(`  ${from} dials ${to} at ${listen}, forwarded to ${target}\n`);
      }
    }
    await asked;
    await Promise.all([admin.close(), shaper.stop()]);
    return EXIT_OK;
  } catch (thrown) {
    const error = toCausewayError(thrown);
    tellParent({ type: 'failed', code: error.code, message: error.message });
    throw error;
  } finally {
    if (process.connected) process.disconnect();
  }
}
