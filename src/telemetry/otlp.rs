//! qtrail's own metrics, traces and logs over OTLP, by the OpenTelemetry SDK.
//!
//! Enters: an endpoint. Leaves: providers, and the layers that feed them. What must hold: nothing
//! is inherited from the variables that say where events go, but for who qtrail is
//! (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`); what the exporter itself logs is not exported.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::metadata::MetadataMap;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::metrics::{ALL, Kind, Metrics};
use crate::export::Endpoint;

/// The bound on sending what is left at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// The SDK's providers of the three signals.
pub(super) struct Providers {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
}

impl Providers {
    /// Builds exporters to `endpoint`; within a tokio runtime.
    pub(super) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let resource = resource();
        let context = "telemetry.endpoint cannot be used";
        let spans = configured(SpanExporter::builder().with_tonic(), endpoint)?;
        let metrics = configured(MetricExporter::builder().with_tonic(), endpoint)?;
        let logs = configured(LogExporter::builder().with_tonic(), endpoint)?;
        let providers = Providers {
            traces: SdkTracerProvider::builder()
                .with_resource(resource.clone())
                .with_batch_exporter(spans.build().context(context)?)
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_resource(resource.clone())
                .with_periodic_exporter(metrics.build().context(context)?)
                .build(),
            logs: SdkLoggerProvider::builder()
                .with_resource(resource)
                .with_batch_exporter(logs.build().context(context)?)
                .build(),
        };
        global::set_meter_provider(providers.metrics.clone());
        Ok(providers)
    }

    /// The layer that hands qtrail's spans and log lines to the providers.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // Only qtrail's own: an exported line of hyper, h2 or the SDK would make another one.
        let own = Targets::new().with_target("qtrail", LevelFilter::INFO);
        let spans = tracing_opentelemetry::layer().with_tracer(self.traces.tracer("qtrail"));
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        spans.and_then(lines).with_filter(own)
    }

    /// Sends what is left, within a bound.
    pub(super) async fn shutdown(self) {
        let flushed = tokio::task::spawn_blocking(move || {
            let results = [
                self.traces.shutdown_with_timeout(FLUSH),
                self.metrics.shutdown_with_timeout(FLUSH),
                self.logs.shutdown_with_timeout(FLUSH),
            ];
            results.into_iter().filter_map(Result::err).next()
        });
        match tokio::time::timeout(FLUSH, flushed).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(error))) => {
                tracing::warn!(
                    "telemetry.endpoint did not take the last of qtrail's own telemetry: {error}"
                );
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    "telemetry.endpoint did not answer within {} s",
                    FLUSH.as_secs()
                );
            }
        }
    }
}

/// Gives the metrics to the meter provider, if there is one. They are read when they are exported.
pub(super) fn observe(metrics: &Arc<Metrics>) {
    let meter = global::meter("qtrail");
    for description in &ALL {
        let metrics = Arc::clone(metrics);
        let name = format!("qtrail.{}", description.name);
        let number = description.number;
        match description.kind {
            Kind::Counter => drop(
                meter
                    .u64_observable_counter(name)
                    .with_unit(description.unit)
                    .with_description(description.help)
                    .with_callback(move |observer| observer.observe(number(&metrics).get(), &[]))
                    .build(),
            ),
            Kind::Gauge => drop(
                meter
                    .u64_observable_gauge(name)
                    .with_unit(description.unit)
                    .with_description(description.help)
                    .with_callback(move |observer| observer.observe(number(&metrics).get(), &[]))
                    .build(),
            ),
        }
    }
    let metrics = Arc::clone(metrics);
    drop(
        meter
            .u64_observable_counter("qtrail.dead_letters")
            .with_unit("{event}")
            .with_description("Dead letters by reason.")
            .with_callback(move |observer| {
                for (reason, count) in metrics.dead_letter_reasons.iter().filter(|(_, n)| *n > 0) {
                    observer.observe(count, &[KeyValue::new("reason", reason)]);
                }
            })
            .build(),
    );
}

/// Who qtrail is: `qtrail`, unless the environment names it otherwise.
fn resource() -> Resource {
    let detected = Resource::builder().build();
    let named = detected
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder();
    let builder = match named {
        true => builder,
        false => builder.with_service_name("qtrail"),
    };
    builder
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn configured<B>(builder: B, endpoint: &Endpoint) -> anyhow::Result<B>
where
    B: WithExportConfig + WithTonicConfig,
{
    let mut headers = http::HeaderMap::new();
    for (name, value) in &endpoint.headers {
        let mut value = http::HeaderValue::from_str(value).context("telemetry.headers")?;
        value.set_sensitive(true);
        headers.insert(http::HeaderName::from_bytes(name.as_bytes())?, value);
    }
    let metadata = MetadataMap::from_headers(headers);
    Ok(builder
        .with_endpoint(endpoint.url.to_string())
        .with_timeout(endpoint.timeout)
        // The exporter puts the headers of OTEL_EXPORTER_OTLP_HEADERS in before this runs: they are
        // for whoever receives the events, perhaps a token.
        .with_interceptor(move |mut request: tonic::Request<()>| {
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        }))
}
