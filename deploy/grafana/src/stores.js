// The two pairs of back ends: each knows how it selects events, counts them, and finds traces. A dashboard states its
// filters once, as [attribute, operator, value] with the attribute names of docs/mapping.md.

const loki = require('@grafana/grafana-foundation-sdk/loki');
const tempo = require('@grafana/grafana-foundation-sdk/tempo');

const LOGS = { uid: '${logs}' };
const TRACES = { uid: '${traces}' };

// The rows that a table of events shows at most.
const MAX_ROWS = 500;

// What the foundation SDK has no builder for: the queries of VictoriaLogs' and Jaeger's data sources.
function query(fields) {
  return { build: () => fields };
}

const VICTORIALOGS = { type: 'victoriametrics-logs-datasource', ...LOGS };
const JAEGER = { type: 'jaeger', ...TRACES };

const victorialogs = {
  name: 'victorialogs',
  title: 'VictoriaLogs, Jaeger',
  logsType: VICTORIALOGS.type,
  tracesType: JAEGER.type,
  column: (attribute) => attribute,
  select(filters) {
    const rendered = filters.map(([attribute, operator, value]) => {
      switch (operator) {
        case '=': return `${attribute}:=${JSON.stringify(value)}`;
        case '!=': return `-${attribute}:=${JSON.stringify(value)}`;
        case 'in': return `${attribute}:in(${value.join(', ')})`;
        case 'set': return `${attribute}:*`;
        case 'trace': return `(trace_id:=${JSON.stringify(value)} or gen_ai.conversation.id:=${JSON.stringify(value)})`;
        default: throw new Error(`no such operator: ${operator}`);
      }
    });
    return ['{service.namespace="aws.cloudtrail"}', ...rendered].join(' ');
  },
  // VictoriaLogs keeps every repeat: rows are those of distinct events.
  rows(filters, attributes) {
    const columns = ['_time', 'log.record.uid', 'trace_id', ...attributes].join(', ');
    return this.table(`${this.select(filters)} | uniq by (${columns}) | sort by (_time desc) | limit ${MAX_ROWS}`);
  },
  table: (expr) => query({ datasource: VICTORIALOGS, refId: 'A', editorMode: 'code', queryType: 'instant', maxLines: MAX_ROWS, expr }),
  lines(filters) {
    return query({ datasource: VICTORIALOGS, refId: 'A', editorMode: 'code', queryType: 'instant', maxLines: MAX_ROWS, expr: this.select(filters) });
  },
  count(filters) {
    const expr = `${this.select(filters)} | stats count_uniq(log.record.uid) as events`;
    return query({ datasource: VICTORIALOGS, refId: 'A', editorMode: 'code', queryType: 'stats', expr });
  },
  series(filters, by) {
    const expr = `${this.select(filters)} | stats by (${by}) count_uniq(log.record.uid) as events`;
    return query({ datasource: VICTORIALOGS, refId: 'A', editorMode: 'code', queryType: 'statsRange', legendFormat: `{{${by}}}`, expr });
  },
  people() {
    return this.table(
      `${this.select([['qtrail.event.class', '!=', 'other']])}` +
        ' | stats by (enduser.id) count_uniq(log.record.uid) as events,' +
        ' count_uniq(log.record.uid) if (qtrail.outcome:=denied) as denied,' +
        ' count_uniq(log.record.uid) if (aws.event.read_only:=false qtrail.event.class:in(on_behalf_of, agent_call)) as writes,' +
        ' count_uniq(gen_ai.conversation.id) as conversations, max(_time) as last' +
        ` | sort by (denied desc, events desc) | limit ${MAX_ROWS}`,
    );
  },
  peopleColumns: ['enduser.id', 'events', 'denied', 'writes', 'conversations', 'last'],
  conversations(filters) {
    return this.table(
      `${this.select([...filters, ['gen_ai.conversation.id', 'set']])}` +
        ' | stats by (trace_id, enduser.id) min(_time) as first, max(_time) as last,' +
        ' count_uniq(log.record.uid) if (qtrail.event.class:=conversation) as conversation_events,' +
        ' count_uniq(log.record.uid) if (qtrail.event.class:in(on_behalf_of, agent_call)) as calls,' +
        ' count_uniq(log.record.uid) if (qtrail.outcome:=denied) as denied' +
        ` | sort by (last desc) | limit ${MAX_ROWS}`,
    );
  },
  conversationColumns: ['trace_id', 'enduser.id', 'first', 'last', 'conversation_events', 'calls', 'denied'],
  fromLabels: [{ id: 'extractFields', options: { source: 'labels', format: 'json', keepTime: false, replace: false } }],
  aggregated: [{ id: 'extractFields', options: { source: 'labels', format: 'json', keepTime: false, replace: true } }],
  // Jaeger's tags match exactly, and a search needs a service.
  findTraces(tags) {
    const text = Object.entries(tags).map(([tag, value]) => `${tag}="${value}"`).join(' ');
    return query({ datasource: JAEGER, refId: 'A', queryType: 'search', service: '$service', tags: text, limit: 20 });
  },
  oneTrace: () => query({ datasource: JAEGER, refId: 'A', query: '$trace' }),
};

const name = (attribute) => attribute.replaceAll('.', '_');

const lokiTempo = {
  name: 'loki',
  title: 'Loki, Tempo',
  logsType: 'loki',
  tracesType: 'tempo',
  column: name,
  select(filters) {
    const rendered = filters.map(([attribute, operator, value]) => {
      switch (operator) {
        case '=': return `| ${name(attribute)}=${JSON.stringify(value)}`;
        case '!=': return `| ${name(attribute)}!=${JSON.stringify(value)}`;
        case 'in': return `| ${name(attribute)}=~${JSON.stringify(value.join('|'))}`;
        case 'set': return `| ${name(attribute)}!=""`;
        case 'trace': return `| trace_id=${JSON.stringify(value)} or gen_ai_conversation_id=${JSON.stringify(value)}`;
        default: throw new Error(`no such operator: ${operator}`);
      }
    });
    return ['{service_namespace="aws.cloudtrail"}', ...rendered].join(' ');
  },
  rows(filters) {
    return this.lines(filters);
  },
  lines(filters) {
    return new loki.DataqueryBuilder().datasource({ type: 'loki', ...LOGS }).refId('A').queryType('range').maxLines(MAX_ROWS).expr(this.select(filters));
  },
  instant: (expr) =>
    new loki.DataqueryBuilder().datasource({ type: 'loki', ...LOGS }).refId('A').queryType('instant').instant(true).expr(expr),
  count(filters) {
    return this.instant(`sum(count_over_time(${this.select(filters)} [$__range]))`);
  },
  series(filters, by) {
    const expr = `sum by (${name(by)}) (count_over_time(${this.select(filters)} [$__auto]))`;
    return new loki.DataqueryBuilder().datasource({ type: 'loki', ...LOGS }).refId('A').queryType('range').legendFormat(`{{${name(by)}}}`).expr(expr);
  },
  people() {
    const select = this.select([['qtrail.event.class', '!=', 'other']]);
    return this.instant(`topk(${MAX_ROWS}, sum by (enduser_id, qtrail_outcome) (count_over_time(${select} [$__range])))`);
  },
  peopleColumns: ['enduser_id', 'qtrail_outcome', 'Value #A'],
  conversations(filters) {
    const select = this.select([...filters, ['gen_ai.conversation.id', 'set']]);
    return this.instant(`topk(${MAX_ROWS}, sum by (trace_id, enduser_id, qtrail_outcome) (count_over_time(${select} [$__range])))`);
  },
  conversationColumns: ['trace_id', 'enduser_id', 'qtrail_outcome', 'Value #A'],
  fromLabels: [{ id: 'extractFields', options: { source: 'labels', format: 'json', keepTime: false, replace: false } }],
  // The data source makes a table of what an instant query answers.
  aggregated: [],
  findTraces(tags) {
    const conditions = Object.entries(tags).map(([tag, value]) => `span.${tag} = "${value}"`);
    const expr = `{ ${['resource.service.namespace = "aws.cloudtrail"', ...conditions].join(' && ')} }`;
    return new tempo.DataqueryBuilder().datasource({ type: 'tempo', ...TRACES }).refId('A').queryType('traceql').limit(20).filters([]).query(expr);
  },
  oneTrace: () => new tempo.DataqueryBuilder().datasource({ type: 'tempo', ...TRACES }).refId('A').queryType('traceql').filters([]).query('$trace'),
};

module.exports = [lokiTempo, victorialogs];
