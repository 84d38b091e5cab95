// What an operator sees in Chromium while PostgreSQL is down. Started after console.mjs by the same test, which has cut
// the connections; reads CONSOLE_TOKEN besides what browser.mjs reads.

import { base, drive, look, page, signIn } from './browser.mjs';

await drive(async () => {
  await page.goto(`${base}/`);
  await signIn(process.env.CONSOLE_TOKEN);
  const named = page.locator('#banner', { hasText: 'PostgreSQL is down' });
  await named.waitFor();
  for (const [path, name] of [['/', 'overview'], ['/hospitals', 'hospitals'], ['/dead-letters', 'dead-letters'],
    ['/dead-letters/1', 'dead-letter'], ['/pauses', 'pauses'], ['/audit', 'audit']]) {
    await page.goto(base + path);
    await named.waitFor();
    await look(`down-${name}`);
  }
});
