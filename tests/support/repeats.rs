//! What arrived at the collector more than once: it must be the same record.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::collector::{Collector, is_own, log_id, span_id};

/// The ids of the log records, and how often each came, after each repeat was found equal to the first.
pub fn logs(collector: &Collector) -> BTreeMap<String, usize> {
    let mut all = Vec::new();
    for resource in collector.logs().iter().flat_map(|r| &r.resource_logs) {
        for scope in &resource.scope_logs {
            let around = around(&resource.resource, &scope.scope);
            let records = scope.log_records.iter().filter(|r| !is_own(r));
            all.extend(records.map(|r| (log_id(r), [&around[..], &r.encode_to_vec()].concat())));
        }
    }
    same_records(all)
}

/// Likewise of the spans.
pub fn spans(collector: &Collector) -> BTreeMap<String, usize> {
    let mut all = Vec::new();
    for resource in collector.traces().iter().flat_map(|r| &r.resource_spans) {
        for scope in &resource.scope_spans {
            let around = around(&resource.resource, &scope.scope);
            let spans = scope.spans.iter();
            all.extend(spans.map(|s| (span_id(s), [&around[..], &s.encode_to_vec()].concat())));
        }
    }
    same_records(all)
}

/// Records with all of their bytes, their resource and scope too.
fn same_records(records: Vec<(String, Vec<u8>)>) -> BTreeMap<String, usize> {
    let mut first = BTreeMap::new();
    let mut times = BTreeMap::new();
    for (id, bytes) in records {
        let known = first.entry(id.clone()).or_insert_with(|| bytes.clone());
        assert_eq!(*known, bytes, "{id} is not what it was before");
        *times.entry(id).or_default() += 1;
    }
    times
}

fn around(resource: &Option<Resource>, scope: &Option<InstrumentationScope>) -> Vec<u8> {
    let resource = resource.as_ref().unwrap().encode_to_vec();
    [resource, scope.as_ref().unwrap().encode_to_vec()].concat()
}
