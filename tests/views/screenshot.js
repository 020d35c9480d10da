// Pictures of pages, for people to look at: target/views/NAME.png. Without Chromium, there are none.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('./queries');

module.exports = function screenshot(t, name, url) {
  const folder = path.join(ROOT, 'target/views');
  fs.mkdirSync(folder, { recursive: true });
  const picture = path.join(folder, `${name}.png`);
  fs.rmSync(picture, { force: true });
  const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
  const { error, stderr } = spawnSync('chromium', [
    '--headless', '--hide-scrollbars', '--window-size=1400,1000', '--virtual-time-budget=15000', `--screenshot=${picture}`, ...sandbox, url,
  ], { timeout: 120_000 });
  if (error?.code === 'ENOENT') return t.diagnostic('no screenshots: there is no chromium');
  assert.ok(fs.existsSync(picture), `${name}: ${error ?? ''} ${stderr}`);
};
