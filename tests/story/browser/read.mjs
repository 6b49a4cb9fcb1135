// read.mjs: a browser opens a page whose EventSource reads a stream to its end.
//
//   node read.mjs <chromium> <page> <seconds>
//
// Writes what the page saw as one JSON object: {events: [{name, id, data}], opens, errors, closed}.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, page, seconds] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'leat-browser-'));
const browser = await chromium.launchPersistentContext(folder, {
  executablePath,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  const tab = await browser.newPage();
  await tab.goto(page);
  await tab.waitForFunction(() => window.seen.closed, null, { timeout: Number(seconds) * 1000 })
    .catch(() => {}); // the story says what is missing
  process.stdout.write(JSON.stringify(await tab.evaluate(() => window.seen)));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
