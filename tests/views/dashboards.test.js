// The dashboards are what their generator makes, hang together, and each of their queries is one.

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const YAML = require('yaml');
const { parser: logql } = require('@grafana/lezer-logql');
const { parser: traceql } = require('@grafana/lezer-traceql');
const { ROOT, GRAFANA, STORES, dashboards, targets, filled } = require('./queries');

const all = dashboards();
const rulesOf = (file) => YAML.parse(fs.readFileSync(path.join(ROOT, 'deploy/alerts', file), 'utf8')).groups.flatMap(({ rules }) => rules);

test('the checked-in dashboards are what the generator makes', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qtrail-dashboards-'));
  execFileSync('node', ['src/main.js', folder], { cwd: GRAFANA });
  const made = dashboards(folder);
  fs.rmSync(folder, { recursive: true });
  assert.deepStrictEqual(made.map(({ file }) => file), all.map(({ file }) => file));
  for (const [at, { file, text }] of made.entries()) {
    assert.ok(text === all[at].text, `${file} differs from what the generator makes: run \`npm run build\` in deploy/grafana`);
  }
});

test('both pairs of back ends have the same dashboards with the same panels', () => {
  const [loki, victorialogs] = STORES.map((store) => all.filter((one) => one.store === store));
  const shape = ({ dashboard }) => dashboard.panels.map(({ type, title }) => `${type} ${title}`);
  assert.deepStrictEqual(loki.map(shape), victorialogs.map(shape));
  assert.strictEqual(loki.length, 4);
});

test('panels have an id, a title, a description and a query, and do not overlap', () => {
  for (const { file, dashboard } of all) {
    assert.strictEqual(new Set(dashboard.panels.map(({ id }) => id).filter(Boolean)).size, dashboard.panels.length, `${file}: ids`);
    const taken = new Map();
    for (const panel of dashboard.panels) {
      assert.ok(panel.title, `${file}: a panel without a title`);
      const { x, y, w, h } = panel.gridPos;
      assert.ok(x + w <= 24, `${file}: ${panel.title} is beyond the right edge`);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          const other = taken.get(`${column} ${line}`);
          assert.ok(!other, `${file}: ${panel.title} and ${other} overlap`);
          taken.set(`${column} ${line}`, panel.title);
        }
      }
      if (panel.type === 'row') continue;
      assert.ok(panel.description && panel.targets?.length, `${file}: ${panel.title} lacks a description or a query`);
    }
  }
});

test('each variable that is used is defined, and each one that is defined is used', () => {
  for (const { file, text, dashboard } of all) {
    const defined = new Set(dashboard.templating.list.map(({ name }) => name));
    const used = new Set([...text.matchAll(/\$\{?([a-z]\w*)/g)].map(([, name]) => name));
    assert.deepStrictEqual([...used].sort(), [...defined].sort(), file);
  }
});

test('links lead to dashboards of the same back ends, and set variables that these have', () => {
  const variables = new Map(all.map(({ dashboard }) => [dashboard.uid, dashboard.templating.list.map(({ name }) => name)]));
  assert.strictEqual(variables.size, all.length, 'two dashboards have one uid');
  let links = 0;
  for (const { store, file, text } of all) {
    for (const [, uid, variable] of text.matchAll(/"\/d\/([\w-]+)\?var-(\w+)=/g)) {
      links++;
      assert.ok(uid.startsWith(`qtrail-${store}-`) && variables.get(uid)?.includes(variable), `${file}: ${uid} has no ${variable}`);
    }
  }
  assert.ok(links >= 16, `only ${links} links`);
});

function assertParses(parser, query, where) {
  const wrong = [];
  parser.parse(query).iterate({ enter: (node) => void (node.type.isError && wrong.push(query.slice(node.from, node.from + 20))) });
  assert.deepStrictEqual(wrong, [], `${where}: ${query}`);
}

test('Grafana’s grammars find errors', () => {
  assert.throws(() => assertParses(logql, '{a="b"} | c=', ''), assert.AssertionError);
  assert.throws(() => assertParses(logql, '{a="b"} | c="$person" [1h]', ''), assert.AssertionError);
  assert.throws(() => assertParses(traceql, '{ span.a = }', ''), assert.AssertionError);
});

test('each LogQL query of a dashboard parses', () => {
  let parsed = 0;
  for (const one of all) {
    for (const { panel, target, type } of targets(one).filter(({ type }) => type === 'loki')) {
      assertParses(logql, filled(target.expr), `${one.file}: ${panel.title} (${type})`);
      parsed++;
    }
  }
  assert.ok(parsed >= 10, `only ${parsed} queries`);
});

test('each LogQL rule parses, and has the name and the severity of its twin for VictoriaLogs', () => {
  for (const { alert, expr } of rulesOf('loki.yaml')) assertParses(logql, expr, alert);
  const named = (file) => rulesOf(file).map(({ alert, labels }) => `${alert} ${labels.severity}`);
  assert.deepStrictEqual(named('loki.yaml'), named('victorialogs.yaml'));
});

test('each attribute in a query is one of docs/mapping.md', () => {
  const mapping = fs.readFileSync(path.join(ROOT, 'docs/mapping.md'), 'utf8');
  const attributes = new Set([...mapping.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name));
  const underscored = new Set([...attributes].map((name) => name.replaceAll('.', '_')));
  // Of the stores' own making.
  const own = /^(trace_id|__timestamp__|label_format|(count|max|min)_over_time)$/;
  const unquoted = (query) => query.replace(/"[^"]*"/g, '""');
  const unknown = [];
  const look = (query, where, known) => {
    const names = unquoted(query).match(known === attributes ? /\b[a-z_]+(\.[a-z_]+)+\b/g : /\b\w+_\w+\b/g) ?? [];
    for (const name of names) if (!known.has(name) && !own.test(name)) unknown.push(`${where}: ${name}`);
  };
  for (const one of all) {
    for (const { panel, target, type } of targets(one)) {
      if (type === 'loki') look(filled(target.expr), `${one.file}: ${panel.title}`, underscored);
      if (type === 'victoriametrics-logs-datasource') look(target.expr, `${one.file}: ${panel.title}`, attributes);
    }
  }
  for (const { alert, expr } of rulesOf('loki.yaml')) look(expr, alert, underscored);
  for (const { alert, expr } of rulesOf('victorialogs.yaml')) look(expr, alert, attributes);
  assert.deepStrictEqual(unknown, []);
});

test('each TraceQL query parses, or is a trace id', () => {
  let parsed = 0;
  for (const one of all) {
    for (const { panel, target } of targets(one).filter(({ type }) => type === 'tempo')) {
      const query = filled(target.query);
      if (!/^[0-9a-f]{32}$/.test(query)) assertParses(traceql, query, `${one.file}: ${panel.title}`);
      parsed++;
    }
  }
  assert.strictEqual(parsed, 2);
});

test('the rules for Prometheus do what their tests say', () => {
  const output = execFileSync('promtool', ['test', 'rules', 'prometheus.test.yaml'], { cwd: __dirname, encoding: 'utf8' });
  assert.match(output, /SUCCESS/);
});

test('each rule for Prometheus has a test in which it fires', () => {
  const rules = rulesOf('prometheus.yaml').map(({ alert }) => alert);
  const tests = YAML.parse(fs.readFileSync(path.join(__dirname, 'prometheus.test.yaml'), 'utf8')).tests.flatMap((one) => one.alert_rule_test);
  const fired = new Set(tests.filter(({ exp_alerts }) => exp_alerts.length).map(({ alertname }) => alertname));
  assert.deepStrictEqual(rules.filter((rule) => !fired.has(rule)), []);
});
