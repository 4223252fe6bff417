import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ClassPolicy } from '../classes/class-policy.ts';
import { problemText } from '../classes/class-problems.ts';
import { explainClass } from '../classes/explain-class.ts';
import { readClasses } from '../classes/read-classes.ts';
import { loadModules } from '../server/loaded-classes.ts';
import { readText } from '../server/topology.ts';
import { clusterNodesOf, withClient, type ClusterNode, type NodesOptions } from './cluster-nodes.ts';
import { bold, EXIT_FAILED, EXIT_OK, printable, type Terminal } from './usage.ts';

/** What a node answered: the changes that the file makes there, or why it takes none. */
type Answer = { readonly node: ClusterNode } & ({ readonly changes: readonly string[] } | { readonly refusal: string });

/**
 * Explains a classes file, or says line by line what is wrong with it and with the modules that it names. With a cluster it then puts the file into force there, after every node
 * has agreed to it. The exit code is 1 where there is an error or a node refuses.
 */
export async function runClassesCheck(file: string, options: NodesOptions, terminal: Terminal): Promise<number> {
  const isForCluster = options.readyFile !== undefined || options.nodes !== undefined;
  const nodes = isForCluster ? clusterNodesOf(options) : [];
  const text = readText(file);
  const { policy, problems } = readClasses(text);
  for (const problem of problems) terminal.write(`${problem.severity} ${printable(problemText(file, problem))}\n`);
  if (policy === null) return EXIT_FAILED;
  const { loaded, faults } = await loadModules(policy, file);
  for (const resolver of loaded.values()) resolver.close();
  faults.push(...missingModules(policy, file));
  for (const fault of faults) terminal.write(`error ${printable(fault)}\n`);
  if (faults.length > 0) return EXIT_FAILED;
  terminal.write(policyText(policy, terminal));
  return isForCluster ? reload(text, nodes, options, terminal) : EXIT_OK;
}

/** Modules of sources and hooks that are not there. They are not loaded: they may do anything, such as connecting to a database. */
function missingModules({ classes }: ClassPolicy, file: string): readonly string[] {
  const named = classes.flatMap(({ source, compensate }) => [
    { what: 'source', module: source?.module ?? null },
    { what: 'hook', module: compensate?.module ?? null },
  ]);
  return named.flatMap(({ what, module }) => {
    const path = module === null ? null : join(dirname(file), module);
    return path === null || existsSync(path) ? [] : [`${path}: the module of a ${what} is not there`];
  });
}

function policyText(policy: ClassPolicy, terminal: Terminal): string {
  return policy.classes
    .map((keyClass) => {
      const lines = explainClass(keyClass).map(([name, value]) => `  ${name.padEnd(8)}  ${printable(value)}\n`);
      return `${bold(terminal, printable(keyClass.name))}\n${lines.join('')}`;
    })
    .join('\n');
}

/** Asks every node whether it takes the file, and only then gives it to them. */
async function reload(
  text: string,
  nodes: readonly ClusterNode[],
  options: NodesOptions,
  terminal: Terminal,
): Promise<number> {
  const checks = await Promise.all(nodes.map((node) => ask(node, 'CHECK', text, options)));
  if (tell(checks, 'would change', terminal)) {
    terminal.write('No node was changed.\n');
    return EXIT_FAILED;
  }
  const reloads = await Promise.all(nodes.map((node) => ask(node, 'RELOAD', text, options)));
  const hasRefusal = tell(reloads, 'changed', terminal);
  terminal.write(
    hasRefusal
      ? 'Some nodes were not changed: run this again once they can be reached.\n'
      : 'In force on all nodes. A node that starts reads its own file: change that too.\n',
  );
  return hasRefusal ? EXIT_FAILED : EXIT_OK;
}

async function ask(node: ClusterNode, what: 'CHECK' | 'RELOAD', text: string, options: NodesOptions): Promise<Answer> {
  if (!node.isRunning) return { node, refusal: 'does not run' };
  try {
    const reply = await withClient(node.resp, async (client) => client.send('CW.CLASSES', what, text), options);
    return { node, changes: Array.isArray(reply) ? reply.map(String) : [] };
  } catch (error) {
    return { node, refusal: error instanceof Error ? error.message : String(error) };
  }
}

/** Prints what every node says; whether any refuses. */
function tell(answers: readonly Answer[], verb: string, terminal: Terminal): boolean {
  let hasRefusal = false;
  for (const answer of answers) {
    if ('refusal' in answer) {
      hasRefusal = true;
      terminal.write(`\n${bold(terminal, answer.node.id)}  refuses: ${printable(answer.refusal)}\n`);
    } else {
      const changes = answer.changes.map((change) => `  ${printable(change)}\n`);
      const text = changes.length === 0 ? ' nothing\n' : `\n${changes.join('')}`;
      terminal.write(`\n${bold(terminal, answer.node.id)}  ${verb}:${text}`);
    }
  }
  return hasRefusal;
}
