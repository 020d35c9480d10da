// One person: everything that agents did as them.

const { board, sources, services, text, number, graph, events, traces, row } = require('./panels');

const PERSON = ['enduser.id', '=', '$person'];
const AGENTS = ['qtrail.event.class', '!=', 'other'];
const CALLS = ['qtrail.event.class', 'in', ['on_behalf_of', 'agent_call']];

module.exports = (store) => {
  const made = board(store, 'person', 'one person', 'Everything that agents did as one person: `enduser.id`, as the overview lists it.')
    .withVariable(sources.logs(store))
    .withVariable(sources.traces(store))
    .withVariable(text('person', 'Person', 'enduser.id: a user name, a session name, or the id of an Identity Center user.'));
  if (store.tracesType === 'jaeger') made.withVariable(services());
  return made
    .withRow(row('$person'))
    .withPanel(number('Events', 'Of agents, as this person.', store.count([PERSON, AGENTS]), { span: 6 }))
    .withPanel(number('Calls', 'API calls of agents, as this person.', store.count([PERSON, CALLS]), { span: 6 }))
    .withPanel(number('Denied', 'Of these events, AWS denied.', store.count([PERSON, AGENTS, ['qtrail.outcome', '=', 'denied']]), { span: 6, red: 1 }))
    .withPanel(number('Changes', 'Calls that changed something.', store.count([PERSON, CALLS, ['aws.event.read_only', '=', 'false'], ['qtrail.outcome', '=', 'success']]), { span: 6 }))
    .withPanel(graph('By class', 'When what happened.', [store.series([PERSON, AGENTS], 'qtrail.event.class')], { bars: true, span: 12 }))
    .withPanel(graph('By agent', 'Which agent: `user_agent` as evidence is what a client says of itself.', [store.series([PERSON, AGENTS], 'gen_ai.agent.name')], { bars: true, span: 12 }))
    .withPanel(events(store, 'Everything', 'The newest first.', [PERSON, AGENTS], { height: 14 }))
    .withPanel(events(store, 'Denied', 'The newest first.', [PERSON, AGENTS, ['qtrail.outcome', '=', 'denied']]))
    .withPanel(traces(store, 'Traces', 'A conversation is a trace; the calls of a sign-in session are another one.', { 'enduser.id': '$person' }));
};
