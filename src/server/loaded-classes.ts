import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModuleFault } from '../adapters/module-fault.ts';
import { ModuleResolver } from '../adapters/module-resolver.ts';
import { ActiveClasses } from '../classes/active-classes.ts';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { RESOLVER_CODE_BYTES_MAX } from '../classes/limits.ts';
import { parseClasses } from '../classes/read-classes.ts';
import { CausewayError } from '../errors.ts';
import type { NodeConfig } from './node-config.ts';
import { Sources } from './sources.ts';

/** The classes of a node with the sandboxes of the modules that they name. */
export interface LoadedClasses {
  readonly classes: ActiveClasses;
  readonly sources: Sources;
  readonly close: () => void;
}

/** The classes of the file that the configuration names; the modules lie below its folder. Throws CONFIG with file and line. */
export async function loadClasses(config: NodeConfig): Promise<LoadedClasses> {
  if (config.classes === undefined) {
    const classes = new ActiveClasses();
    // sources may come with a reload, their modules from where the node was started
    const sources = await Sources.open(classes.policy, './classes.yaml');
    return { classes, sources, close: () => sources.close() };
  }
  const { text, file } = config.classes;
  const policy = parseClasses(text, file);
  const names = new Map([...config.members, { nodeNumber: config.nodeNumber, id: config.nodeId }].map(nameOf));
  const { loaded, faults } = await loadModules(policy, file, (node) => names.get(node) ?? `node${node}`);
  const closeModules = (): void => {
    for (const module of loaded.values()) module.close();
  };
  if (faults.length > 0) {
    closeModules();
    throw new CausewayError('CONFIG', faults.join('\n'));
  }
  const sources = await Sources.open(policy, file).catch((error: unknown) => {
    closeModules();
    throw error;
  });
  const close = (): void => {
    closeModules();
    sources.close();
  };
  const regionOf = (node: number): string => names.get(node)?.split('/')[0] ?? `node${node}`;
  return { classes: new ActiveClasses({ policy, file, modules: loaded, regionOf }), sources, close };
}

function nameOf({ nodeNumber, id }: { readonly nodeNumber: number; readonly id: string }): [number, string] {
  return [nodeNumber, id];
}

/** Loads each module that a policy names: `file` is the classes file. Of those that cannot be used a line each. */
export async function loadModules(
  policy: ClassPolicy,
  file: string,
  nodeName: (node: number) => string = String,
): Promise<{ readonly loaded: ReadonlyMap<string, ModuleResolver>; readonly faults: string[] }> {
  const loaded = new Map<string, ModuleResolver>();
  const faults: string[] = [];
  for (const name of policy.modules) {
    const path = join(dirname(file), name);
    try {
      loaded.set(name, await ModuleResolver.load(await codeOf(path), name, nodeName));
    } catch (error) {
      faults.push(faultText(path, error));
    }
  }
  return { loaded, faults };
}

async function codeOf(path: string): Promise<string> {
  const code = await readFile(path);
  if (code.length <= RESOLVER_CODE_BYTES_MAX) return new TextDecoder('utf-8', { fatal: true }).decode(code);
  throw new ModuleFault(`expected at most ${RESOLVER_CODE_BYTES_MAX} bytes, got ${code.length}`, null);
}

function faultText(path: string, error: unknown): string {
  const line = error instanceof ModuleFault && error.line !== null ? `:${error.line}` : '';
  return `${path}${line}: the resolver ${error instanceof Error ? error.message : String(error)}`;
}
