// deploy/compose/, without containers: the programs are started with its own files, and the sample arrives in both stores.

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
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

test('the sample arrives in both stores, and the collector’s metrics have the names that the rules use', async (t) => {
  const qtrail = compose.services.qtrail.command.slice(2);
  const logs = await servers.victorialogs(t);
  const traces = await servers.jaeger(t, path.join(COMPOSE, 'jaeger.yaml'));
  const collector = await servers.collector(t, path.join(COMPOSE, 'collector.yaml'), {
    LOGS_ENDPOINT: `${logs.otlp}/v1/logs`,
    TRACES_ENDPOINT: traces.otlp.replace('http://', ''),
  });
  const directory = path.join(servers.folder('sample'), 'sample');
  t.after(() => fs.rmSync(path.dirname(directory), { recursive: true }));
  const sample = spawnSync(process.env.QTRAIL_VIEWS_QTRAIL, compose.services.sample.command.map((word) => word.replace('/trail/sample', directory)));
  assert.strictEqual(sample.status, 0, String(sample.stderr));
  await servers.run(t, path.join(directory, 'trail'), collector.otlp, ...qtrail.filter((word, at) => word !== '--endpoint' && qtrail[at - 1] !== '--endpoint'));

  const count = async () => Number((await logs.rows('{service.namespace="aws.cloudtrail"} | stats count_uniq(log.record.uid) as n'))[0].n);
  await servers.until('the sample to be in VictoriaLogs', async () => (await count()) === 20);
  const [line] = await logs.rows('{service.namespace="aws.cloudtrail"} qtrail.outcome:=denied | fields trace_id, span_id');
  const trace = await servers.until('the trace of a line to be in Jaeger', () => traces.get(`/api/traces/${line.trace_id}`));
  assert.ok(trace[0].spans.some(({ spanID }) => spanID === line.span_id), 'a line leads to its span');

  const metrics = await collector.metrics();
  for (const name of ['otelcol_exporter_queue_size{data_type="logs"', 'otelcol_exporter_sent_log_records']) assert.ok(metrics.includes(name), name);
});
