// Drives the console in Chromium as an operator does. Started by the test `browser` of the operator's crate, which
// sets up what is looked at; reads CONSOLE_URL, CONSOLE_TOKEN, CONSOLE_VIEWER, CONSOLE_PATIENT and CONSOLE_SHOTS.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { CONSOLE_URL: base, CONSOLE_TOKEN: token, CONSOLE_PATIENT: patient, CONSOLE_SHOTS: shots } = process.env;

const profile = mkdtempSync(join(tmpdir(), 'epro-chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
context.setDefaultTimeout(15_000);
// Not a script of the page: the policy stays in force.
await context.addInitScript({ content: axe });
const page = context.pages()[0] ?? await context.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
page.on('console', (message) => {
  // A refused sign-in is told by its status.
  if (message.type() === 'error' && !message.text().includes('401')) complaints.push(`${page.url()}: ${message.text()}`);
});

const looks = {
  light: { scheme: 'light', width: 1280 },
  dark: { scheme: 'dark', width: 1280 },
  phone: { scheme: 'light', width: 390 },
};

/** Looks at the page in every way: a picture of each, and axe finds nothing serious. */
async function look(name) {
  for (const [how, { scheme, width }] of Object.entries(looks)) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name}, ${how}: ${wide} px wider than the screen`);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const serious = found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
    assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), [], `${name}, ${how}`);
    await page.screenshot({ path: join(shots, `${name}-${how}.png`), fullPage: true });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}

async function signIn(as) {
  await page.getByLabel('Token').fill(as);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

try {
  // In.
  await page.goto(`${base}/dead-letters?class=refused`);
  await look('sign-in');
  await signIn('not a token');
  await page.getByRole('alert').filter({ hasText: "can't be read" }).waitFor();
  await signIn(token);
  await page.waitForURL(`${base}/dead-letters?class=refused`);
  const [cookie] = await context.cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict');
  assert.equal(await page.evaluate(() => document.cookie), '');

  // Every page; the overview changes by itself.
  for (const [path, name] of [['/', 'overview'], ['/queues', 'queues'], ['/hospitals', 'hospitals'], ['/alerts', 'alerts'],
    ['/audit', 'audit'], ['/pauses', 'pauses'], ['/redrives', 'redrives']]) {
    await page.goto(base + path);
    if (name === 'overview') {
      const first = await page.locator('#live').innerHTML();
      await page.waitForFunction((first) => document.querySelector('#live').innerHTML !== first, first);
      await page.locator('.charts .now').first().waitFor();
    }
    await look(name);
  }
  await page.goto(`${base}/alerts`);
  await page.locator('tbody a').first().click();
  await page.getByRole('heading', { name: 'Notices' }).waitFor();
  await look('alert');

  // By the keyboard alone: skip link, filter.
  await page.goto(`${base}/dead-letters`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.getByLabel('Class').focus();
  await page.keyboard.type('refused');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/class=refused/);
  const rows = await page.locator('tbody tr').count();
  assert.ok(rows > 1, 'some were refused');
  assert.equal(await page.locator('tbody td[data-label="Class"]', { hasText: 'refused' }).count(), rows);
  await look('dead-letters');

  // One of them: sealed, until somebody says why.
  await page.locator('tbody th a').first().click();
  await page.getByRole('heading', { name: /^Dead letter \d+/ }).waitFor();
  assert.ok(!(await page.content()).includes(patient));
  await look('dead-letter');
  await page.locator('#reveal-reason').fill('the site asked what was sent');
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.locator('.revealed pre', { hasText: patient }).waitFor();
  await look('revealed');
  await page.getByRole('link', { name: 'Submission' }).or(page.locator('dd a[href^="/submissions"]')).last().click();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  assert.ok(!(await page.content()).includes(patient));
  await look('submission');

  // All of them go back, and the bar moves by itself.
  await page.goto(`${base}/dead-letters?class=refused`);
  await page.getByLabel('Rate, a second').fill('5');
  await page.getByLabel('Reason, for the audit trail').fill('the constraint is gone');
  await page.getByRole('button', { name: /^Redrive \d+/ }).click();
  await page.waitForURL(/\/redrives\/\d+$/);
  const value = () => page.evaluate(() => Number(document.querySelector('progress').value));
  const seen = new Set();
  while (await page.locator('.badge.ok', { hasText: 'done' }).count() === 0) {
    if (seen.size === 2) await page.screenshot({ path: join(shots, 'redrive-under-way.png') });
    const before = await value();
    seen.add(before);
    await page.waitForFunction((before) => Number(document.querySelector('progress').value) !== before
      || document.querySelector('.badge.ok') !== null, before);
  }
  assert.ok(seen.size > 2, `the bar was seen at ${[...seen].join(', ')}`);
  assert.equal(await value(), rows);
  await look('redrive');

  // A lane is paused and resumed, each with a reason.
  await page.goto(`${base}/pauses?what=submissions.routine`);
  await page.getByLabel('Reason, for the audit trail').fill('maintenance at the data centre');
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText('Every replica obeys').waitFor();
  await look('paused');
  await page.goto(`${base}/queues`);
  await page.locator('.badge.look', { hasText: 'maintenance at the data centre' }).waitFor();
  await page.goto(`${base}/pauses`);
  await page.getByLabel('Reason to resume submissions.routine').fill('it is over');
  await page.getByRole('button', { name: 'Resume submissions.routine' }).click();
  await page.getByText('Nothing is paused.').waitFor();
  await page.goto(`${base}/audit?action=pause`);
  await page.getByText('maintenance at the data centre').waitFor();
  await look('audit-found');

  // Out, and in again as somebody who only looks.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(process.env.CONSOLE_VIEWER);
  await page.goto(`${base}/pauses`);
  await page.getByText('Pausing needs the scope').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Pause' }).count(), 0);

  assert.deepEqual(complaints, []);
} catch (error) {
  await page.screenshot({ path: join(shots, 'failed.png'), fullPage: true }).catch(() => {});
  console.error(`at ${page.url()}`);
  throw error;
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
