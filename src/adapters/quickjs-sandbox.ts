import {
  DefaultIntrinsics,
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSSyncVariant,
} from 'quickjs-emscripten-core';
import { RESOLVER_RESULT_CHARS_MAX } from '../classes/limits.ts';
import { ResolverFailure, type FailureKind } from '../classes/resolver.ts';
import { ModuleFault } from './module-fault.ts';
import { quickJsModule, quickJsVariant } from './quickjs-wasm.ts';
import { webAssembly } from './web-assembly.ts';

/** All that a module has, QuickJS and its stack of 5 MiB included. It does not grow. */
const MEMORY_PAGES = 256;
/** About 180 calls deep. Well below where Node's own stack would end first, which is not at the same place everywhere. */
const STACK_BYTES = 32 * 1024;
/** How often QuickJS may ask whether to go on: every 10,000 jumps and calls. A loop of nothing ends after 15 ms. */
const INTERRUPTS_MAX = 100;
/** For what takes long between two jumps. Only where this ends a run does the end depend on the machine. */
const RUN_MS_MAX = 500;
const MESSAGE_CHARS_MAX = 200;

/** What QuickJS has to say comes with its errors as well. */
const SILENT: object = { printErr: () => undefined };

/**
 * Runs before the module: takes away what is not the same on every machine, and gives back what calls `resolve`.
 * It keeps its own JSON, whatever the module does to the one that it sees.
 */
const PRELUDE = `(() => {
  const { parse, stringify } = JSON;
  const refused = (name, why) => () => { throw new Error(name + ' is not offered to resolvers: ' + why); };
  const everywhere = 'every node must get the same result';
  for (const name of ['Date', 'performance'])
    Object.defineProperty(globalThis, name, { get: refused(name, everywhere) });
  Math.random = refused('Math.random', everywhere);
  for (const name of ['WeakRef', 'FinalizationRegistry', 'SharedArrayBuffer', 'Atomics']) delete globalThis[name];
  return (resolve, siblings) => {
    const result = resolve(parse(siblings));
    return typeof result === 'string' ? stringify(result) : result === null ? 'null' : typeof result;
  };
})()`;

/** QuickJS's heap as it was when the module was loaded. */
interface Image {
  readonly from: number;
  readonly bytes: Uint8Array;
}

interface Machine {
  readonly context: QuickJSContext;
  readonly memory: Uint8Array;
  /** Begins to count a run. */
  readonly begin: () => void;
  /** What the run came to its end by, null where that was not from here. */
  readonly overdue: () => string | null;
}

/**
 * A JavaScript module in a QuickJS of its own: no clock, no randomness, no files, no network, bounded in steps, stack and memory. Every
 * call begins with the memory as it was after loading, byte for byte, so nothing is carried from one to the next, whatever
 * became of the one before, and the same arguments give the same result on every machine.
 */
export class QuickJsSandbox {
  readonly #machine: Machine;
  readonly #call: QuickJSHandle;
  readonly #resolve: QuickJSHandle;
  readonly #image: Image;

  private constructor(machine: Machine, call: QuickJSHandle, resolve: QuickJSHandle) {
    this.#machine = machine;
    this.#call = call;
    this.#resolve = resolve;
    this.#image = imageOf(machine.memory);
  }

  /** Loads the code of a module that exports `resolve`; `name` is what errors call it. Throws ModuleFault. */
  static async load(code: string, name: string): Promise<QuickJsSandbox> {
    const machine = await machineOf();
    const { context } = machine;
    machine.begin();
    const call = context.unwrapResult(context.evalCode(PRELUDE, 'causeway'));
    const result = inSandbox(() => context.evalCode(code, name, { type: 'module' }));
    if (result.error !== undefined) throw faultOf(machine, result.error, name);
    const exported = context.getProp(result.value, 'resolve');
    if (context.typeof(exported) !== 'function') {
      throw new ModuleFault('exports no function "resolve": export function resolve(siblings) { … }', null);
    }
    return new QuickJsSandbox(machine, call, exported);
  }

  /**
   * What `resolve` makes of the siblings, which are given as JSON. Throws ResolverFailure; any other error is QuickJS's own end, and this one is
   * not to be used again.
   */
  resolve(siblings: string): string {
    const { context } = this.#machine;
    this.#restore();
    this.#machine.begin();
    const called = context.callFunction(this.#call, context.undefined, this.#resolve, context.newString(siblings));
    if (called.error !== undefined) throw failureOf(this.#machine, called.error);
    return textOf(context.getString(called.value));
  }

  #restore(): void {
    const { memory } = this.#machine;
    const { from, bytes } = this.#image;
    memory.fill(0, 0, from);
    memory.set(bytes, from);
    memory.fill(0, from + bytes.length);
  }
}

async function machineOf(): Promise<Machine> {
  const memory = new webAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const variant = newVariant(quickJsVariant as QuickJSSyncVariant, {
    wasmModule: await quickJsModule(),
    wasmMemory: memory,
    emscriptenModule: SILENT,
  });
  const quickJs = await newQuickJSWASMModuleFromVariant(variant);
  const runtime = quickJs.newRuntime();
  runtime.setMaxStackSize(STACK_BYTES);
  let interrupts = 0;
  let beganMs = 0;
  let overdue: string | null = null;
  runtime.setInterruptHandler(() => {
    interrupts++;
    if (interrupts > INTERRUPTS_MAX) overdue ??= `it did not end within ${INTERRUPTS_MAX * 10_000} steps`;
    else if (performance.now() - beganMs > RUN_MS_MAX) overdue ??= `it did not end within ${RUN_MS_MAX} ms`;
    return overdue !== null;
  });
  return {
    context: runtime.newContext({ intrinsics: { ...DefaultIntrinsics, Date: false } }),
    memory: new Uint8Array(memory.buffer),
    begin: () => {
      interrupts = 0;
      overdue = null;
      beganMs = performance.now();
    },
    overdue: () => overdue,
  };
}

/** What was loaded, without the zeros before and after it. */
function imageOf(memory: Uint8Array): Image {
  const from = memory.findIndex((byte) => byte !== 0);
  const last = memory.findLastIndex((byte) => byte !== 0);
  return { from, bytes: memory.slice(from, last + 1) };
}

/** What ends QuickJS itself is the module's doing as well. */
function inSandbox<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new ModuleFault(`cannot be loaded: ${error instanceof Error ? error.message : String(error)}`, null);
  }
}

/** What the module throws, by name, message and place. */
function thrown(context: QuickJSContext, error: QuickJSHandle): { name: string; message: string; stack: string } {
  const dumped: unknown = context.dump(error);
  // where memory ended, QuickJS may have none left for an error and throws null
  if (dumped === null) return { name: 'InternalError', message: 'null, or out of memory', stack: '' };
  if (typeof dumped !== 'object') return { name: '', message: oneLine(JSON.stringify(dumped) ?? 'nothing'), stack: '' };
  const text = (name: string): string => {
    const value = (dumped as Readonly<Record<string, unknown>>)[name];
    return typeof value === 'string' ? value : '';
  };
  return { name: oneLine(text('name')), message: oneLine(text('message')), stack: text('stack') };
}

function oneLine(text: string): string {
  return text.slice(0, MESSAGE_CHARS_MAX).replaceAll(/[\u0000-\u001f\u007f]/g, ' ');
}

function lineOf(stack: string, name: string): number | null {
  const at = stack.indexOf(`${name}:`);
  const line = at < 0 ? Number.NaN : Number.parseInt(stack.slice(at + name.length + 1), 10);
  return Number.isNaN(line) ? null : line;
}

function faultOf(machine: Machine, error: QuickJSHandle, file: string): ModuleFault {
  const { name, message, stack } = thrown(machine.context, error);
  const overdue = machine.overdue();
  return new ModuleFault(overdue ?? `${name}: ${message}`, lineOf(stack, file));
}

function failureOf(machine: Machine, error: QuickJSHandle): ResolverFailure {
  const overdue = machine.overdue();
  if (overdue !== null) return new ResolverFailure('endless', overdue);
  const { name, message, stack } = thrown(machine.context, error);
  const isMemory = name === 'InternalError' && /memory|stack/.test(message);
  const kind: FailureKind = isMemory ? 'memory' : 'threw';
  const place = /\((?!causeway:)([^()\s]+:\d+(?::\d+)?)\)/.exec(stack)?.[1];
  const what = name === '' ? message : `${name}: ${message}`;
  return new ResolverFailure(kind, `it threw ${what}${place === undefined ? '' : ` (${place})`}`);
}

/** The text that `resolve` gave, or why it is none: the prelude gives JSON of a text, or the name of another type. */
function textOf(result: string): string {
  if (!result.startsWith('"')) throw new ResolverFailure('result', `it gave ${result} where a string is expected`);
  const text = JSON.parse(result) as string;
  if (text.length <= RESOLVER_RESULT_CHARS_MAX) return text;
  throw new ResolverFailure(
    'result',
    `it gave ${text.length} characters, above the ${RESOLVER_RESULT_CHARS_MAX} it may`,
  );
}
