// Opens one of the pages in a headless Chromium, lets it do what standard input says, [number, act, argument, …] a
// line, and prints what it tells. Ends when standard input does.
// node drive.mjs <chromium> <microphone.wav> <bundle> <argument of run() as JSON>
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

// Milliseconds that a slow machine may take to open a browser, or a page in it.
const PATIENCE = 120_000;

let over = false;

function broken(error) {
  if (over) return;
  console.error(error);
  // Whoever waits for this page learns at once that there is none. The browser goes with this program.
  process.exit(1);
}

const [executablePath, microphone, bundle, argument] = process.argv.slice(2);
const script = await readFile(new URL(`./dist/${bundle}.js`, import.meta.url));
const pages = createServer((request, response) => {
  const isScript = request.url.endsWith('.js');
  response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
  response.end(isScript ? script : '<!doctype html><meta charset="utf-8"><body><script src="/page.js"></script>');
});
await new Promise((listening) => pages.listen(0, '127.0.0.1', listening));
const browser = await chromium.launch({
  executablePath,
  headless: true,
  timeout: PATIENCE,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-dev-shm-usage',
    '--disable-sync',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-audio-capture=${microphone}`,
    '--autoplay-policy=no-user-gesture-required',
  ],
});
try {
  const page = await browser.newPage();
  page.on('console', (said) => console.error(`[${said.type()}] ${said.text()}`));
  page.on('pageerror', (error) => console.error(`[pageerror] ${error}`));
  await page.exposeFunction('hear', (lines) => void process.stdout.write(`${lines}\n`));
  await page.goto(`http://127.0.0.1:${pages.address().port}/`, { timeout: PATIENCE });
  page.evaluate((given) => window.run(given), JSON.parse(argument)).catch(broken);
  for await (const line of createInterface({ input: process.stdin }))
    page.evaluate((given) => window.act(...given), JSON.parse(line)).catch(broken);
} finally {
  over = true;
  await browser.close();
  pages.close();
}
