#!/usr/bin/env node
// The one plain JavaScript file of the project, in syntax that Node parses from its version 14 on: it says which Node is
// needed instead of failing with a syntax error somewhere inside.
var major = Number(process.versions.node.split('.')[0]);

if (!(major >= 24)) {
  console.error(
    'causeway needs Node 24, this is Node ' +
      process.versions.node +
      '.\n' +
      'In a clone of the project `npm ci` brings Node 24 along, and the npm scripts use it:\n' +
      '  npm start                      three regions on this machine\n' +
      '  npm run -s causeway -- --help  every other command\n' +
      '(if npm was run with --ignore-scripts, `npm rebuild node` fetches it). Elsewhere: https://nodejs.org/en/download',
  );
  process.exit(1);
}

// A clone runs its sources as they are. The package has no sources, for Node does not strip types below node_modules.
// What stripping and compiling gave is kept beside the packages: it is half of what starting a cluster costs. Not in the
// folder for temporary files, which is Node's default: others may write there, and what is kept is run.
Promise.all([import('node:fs'), import('node:module'), import('node:url')])
  .then(function ([fs, module, url]) {
    var sources = new URL('../src/cli/main.ts', import.meta.url);
    if (!fs.existsSync(sources)) return import(new URL('../dist/cli/main.js', import.meta.url).href);
    module.enableCompileCache(url.fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
    return import(sources.href);
  })
  .catch(function (error) {
    console.error(error);
    process.exit(1);
  });
