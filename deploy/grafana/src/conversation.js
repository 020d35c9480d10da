// One conversation: its messages, the calls made for it, and its trace.

const { board, sources, text, number, events, lines, trace, row } = require('./panels');

const TRACE = ['trace_id', 'trace', '$trace'];

module.exports = (store) =>
  board(store, 'conversation', 'one conversation', 'A conversation id without its dashes is its trace id. Calls are in its trace if qtrail assembles conversations (`assemble`).')
    .withVariable(sources.logs(store))
    .withVariable(sources.traces(store))
    .withVariable(text('trace', 'Trace', 'A trace id: 32 hexadecimal digits, a conversation id without its dashes.'))
    .withRow(row('$trace'))
    .withPanel(number('Events', 'In this trace.', store.count([TRACE]), { span: 6 }))
    .withPanel(number('Conversation', 'Messages and other events of the conversation itself.', store.count([TRACE, ['qtrail.event.class', '=', 'conversation']]), { span: 6 }))
    .withPanel(number('Calls', 'API calls of the agent.', store.count([TRACE, ['qtrail.event.class', 'in', ['on_behalf_of', 'agent_call']]]), { span: 6 }))
    .withPanel(number('Denied', 'What AWS denied.', store.count([TRACE, ['qtrail.outcome', '=', 'denied']]), { span: 6, red: 1 }))
    .withPanel(trace(store, 'Trace', 'As the trace store has it.'))
    .withPanel(events(store, 'Events', 'The newest first.', [TRACE]))
    .withPanel(lines(store, 'Records', 'CloudTrail’s own records, secrets redacted, the oldest first.', [TRACE]));
