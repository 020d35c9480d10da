//! Regions and hosts in URLs of endpoints and queues.
//!
//! Enters: a URL. Leaves: its region, its origin, and whether a bucket's name can be a part of its host. What must
//! hold: a name from a message never changes the host.

/// The longest name of a region; the longest now has 14 letters.
const LONGEST_REGION: usize = 32;

/// The region that a queue's URL names.
///
/// ```text
/// https://sqs.eu-central-1.amazonaws.com/…           sqs-fips., .api.aws, amazonaws.com.cn, …
/// https://eu-central-1.queue.amazonaws.com/…         the older form; queue.amazonaws.com is us-east-1
/// https://vpce-….sqs.eu-central-1.vpce.amazonaws.com/…
/// ```
pub(super) fn region_of_queue(url: &str) -> Option<&str> {
    let host = host(url)?;
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        ["queue", "amazonaws", "com"] => return Some("us-east-1"),
        [region, "queue", ..] if is_region(region) => return Some(region),
        _ => {}
    }
    labels.windows(2).find_map(|pair| match pair {
        ["sqs" | "sqs-fips", region] if is_region(region) => Some(*region),
        _ => None,
    })
}

/// The endpoint for a queue if none is set: the queue's own host. The older hosts are
/// replaced by the region's: their certificates do not name them in every region.
pub(super) fn endpoint_of_queue(url: &str) -> Option<&str> {
    let host = host(url)?;
    if host.starts_with("queue.") || host.contains(".queue.") {
        return None;
    }
    let scheme = url.find("://")? + 3;
    let end = url[scheme..].find(['/', '?', '#'])?;
    Some(&url[..scheme + end])
}

/// Whether a bucket's name cannot be a part of this endpoint's host: an address, or this machine.
pub(super) fn needs_path_style(endpoint: &str) -> bool {
    let Some(host) = host(endpoint) else {
        return false;
    };
    let bare = host.trim_matches(['[', ']']);
    bare.parse::<std::net::IpAddr>().is_ok() || !bare.contains('.')
}

/// Whether a text can be a region's name: `eu-central-1`, `us-gov-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    text.len() <= LONGEST_REGION
        && text.contains('-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text can be a bucket's name. It comes from messages and becomes a part of a host.
pub(super) fn is_bucket(text: &str) -> bool {
    (3..=255).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// A URL's host, without port and user.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority.rsplit('@').next()?;
    let host = match address.starts_with('[') {
        true => &address[..=address.find(']')?],
        false => address.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_tells_its_region_and_its_host() {
        for (url, region, endpoint) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/123456789012/q",
                Some("eu-central-1"),
                Some("https://sqs.eu-central-1.amazonaws.com"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/1/q",
                Some("cn-north-1"),
                Some("https://sqs.cn-north-1.amazonaws.com.cn"),
            ),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/1/q",
                Some("us-gov-west-1"),
                Some("https://sqs-fips.us-gov-west-1.amazonaws.com"),
            ),
            (
                "https://sqs.eu-west-1.api.aws/1/q",
                Some("eu-west-1"),
                Some("https://sqs.eu-west-1.api.aws"),
            ),
            (
                "https://vpce-0a-b.sqs.us-east-2.vpce.amazonaws.com/1/q",
                Some("us-east-2"),
                Some("https://vpce-0a-b.sqs.us-east-2.vpce.amazonaws.com"),
            ),
            (
                "https://eu-central-1.queue.amazonaws.com/1/q",
                Some("eu-central-1"),
                None,
            ),
            ("https://queue.amazonaws.com/1/q", Some("us-east-1"), None),
            (
                "http://127.0.0.1:9324/000000000000/q",
                None,
                Some("http://127.0.0.1:9324"),
            ),
            ("http://[::1]:9324/0/q", None, Some("http://[::1]:9324")),
            (
                "http://sqs.eu-west-1.localhost.localstack.cloud:4566/0/q",
                Some("eu-west-1"),
                Some("http://sqs.eu-west-1.localhost.localstack.cloud:4566"),
            ),
            ("no url", None, None),
        ] {
            assert_eq!(region_of_queue(url), region, "{url}");
            assert_eq!(endpoint_of_queue(url), endpoint, "{url}");
        }
    }

    #[test]
    fn buckets_are_named_in_the_path_where_a_host_cannot_have_them() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("http://localhost:9000/", true),
            ("http://s3-server:9000", true),
            ("https://s3.example.com", false),
            ("https://s3.eu-central-1.amazonaws.com", false),
        ] {
            assert_eq!(needs_path_style(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn names_out_of_messages_are_no_hosts() {
        for text in [
            "",
            "a",
            "evil.com/x",
            "a@b.c",
            "bucket:80",
            "a b c",
            "..",
            "a#bc",
        ] {
            assert!(!is_bucket(text), "{text}");
        }
        assert!(is_bucket("aws-cloudtrail-logs-123456789012-0a1b2c3d"));
        for text in [
            "",
            "eu",
            "eu-central-1.evil.com",
            "EU-CENTRAL-1",
            "eu-central-1/",
        ] {
            assert!(!is_region(text), "{text}");
        }
    }
}
