//! Writes one CloudTrail record, with its keys in CloudTrail's order.

use fastrand::Rng;

use super::identity::{self, Who};
use super::template::{fill, push, time, uuid};

/// An API call as CloudTrail records it. The JSON texts are templates, see [`fill`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// `eventSource` without `.amazonaws.com`.
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) read_only: bool,
    /// A data event; otherwise a management event.
    pub(super) data: bool,
    pub(super) request: &'static str,
    pub(super) response: &'static str,
    /// Members beside `requestParameters`, each with a comma at its end.
    pub(super) extra: &'static str,
    pub(super) error: Option<(&'static str, &'static str)>,
}

impl Call {
    /// A management call that succeeds, only reads, and returns nothing.
    pub(super) const fn read(
        service: &'static str,
        name: &'static str,
        request: &'static str,
    ) -> Self {
        Call {
            service,
            name,
            read_only: true,
            data: false,
            request,
            response: "null",
            extra: "",
            error: None,
        }
    }

    /// A management call that changes something.
    pub(super) const fn change(
        service: &'static str,
        name: &'static str,
        request: &'static str,
        response: &'static str,
    ) -> Self {
        Call {
            read_only: false,
            response,
            ..Call::read(service, name, request)
        }
    }

    /// The same call as a data event.
    pub(super) const fn data(self) -> Self {
        Call { data: true, ..self }
    }

    /// The same call with further members.
    pub(super) const fn with(self, extra: &'static str) -> Self {
        Call { extra, ..self }
    }

    /// The same call, refused.
    pub(super) const fn failing(self, code: &'static str, message: &'static str) -> Self {
        Call {
            error: Some((code, message)),
            response: "null",
            ..self
        }
    }
}

/// The caller, time, account and region of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Seconds since 1970.
    pub(super) time: i64,
    /// When the caller signed in, in seconds since 1970; without it, a session begins every four hours.
    pub(super) signed_in: Option<i64>,
    pub(super) account: &'static str,
    pub(super) region: &'static str,
    pub(super) identity: Who,
    pub(super) agent: &'static str,
    /// `sourceIPAddress`.
    pub(super) address: &'static str,
    /// The conversation that `$c` stands for.
    pub(super) conversation: u128,
    pub(super) event_id: u128,
}

/// Appends one record.
pub(super) fn write(out: &mut String, call: &Call, at: &Setting, rng: &mut Rng) {
    out.push_str(r#"{"eventVersion":"1.11","userIdentity":"#);
    identity::write(out, at);
    out.push_str(r#","eventTime":""#);
    time(out, at.time);
    push(
        out,
        &[
            r#"","eventSource":""#,
            call.service,
            r#".amazonaws.com","eventName":""#,
            call.name,
            r#"","awsRegion":""#,
            at.region,
            r#"","sourceIPAddress":""#,
            at.address,
            r#"","userAgent":""#,
            at.agent,
            r#"","#,
        ],
    );
    if let Some((code, message)) = call.error {
        push(out, &[r#""errorCode":""#, code, r#"","errorMessage":""#]);
        fill(out, message, at, rng);
        out.push_str(r#"","#);
    }
    out.push_str(r#""requestParameters":"#);
    fill(out, call.request, at, rng);
    out.push_str(r#","responseElements":"#);
    fill(out, call.response, at, rng);
    out.push(',');
    fill(out, call.extra, at, rng);
    out.push_str(r#""requestID":""#);
    uuid(out, rng.u128(..));
    out.push_str(r#"","eventID":""#);
    uuid(out, at.event_id);
    let bool = |b: bool| if b { "true" } else { "false" };
    let through_service = matches!(at.identity, Who::Service { .. });
    push(
        out,
        &[
            r#"","readOnly":"#,
            bool(call.read_only),
            r#","eventType":""#,
            if through_service {
                "AwsServiceEvent"
            } else {
                "AwsApiCall"
            },
            r#"","managementEvent":"#,
            bool(!call.data),
            r#","recipientAccountId":""#,
            at.account,
            r#"","eventCategory":""#,
            if call.data { "Data" } else { "Management" },
            r#"""#,
        ],
    );
    if at.address.starts_with(|c: char| c.is_ascii_digit()) {
        push(
            out,
            &[
                r#","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":""#,
                call.service,
                ".",
                at.region,
                r#".amazonaws.com"}"#,
            ],
        );
    }
    out.push('}');
}
