//! Objects with CloudTrail's names, as JSON or as tables write them: `{type=Root, arn=null}`.
//!
//! Enters: an object in either form. Leaves: JSON with CloudTrail's names. What must hold: a text of the
//! second form is read only if it can be read in one way. Its values have no quotes, so each name in it
//! must be known and stand there once, and no value may hold a bracket: a value with `, ` in it, or one
//! that plays another field, breaks these rules.

use super::json_in;
use crate::envelope::containers::quoted;
use crate::envelope::text::{escape, fields, is_one_value, unescape};

/// The fields of an object, by their names as CloudTrail writes them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Schema(pub(super) &'static [(&'static str, FieldType)]);

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    /// A text, a number or a flag.
    Text,
    /// A value that a caller chooses: a text is read only if it is JSON.
    Json,
    /// An object with these fields.
    Object(&'static Schema),
    /// An object with unknown names: its text is read only if it is empty.
    Open,
}

/// `userIdentity`.
pub(super) const IDENTITY: &Schema = &Schema(&[
    ("type", FieldType::Text),
    ("principalId", FieldType::Text),
    ("arn", FieldType::Text),
    ("accountId", FieldType::Text),
    ("accessKeyId", FieldType::Text),
    ("userName", FieldType::Text),
    ("userId", FieldType::Text),
    ("identityProvider", FieldType::Text),
    ("identityStoreArn", FieldType::Text),
    ("credentialId", FieldType::Text),
    ("invokedBy", FieldType::Text),
    (
        "invokedByDelegate",
        FieldType::Object(&Schema(&[("accountId", FieldType::Text)])),
    ),
    (
        "onBehalfOf",
        FieldType::Object(&Schema(&[
            ("userId", FieldType::Text),
            ("identityStoreArn", FieldType::Text),
        ])),
    ),
    (
        "inScopeOf",
        FieldType::Object(&Schema(&[
            ("sourceArn", FieldType::Text),
            ("sourceAccount", FieldType::Text),
            ("issuerType", FieldType::Text),
            ("credentialsIssuedTo", FieldType::Text),
        ])),
    ),
    ("sessionContext", FieldType::Object(SESSION)),
]);

const SESSION: &Schema = &Schema(&[
    (
        "attributes",
        FieldType::Object(&Schema(&[
            ("creationDate", FieldType::Text),
            ("mfaAuthenticated", FieldType::Text),
        ])),
    ),
    (
        "sessionIssuer",
        FieldType::Object(&Schema(&[
            ("type", FieldType::Text),
            ("principalId", FieldType::Text),
            ("arn", FieldType::Text),
            ("accountId", FieldType::Text),
            ("userName", FieldType::Text),
        ])),
    ),
    (
        "webIdFederationData",
        FieldType::Object(&Schema(&[
            ("federatedProvider", FieldType::Text),
            ("attributes", FieldType::Open),
        ])),
    ),
    ("sourceIdentity", FieldType::Text),
    ("signInSessionArn", FieldType::Text),
    ("ec2RoleDelivery", FieldType::Text),
    ("assumedRoot", FieldType::Text),
    ("invokedBy", FieldType::Text),
]);

/// `tlsDetails`.
pub(super) const TLS: &Schema = &Schema(&[
    ("tlsVersion", FieldType::Text),
    ("cipherSuite", FieldType::Text),
    ("clientProvidedHostHeader", FieldType::Text),
    ("keyExchange", FieldType::Text),
]);

/// Types of identities with names that an identity provider chooses: they may hold `, `.
const NAMED_BY_PROVIDER: [&str; 2] = ["SAMLUser", "WebIdentityUser"];

/// Texts that stand for an absent value.
const NOTHING: [&[u8]; 5] = [b"", b"-", b"null", b"NULL", b"None"];

/// A field that cannot be read, and why.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::envelope) struct Unreadable {
    pub(in crate::envelope) field: &'static str,
    pub(in crate::envelope) detail: String,
}

impl Schema {
    fn field(&self, name: &[u8]) -> Option<(&'static str, FieldType)> {
        let same =
            |field: &&(&'static str, FieldType)| field.0.as_bytes().eq_ignore_ascii_case(name);
        self.0.iter().find(same).copied()
    }
}

/// An object of these fields as JSON. `called`: its name in messages.
pub(super) fn object(
    fields: Vec<(Vec<u8>, &[u8])>,
    schema: &Schema,
    called: &'static str,
) -> Result<Vec<u8>, Unreadable> {
    let mut out = Object::new(called);
    for (key, value) in fields {
        match schema.field(&key) {
            Some((name, kind)) => {
                let value = json(value, name, kind)?;
                out.add(name, &value)?;
            }
            None => out.push(&key, value),
        }
    }
    Ok(out.end())
}

/// A field's JSON value, with CloudTrail's names in it.
fn json(value: &[u8], name: &'static str, kind: FieldType) -> Result<Vec<u8>, Unreadable> {
    match (kind, value.first()) {
        (FieldType::Json, Some(b'"')) => Ok(json_in(value).unwrap_or_else(|| value.to_vec())),
        (FieldType::Object(schema), Some(b'{')) => object(fields(value), schema, name),
        (FieldType::Object(schema), Some(b'"')) => text(&unescape(value), schema, name),
        _ => Ok(value.to_vec()),
    }
}

/// An object in a text.
fn text(text: &[u8], schema: &Schema, name: &'static str) -> Result<Vec<u8>, Unreadable> {
    let text = text.trim_ascii();
    if NOTHING.contains(&text) {
        return Ok(b"null".to_vec());
    }
    if text.starts_with(b"{") && is_one_value(text) {
        return object(fields(text), schema, name);
    }
    let error = |detail: String| Unreadable {
        field: name,
        detail,
    };
    let mut reader = Reader { rest: text, name };
    let object = reader.object(schema)?;
    if !reader.rest.is_empty() {
        return Err(error("more follows its last bracket".to_owned()));
    }
    Ok(object)
}

/// Reads `{name=value, name={…}}`.
struct Reader<'t> {
    rest: &'t [u8],
    name: &'static str,
}

impl Reader<'_> {
    fn object(&mut self, schema: &Schema) -> Result<Vec<u8>, Unreadable> {
        if !self.take(b"{") {
            return Err(self.error("a text that is neither JSON nor {name=value, …}"));
        }
        let mut out = Object::new(self.name);
        if self.take(b"}") {
            return Ok(out.end());
        }
        loop {
            let (name, kind) = self.key(schema)?;
            let value = self.value(name, kind)?;
            out.add(name, &value)?;
            if self.take(b"}") {
                return Ok(out.end());
            }
            if !self.take(b", ") {
                return Err(self.error("a bracket that closes nothing, or none that does"));
            }
        }
    }

    fn key(&mut self, schema: &Schema) -> Result<(&'static str, FieldType), Unreadable> {
        let length = memchr::memchr(b'=', self.rest).unwrap_or(self.rest.len());
        let (key, rest) = self.rest.split_at(length);
        let Some(field) = schema.field(key).filter(|_| !rest.is_empty()) else {
            let what = format!(
                "{} stands where a field's name is expected, so that nothing tells where the value \
                 before it ends",
                quoted(key)
            );
            return Err(self.error(&what));
        };
        self.rest = &rest[1..];
        Ok(field)
    }

    fn value(&mut self, name: &'static str, kind: FieldType) -> Result<Vec<u8>, Unreadable> {
        match kind {
            FieldType::Object(schema) if self.rest.starts_with(b"{") => return self.object(schema),
            FieldType::Open if self.rest.starts_with(b"{") => {
                return match self.take(b"{}") {
                    true => Ok(b"{}".to_vec()),
                    false => Err(self.error(&format!("{name} has fields of any name"))),
                };
            }
            _ => {}
        }
        let length = self.length();
        let (value, rest) = self.rest.split_at(length);
        self.rest = rest;
        if value.iter().any(|byte| b"{}[]".contains(byte)) {
            return Err(self.error(&format!("{name} holds a bracket")));
        }
        if NOTHING.contains(&value) {
            return Ok(b"null".to_vec());
        }
        if !matches!(kind, FieldType::Text) {
            return Err(self.error(&format!("{name} is no object")));
        }
        if name == "type"
            && NAMED_BY_PROVIDER
                .iter()
                .any(|kind| kind.as_bytes() == value)
        {
            let what = "an identity provider chooses its names, which may look like fields";
            return Err(self.error(what));
        }
        let mut out = vec![b'"'];
        escape(value, &mut out);
        out.push(b'"');
        Ok(out)
    }

    /// Up to where a value goes.
    fn length(&self) -> usize {
        let comma = memchr::memmem::find(self.rest, b", ").unwrap_or(self.rest.len());
        let bracket = memchr::memchr(b'}', self.rest).unwrap_or(self.rest.len());
        comma.min(bracket)
    }

    fn take(&mut self, text: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn error(&self, detail: &str) -> Unreadable {
        Unreadable {
            field: self.name,
            detail: detail.to_owned(),
        }
    }
}

/// A JSON object that is being written.
struct Object {
    out: Vec<u8>,
    names: Vec<&'static str>,
    called: &'static str,
}

impl Object {
    fn new(called: &'static str) -> Self {
        Object {
            out: vec![b'{'],
            names: Vec::new(),
            called,
        }
    }

    /// Adds a field that an object has once.
    fn add(&mut self, name: &'static str, value: &[u8]) -> Result<(), Unreadable> {
        if self.names.contains(&name) {
            let (field, detail) = (self.called, format!("{name} is in it twice"));
            return Err(Unreadable { field, detail });
        }
        self.names.push(name);
        self.push(name.as_bytes(), value);
        Ok(())
    }

    fn push(&mut self, key: &[u8], value: &[u8]) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.push(b'"');
        escape(key, &mut self.out);
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value);
    }

    fn end(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }
}
