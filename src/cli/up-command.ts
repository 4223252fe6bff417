import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { parseClasses } from '../classes/read-classes.ts';
import { CausewayError } from '../errors.ts';
import { explainZodError } from '../server/explain-zod-error.ts';
import { loadTopology, readText } from '../server/topology.ts';
import { startAdminServer, type AdminRoute, type AdminServer } from '../wan/admin-server.ts';
import { ClusterBoard, liveParts, welcomeText } from './cluster-board.ts';
import { LOOPBACK, planNodes, type UpOptions } from './cluster-plan.ts';
import { DataFolder } from './data-folder.ts';
import { deferred } from './deferred.ts';
import { LocalCluster } from './local-cluster.ts';
import { NODE_ACTIONS, type NodeAction } from './node-actions.ts';
import { regionsFolder } from './package-root.ts';
import { removeReadyFile, writeReadyFile } from './ready-file.ts';
import { listenForStop } from './stop-request.ts';
import { EXIT_OK, UsageError, type Terminal } from './usage.ts';

const LIVE_EVERY_MS = 1_000;
const SECOND_SIGNAL_EXIT_CODE = 130;
const DAY_MS = 86_400_000;

const actionBody = z.strictObject({
  id: z.string().max(100),
  action: z.enum(Object.keys(NODE_ACTIONS) as [NodeAction, ...NodeAction[]]),
  conditions: z
    .strictObject({
      clockAheadMs: z.int().min(-DAY_MS).max(DAY_MS).optional(),
      fileBytesMax: z.int().min(0).optional(),
    })
    .default({}),
});

/** Runs a cluster until it is asked to stop, and leaves nothing running. `entry` is the script that children run. */
export async function runUp(options: UpOptions, terminal: Terminal, entry: string): Promise<number> {
  const startedMs = performance.now();
  const topology = loadTopology(regionsFolder());
  const nodes = planNodes(options, topology);
  const { readyFile: askedFile } = options;
  if (askedFile !== undefined && !existsSync(dirname(resolve(askedFile)))) {
    throw new UsageError(`--ready-file: there is no folder ${dirname(resolve(askedFile))}`);
  }
  if (options.classes !== undefined) parseClasses(readText(options.classes), options.classes);
  const folder = await DataFolder.open(options.dataDir);
  const readyFiles = [...new Set([folder.readyFile, ...(askedFile === undefined ? [] : [resolve(askedFile)])])];
  // What an `up` that was killed has left says nothing of this one.
  for (const path of readyFiles) removeReadyFile(path);

  const board = new ClusterBoard(terminal);
  const lost = deferred<never>();
  let admin: AdminServer | null = null;
  let isUp = false;
  const announce = (): void => {
    if (!isUp || admin === null) return;
    for (const path of readyFiles) writeReadyFile(path, cluster.describe(admin.url));
  };
  const cluster = new LocalCluster({
    up: options,
    nodes,
    folder,
    entry,
    environment: process.env,
    onNotice: (text) => board.say(text),
    onChange: announce,
    onShaperLost: (error) => lost.reject(error),
  });
  const leave = (): void => {
    for (const path of readyFiles) removeReadyFile(path);
    folder.discard();
  };
  const stop = listenForStop(() => {
    cluster.abandon();
    leave();
    process.exit(SECOND_SIGNAL_EXIT_CODE);
  });
  // However this process ends, its children do not outlive it.
  const onExit = (): void => cluster.abandon();
  process.on('exit', onExit);
  let live: NodeJS.Timeout | undefined;
  try {
    admin = await startAdminServer({ listen: { host: LOOPBACK, port: 0 }, routes: routesOf(cluster, () => admin) });
    const early = await Promise.race([cluster.start(), stop.asked, lost.promise]);
    if (early === undefined) {
      isUp = true;
      announce();
      const tookMs = performance.now() - startedMs;
      const readyFile = readyFiles.at(-1) ?? folder.readyFile;
      const ready = cluster.describe(admin.url);
      board.say(welcomeText({ ready, readyFile, topology, wanScale: options.wanScale, tookMs, terminal }));
      live = setInterval(() => board.showLive(liveParts(cluster.nodes)), LIVE_EVERY_MS);
      await Promise.race([stop.asked, lost.promise]);
    }
    clearInterval(live);
    board.say(`stopping (${await stop.asked})`);
    return EXIT_OK;
  } finally {
    clearInterval(live);
    isUp = false;
    await cluster.stop();
    await admin?.close();
    stop.release();
    leave();
    process.off('exit', onExit);
  }
}

/** What `causeway node` asks for. */
function routesOf(cluster: LocalCluster, admin: () => AdminServer | null): AdminRoute[] {
  return [
    { method: 'GET', path: '/nodes', handle: () => cluster.describe(admin()?.url ?? '') },
    {
      method: 'POST',
      path: '/nodes',
      async handle(body) {
        const parsed = actionBody.safeParse(body);
        if (!parsed.success) throw new CausewayError('CONFIG', explainZodError('body', parsed.error));
        const { action, conditions, id } = parsed.data;
        return { message: await cluster.act(id, action, conditions) };
      },
    },
  ];
}
