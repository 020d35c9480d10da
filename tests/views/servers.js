// Starts the real servers, each on a free port of loopback and in a folder of its own.

const { spawn, execFile } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { ROOT } = require('./queries');

const QTRAIL = process.env.QTRAIL_VIEWS_QTRAIL;
// For a machine that does other things too.
const PATIENCE = 300_000;

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Folders that are removed at the end, when no server writes to them any more.
const folders = [];
process.on('exit', () => folders.forEach((made) => fs.rmSync(made, { recursive: true, force: true })));

function folder(name) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), `qtrail-${name}-`));
  folders.push(made);
  return made;
}

// Asks again until `ask` gives something; fails with the last error.
async function until(what, ask) {
  const deadline = Date.now() + PATIENCE;
  let last;
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not happen: ${last?.message ?? ''}`);
}

async function json(url, parameters) {
  const answer = await fetch(url, parameters && { method: 'POST', body: new URLSearchParams(parameters) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

// A server that `t` ends.
async function start(t, name, program, args, ready, env = {}) {
  const log = path.join(folder(name), 'log');
  const child = spawn(program, args, { stdio: ['ignore', fs.openSync(log, 'w'), fs.openSync(log, 'a')], env: { ...process.env, ...env } });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const stop = async (signal) => {
    child.kill(signal);
    await ended;
  };
  t.after(() => stop());
  await until(`${name} starts`, async () => {
    if (child.exitCode !== null) throw new Error(fs.readFileSync(log, 'utf8'));
    return (await fetch(ready)).ok;
  });
  return stop;
}

// It can be stopped and started again: its address and its data stay.
async function victorialogs(t, onPort) {
  const port = onPort ?? (await freePort());
  const data = folder('victorialogs-data');
  const url = `http://127.0.0.1:${port}`;
  // Rules look back 30 days.
  const args = [`-storageDataPath=${data}`, `-httpListenAddr=127.0.0.1:${port}`, '-retentionPeriod=31d'];
  const again = () => start(t, 'victorialogs', process.env.QTRAIL_VIEWS_VICTORIALOGS, args, `${url}/health`);
  return {
    stop: await again(),
    start: again,
    url,
    otlp: `${url}/insert/opentelemetry`,
    // The rows of a query: JSON objects.
    async rows(query, parameters = {}) {
      const answer = await fetch(`${url}/select/logsql/query`, { method: 'POST', body: new URLSearchParams({ query, ...parameters }) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${query}: ${text}`);
      return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    },
    stats: async (query, parameters = {}) => (await json(`${url}/select/logsql/stats_query`, { query, ...parameters })).data.result,
    series: async (query, parameters = {}) => (await json(`${url}/select/logsql/stats_query_range`, { query, ...parameters })).data.result,
  };
}

async function vmalert(t, datasource, rules) {
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = [
    `-rule=${rules}`, `-datasource.url=${datasource}`, '-rule.defaultRuleType=vlogs', '-notifier.blackhole',
    `-httpListenAddr=${url.replace('http://', '')}`, '-group.maxStartDelay=1ms', '-evaluationInterval=1m', '-remoteWrite.disablePathAppend',
  ];
  await start(t, 'vmalert', process.env.QTRAIL_VIEWS_VMALERT, args, `${url}/health`);
  return {
    groups: async () => (await json(`${url}/api/v1/rules`)).data.groups,
    alerts: async () => (await json(`${url}/api/v1/alerts`)).data.alerts,
  };
}

// Configurations are merged in their order, as Jaeger and the collector do it.
const configured = (configs) => [configs].flat().flatMap((config) => ['--config', config]);

// It can be stopped and started again at its address; what it keeps is the matter of its configuration.
async function jaeger(t, configs = path.join(ROOT, 'tests/e2e/jaeger.yaml'), onPort) {
  const [query, otlp] = [await freePort(), onPort ?? (await freePort())];
  const url = `http://127.0.0.1:${query}`;
  const again = () =>
    start(t, 'jaeger', process.env.QTRAIL_VIEWS_JAEGER, configured(configs), `${url}/api/services`, {
      JAEGER_QUERY: `127.0.0.1:${query}`,
      JAEGER_LISTEN: `127.0.0.1:${otlp}`,
    });
  return { stop: await again(), start: again, otlp: `http://127.0.0.1:${otlp}`, get: async (way) => (await json(`${url}${way}`)).data };
}

// A collector that can be killed and started again: its address and its queue stay.
async function collector(t, configs, env) {
  const [otlp, metrics] = [await freePort(), await freePort()];
  const queue = folder('queue');
  const url = `http://127.0.0.1:${metrics}/metrics`;
  const again = () =>
    start(t, 'collector', process.env.QTRAIL_VIEWS_COLLECTOR, configured(configs), url, {
      OTLP_GRPC_LISTEN: `127.0.0.1:${otlp}`,
      OTLP_HTTP_LISTEN: '127.0.0.1:0',
      METRICS_HOST: '127.0.0.1',
      METRICS_PORT: String(metrics),
      QUEUE_DIRECTORY: queue,
      ...env,
    });
  return { otlp: `http://127.0.0.1:${otlp}`, start: again, telemetry: `127.0.0.1:${metrics}`, metrics: async () => (await fetch(url)).text() };
}

async function prometheus(t, targets, rules = []) {
  const data = folder('prometheus');
  const config = path.join(data, 'prometheus.yml');
  fs.writeFileSync(config, JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: [{ job_name: 'qtrail', static_configs: [{ targets }] }],
  }));
  const url = `http://127.0.0.1:${await freePort()}`;
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}/data`, `--web.listen-address=${url.replace('http://', '')}`];
  await start(t, 'prometheus', 'prometheus', args, `${url}/-/ready`);
  return { query: async (query) => (await json(`${url}/api/v1/query`, { query })).data.result };
}

// Sends a trail once, assembled.
async function convert(trail, endpoint, ...args) {
  await promisify(execFile)(QTRAIL, ['convert', trail, '--endpoint', endpoint, '--select', 'all', '--assemble', '--give-up-after', '30s', ...args]);
}

// A qtrail that watches `directory`.
async function run(t, directory, endpoint, ...args) {
  const telemetry = `127.0.0.1:${await freePort()}`;
  const state = args.includes('--state') ? [] : ['--state', folder('state')];
  const stop = await start(t, 'qtrail', QTRAIL, ['run', directory, '--endpoint', endpoint, ...state, ...args], `http://${telemetry}/livez`, { QTRAIL_TELEMETRY_HTTP: telemetry });
  return { telemetry, stop, metrics: async () => (await fetch(`http://${telemetry}/metrics`)).text() };
}

module.exports = { folder, freePort, until, victorialogs, vmalert, jaeger, collector, prometheus, convert, run };
