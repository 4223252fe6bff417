import { fileURLToPath } from 'node:url';

export default {
  cacheComponents: true,
  cacheHandlers: { default: fileURLToPath(new URL('./cache-handler.mjs', import.meta.url)) },
  cacheMaxMemorySize: 0,
  turbopack: { root: fileURLToPath(new URL('..', import.meta.url)) },
};
