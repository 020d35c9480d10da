// From a trail to what people see, by the real programs: qtrail, the collector with otel-collector.yaml and its queue on disk,
// VictoriaLogs and Jaeger with their data on disk, Prometheus and vmalert. What is expected comes from the trail's records alone.
//
// QTRAIL_VIEWS_OUTAGE: how many seconds each back end stays away (20).

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const YAML = require('yaml');
const { ROOT } = require('./queries');
const screenshot = require('./screenshot');
const servers = require('./servers');
const truth = require('./truth');

const OUTAGE = 1000 * Number(process.env.QTRAIL_VIEWS_OUTAGE ?? 20);
const QTRAIL = process.env.QTRAIL_VIEWS_QTRAIL;
const ALL = '{service.namespace="aws.cloudtrail"}';

const sorted = (list) => [...list].sort();
const distinct = (list) => sorted(new Set(list));

// otel-collector.yaml has one back end. Here its exporter's settings go to an exporter for each signal.
function overlay(folder, logs) {
  const { exporters } = YAML.parse(fs.readFileSync(path.join(ROOT, 'otel-collector.yaml'), 'utf8'));
  const { endpoint, tls, ...delivery } = exporters.otlp_grpc;
  const file = path.join(folder, 'collector.yaml');
  fs.writeFileSync(file, YAML.stringify({
    exporters: { 'otlp_http/logs': { logs_endpoint: `${logs.otlp}/v1/logs`, ...delivery } },
    service: { pipelines: { logs: { exporters: ['otlp_http/logs'] } } },
  }));
  return file;
}

// Jaeger's storage on disk, in the place of memory.
function disk(folder) {
  const directories = { keys: path.join(folder, 'keys'), values: path.join(folder, 'values') };
  const file = path.join(folder, 'jaeger.yaml');
  fs.writeFileSync(file, YAML.stringify({
    extensions: {
      jaeger_storage: { backends: { disk: { badger: { ephemeral: false, consistency: true, directories } } } },
      jaeger_query: { storage: { traces: 'disk' } },
    },
    exporters: { jaeger_storage_exporter: { trace_storage: 'disk' } },
  }));
  return file;
}

describe('from a trail to what people see', () => {
  const scope = { ends: [], after(end) { this.ends.unshift(end); } };
  after(async () => { for (const end of scope.ends) await end(); });

  let folder, watched, demo, logs, traces, collector, kill, prometheus, options, qtrail;
  let events, spans;

  // The columns of the log records that a query finds, each once.
  const rows = async (query, ...columns) =>
    distinct((await logs.rows(`${ALL} ${query} | fields ${columns.join(', ')}`)).map((row) => columns.map((column) => row[column] ?? null).join(' ')));
  const uids = (query = '') => rows(query, 'log.record.uid');

  // Traces that a search finds, over all services; each with its spans as [id, parent, the event's id].
  async function found(tags) {
    const result = new Map();
    for (const service of await traces.get('/api/services')) {
      const way = new URLSearchParams({
        service, limit: 100_000, lookback: 'custom', start: (Date.now() - 86_400_000) * 1000, end: (Date.now() + 60_000) * 1000,
        ...(tags && { tags: JSON.stringify(tags) }),
      });
      for (const { traceID, spans } of await traces.get(`/api/traces?${way}`)) result.set(traceID, sorted(spans.map(shown)));
    }
    return result;
  }
  const shown = ({ spanID, references, tags }) =>
    [spanID, references.find(({ refType }) => refType === 'CHILD_OF')?.spanID ?? null, tags.find(({ key }) => key === 'aws.cloudtrail.event_id')?.value ?? null].join(' ');
  const expectedTrace = (id) => sorted(spans.filter(({ trace }) => trace === id).map(({ span, parent, event }) => [span, parent, event].join(' ')));
  // The ids of the events that Jaeger has a span of.
  const traced = async () => distinct([...(await found()).values()].flat().map((span) => span.split(' ')[2]).filter((event) => event !== 'null' && event !== ''));

  const value = (text, name) => [...text.matchAll(new RegExp(`^${name}(?:_total)?(?:\\{.*\\})? (\\S+)`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
  const settled = async (qtrail, number) => {
    await servers.until(`${number} events to be accepted`, async () => value(await qtrail.metrics(), 'qtrail_events_exported') === number);
  };
  // In one step, so that the parts of a conversation wait for each other.
  const deliver = (from, name) => fs.renameSync(from, path.join(watched, name));

  before(async () => {
    folder = servers.folder('seen');
    watched = path.join(folder, 'watched');
    fs.mkdirSync(watched);
    logs = await servers.victorialogs(scope);
    traces = await servers.jaeger(scope, [path.join(ROOT, 'tests/e2e/jaeger.yaml'), disk(folder)]);
    collector = await servers.collector(scope, [path.join(ROOT, 'otel-collector.yaml'), overlay(folder, logs)], {
      BACKEND_ENDPOINT: traces.otlp.replace('http://', ''),
      BACKEND_INSECURE: 'true',
    });
    kill = await collector.start();
    const config = path.join(folder, 'qtrail.yaml');
    fs.writeFileSync(config, YAML.stringify({ assembly: { window: '10s', idle: '10s' } }));
    options = ['--assemble', '--select', 'agents', '--config', config];
    qtrail = await servers.run(scope, watched, collector.otlp, ...options);
    const rules = path.join(ROOT, 'deploy/alerts/prometheus.yaml');
    prometheus = await servers.prometheus(scope, [qtrail.telemetry, collector.telemetry], [rules]);
    // Zero is scraped before the events come, so that `increase` sees them.
    await servers.until('a first scrape', async () => (await prometheus.query('qtrail_dead_letters_total')).length > 0);

    const made = spawnSync(QTRAIL, ['demo', '--dir', path.join(folder, 'demo')]);
    assert.strictEqual(made.status, 0, String(made.stderr));
    demo = path.join(watched, 'demo');
    deliver(path.join(folder, 'demo/trail'), 'demo');
    [events, spans] = [truth.events(demo), truth.spans(demo)];
    assert.ok(events.length === 20 && spans.length === 23, 'the demo is what it was');
    await settled(qtrail, events.length);
    const ids = sorted(events.map(({ eventID }) => eventID));
    await servers.until('all events to be in VictoriaLogs', async () => (await uids()).length === ids.length);
    await servers.until('all spans to be in Jaeger', async () => [...(await found()).values()].flat().length === spans.length);
    assert.deepStrictEqual(await uids(), ids);
  });

  test('the trace of each conversation has every message and call, under what caused it', async () => {
    const all = await found();
    assert.deepStrictEqual(sorted(all.keys()), distinct(spans.map(({ trace }) => trace)));
    for (const [id, trace] of all) assert.deepStrictEqual(trace, expectedTrace(id), `trace ${id}`);
  });

  test('each log line leads to its span by its ids', async () => {
    const lines = await rows('', 'trace_id', 'span_id', 'log.record.uid');
    assert.deepStrictEqual(lines, sorted(spans.filter(({ event }) => event).map(({ trace, span, event }) => [trace, span, event].join(' '))));
    for (const line of lines) {
      const [trace, span, event] = line.split(' ');
      const [{ spans }] = await traces.get(`/api/traces/${trace}`);
      assert.ok(spans.map(shown).some((one) => one.startsWith(`${span} `) && one.endsWith(` ${event}`)), line);
    }
  });

  // Each value of an attribute, and whether an event has it.
  async function findsExactly(key, values, has) {
    for (const value of values) {
      const expected = events.filter((record) => has(record, value)).map(({ eventID }) => eventID);
      assert.ok(expected.length > 0);
      assert.deepStrictEqual(await uids(`${key}:="${value}"`), sorted(expected), `${key}=${value} in VictoriaLogs`);
      const theirs = spans.filter(({ event }) => expected.includes(event)).map(({ trace }) => trace);
      assert.deepStrictEqual(sorted((await found({ [key]: value })).keys()), distinct(theirs), `${key}=${value} in Jaeger`);
    }
  }

  test('a conversation, a person and a denial are found with exactly what the trail has', async () => {
    const conversation = new Map(spans.map((span) => [span.event, span.conversation]));
    const conversations = distinct(conversation.values()).filter(Boolean);
    assert.strictEqual(conversations.length, 3);
    await findsExactly('gen_ai.conversation.id', conversations, ({ eventID }, id) => conversation.get(eventID) === id);
    await findsExactly('enduser.id', distinct(events.map(truth.person)), (record, person) => truth.person(record) === person);
    await findsExactly('qtrail.outcome', ['denied'], truth.isDenied);
  });

  test('alerts on events fire where they should, and only there', async (t) => {
    const vmalert = await servers.vmalert(t, logs.url, path.join(ROOT, 'deploy/alerts/victorialogs.yaml'));
    await servers.until('each rule to be evaluated', async () => (await vmalert.groups()).every(({ rules }) => rules.every((rule) => rule.lastEvaluation > '2026')));
    const alerts = (await vmalert.alerts()).map(({ name, labels, value }) => [name, labels['cloud.account.id'], labels['enduser.id'], labels['rpc.method'], value].filter(Boolean).join(' '));
    // Everything is the first in 30 days. Three kinds of events name no agent.
    const calls = (account) => events.filter((record) => record.recipientAccountId === account && truth.byAmazonQ(record) && record.eventName !== 'PassRequest');
    const agents = (account) => events.filter((record) => record.recipientAccountId === account && !['CreateAssignment', 'StartConversation', 'PassRequest'].includes(record.eventName));
    const [one, two] = ['111122223333', '444455556666'];
    assert.deepStrictEqual(sorted(alerts), sorted([
      `AgentDenied ${one} mary_major s3.amazonaws.com/GetBucketPolicy 1`,
      ...[one, two].map((account) => `AgentNew ${account} ${agents(account).length}`),
      ...[one, two].map((account) => `AgentNewInvokingService ${account} ${calls(account).length}`),
    ]));
  });

  // Names of the rules that ever fired. Not judged: QtrailLags, because the trail is up to half an hour old when it is delivered.
  const fired = async () => distinct((await prometheus.query('max_over_time(ALERTS{alertstate="firing", alertname!="QtrailLags"}[2h])')).map(({ metric }) => metric.alertname));

  test('alerts on metrics fire where they should, and only there', async () => {
    const expected = ['AgentDenied', 'QtrailDeadLetters'];
    await servers.until('the alerts to fire', async () => (await fired()).length >= expected.length);
    assert.deepStrictEqual(await fired(), expected);
  });

  test('the pages show it', async (t) => {
    const query = encodeURIComponent(`${ALL} enduser.id:=mary_major | format "<rpc.method> <qtrail.outcome>" as _msg | fields _time, _msg, trace_id`);
    screenshot(t, 'victorialogs', `${logs.url}/select/vmui/#/?query=${query}&g0.relative_time=last_1_hour`);
    const report = path.join(folder, 'report.html');
    spawnSync(QTRAIL, ['report', demo, '--format', 'html', '-o', report]);
    screenshot(t, 'report', `file://${report}`);
  });

  test('a second run, with a new state, adds no event and no span', async (t) => {
    const sent = async () => value(await collector.metrics(), 'otelcol_exporter_sent_spans');
    const lines = async () => Number((await logs.rows(`${ALL} | count() as n`))[0].n);
    await servers.until('all spans to be sent', async () => (await sent()) >= spans.length);
    const [before, ids, first] = [await found(), await uids(), await sent()];
    const again = await servers.run(t, watched, collector.otlp, ...options);
    await settled(again, events.length);
    // Both stores were sent everything again.
    await servers.until('all spans to be sent again', async () => (await sent()) >= first + spans.length);
    await servers.until('all lines to be stored again', async () => (await lines()) >= 2 * events.length);
    assert.deepStrictEqual(await uids(), ids);
    assert.deepStrictEqual(await found(), before);
    await again.stop();
  });

  for (const [seed, name] of ['VictoriaLogs', 'Jaeger'].entries()) {
    test(`nothing is lost while ${name} is away and the collector is killed`, async () => {
      const [away, has] = name === 'Jaeger' ? [traces, traced] : [logs, uids];
      const others = name === 'Jaeger' ? uids : traced;
      const delivered = value(await qtrail.metrics(), 'qtrail_events_exported');
      await away.stop();
      const stopped = Date.now();

      const sample = path.join(folder, `sample-${seed}`);
      const made = spawnSync(QTRAIL, ['sample', sample, '--events', '400', '--share', '100', '--files', '8', '--end', 'now', '--seed', String(seed)]);
      assert.strictEqual(made.status, 0, String(made.stderr));
      const expected = distinct([...(await others()), ...truth.events(sample, () => true).map(({ eventID }) => eventID)]);
      deliver(sample, path.basename(sample));
      // Killed while the queue has what is for the back end that is away, and again as soon as it is back.
      await settled(qtrail, delivered + 400);
      await servers.until('the queue to be filled', async () => value(await collector.metrics(), 'otelcol_exporter_queue_size') > 0);
      await killed();
      await servers.until('the other back end to have everything', async () => (await others()).length === expected.length);
      await sleep(Math.max(0, stopped + OUTAGE - Date.now()));
      away.stop = await away.start();
      await killed();
      await servers.until(`everything to be in ${name}`, async () => (await has()).length === expected.length);
      assert.deepStrictEqual(await has(), expected);
      assert.deepStrictEqual(await others(), expected);
    });
  }

  async function killed() {
    await kill('SIGKILL');
    kill = await collector.start();
  }

  test('no alert on metrics fired for the outages', async () => {
    assert.deepStrictEqual(await fired(), ['AgentDenied', 'QtrailDeadLetters']);
  });
});
