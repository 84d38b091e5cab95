// Debian's Chromium for those who drive the console: pictures, axe, the keyboard. Started by the test `browser` of the
// operator's crate; reads CONSOLE_URL and CONSOLE_SHOTS.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const { CONSOLE_URL: base, CONSOLE_SHOTS: shots } = process.env;

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const profile = mkdtempSync(join(tmpdir(), 'epro-chromium-'));
export const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
context.setDefaultTimeout(15_000);
// Not a script of the page: the policy stays in force.
await context.addInitScript({ content: axe });
export const page = context.pages()[0] ?? await context.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
page.on('console', (message) => {
  // What is refused, and what can't be looked up, is told by its status.
  const told = /status of (401|422|503)\b/.test(message.text());
  if (message.type() === 'error' && !told) complaints.push(`${page.url()}: ${message.text()}`);
});

const looks = {
  light: { scheme: 'light', width: 1280 },
  dark: { scheme: 'dark', width: 1280 },
  phone: { scheme: 'light', width: 390 },
  'phone-dark': { scheme: 'dark', width: 390 },
};

/** Looks at the page in every way: a picture of each, and axe finds nothing serious; what it finds is said. */
export async function look(name) {
  let [passed, serious, lesser] = [0, [], new Set()];
  for (const [how, { scheme, width }] of Object.entries(looks)) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name}, ${how}: ${wide} px wider than the screen`);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    passed = Math.max(passed, found.passes.length);
    for (const { id, impact, nodes } of found.violations) {
      if (['serious', 'critical'].includes(impact)) serious.push(`${how}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
      else lesser.add(`${id} (${impact})`);
    }
    await page.screenshot({ path: join(shots, `${name}-${how}.png`), fullPage: true });
  }
  const more = lesser.size > 0 ? `; lesser: ${[...lesser].join(', ')}` : '';
  console.log(`axe: ${name}: ${Object.keys(looks).length} looks, ${passed} rules passed, ${serious.length} serious faults${more}`);
  assert.deepEqual(serious, [], name);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Goes on with Tab alone until that has the focus; and whoever looks sees that it has. */
export async function tabTo(wanted) {
  for (let tabs = 0; tabs < 200; tabs += 1) {
    await page.keyboard.press('Tab');
    if (!await wanted.evaluate((element) => element === document.activeElement)) continue;
    const outline = await wanted.evaluate((element) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { outlineStyle, width: parseFloat(outlineWidth) };
    });
    assert.ok(outline.outlineStyle !== 'none' && outline.width >= 2, `${wanted}: ${JSON.stringify(outline)}`);
    return;
  }
  assert.fail(`Tab never comes to ${wanted}`);
}

export async function signIn(as) {
  await page.getByLabel('Token').fill(as);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Does all that, without a complaint of the browser. What fails leaves a picture; the browser goes in any case. */
export async function drive(steps) {
  try {
    await steps();
    assert.deepEqual(complaints, []);
  } catch (error) {
    await page.screenshot({ path: join(shots, 'failed.png'), fullPage: true }).catch(() => {});
    console.error(`at ${page.url()}`);
    throw error;
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
