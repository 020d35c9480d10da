//! One CloudTrail record as text, in the order of keys in which CloudTrail writes them.

use std::fmt::Write as _;

use fastrand::Rng;

use super::people::Person;

/// An API call as services describe it. The JSON texts are templates, see [`fill`].
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
    /// A management call that only reads, answers nothing and succeeds.
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

/// Who calls, and how it shows in `userIdentity`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// A person with the credentials of a user or a role's session; perhaps through a service.
    Person {
        person: &'static Person,
        invoked_by: Option<&'static str>,
    },
    /// A person of an Identity Center: how IDEs call Amazon Q.
    IdentityCenter { person: &'static Person },
    /// A workload's role, perhaps through a service.
    Workload {
        role: &'static str,
        session: &'static str,
        invoked_by: Option<&'static str>,
    },
    /// An AWS service on its own account.
    Service { name: &'static str },
    /// A caller of another account, without a type.
    Untyped,
}

/// Where and when a call happened, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Seconds since 1970.
    pub(super) time: i64,
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

/// Sessions begin at these many seconds' multiples: one sign-in lasts four hours.
const SESSION: i64 = 4 * 3600;

/// Appends one record.
pub(super) fn write(out: &mut String, call: &Call, at: &Setting, rng: &mut Rng) {
    out.push_str(r#"{"eventVersion":"1.11","userIdentity":"#);
    identity(out, at);
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

fn identity(out: &mut String, at: &Setting) {
    match at.identity {
        Who::Person { person, invoked_by } => credentials(out, person, invoked_by, at),
        Who::IdentityCenter { person } => {
            push(
                out,
                &[r#"{"type":"IdentityCenterUser","accountId":""#, at.account],
            );
            push(out, &[r#"","onBehalfOf":{"userId":""#, person.store_id]);
            push(
                out,
                &[
                    r#"","identityStoreArn":"arn:aws:identitystore::"#,
                    at.account,
                    r#":identitystore/d-9067EXAMPLE"},"credentialId":""#,
                    person.credential_id,
                    r#""}"#,
                ],
            );
        }
        Who::Workload {
            role,
            session,
            invoked_by,
        } => {
            assumed_role(out, at, role, session, "AROAWORKLOADROLEXAMPLE", invoked_by);
        }
        Who::Service { name } => {
            push(
                out,
                &[r#"{"type":"AWSService","invokedBy":""#, name, r#""}"#],
            );
        }
        Who::Untyped => {
            push(
                out,
                &[r#"{"accountId":""#, at.account, r#"","principalId":""}"#],
            );
        }
    }
}

fn credentials(out: &mut String, person: &Person, invoked_by: Option<&str>, at: &Setting) {
    match person.role {
        Some(role) => assumed_role(out, at, role, person.user, person.principal, invoked_by),
        None => {
            push(
                out,
                &[r#"{"type":"IAMUser","principalId":""#, person.principal],
            );
            push(
                out,
                &[
                    r#"","arn":"arn:aws:iam::"#,
                    at.account,
                    ":user/",
                    person.user,
                ],
            );
            push(out, &[r#"","accountId":""#, at.account]);
            push(
                out,
                &[
                    r#"","accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":""#,
                    person.user,
                ],
            );
            out.push_str(r#"","sessionContext":{"attributes":{"creationDate":""#);
            time(out, at.time - at.time.rem_euclid(SESSION));
            out.push_str(r#"","mfaAuthenticated":"true"}}"#);
            close_identity(out, invoked_by);
        }
    }
}

fn assumed_role(
    out: &mut String,
    at: &Setting,
    role: &str,
    session: &str,
    principal: &str,
    invoked_by: Option<&str>,
) {
    push(
        out,
        &[
            r#"{"type":"AssumedRole","principalId":""#,
            principal,
            ":",
            session,
        ],
    );
    push(
        out,
        &[
            r#"","arn":"arn:aws:sts::"#,
            at.account,
            ":assumed-role/",
            role,
            "/",
            session,
        ],
    );
    push(out, &[r#"","accountId":""#, at.account]);
    out.push_str(r#"","accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionContext":{"sessionIssuer":{"#);
    push(out, &[r#""type":"Role","principalId":""#, principal]);
    push(
        out,
        &[r#"","arn":"arn:aws:iam::"#, at.account, ":role/", role],
    );
    push(
        out,
        &[r#"","accountId":""#, at.account, r#"","userName":""#, role],
    );
    out.push_str(r#""},"attributes":{"creationDate":""#);
    time(out, at.time - at.time.rem_euclid(SESSION));
    out.push_str(r#"","mfaAuthenticated":"false"}}"#);
    close_identity(out, invoked_by);
}

fn close_identity(out: &mut String, invoked_by: Option<&str>) {
    if let Some(service) = invoked_by {
        push(out, &[r#","invokedBy":""#, service, r#"""#]);
    }
    out.push('}');
}

/// Appends a template: `$a` is the account, `$r` the region, `$p` the person or session, `$c` the
/// conversation, `$u` a UUID, `$h` 16 hexadecimal digits, `$k` 64 characters, `$n` a number below
/// 10,000, `$m` a number of milliseconds, `$t` the time an hour later; `$L` a list that makes the
/// event as large as they come.
pub(super) fn fill(out: &mut String, template: &str, at: &Setting, rng: &mut Rng) {
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let mut tail = rest[dollar + 1..].chars();
        match tail.next() {
            Some('a') => out.push_str(at.account),
            Some('r') => out.push_str(at.region),
            Some('p') => out.push_str(name_of(at.identity)),
            Some('c') => uuid(out, at.conversation),
            Some('u') => uuid(out, rng.u128(..)),
            Some('h') => hex(out, u128::from(rng.u64(..)), 16),
            Some('k') => alphanumerics(out, 64, rng),
            Some('n') => number(out, rng.u32(..10_000)),
            Some('m') => number(out, rng.u32(300..20_000)),
            Some('t') => time(out, at.time + 3600),
            Some('L') => large(out, rng),
            other => out.extend(other),
        }
        rest = tail.as_str();
    }
    out.push_str(rest);
}

/// 50 to 200 KB of resources: rare in a real trail, but there.
fn large(out: &mut String, rng: &mut Rng) {
    for i in 0..rng.u32(600..2_400) {
        if i > 0 {
            out.push(',');
        }
        out.push_str(r#"{"resourceType":"AWS::EC2::Instance","resourceId":"i-"#);
        hex(out, u128::from(rng.u64(..)), 17);
        out.push_str(r#""}"#);
    }
}

fn name_of(identity: Who) -> &'static str {
    match identity {
        Who::Person { person, .. } | Who::IdentityCenter { person } => person.user,
        Who::Workload { session, .. } => session,
        Who::Service { name } => name,
        Who::Untyped => "",
    }
}

pub(super) fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// Appends a UUID of version 4 made of these bits.
pub(super) fn uuid(out: &mut String, bits: u128) {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    hex(out, bits >> 96, 8);
    for (shift, digits) in [(80, 4), (64, 4), (48, 4), (0, 12)] {
        out.push('-');
        hex(out, bits >> shift, digits);
    }
}

fn hex(out: &mut String, bits: u128, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = (bits >> (4 * digit)) as usize & 0xf;
        out.push(char::from(b"0123456789abcdef"[nibble]));
    }
}

pub(super) fn alphanumerics(out: &mut String, count: usize, rng: &mut Rng) {
    for _ in 0..count {
        out.push(rng.alphanumeric());
    }
}

fn number(out: &mut String, n: u32) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{n}");
}

/// Appends `2026-01-02T03:04:05Z`.
pub(super) fn time(out: &mut String, seconds: i64) {
    let _ = write!(out, "{}", timestamp(seconds));
}

pub(super) fn timestamp(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap_or_default()
}
