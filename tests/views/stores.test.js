// The dashboards' queries and the rules, run by the real VictoriaLogs, vmalert, Jaeger and Prometheus on a sample trail:
// they return what the trail has. Loki, Tempo and Grafana are not run.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, test, after } = require('node:test');
const { ROOT, dashboards, targets, filled } = require('./queries');
const { events, CONVERSATION, TRACE } = require('./trail');
const servers = require('./servers');

const now = Date.now();
const all = dashboards().filter(({ store }) => store === 'victorialogs');
const folder = servers.folder('trail');
const trail = path.join(folder, '111122223333_CloudTrail_us-east-1_20261101T1000Z_AbCdEfGhIjKlMnOp.json');
fs.writeFileSync(trail, JSON.stringify({ Records: events(now) }));

// The query of each panel of one dashboard that goes to one kind of back end.
function queries(name, type) {
  return all
    .filter(({ file }) => file.endsWith(`/${name}.json`))
    .flatMap(targets)
    .filter((one) => one.type === type);
}

// Fails as one if any query fails or returns something else: `found` and `expected` are by panel.
async function returns(name, type, ask, expected) {
  const found = {};
  for (const { panel, target } of queries(name, type)) {
    found[panel.title] = await ask(target);
  }
  assert.deepStrictEqual(found, expected);
}

describe('in VictoriaLogs', () => {
  let store;
  const scope = { ends: [], after(end) { this.ends.unshift(end); } };
  after(async () => { for (const end of scope.ends) await end(); });
  const time = { start: new Date(now - 3_600_000).toISOString(), end: new Date(now + 60_000).toISOString() };

  before(async () => {
    store = await servers.victorialogs(scope);
    // Twice, as at-least-once delivery may: VictoriaLogs keeps both.
    for (let round = 0; round < 2; round++) await servers.convert(trail, store.otlp, '--protocol', 'http/protobuf', '--signals', 'logs');
    const total = 2 * events(now).length;
    // By its stream: VictoriaLogs finds a new stream a second later than its records.
    const found = '{service.namespace="aws.cloudtrail"} | count() as n';
    await servers.until('every record to be found', async () => Number((await store.rows(found))[0].n) === total);
  });

  // A number, the number of rows, or what the bars of a graph add up to, as the panel's kind is.
  async function ask({ queryType, expr }) {
    const query = filled(expr);
    switch (queryType) {
      case 'stats': return Number((await store.stats(query, time))[0]?.value[1] ?? 0);
      case 'instant': return (await store.rows(query, time)).length;
      case 'statsRange': {
        const series = await store.series(query, { ...time, step: '1m' });
        return series.flatMap(({ values }) => values).reduce((sum, [, value]) => sum + Number(value), 0);
      }
      default: throw new Error(`no such query type: ${queryType}`);
    }
  }

  test('the overview has the people, the conversations, the denials and the changes of the hour', async () => {
    await returns('overview', 'victoriametrics-logs-datasource', ask, { People: 4, Conversations: 3, Denied: 2, Changes: 3 });
    const [people] = queries('overview', 'victoriametrics-logs-datasource');
    const rows = await store.rows(filled(people.target.expr), time);
    const mary = rows.find((row) => row['enduser.id'] === 'mary_major');
    const { events, denied, writes, conversations } = mary;
    assert.deepStrictEqual({ events, denied, writes, conversations }, { events: '6', denied: '1', writes: '1', conversations: '1' });
  });

  test('a person has what agents did as them, once', async () => {
    await returns('person', 'victoriametrics-logs-datasource', ask, {
      Events: 6, Calls: 3, Denied: 1, Changes: 1, 'By class': 6, 'By agent': 6, Everything: 6,
    });
  });

  test('a conversation has its messages and the calls made for it', async () => {
    await returns('conversation', 'victoriametrics-logs-datasource', ask, { Events: 5, Conversation: 3, Calls: 2, Denied: 1, Records: 10 });
  });

  test('a conversation is found by its id with dashes too', async () => {
    const [count] = queries('conversation', 'victoriametrics-logs-datasource');
    const query = filled(count.target.expr).replaceAll(TRACE, CONVERSATION);
    assert.strictEqual(Number((await store.stats(query, time))[0].value[1]), 5);
  });

  test('what is stored is counted once', async () => {
    await returns('health', 'victoriametrics-logs-datasource', ask, { Stored: 18 });
  });

  test('alerts fire where they should, and only there', async (t) => {
    const rules = path.join(ROOT, 'deploy/alerts/victorialogs.yaml');
    const vmalert = await servers.vmalert(t, store.url, rules);
    const [group] = await servers.until('each rule to be evaluated', async () => {
      const groups = await vmalert.groups();
      return groups.every(({ rules }) => rules.every((rule) => rule.lastEvaluation > '2026')) && groups;
    });
    for (const rule of group.rules) assert.strictEqual(rule.lastError, '', `${rule.name}: ${rule.lastError}`);
    const alerts = (await vmalert.alerts()).map(({ name, labels, value, annotations }) => {
      assert.ok(!/no value|%!|\{\{/.test(annotations.summary + annotations.description), annotations.summary);
      const { alertname, alertgroup, severity, stats_result, ...rest } = labels;
      return [name, ...Object.entries(rest).sort().map(([key, value]) => `${key}=${value}`), value].join(' ');
    });
    const [one, two] = ['cloud.account.id=111122223333', 'cloud.account.id=444455556666'];
    assert.deepStrictEqual(alerts.sort(), [
      `AgentDenied ${one} enduser.id=mary_major error.type=AccessDenied gen_ai.agent.name=Amazon Q Developer rpc.method=s3.amazonaws.com/GetBucketPolicy 1`,
      `AgentDenied ${one} enduser.id=nikki_wolf error.type=Client.UnauthorizedOperation gen_ai.agent.name=Amazon Q Developer rpc.method=ec2.amazonaws.com/StopInstances 1`,
      `AgentFirstUseByRoot ${one} 1`,
      `AgentNew ${two} gen_ai.agent.name=Claude Code 1`,
      `AgentNewInvokingService aws.user_identity.invoked_by=aiops.amazonaws.com ${one} 1`,
      `AgentWriteAfterDenial ${one} enduser.id=mary_major 1`,
    ]);
  });
});

test('in Jaeger, a person has their traces, and a conversation is one trace with its calls', async (t) => {
  const jaeger = await servers.jaeger(t);
  await servers.convert(trail, jaeger.otlp, '--signals', 'traces');
  const conversation = await servers.until('the trace to be found', () => jaeger.get(`/api/traces/${TRACE}`));
  // Its own span, three messages, two calls.
  assert.deepStrictEqual(conversation.map(({ traceID, spans }) => [traceID, spans.length]), [[TRACE, 6]]);

  await returns('conversation', 'jaeger', async ({ query }) => (await jaeger.get(`/api/traces/${filled(query)}`)).length, { Trace: 1 });
  const search = async ({ service, tags, limit }) => {
    // As Grafana does it: logfmt becomes JSON.
    const fields = Object.fromEntries([...filled(tags).matchAll(/(\S+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
    const way = new URLSearchParams({
      service: filled(service), limit, tags: JSON.stringify(fields),
      start: (now - 3_600_000) * 1000, end: (now + 60_000) * 1000, lookback: 'custom',
    });
    return (await jaeger.get(`/api/traces?${way}`)).map(({ traceID }) => traceID).sort();
  };
  const traces = await search(queries('person', 'jaeger')[0].target);
  assert.ok(traces.includes(TRACE), `${traces}`);
  // The conversation, and the session of the call that no message explains.
  assert.strictEqual(traces.length, 2);
});

test('in Prometheus, the metrics of the dashboards and rules exist, and count what the trail has', async (t) => {
  const store = await servers.victorialogs(t);
  const directory = servers.folder('watched');
  const qtrail = await servers.run(t, directory, store.otlp, '--protocol', 'http/protobuf', '--signals', 'logs', '--select', 'agents');
  const prometheus = await servers.prometheus(t, [qtrail.telemetry]);
  const value = async (query) => Number((await prometheus.query(query))[0]?.value[1]);

  const used = [...new Set(
    [...all.flatMap(({ text }) => [...text.matchAll(/\b(qtrail|process)_[a-z_]+\b/g)]), ...fs.readFileSync(path.join(ROOT, 'deploy/alerts/prometheus.yaml'), 'utf8').matchAll(/\b(qtrail|process)_[a-z_]+\b/g)].map(([name]) => name),
  )].filter((name) => name !== 'qtrail_');
  const declared = new Set([...(await qtrail.metrics()).matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  const missing = used.filter((name) => !declared.has(name) && !declared.has(name.replace(/_bucket$/, '')));
  assert.deepStrictEqual(missing, []);

  // Zero is scraped before the events come, so that `increase` sees them.
  await servers.until('a first scrape', async () => (await value('qtrail_events_read_total')) === 0);
  fs.copyFileSync(trail, path.join(directory, path.basename(trail)));
  const agents = events(now).length - 3;
  await servers.until('the events to be counted', async () => (await value('qtrail_events_exported_total')) === agents);

  assert.strictEqual(await value('sum(qtrail_agent_messages_total{origin="live"})'), 6);
  assert.strictEqual(await value('sum(qtrail_agent_conversations_started_total{origin="live"})'), 5);
  assert.strictEqual(await value('sum(qtrail_agent_denials_total{origin="live"})'), 3);
  assert.strictEqual(await value('sum(qtrail_agent_calls_total{origin="live", service="s3"})'), 8);
  assert.strictEqual(await value('sum(qtrail_agent_events_total{origin="live"})'), agents);
  assert.strictEqual(await value('sum(qtrail_agent_events_total{origin="backfill"})'), 0);

  // The events came between two scrapes, and the numbers of the overview show them.
  const counts = ['Messages', 'Conversations started', 'Calls on behalf', 'Denied', 'Active people', 'Active conversations'];
  for (const { panel, target } of queries('overview', 'prometheus').filter(({ panel }) => counts.includes(panel.title))) {
    await servers.until(`${panel.title} to be above 0`, async () => (await value(filled(target.expr))) > 0);
  }
  // Each query of the dashboards runs; each number is there.
  for (const { panel, target, type } of all.flatMap(targets).filter(({ type }) => type === 'prometheus')) {
    const result = await prometheus.query(filled(target.expr));
    if (panel.type === 'stat') assert.ok(result.length === 1, `${panel.title} (${type}): ${target.expr} returns ${result.length} values`);
  }
});
