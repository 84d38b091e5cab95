// Drives the console in Chromium as an operator does. Started by the test `browser` of the operator's crate, which
// sets up what is looked at; reads CONSOLE_TOKEN, CONSOLE_VIEWER and CONSOLE_PATIENT besides what browser.mjs reads.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { base, context, drive, look, page, shots, signIn, tabTo } from './browser.mjs';

const { CONSOLE_TOKEN: token, CONSOLE_PATIENT: patient } = process.env;

await drive(async () => {
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
    ['/alerts?all=1', 'alerts-all'], ['/audit', 'audit'], ['/pauses', 'pauses'], ['/redrives', 'redrives'],
    ['/submissions', 'submissions'], ['/submissions?id=0198f2a0-0000-7000-8000-000000000000', 'submission-unknown']]) {
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

  // By the keyboard alone: skip link, filter, one of them, reveal.
  await page.goto(`${base}/dead-letters`);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  await tabTo(page.getByLabel('Class'));
  await page.keyboard.type('refused');
  await tabTo(page.getByRole('button', { name: 'Filter' }));
  await page.keyboard.press('Enter');
  await page.waitForURL(/class=refused/);
  const rows = await page.locator('tbody tr').count();
  assert.ok(rows > 1, 'some were refused');
  assert.equal(await page.locator('tbody td[data-label="Class"]', { hasText: 'refused' }).count(), rows);
  await look('dead-letters');

  // One of them: sealed, until somebody says why.
  await tabTo(page.locator('tbody th a').first());
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^Dead letter \d+/ }).waitFor();
  assert.ok(!(await page.content()).includes(patient));
  await look('dead-letter');
  await tabTo(page.locator('#reveal-reason'));
  await page.keyboard.type('the site asked what was sent');
  await tabTo(page.getByRole('button', { name: 'Reveal' }));
  await page.keyboard.press('Enter');
  await page.locator('.revealed pre', { hasText: patient }).waitFor();
  await look('revealed');
  await page.getByRole('link', { name: 'Submission' }).or(page.locator('dd a[href^="/submissions"]')).last().click();
  await page.getByRole('heading', { name: 'What happened' }).waitFor();
  assert.ok(!(await page.content()).includes(patient));
  await look('submission');

  // All of them go back, counted first, cancelled and resumed; and the bar moves by itself.
  await page.goto(`${base}/dead-letters?class=refused`);
  await page.getByLabel('Rate, a second').fill('3');
  await page.getByRole('button', { name: 'Dry run' }).click();
  await page.getByText('Nothing was done.').waitFor();
  await page.getByRole('rowheader', { name: 'refused' }).waitFor();
  assert.equal(await page.getByLabel('Rate, a second').inputValue(), '3');
  await look('dry-run');
  const reason = page.getByLabel('Reason, for the audit trail');
  await reason.fill('the constraint is gone');
  await page.getByRole('button', { name: /^Redrive \d+/ }).click();
  await page.waitForURL(/\/redrives\/\d+$/);
  const value = () => page.evaluate(() => Number(document.querySelector('progress').value));
  await reason.fill('one more look first');
  await page.waitForFunction(() => Number(document.querySelector('progress').value) >= 2);
  assert.equal(await reason.inputValue(), 'one more look first', 'what is being written stays');
  await page.getByRole('button', { name: 'Cancel the redrive' }).click();
  await page.getByText('No more of it is published.').waitFor();
  assert.ok(await value() < rows);
  await look('redrive-cancelled');
  await reason.fill('all is well');
  await page.getByRole('button', { name: 'Resume the redrive' }).click();
  await page.getByRole('button', { name: 'Cancel the redrive' }).waitFor();
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
  await page.getByRole('button', { name: 'Cancel the redrive' }).waitFor({ state: 'detached' });
  await look('redrive');

  // A lane is paused and resumed, each with a reason, by the keyboard alone. Without a reason it is refused.
  await page.goto(`${base}/pauses`);
  await tabTo(page.getByLabel('Lane or hospital'));
  await page.keyboard.type('submissions.r');
  assert.equal(await page.getByLabel('Lane or hospital').inputValue(), 'submissions.routine');
  await tabTo(page.getByLabel('Reason, for the audit trail'));
  await page.keyboard.type('   ');
  await page.keyboard.press('Enter');
  await page.getByText('A reason is needed.').waitFor();
  await look('act-refused');
  await page.goto(`${base}/pauses?what=submissions.routine`);
  await tabTo(page.getByLabel('Reason, for the audit trail'));
  await page.keyboard.type('maintenance at the data centre');
  await tabTo(page.getByRole('button', { name: 'Pause', exact: true }));
  await page.keyboard.press('Enter');
  await page.getByText('Every replica obeys').waitFor();
  await look('paused');
  await page.goto(`${base}/queues`);
  await page.locator('.badge.look', { hasText: 'maintenance at the data centre' }).waitFor();
  await page.goto(`${base}/pauses`);
  await tabTo(page.getByLabel('Reason to resume submissions.routine'));
  await page.keyboard.type('it is over');
  await tabTo(page.getByRole('button', { name: 'Resume submissions.routine' }));
  await page.keyboard.press('Enter');
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
});
