// What the dashboards are put together from.

const common = require('@grafana/grafana-foundation-sdk/common');
const dashboard = require('@grafana/grafana-foundation-sdk/dashboard');
const logs = require('@grafana/grafana-foundation-sdk/logs');
const prometheus = require('@grafana/grafana-foundation-sdk/prometheus');
const stat = require('@grafana/grafana-foundation-sdk/stat');
const table = require('@grafana/grafana-foundation-sdk/table');
const timeseries = require('@grafana/grafana-foundation-sdk/timeseries');

const PROMETHEUS = { type: 'prometheus', uid: '${prometheus}' };

// The columns of a table of events, after its time.
const EVENT = [
  ['enduser.id', 'person'],
  ['gen_ai.agent.name', 'agent'],
  ['qtrail.event.class', 'class'],
  ['rpc.method', 'call'],
  ['aws.event.read_only', 'only reads'],
  ['qtrail.outcome', 'outcome'],
  ['error.type', 'error'],
  ['cloud.account.id', 'account'],
  ['client.address', 'address'],
  ['qtrail.agent.evidence', 'evidence'],
];

function board(store, uid, title, description) {
  const link = (other) => new dashboard.DashboardLinkBuilder(other).type('dashboards').tags([`qtrail-${store.name}`]).asDropdown(true).keepTime(true);
  return new dashboard.DashboardBuilder(`qtrail: ${title} (${store.title})`)
    .uid(`qtrail-${store.name}-${uid}`)
    .description(description)
    .tags(['qtrail', `qtrail-${store.name}`])
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .refresh('1m')
    .time({ from: 'now-24h', to: 'now' })
    .timezone('browser')
    .link(link('qtrail'));
}

const source = (name, label, type) => new dashboard.DatasourceVariableBuilder(name).label(label).type(type);
const sources = {
  prometheus: () => source('prometheus', 'Metrics', 'prometheus'),
  logs: (store) => source('logs', 'Logs', store.logsType),
  traces: (store) => source('traces', 'Traces', store.tracesType),
};

// Jaeger's search asks for a service, Tempo's does not.
const services = () =>
  new dashboard.CustomVariableBuilder('service')
    .label('Service')
    .values('amazon-q,aws-mcp,aws-devops-agent,aws-transform,bedrock-agentcore,claude-code,cursor,kiro-cli')
    .allowCustomValue(true)
    .current({ selected: true, text: 'amazon-q', value: 'amazon-q' });

const text = (name, label, description) => new dashboard.TextBoxVariableBuilder(name).label(label).description(description).defaultValue('');

function metric(expr, legend = '', instant = false) {
  const target = new prometheus.DataqueryBuilder().datasource(PROMETHEUS).editorMode('code').expr(expr).legendFormat(legend);
  return instant ? target.instant() : target.range();
}

// Targets get the letters A, B, … in their order.
function withTargets(panel, targets) {
  targets.forEach((target, at) => {
    const built = target.build();
    panel.withTarget({ build: () => ({ ...built, refId: String.fromCharCode(65 + at) }) });
    panel.datasource(built.datasource);
  });
  return panel;
}

function number(title, description, target, { unit = 'short', span = 4, red = null, redBelow = null } = {}) {
  const steps = redBelow !== null
    ? [{ value: null, color: 'red' }, { value: redBelow, color: 'green' }]
    : red !== null
      ? [{ value: null, color: 'green' }, { value: red, color: 'red' }]
      : [{ value: null, color: 'blue' }];
  const panel = new stat.PanelBuilder().title(title).description(description).span(span).height(4).unit(unit).noValue('0')
    .thresholds(new dashboard.ThresholdsConfigBuilder().mode('absolute').steps(steps))
    .colorMode('value').graphMode('none')
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('/^(?!Time$).*/'));
  return withTargets(panel, [target]);
}

function graph(title, description, targets, { unit = 'short', span = 8, bars = false } = {}) {
  const panel = new timeseries.PanelBuilder().title(title).description(description).span(span).height(8).unit(unit).min(0)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode('list').placement('bottom'))
    .tooltip(new common.VizTooltipOptionsBuilder().mode('multi').sort('desc'))
    .fillOpacity(bars ? 60 : 10);
  if (bars) {
    panel.drawStyle('bars').stacking(new common.StackingConfigBuilder().mode('normal').group('A'));
  }
  return withTargets(panel, targets);
}

// A table of what `target` answers: `columns` are [field, title] in their order; `links` are [title, dashboard, variable].
function rows(title, description, target, columns, { transform = [], links = [], span = 24, height = 10 } = {}) {
  const panel = new table.PanelBuilder().title(title).description(description).span(span).height(height);
  for (const step of transform) panel.withTransformation(step);
  panel.withTransformation({ id: 'filterFieldsByName', options: { include: { names: columns.map(([field]) => field) } } });
  panel.withTransformation({
    id: 'organize',
    options: {
      indexByName: Object.fromEntries(columns.map(([field], at) => [field, at])),
      renameByName: Object.fromEntries(columns.filter(([field, shown]) => field !== shown)),
    },
  });
  for (const [shown, uid, variable] of links) {
    const url = `/d/${uid}?var-${variable}=\${__value.raw:percentencode}&\${__url_time_range}`;
    panel.overrideByName(shown, [{ id: 'links', value: [{ title: `Open this ${variable}`, url, targetBlank: false }] }]);
  }
  const red = { denied: { color: 'red' }, error: { color: 'orange' }, dry_run: { color: 'blue' } };
  panel.overrideByName('outcome', [
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
    { id: 'mappings', value: [{ type: 'value', options: red }] },
  ]);
  return withTargets(panel, [target]);
}

// Events, newest first, with links to their person and their trace.
function events(store, title, description, filters, options = {}) {
  const columns = [['Time', 'time'], ...EVENT.map(([attribute, shown]) => [store.column(attribute), shown]), ['trace_id', 'trace']];
  const links = [['person', `qtrail-${store.name}-person`, 'person'], ['trace', `qtrail-${store.name}-conversation`, 'trace']];
  return rows(title, description, store.rows(filters, EVENT.map(([attribute]) => attribute)), columns, { transform: store.fromLabels, links, ...options });
}

function lines(store, title, description, filters) {
  const panel = new logs.PanelBuilder().title(title).description(description).span(24).height(12)
    .showTime(true).enableLogDetails(true).prettifyLogMessage(true).wrapLogMessage(true).sortOrder('Ascending').dedupStrategy('none');
  return withTargets(panel, [store.lines(filters)]);
}

// Grafana's view of one trace; the SDK has no builder of its own for it.
function trace(store, title, description) {
  return withTargets(new dashboard.PanelBuilder().type('traces').title(title).description(description).span(24).height(16), [store.oneTrace()]);
}

function traces(store, title, description, tags) {
  const panel = new table.PanelBuilder().title(title).description(description).span(24).height(8);
  return withTargets(panel, [store.findTraces(tags)]);
}

const row = (title) => new dashboard.RowBuilder(title);

module.exports = { board, sources, services, text, metric, number, graph, rows, events, lines, trace, traces, row };
