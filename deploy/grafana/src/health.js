// Whether qtrail works, and whether what it sent is stored.

const { board, sources, metric, number, graph, row } = require('./panels');

const DUE = 'CloudTrail itself takes 3 to 15 minutes.';

module.exports = (store) => {
  const rate = (name, by = '') => `sum ${by ? `by (${by}) ` : ''}(rate(${name}[$__rate_interval]))`;
  const lag = (quantile) =>
    metric(`histogram_quantile(${quantile}, sum by (le, account, region) (rate(qtrail_delivery_lag_seconds_bucket[$__rate_interval])))`, `p${quantile * 100} {{account}} {{region}}`);
  const unaccounted =
    'sum(qtrail_events_read_total) - sum(qtrail_events_exported_total) - sum(qtrail_events_filtered_total)' +
    ' - sum(qtrail_events_duplicate_total) - sum(qtrail_events_dead_lettered_total) - sum(qtrail_events_in_flight)';
  return board(store, 'health', 'health', 'Whether qtrail works, and whether what it sent is stored.')
    .withVariable(sources.prometheus())
    .withVariable(sources.logs(store))
    .withRow(row('Now'))
    .withPanel(number('Ready', '1: every replica can move events.', metric('min(qtrail_ready)', '', true), { redBelow: 1, span: 4 }))
    .withPanel(number('Stalled', 'Paths, queues or regions whose events do not move; the reasons are below.', metric('sum(qtrail_stalled)', '', true), { red: 1, span: 4 }))
    .withPanel(number('Newest event', `How long ago it happened. ${DUE}`, metric('time() - max(qtrail_newest_event_timestamp_seconds > 0)', '', true), { unit: 's', span: 4 }))
    .withPanel(number('Last export', 'How long ago the collector accepted something.', metric('time() - max(qtrail_last_export_timestamp_seconds > 0)', '', true), { unit: 's', span: 4 }))
    .withPanel(number('Dead letters', 'Records that could not be delivered, in this time range.', metric('sum(increase(qtrail_events_dead_lettered_total[$__range]))', '', true), { red: 1, span: 4 }))
    .withPanel(number('Unaccounted', 'Records read that are in no other count. Not 0 for a moment while records move; for longer, a defect.', metric(unaccounted, '', true), { red: 1, span: 4 }))
    .withRow(row('Sent against stored'))
    .withPanel(number('Sent', 'Events that the collector accepted in this time range.', metric('sum(increase(qtrail_events_exported_total[$__range]))', '', true), { span: 6 }))
    .withPanel(number('Stored', 'Events in the log store whose own time is in this time range. It differs from what was sent by the events under way and by backfills; over a day it should be close.', store.count([]), { span: 6 }))
    .withPanel(
      graph('Refused by the back end', 'Records that the collector had accepted and lost: the back end refused them. They are in no back end.', [
        metric('sum by (exporter) (rate({__name__=~"otelcol_exporter_send_failed_log_records(_total)?"}[$__rate_interval]))', 'logs {{exporter}}'),
        metric('sum by (exporter) (rate({__name__=~"otelcol_exporter_send_failed_spans(_total)?"}[$__rate_interval]))', 'spans {{exporter}}'),
      ], { span: 6 }),
    )
    .withPanel(graph('Waiting in the collector', 'Requests or bytes in its queue: they grow while a back end is unavailable.', [metric('sum by (data_type, exporter) (otelcol_exporter_queue_size)', '{{data_type}} {{exporter}}')], { span: 6 }))
    .withRow(row('Flow'))
    .withPanel(graph('Delivery lag', `From an event to its acceptance by the collector. ${DUE}`, [lag(0.5), lag(0.95)], { unit: 's' }))
    .withPanel(
      graph('Records', 'Each record that was read has one fate.', [
        metric(rate('qtrail_events_exported_total'), 'exported'),
        metric(rate('qtrail_events_filtered_total'), 'filtered'),
        metric(rate('qtrail_events_duplicate_total'), 'duplicate'),
        metric(rate('qtrail_events_dead_lettered_total'), 'dead-lettered'),
      ], { unit: 'ops' }),
    )
    .withPanel(graph('Stalled, by reason', 'docs/operations.md names the remedy of each reason.', [metric('sum by (reason) (qtrail_stalled) > 0', '{{reason}}')]))
    .withPanel(graph('Dead letters, by reason', 'docs/operations.md: `qtrail replay` sends them again.', [metric('sum by (reason) (increase(qtrail_dead_letters_total[$__rate_interval])) > 0', '{{reason}}')], { bars: true }))
    .withPanel(graph('Refused exports', 'Requests that failed, by the code of the answer.', [metric(rate('qtrail_export_errors_total', 'code, signal'), '{{code}} {{signal}}')], { unit: 'ops' }))
    .withPanel(
      graph('Duration of exports', 'Until the answer of the collector.', [
        metric('histogram_quantile(0.95, sum by (le) (rate(qtrail_export_duration_seconds_bucket[$__rate_interval])))', 'p95'),
      ], { unit: 's' }),
    )
    .withRow(row('Inputs and resources'))
    .withPanel(
      graph('Waiting', 'Files not yet delivered, messages in progress, records in flight, events that wait for their conversation.', [
        metric('sum(qtrail_files_pending)', 'files'),
        metric('sum(qtrail_s3_messages_held)', 'messages'),
        metric('sum(qtrail_events_in_flight)', 'records'),
        metric('sum(qtrail_assembly_held)', 'held for assembly'),
      ]),
    )
    .withPanel(
      graph('Failing', 'What cannot be read; the log names each once.', [
        metric('sum(qtrail_files_failing)', 'files'),
        metric('sum(qtrail_folders_unlisted)', 'folders'),
        metric('sum(qtrail_dead_letters_waiting)', 'senders waiting'),
      ]),
    )
    .withPanel(graph('Memory', 'Resident memory of each process, and the bytes that limits.memory bounds.', [metric('process_resident_memory_bytes{job=~".*qtrail.*"}', '{{instance}}'), metric('qtrail_buffered_bytes', '{{instance}} in flight')], { unit: 'bytes' }))
    .withPanel(graph('CPU', 'Cores that each process uses.', [metric('rate(process_cpu_seconds_total{job=~".*qtrail.*"}[$__rate_interval])', '{{instance}}')]));
};
