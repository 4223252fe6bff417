/** What is used here of WebAssembly: Node has it, its types name it only beside those of a browser. */
interface WebAssemblyApi {
  readonly compile: (bytes: Uint8Array) => Promise<WasmModule>;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => WasmMemory;
}

/** Code that was compiled. */
export type WasmModule = object;

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export const webAssembly: WebAssemblyApi = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi })
  .WebAssembly;
