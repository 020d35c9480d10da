// Who talked to agents, what agents did on their behalf, and what was denied.

const dashboard = require('@grafana/grafana-foundation-sdk/dashboard');
const { board, sources, metric, number, graph, rows, events, row } = require('./panels');

const AGENTS = ['qtrail.event.class', '!=', 'other'];
const WRITES = [['qtrail.event.class', 'in', ['on_behalf_of', 'agent_call']], ['aws.event.read_only', '=', 'false'], ['qtrail.outcome', '=', 'success']];
const LATE = 'CloudTrail delivers 3 to 15 minutes late: the last minutes are not complete.';
const DELIVERED = 'By the time of delivery, from the metrics of qtrail.';

module.exports = (store) => {
  // Of series that exist from the start: `increase` does not see the first value of a series that appears.
  const total = (name, labels = '') => metric(`sum(increase(${name}{origin=~"$origin"${labels}}[$__range]))`, '', true);
  const legend = (by) => by.split(', ').map((label) => `{{${label}}}`).join(' ');
  const over = (name, by) => metric(`sum by (${by}) (increase(${name}{origin=~"$origin"}[$__rate_interval]))`, legend(by));
  // Of series that appear: the first half is what appeared.
  const appearing = (name, by) => {
    const series = `${name}{origin=~"$origin"}`;
    return metric(`sum by (${by}) ((${series} unless ${series} offset $__rate_interval) or increase(${series}[$__rate_interval]))`, legend(by));
  };
  return board(store, 'overview', 'overview', `Who talked to agents, what agents did on their behalf, and what was denied. ${LATE}`)
    .withVariable(sources.prometheus())
    .withVariable(sources.logs(store))
    .withVariable(
      new dashboard.CustomVariableBuilder('origin')
        .label('Origin')
        .description('What a backfill delivered counts apart: its events are old.')
        .values('live,backfill')
        .multi(true)
        .current({ selected: true, text: ['live'], value: ['live'] }),
    )
    .withRow(row('In this time range'))
    .withPanel(number('Messages', DELIVERED, total('qtrail_agent_messages_total')))
    .withPanel(number('Conversations started', DELIVERED, total('qtrail_agent_conversations_started_total')))
    .withPanel(number('Calls on behalf', `API calls that agents made for a person. ${DELIVERED}`, total('qtrail_agent_events_total', ', class=~"on_behalf_of|agent_call"')))
    .withPanel(number('Denied', `Events of agents that AWS denied. ${DELIVERED}`, total('qtrail_agent_events_total', ', class!="other", outcome="denied"'), { red: 1 }))
    .withPanel(number('Active people', 'Now, of all replicas together at most.', metric('sum(qtrail_agent_active_people)', '', true)))
    .withPanel(number('Active conversations', 'Now, of all replicas together at most.', metric('sum(qtrail_agent_active_conversations)', '', true)))
    .withPanel(graph('Events by class', DELIVERED, [over('qtrail_agent_events_total', 'class, outcome')], { bars: true }))
    .withPanel(graph('Calls on behalf, by service', DELIVERED, [appearing('qtrail_agent_calls_total', 'service')], { bars: true }))
    .withPanel(graph('Denials', DELIVERED, [appearing('qtrail_agent_denials_total', 'service, error_code')], { bars: true }))
    .withRow(row('Who'))
    .withPanel(
      rows('People', `Everyone for whom an agent acted. ${LATE}`, store.people(), store.peopleColumns.map((field) => [field, shown(store, field)]), {
        transform: store.aggregated,
        links: [['person', `qtrail-${store.name}-person`, 'person']],
      }),
    )
    .withPanel(
      rows('Conversations', `One row is a person in a conversation. ${LATE}`, store.conversations([AGENTS]), store.conversationColumns.map((field) => [field, shown(store, field)]), {
        transform: store.aggregated,
        links: [['person', `qtrail-${store.name}-person`, 'person'], ['trace', `qtrail-${store.name}-conversation`, 'trace']],
      }),
    )
    .withRow(row('What'))
    .withPanel(events(store, 'Denied', 'What AWS denied to agents, the newest first.', [AGENTS, ['qtrail.outcome', '=', 'denied']]))
    .withPanel(events(store, 'Changes', 'Calls of agents that changed something, the newest first.', WRITES));
};

// The titles of columns.
function shown(store, field) {
  return {
    [store.column('enduser.id')]: 'person',
    [store.column('qtrail.outcome')]: 'outcome',
    trace_id: 'trace',
    conversation_events: 'messages',
    'Value #A': 'events',
  }[field] ?? field;
}
