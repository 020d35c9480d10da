//! Writes the `userIdentity` of a record.

use super::people::Person;
use super::record::Setting;
use super::template::{push, time};

/// The caller of an API call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    /// A person with the credentials of a user or of a role's session; with `invoked_by`, through a service.
    Person {
        person: &'static Person,
        invoked_by: Option<&'static str>,
    },
    /// A person of an Identity Center, as IDEs call Amazon Q.
    IdentityCenter { person: &'static Person },
    /// A workload's role; with `invoked_by`, through a service.
    Workload {
        role: &'static str,
        session: &'static str,
        invoked_by: Option<&'static str>,
    },
    /// An AWS service on its own account.
    Service { name: &'static str },
    /// A caller of another account, whose identity has no type.
    Untyped,
}

/// Length of a sign-in session in seconds. Sessions start at multiples of it.
const SESSION: i64 = 4 * 3600;

/// Appends the `userIdentity` of a call.
pub(super) fn write(out: &mut String, at: &Setting) {
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
            time(out, signed_in(at));
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
    time(out, signed_in(at));
    out.push_str(r#"","mfaAuthenticated":"false"}}"#);
    close_identity(out, invoked_by);
}

fn signed_in(at: &Setting) -> i64 {
    at.signed_in
        .unwrap_or(at.time - at.time.rem_euclid(SESSION))
}

fn close_identity(out: &mut String, invoked_by: Option<&str>) {
    if let Some(service) = invoked_by {
        push(out, &[r#","invokedBy":""#, service, r#"""#]);
    }
    out.push('}');
}

/// The name in the identity: that of the person or of the session.
pub(super) fn name_of(identity: Who) -> &'static str {
    match identity {
        Who::Person { person, .. } | Who::IdentityCenter { person } => person.user,
        Who::Workload { session, .. } => session,
        Who::Service { name } => name,
        Who::Untyped => "",
    }
}
