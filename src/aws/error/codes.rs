//! The remedy for each error code and status of Amazon's services.

use super::{Kind, Remedy, Seen};

const NONE: &str = "";
pub(super) const GRANT: &str = "grant it (s3:GetObject and kms:Decrypt for objects, sqs: and cloudtrail: rights \
                     as in deploy/); an object that does not exist looks like this too where \
                     s3:ListBucket is not granted";
pub(super) const KEY: &str =
    "let qtrail use the KMS key: kms:Decrypt in its policy and ours, and the key enabled";
pub(super) const INVALID: &str = "S3 says so of an object that is encrypted with a key that the customer provides, too: \
                       qtrail cannot read such";
pub(super) const ARCHIVED: &str = "it is archived: restore it, then announce it again";
const CREDENTIALS: &str = "check the credentials: their source (environment, profile, role of the pod \
                           or the instance), their age, aws.assume_role and the role's trust policy";
const CLOCK: &str = "set the clock of this machine";
const ENDPOINT: &str =
    "check aws.endpoint_url, aws.region and proxies: this is no answer of the service's";
const REGION: &str = "it is in another region";

/// The remedy, and the advice for the user.
pub(super) fn judge(seen: &Seen<'_>) -> (Remedy, &'static str) {
    match seen.kind {
        Kind::Timeout | Kind::Connection => return (Remedy::Retry, NONE),
        Kind::Credentials => return (Remedy::Setup, CREDENTIALS),
        Kind::Setup => {
            return (
                Remedy::Setup,
                "check aws.region (or AWS_REGION), aws.endpoint_url and the credentials",
            );
        }
        Kind::Answer | Kind::Unclear => {}
    }
    let code = seen.code.unwrap_or_default();
    // JSON services name a code with its namespace.
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    by_code(code, seen).unwrap_or_else(|| by_status(code, seen))
}

fn by_code(code: &str, seen: &Seen<'_>) -> Option<(Remedy, &'static str)> {
    let kms = |text: &str| text.to_ascii_lowercase().contains("kms");
    Some(match code {
        _ if code.contains("Throttl") || code.contains("TooManyRequests") => (Remedy::Retry, NONE),
        "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "OperationAborted"
        | "IncompleteBody"
        | "ConditionalRequestConflict"
        | "OverLimit"
        | "Busy"
        | "PreconditionFailed"
        | "InvalidRange" => (Remedy::Retry, NONE),
        "KMS.KMSInternalException"
        | "KMS.DependencyTimeoutException"
        | "KMS.KeyUnavailableException" => (Remedy::Retry, NONE),
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => (Remedy::Setup, CLOCK),
        "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        | "InvalidToken"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSecurity"
        | "InvalidSecurityToken"
        | "AuthFailure"
        | "MissingSecurityHeader"
        | "NotSignedUp"
        | "OptInRequired"
        | "AccountProblem" => (Remedy::Setup, CREDENTIALS),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "IllegalLocationConstraint"
        | "IllegalLocationConstraintException" => (Remedy::Region(owned(seen.region)), REGION),
        "AuthorizationHeaderMalformed" => match seen.region {
            Some(region) => (Remedy::Region(Some(region.to_owned())), REGION),
            None => (Remedy::Setup, CREDENTIALS),
        },
        "NoSuchKey"
        | "NoSuchBucket"
        | "NoSuchVersion"
        | "NotFound"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "KeyTooLongError"
        | "InvalidBucketName"
        | "InvalidURI" => (Remedy::Gone, NONE),
        "InvalidObjectState" => (Remedy::Denied, ARCHIVED),
        _ if kms(code) => (Remedy::Denied, KEY),
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "UnauthorizedAccess" => {
            (Remedy::Denied, GRANT)
        }
        "InvalidRequest" => (Remedy::Denied, INVALID),
        _ => return None,
    })
}

/// The remedy for unknown codes. Another try costs little; an abandoned object is lost.
fn by_status(code: &str, seen: &Seen<'_>) -> (Remedy, &'static str) {
    match seen.status {
        Some(301 | 302 | 307 | 308) if seen.region.is_some() || !code.is_empty() => {
            (Remedy::Region(owned(seen.region)), REGION)
        }
        Some(404) if !code.is_empty() => (Remedy::Gone, NONE),
        Some(408 | 409 | 412 | 416 | 425 | 429 | 500..) => (Remedy::Retry, NONE),
        // From a proxy, or an HTML page: S3 always names a code.
        Some(300..) if code.is_empty() => (Remedy::Setup, ENDPOINT),
        Some(400..) => (
            Remedy::Denied,
            "the service refuses it for a reason of its own",
        ),
        // A truncated answer.
        _ => (Remedy::Retry, NONE),
    }
}

fn owned(region: Option<&str>) -> Option<String> {
    region.map(str::to_owned)
}
