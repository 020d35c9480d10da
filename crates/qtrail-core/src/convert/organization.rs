//! The organization whose trail delivered a record.

use super::attributes::{Attribute, Value};
use super::is_account;
use super::semconv;

/// The organization in a file's path or an object's key, as the attribute `aws.organization.id` of its
/// events. An organization's trail delivers to `AWSLogs/o-<id>/<account>/CloudTrail…/`; any other name
/// gives `None`. Call it once a file, and pass the result to
/// [`Placement::within`](super::Placement::within).
pub fn organization(name: &str) -> Option<Attribute<'static>> {
    // A prefix that the user chose may look like these folders: the last match counts.
    let mut parts = name.rsplit(['/', '\\']);
    let (mut before, mut account) = (parts.next()?, parts.next()?);
    let mut id = parts.next()?;
    for part in parts {
        if part == "AWSLogs" && is_id(id) && is_account(account) && before.starts_with("CloudTrail")
        {
            return Some(Attribute {
                field: &semconv::ORGANIZATION_ID,
                value: Value::Str(id.to_owned().into()),
            });
        }
        (before, account, id) = (account, id, part);
    }
    None
}

fn is_id(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        (10..=32).contains(&id.len()) && id.bytes().all(letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_in(name: &str) -> Option<String> {
        organization(name).map(|attribute| match attribute.value {
            Value::Str(id) => id.into_owned(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_path_of_an_organizations_trail_tells_its_id() {
        for name in [
            "s3://bucket/AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/2024/04/10/a.json.gz",
            "s3://bucket/a/prefix/AWSLogs/o-exampleorgid/123456789012/CloudTrail-Insight/us-east-1/a.json.gz",
            "AWSLogs/o-exampleorgid/123456789012/CloudTrail/a.json",
            "/var/trail/AWSLogs/o-exampleorgid/123456789012/CloudTrail/us-east-1/a.json",
            "C:\\trail\\AWSLogs\\o-exampleorgid\\123456789012\\CloudTrail\\a.json",
            "/AWSLogs/o-anotherone0/210987654321/CloudTrail/AWSLogs/o-exampleorgid/123456789012/CloudTrail/a.json",
        ] {
            assert_eq!(id_in(name).as_deref(), Some("o-exampleorgid"), "{name}");
        }
    }

    #[test]
    fn any_other_name_tells_none() {
        let long = format!("AWSLogs/o-{}/123456789012/CloudTrail/a", "a".repeat(33));
        for name in [
            "",
            "AWSLogs",
            "AWSLogs/o-exampleorgid",
            "AWSLogs/123456789012/CloudTrail/us-east-1/a.json.gz",
            "AWSLogs/o-short/123456789012/CloudTrail/a.json.gz",
            "AWSLogs/o-ExampleOrgId/123456789012/CloudTrail/a.json.gz",
            "AWSLogs/o-example_orgid/123456789012/CloudTrail/a.json.gz",
            "AWSLogs/o-exampleorgid/12345678901/CloudTrail/a.json.gz",
            "AWSLogs/o-exampleorgid/12345678901x/CloudTrail/a.json.gz",
            "AWSLogs/o-exampleorgid/123456789012/Config/a.json.gz",
            "AWSLogs/x/o-exampleorgid/123456789012/CloudTrail/a.json.gz",
            "MyAWSLogs/o-exampleorgid/123456789012/CloudTrail/a.json.gz",
            "event-history/us-east-1/2024-04-10T14:00:00Z..2024-04-10T15:00:00Z#1",
            &long,
        ] {
            assert_eq!(id_in(name), None, "{name}");
        }
    }
}
