// drive.mjs: one browser for all stories: its start takes two seconds of a processor.
//
//   node drive.mjs <chromium> <path of its socket>
//
// Who connects is a person: a context of its own. The first line is the options of newContext, each
// further one a call as JSON, {tab, call, args}, that is answered with a line, {value} or {error}. All
// that is the person's goes with the connection. What goes wrong in a tab meanwhile is kept: `wrong`
// gives it. Says "ready", and ends with its input.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const [executablePath, path] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function open({ context, tabs }, name, address) {
  const page = await context.newPage();
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
  for (const end = Date.now() + seconds * 1000; Date.now() < end && !page.isClosed(); await setTimeout(20)) {
    if (await page.evaluate(`Boolean(${expression})`).catch(() => false)) return true;
  }
  throw new Error(page.isClosed() ? 'the tab is closed' : `not within ${seconds} s`);
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

async function answer(person, { tab, call, args }) {
  try {
    const value = await (call === 'open' ? open(person, tab, ...args) : calls[call](person.tabs.get(tab), ...args));
    return { value: value ?? null };
  } catch (error) {
    return { error: String(error) };
  }
}

async function serve(socket) {
  const person = { context: null, tabs: new Map() };
  const leave = () => person.context?.close().catch(() => {});
  // Also in the middle of a call, which fails then.
  for (const event of ['end', 'close']) socket.once(event, leave);
  try {
    for await (const line of createInterface({ input: socket })) {
      if (person.context) {
        socket.write(`${JSON.stringify(await answer(person, JSON.parse(line)))}\n`);
      } else {
        person.context = await browser.newContext(JSON.parse(line));
        person.context.setDefaultTimeout(45_000); // the story's own is longer
      }
    }
  } finally {
    await leave();
    socket.end(); // nothing of it asks any more
  }
}

createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {}); // a story that was killed
  serve(socket).catch(() => {}); // or that wrote what is no call
}).listen(path, () => process.stdout.write('ready\n'));
process.stdin.resume();
await once(process.stdin, 'end');
await browser.close();
process.exit();
