// Bundles the pages: one for each version of livekit-client, one with the React components.
import { build } from 'esbuild';

const common = { bundle: true, format: 'iife', target: 'chrome110', logLevel: 'warning', jsx: 'automatic' };
await build({ ...common, entryPoints: ['src/talk.js'], outfile: 'dist/current.js' });
await build({
  ...common,
  entryPoints: ['src/talk.js'],
  outfile: 'dist/old.js',
  alias: { 'livekit-client': 'livekit-client-old' },
});
await build({ ...common, entryPoints: ['src/components.jsx'], outfile: 'dist/components.js' });
