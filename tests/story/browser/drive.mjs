// drive.mjs: a browser whose tabs do what they are told.
//
//   node drive.mjs <chromium> '{"viewport": {"width": 1280, "height": 800}, …}'   (of newContext)
//
// Reads calls as lines of JSON, {tab, call, args}, and answers each with a line, {value} or {error}.
// Ends with its input. What goes wrong in a tab meanwhile is kept: `wrong` gives it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const [executablePath, options] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'leat-browser-'));
const browser = await chromium.launchPersistentContext(folder, {
  executablePath,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...JSON.parse(options),
});
browser.setDefaultTimeout(60_000); // who asks has a bound of its own
const tabs = new Map();

async function open(name, address) {
  const page = await browser.newPage();
  const tab = { page, wrong: [], requests: [] };
  page.on('console', (message) => {
    if (message.type() === 'error') tab.wrong.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => tab.wrong.push(`error: ${error.stack}`));
  page.on('request', (request) => tab.requests.push(`${request.method()} ${request.url()}`));
  await page.exposeFunction('tellWrong', (text) => tab.wrong.push(text));
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation',
    (event) => window.tellWrong(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  tabs.set(name, tab);
  await page.goto(address);
}

// Not waitForFunction, which evaluates in the page, where the policy forbids it. While a page is
// loaded anew nothing can be evaluated: that is not yet true.
async function wait({ page }, expression, seconds) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await setTimeout(20)) {
    if (await page.evaluate(`Boolean(${expression})`).catch(() => false)) return true;
  }
  throw new Error(`not within ${seconds} s`);
}

const calls = {
  wait,
  evaluate: ({ page }, expression) => page.evaluate(expression),
  type: ({ page }, selector, text) => page.locator(selector).fill(text),
  choose: ({ page }, selector, value) => page.locator(selector).selectOption(value).then(() => true),
  click: ({ page }, selector) => page.locator(selector).click(),
  press: ({ page }, key) => page.keyboard.press(key),
  write: ({ page }, text) => page.keyboard.type(text),
  reload: ({ page }) => page.reload().then(() => true),
  goto: ({ page }, address) => page.goto(address).then(() => true),
  answer: ({ page }, pattern, body) => page.route(pattern, (route) => route.fulfill({ json: body })),
  picture: ({ page }, path) => page.screenshot({ path }).then(() => true),
  wrong: ({ wrong }) => wrong,
  requests: ({ requests }) => requests,
  close: ({ page }) => page.close(),
};

try {
  for await (const line of createInterface({ input: process.stdin })) {
    const { tab, call, args } = JSON.parse(line);
    let answer;
    try {
      answer = { value: await (call === 'open' ? open(tab, ...args) : calls[call](tabs.get(tab), ...args)) ?? null };
    } catch (error) {
      answer = { error: String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
