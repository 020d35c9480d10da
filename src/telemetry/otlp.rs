//! qtrail's own metrics, traces and logs over OTLP, with the OpenTelemetry SDK.
//!
//! Enters: an endpoint. Leaves: providers, and the layers that feed them. What must hold: of the `OTEL_` variables, which
//! configure the export of events, only `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` apply; the exporter's own log
//! lines are not exported.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::global;
use opentelemetry::metrics::{AsyncInstrument, Meter};
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

use super::agents::LAG_BOUNDS;
use super::metrics::{ALL, MetricType, Metrics};
use super::process;
use super::with_labels::{LAG, WITH_LABELS};
use crate::runtime::endpoint::Endpoint;

/// The time limit for sending the last telemetry.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

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
        Ok(Providers {
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
        })
    }

    /// Makes the meter provider that of [`opentelemetry::global`].
    pub(super) fn set_global(&self) {
        global::set_meter_provider(self.metrics.clone());
    }

    /// The layer that passes qtrail's spans and log lines to the providers.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // Only qtrail's own lines: exporting a line of hyper, h2 or the SDK would create another one. This module logs
        // after the exporters have shut down.
        let own = Targets::new()
            .with_target("qtrail", LevelFilter::INFO)
            .with_target(module_path!(), LevelFilter::OFF);
        let spans = tracing_opentelemetry::layer().with_tracer(self.traces.tracer("qtrail"));
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        spans.and_then(lines).with_filter(own)
    }

    /// Sends the last telemetry, within [`SHUTDOWN_TIMEOUT`].
    pub(super) async fn shutdown(self) {
        let flushed = tokio::task::spawn_blocking(move || {
            let results = [
                self.traces.shutdown_with_timeout(SHUTDOWN_TIMEOUT),
                self.metrics.shutdown_with_timeout(SHUTDOWN_TIMEOUT),
                self.logs.shutdown_with_timeout(SHUTDOWN_TIMEOUT),
            ];
            results.into_iter().filter_map(Result::err).next()
        });
        match tokio::time::timeout(SHUTDOWN_TIMEOUT, flushed).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(error))) => {
                tracing::warn!(
                    "telemetry.endpoint did not accept the last of qtrail's own telemetry: {error}"
                );
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    "telemetry.endpoint did not answer within {} s",
                    SHUTDOWN_TIMEOUT.as_secs()
                );
            }
        }
    }
}

/// Registers the metrics with a meter, which reads them at each export.
pub(super) fn observe(meter: &Meter, metrics: &Arc<Metrics>) {
    for metric in &ALL {
        let (metrics, number) = (Arc::clone(metrics), metric.number);
        let read = move |observer: &dyn AsyncInstrument<u64>| {
            observer.observe(number(&metrics).get(), &[]);
        };
        integers(
            meter,
            metric.name,
            metric.metric_type,
            metric.unit,
            metric.help,
            read,
        );
    }
    for family in &WITH_LABELS {
        let (metrics, samples) = (Arc::clone(metrics), family.samples);
        let read = move |observer: &dyn AsyncInstrument<u64>| {
            for sample in samples(&metrics) {
                let labels = sample.labels.into_iter();
                let labels: Vec<_> = labels
                    .map(|(name, value)| KeyValue::new(name, value))
                    .collect();
                observer.observe(sample.value, &labels);
            }
        };
        integers(
            meter,
            family.name,
            family.metric_type,
            family.unit,
            family.help,
            read,
        );
    }
    let [name, unit, help] = LAG;
    let lag = meter
        .f64_histogram(format!("qtrail.{name}"))
        .with_unit(unit)
        .with_description(help)
        .with_boundaries(LAG_BOUNDS.to_vec());
    let _ = metrics.agents.lag_over_otlp.set(lag.build());
    observe_process(meter);
}

/// Registers a metric of integers.
fn integers(
    meter: &Meter,
    name: &str,
    metric_type: MetricType,
    unit: &'static str,
    help: &'static str,
    read: impl Fn(&dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let name = format!("qtrail.{name}");
    // The SDK keeps the callbacks; the instruments are not needed.
    match metric_type {
        MetricType::Counter => {
            let counter = meter.u64_observable_counter(name).with_unit(unit);
            let _ = counter.with_description(help).with_callback(read).build();
        }
        MetricType::Gauge => {
            let gauge = meter.u64_observable_gauge(name).with_unit(unit);
            let _ = gauge.with_description(help).with_callback(read).build();
        }
    }
}

fn observe_process(meter: &Meter) {
    for metric in &process::METRICS {
        let (name, unit, help) = (metric.otlp_name, metric.unit, metric.help);
        let read = |observer: &dyn AsyncInstrument<f64>| {
            if let Some(value) = (metric.value)() {
                observer.observe(value, &[]);
            }
        };
        match metric.metric_type {
            MetricType::Counter => {
                let counter = meter.f64_observable_counter(name).with_unit(unit);
                let _ = counter.with_description(help).with_callback(read).build();
            }
            MetricType::Gauge => {
                let gauge = meter.f64_observable_gauge(name).with_unit(unit);
                let _ = gauge.with_description(help).with_callback(read).build();
            }
        }
    }
}

/// The resource: `service.name` is `qtrail` and `service.instance.id` a random UUID, unless the environment sets others. The
/// numbers of `run` and of a `backfill` beside it are two series so.
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
    let instance = Key::from_static_str("service.instance.id");
    let builder = match detected.get(&instance) {
        Some(_) => builder,
        None => builder.with_attribute(KeyValue::new(instance, random_uuid())),
    };
    builder
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn random_uuid() -> String {
    let mut bytes = fastrand::u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex::encode(bytes);
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
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
        // The exporter has added the headers of OTEL_EXPORTER_OTLP_HEADERS, perhaps a token, which are for the collector of
        // the events. Replace them.
        .with_interceptor(move |mut request: tonic::Request<()>| {
            *request.metadata_mut() = metadata.clone();
            Ok(request)
        }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_proto::tonic::collector::logs::v1 as logs;
    use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
    use opentelemetry_proto::tonic::collector::trace::v1 as trace;
    use tonic::{Request, Response, Status};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::runtime::endpoint::{Protocol, Tls};

    /// The token of a request, and its debug text.
    type Seen = (Option<String>, String);

    /// A collector that remembers what it saw.
    #[derive(Clone, Default)]
    struct Collector(Arc<Mutex<Vec<Seen>>>);

    impl Collector {
        fn take<T: std::fmt::Debug>(&self, request: &Request<T>) {
            let token = request
                .metadata()
                .get("x-token")
                .and_then(|t| t.to_str().ok());
            let text = format!("{:?}", request.get_ref());
            self.0
                .lock()
                .unwrap()
                .push((token.map(str::to_owned), text));
        }

        async fn start(&self) -> http::Uri {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tonic::transport::Server::builder()
                .add_service(logs::logs_service_server::LogsServiceServer::new(
                    self.clone(),
                ))
                .add_service(metrics::metrics_service_server::MetricsServiceServer::new(
                    self.clone(),
                ))
                .add_service(trace::trace_service_server::TraceServiceServer::new(
                    self.clone(),
                ))
                .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
            tokio::spawn(server);
            format!("http://{address}").parse().unwrap()
        }
    }

    #[tonic::async_trait]
    impl logs::logs_service_server::LogsService for Collector {
        async fn export(
            &self,
            request: Request<logs::ExportLogsServiceRequest>,
        ) -> Result<Response<logs::ExportLogsServiceResponse>, Status> {
            self.take(&request);
            Ok(Response::new(Default::default()))
        }
    }

    #[tonic::async_trait]
    impl metrics::metrics_service_server::MetricsService for Collector {
        async fn export(
            &self,
            request: Request<metrics::ExportMetricsServiceRequest>,
        ) -> Result<Response<metrics::ExportMetricsServiceResponse>, Status> {
            self.take(&request);
            Ok(Response::new(Default::default()))
        }
    }

    #[tonic::async_trait]
    impl trace::trace_service_server::TraceService for Collector {
        async fn export(
            &self,
            request: Request<trace::ExportTraceServiceRequest>,
        ) -> Result<Response<trace::ExportTraceServiceResponse>, Status> {
            self.take(&request);
            Ok(Response::new(Default::default()))
        }
    }

    fn endpoint(url: http::Uri) -> Endpoint {
        Endpoint {
            url,
            protocol: Protocol::Grpc,
            headers: BTreeMap::from([("x-token".to_owned(), "t".to_owned())]),
            gzip: false,
            timeout: Duration::from_secs(10),
            tls: Tls::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn logs_spans_and_metrics_of_qtrail_alone_arrive_by_the_end() {
        let collector = Collector::default();
        let providers = Providers::new(&endpoint(collector.start().await)).unwrap();
        let numbers = Arc::new(Metrics::default());
        numbers.read.add(4_242);
        numbers.dead_letter_reasons.add("bad_time", 77);
        numbers.export_errors.add("UNAVAILABLE", "logs");
        observe(&providers.metrics.meter("qtrail"), &numbers);
        let subscriber = tracing_subscriber::registry().with(providers.layer());
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!(target: "qtrail::test", "a span of its own").entered();
            tracing::info!(target: "qtrail::test", "a line of its own");
            tracing::debug!(target: "qtrail::test", "a detail");
            tracing::error!(target: "h2::client", "a line of the transport");
        });
        providers.shutdown().await;
        let requests = collector.0.lock().unwrap();
        let all: String = requests.iter().map(|(_, text)| text.as_str()).collect();
        for part in [
            "a span of its own",
            "a line of its own",
            "qtrail.events.read",
            "4242",
            "bad_time",
            "qtrail.agent.events",
            "qtrail.agent.active_people",
            "UNAVAILABLE",
            "qtrail.ready",
            "\"service.instance.id\"",
            "\"service.name\"",
            "StringValue(\"qtrail\")",
        ] {
            assert!(all.contains(part), "{part} did not arrive: {all}");
        }
        assert!(
            !all.contains("of the transport") && !all.contains("a detail"),
            "{all}"
        );
        assert!(
            requests
                .iter()
                .all(|(token, _)| token.as_deref() == Some("t"))
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_is_not_delayed_by_a_collector_that_is_not_there() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let providers = Providers::new(&endpoint(url.parse().unwrap())).unwrap();
        let subscriber = tracing_subscriber::registry().with(providers.layer());
        tracing::subscriber::with_default(subscriber, || tracing::info!(target: "qtrail", "lost"));
        providers.shutdown().await;
    }
}
