//! Every attribute name, once, with its CloudTrail field and its stability.
//!
//! A name comes from `opentelemetry-semantic-conventions` if that has one, else from the OpenTelemetry
//! Collector's CloudTrail decoder (`awslogsencodingextension`) if its name is sound. Names that qtrail
//! derives start with `qtrail.`; names that only Amazon Q's events have start with `aws.q.`.

mod agents;
mod amazon_q;
mod assembly;
mod call;
mod identity;
mod objects;

use super::attributes::{Field, On, Stability};
pub(crate) use agents::*;
pub(crate) use amazon_q::*;
pub(crate) use assembly::*;
pub(crate) use call::*;
pub(crate) use identity::*;
pub(crate) use objects::*;

const fn both(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Both, name, from, stability)
}

const fn log(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Log, name, from, stability)
}

const fn span(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Span, name, from, stability)
}

const fn resource(name: &'static str, from: &'static str, stability: Stability) -> Field {
    field(On::Resource, name, from, stability)
}

const fn field(on: On, name: &'static str, from: &'static str, stability: Stability) -> Field {
    Field {
        name,
        on,
        from,
        stability,
    }
}
