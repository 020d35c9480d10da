//! Attribute names of the objects of a record.

use super::log;
use crate::convert::attributes::Field;
use crate::convert::attributes::Stability::{Collector, Qtrail};

pub(crate) const REQUEST_PARAMETERS: Field = log(
    "aws.request.parameters",
    "`requestParameters`, with `maps: true`",
    Collector,
);
pub(crate) const RESPONSE_ELEMENTS: Field = log(
    "aws.response.elements",
    "`responseElements`, with `maps: true`",
    Collector,
);
pub(crate) const ADDITIONAL_EVENT_DATA: Field = log(
    "aws.cloudtrail.additional_event_data",
    "`additionalEventData`, with `maps: true`",
    Collector,
);
pub(crate) const SERVICE_EVENT_DETAILS: Field = log(
    "aws.cloudtrail.service_event_details",
    "`serviceEventDetails`, with `maps: true`",
    Qtrail,
);
pub(crate) const EVENT_CONTEXT: Field = log(
    "aws.cloudtrail.event_context",
    "`eventContext`, with `maps: true`",
    Qtrail,
);
pub(crate) const ADDENDUM: Field = log(
    "aws.cloudtrail.addendum",
    "`addendum`, with `maps: true`",
    Qtrail,
);
pub(crate) const INSIGHT_DETAILS: Field = log(
    "aws.insight_details",
    "`insightDetails`, with `maps: true`",
    Collector,
);
pub(crate) const RESOURCES: Field = log(
    "aws.resources",
    "`resources`: array of maps `{account.id, type, arn}`, with `maps: true`",
    Collector,
);
pub(crate) const UNMAPPED: Field = log(
    "aws.cloudtrail.unmapped",
    "with `body: none`: each field without a row, or of a type that its row cannot take, under its own name",
    Qtrail,
);
