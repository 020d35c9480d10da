// deploy/compose/, without containers: the programs are started with its own files, and the sample arrives in both stores.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const zlib = require('node:zlib');
const YAML = require('yaml');
const servers = require('./servers');
const { ROOT } = require('./queries');

const COMPOSE = path.join(ROOT, 'deploy/compose');
const read = (file) => YAML.parse(fs.readFileSync(path.join(COMPOSE, file), 'utf8'), { merge: true });
const compose = read('compose.yaml');

test('services depend on services, and use volumes, that are there', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    for (const other of service.depends_on ?? []) assert.ok(compose.services[other], `${name} depends on ${other}`);
    for (const volume of service.volumes ?? []) {
      const [source] = volume.replace(/\$\{\w+:-([^}]*)\}/, '$1').split(':');
      assert.ok(source.startsWith('.') ? fs.existsSync(path.join(COMPOSE, source)) : source in compose.volumes, `${name} mounts ${source}`);
    }
  }
});

test('ports are on loopback, and addresses name services and their ports', () => {
  for (const { ports = [] } of Object.values(compose.services)) {
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
  }
  const texts = ['compose.yaml', 'prometheus.yaml', 'grafana/provisioning/datasources/qtrail.yaml'].map((file) => fs.readFileSync(path.join(COMPOSE, file), 'utf8'));
  const named = texts.flatMap((text) => [...text.replace(/^#.*$/gm, '').matchAll(/(?:http:\/\/|"|: )([a-z]+):(\d{4,5})\b/g)]).map(([, host, port]) => `${host}:${port}`);
  assert.deepStrictEqual([...new Set(named)].sort(), ['collector:4317', 'collector:8888', 'jaeger:16686', 'jaeger:4317', 'prometheus:9090', 'qtrail:9465', 'victorialogs:9428']);
});

test('the dashboards find the data sources of their kind', () => {
  const types = read('grafana/provisioning/datasources/qtrail.yaml').datasources.map(({ type }) => type).sort();
  assert.deepStrictEqual(types, ['jaeger', 'prometheus', 'victoriametrics-logs-datasource']);
  assert.ok(compose.services.grafana.volumes.some((volume) => volume.startsWith('../grafana/victorialogs:')));
});

test('the sample arrives in both stores once, although they were away, the collector was killed and qtrail ran twice', async (t) => {
  const [logsPort, tracesPort] = [await servers.freePort(), await servers.freePort()];
  const collector = await servers.collector(t, path.join(COMPOSE, 'collector.yaml'), {
    LOGS_ENDPOINT: `http://127.0.0.1:${logsPort}/insert/opentelemetry/v1/logs`,
    TRACES_ENDPOINT: `127.0.0.1:${tracesPort}`,
  });
  const folder = servers.folder('sample');
  const at = (word) => word.replace(/^\/trail\b/, folder).replace(/^\$\{QTRAIL_PATH:-\/trail(.*)\}$/, `${folder}$1`);
  const sample = spawnSync(process.env.QTRAIL_VIEWS_QTRAIL, compose.services.sample.command.map(at));
  assert.strictEqual(sample.status, 0, String(sample.stderr));

  // The command of the compose file, with its own collector and a state that stays.
  const [, directory, ...rest] = compose.services.qtrail.command.map(at);
  const options = rest.filter((word, n) => word !== '--endpoint' && rest[n - 1] !== '--endpoint');
  const run = () => servers.run(t, directory, collector.otlp, ...options, '--state', path.join(folder, 'state'));
  const metric = async (qtrail, name) => Number((await qtrail.metrics()).match(new RegExp(`^${name} (\\d+)`, 'm'))[1]);

  // Both stores are away: the collector keeps what it accepts, also when it is killed.
  const kill = await collector.start();
  const qtrail = await run();
  await servers.until('the collector to accept the sample', async () => (await metric(qtrail, 'qtrail_events_exported_total')) === 20);
  const accepted = await collector.metrics();
  await kill('SIGKILL');
  await qtrail.stop();

  const logs = await servers.victorialogs(t, logsPort);
  const traces = await servers.jaeger(t, path.join(COMPOSE, 'jaeger.yaml'), tracesPort);
  await collector.start();
  const lines = async () => Number((await logs.rows('{service.namespace="aws.cloudtrail"} | count() as n'))[0].n);
  await servers.until('the sample to be in VictoriaLogs', async () => (await lines()) === 20);
  const [line] = await logs.rows('{service.namespace="aws.cloudtrail"} qtrail.outcome:=denied | fields trace_id, span_id');
  const trace = () => traces.get(`/api/traces/${line.trace_id}`);
  const [{ spans }] = await servers.until('the trace of a line to be in Jaeger', trace);
  assert.ok(spans.some(({ spanID }) => spanID === line.span_id), 'a line leads to its span');

  // A second run, with the same events in other files: nothing more is sent.
  fs.readdirSync(directory, { recursive: true })
    .filter((file) => file.endsWith('.json.gz'))
    .forEach((file, n) => fs.writeFileSync(path.join(directory, `copy-${n}.json`), zlib.gunzipSync(fs.readFileSync(path.join(directory, file)))));
  const second = await run();
  await servers.until('the copies to be read', async () => (await metric(second, 'qtrail_events_duplicate_total')) > 20);
  await servers.until('nothing to be under way', async () => (await metric(second, 'qtrail_events_in_flight')) === 0);
  assert.strictEqual(await metric(second, 'qtrail_events_exported_total'), 0);
  assert.strictEqual(await lines(), 20);
  assert.strictEqual((await trace())[0].spans.length, spans.length);

  // The names that the rules on the collector use.
  assert.match(accepted, /^otelcol_exporter_queue_size\{data_type="logs",exporter="otlp_http\/logs"/m);
  assert.match(await collector.metrics(), /^otelcol_exporter_sent_log_records(_total)?\{/m);
});
