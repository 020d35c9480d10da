//! The spans of assembled conversations, as they are compared.

use std::collections::BTreeMap;
use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;

use super::collector::Collector;
use super::program::convert_path;

/// Name, trace, parent, start and end of a span, by its id.
pub type Spans = BTreeMap<String, [String; 5]>;

/// What `qtrail convert` makes of a path.
pub fn converted(path: &Path, arguments: &[&str]) -> Spans {
    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let keys = [
        "name",
        "traceId",
        "parentSpanId",
        "startTimeUnixNano",
        "endTimeUnixNano",
    ];
    let spans = convert_path(path, arguments).spans.into_iter();
    spans
        .map(|span| (text(&span, "spanId"), keys.map(|key| text(&span, key))))
        .collect()
}

/// What arrived at a collector. A repeat must be the same.
pub fn arrived(collector: &Collector) -> Spans {
    let traces = collector.traces();
    let resources = traces.iter().flat_map(|request| &request.resource_spans);
    let spans = resources
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans);
    let mut found = Spans::new();
    for (id, span) in spans.map(one) {
        let before = found.insert(id, span.clone());
        assert!(before.is_none_or(|before| before == span), "{span:?}");
    }
    found
}

fn one(span: &Span) -> (String, [String; 5]) {
    let [trace, parent] = [&span.trace_id, &span.parent_span_id].map(hex::encode);
    let [start, end] =
        [span.start_time_unix_nano, span.end_time_unix_nano].map(|time| time.to_string());
    let kept = [span.name.clone(), trace, parent, start, end];
    (hex::encode(&span.span_id), kept)
}
