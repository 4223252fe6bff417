import { readFile } from 'node:fs/promises';
import variant from '@jitl/quickjs-wasmfile-release-sync';
import { webAssembly, type WasmModule } from './web-assembly.ts';

let compiled: Promise<WasmModule> | null = null;

/** How QuickJS is started: its own part in JavaScript. */
export const quickJsVariant: unknown = variant;

/** QuickJS as WebAssembly, compiled once a process. */
export function quickJsModule(): Promise<WasmModule> {
  compiled ??= readFile(new URL(import.meta.resolve('@jitl/quickjs-wasmfile-release-sync/wasm'))).then((bytes) =>
    webAssembly.compile(bytes),
  );
  return compiled;
}
