use super::codes::{ARCHIVED, GRANT, INVALID, KEY};
use super::text::LONGEST_WORDS;
use super::*;

fn answer(status: u16, code: &str) -> (Remedy, &'static str) {
    judge(&Seen {
        kind: Kind::Answer,
        status: Some(status),
        code: (!code.is_empty()).then_some(code),
        words: None,
        region: None,
    })
}

#[test]
fn each_answer_has_its_remedy() {
    for (status, code, expected) in [
        (503, "SlowDown", Remedy::Retry),
        (500, "InternalError", Remedy::Retry),
        (502, "", Remedy::Retry),
        (429, "", Remedy::Retry),
        (400, "ThrottlingException", Remedy::Retry),
        (403, "RequestThrottled", Remedy::Retry),
        (400, "KMS.ThrottlingException", Remedy::Retry),
        (400, "com.amazonaws.kms#ThrottlingException", Remedy::Retry),
        (400, "KmsThrottled", Remedy::Retry),
        (400, "RequestTimeout", Remedy::Retry),
        (403, "OverLimit", Remedy::Retry),
        (412, "PreconditionFailed", Remedy::Retry),
        (416, "InvalidRange", Remedy::Retry),
        (403, "RequestTimeTooSkewed", Remedy::Setup),
        (400, "ExpiredToken", Remedy::Setup),
        (400, "ExpiredTokenException", Remedy::Setup),
        (400, "InvalidToken", Remedy::Setup),
        (403, "InvalidAccessKeyId", Remedy::Setup),
        (403, "SignatureDoesNotMatch", Remedy::Setup),
        (403, "InvalidClientTokenId", Remedy::Setup),
        (400, "UnrecognizedClientException", Remedy::Setup),
        (400, "AuthorizationHeaderMalformed", Remedy::Setup),
        (301, "PermanentRedirect", Remedy::Region(None)),
        (307, "TemporaryRedirect", Remedy::Region(None)),
        (
            400,
            "IllegalLocationConstraintException",
            Remedy::Region(None),
        ),
        (404, "NoSuchKey", Remedy::Gone),
        (404, "NoSuchBucket", Remedy::Gone),
        (404, "NotFound", Remedy::Gone),
        (404, "SomethingNew", Remedy::Gone),
        (400, "QueueDoesNotExist", Remedy::Gone),
        (400, "com.amazonaws.sqs#QueueDoesNotExist", Remedy::Gone),
        (400, "AWS.SimpleQueueService.NonExistentQueue", Remedy::Gone),
        (400, "KeyTooLongError", Remedy::Gone),
        (403, "AccessDenied", Remedy::Denied),
        (400, "AccessDeniedException", Remedy::Denied),
        (403, "AllAccessDisabled", Remedy::Denied),
        (403, "InvalidObjectState", Remedy::Denied),
        (400, "KMS.DisabledException", Remedy::Denied),
        (400, "KMS.NotFoundException", Remedy::Denied),
        (400, "KMS.KMSInvalidStateException", Remedy::Denied),
        (400, "KmsAccessDenied", Remedy::Denied),
        // A page of a proxy, or of something that is not S3, says nothing of the object.
        (404, "", Remedy::Setup),
        (403, "", Remedy::Setup),
        (302, "", Remedy::Setup),
        // An answer in S3's own terms is about what was asked for.
        (400, "SomethingNew", Remedy::Denied),
        (403, "SomethingNew", Remedy::Denied),
    ] {
        assert_eq!(answer(status, code).0, expected, "{status} {code}");
    }
    assert_eq!(answer(403, "InvalidObjectState").1, ARCHIVED);
    assert_eq!(answer(403, "AccessDenied").1, GRANT);
}

#[test]
fn the_region_is_taken_from_where_it_is_told() {
    let seen = Seen {
        kind: Kind::Answer,
        status: Some(400),
        code: Some("AuthorizationHeaderMalformed"),
        words: None,
        region: region_in(b"<StdError><Region>eu-west-1</Region></StdError>"),
    };
    let there = Remedy::Region(Some("eu-west-1".to_owned()));
    assert_eq!(judge(&seen).0, there);
    for (status, code) in [(301, Some("PermanentRedirect")), (307, None), (301, None)] {
        let seen = Seen {
            status: Some(status),
            code,
            ..seen
        };
        assert_eq!(judge(&seen).0, there);
    }
}

#[test]
fn codes_decide_and_no_words() {
    let seen = |words| Seen {
        kind: Kind::Answer,
        status: Some(403),
        code: Some("AccessDenied"),
        words,
        region: None,
    };
    let key = "User: x is not authorized to perform: kms:Decrypt on the resource";
    for words in [None, Some(key), Some("Throttled: slow down, NoSuchKey")] {
        assert_eq!(judge(&seen(words)), (Remedy::Denied, GRANT));
    }
    // It says what is to be granted, keys among it.
    assert!(GRANT.contains("kms:Decrypt"));
    assert_eq!(answer(403, "KMS.DisabledException").1, KEY);
    assert_eq!(answer(400, "InvalidRequest").1, INVALID);
}

#[test]
fn an_error_without_a_word_of_the_sdks_is_told_by_the_types_of_its_causes() {
    use aws_smithy_types::retry::ErrorKind;
    let other = |source: Box<dyn StdError + Send + Sync>| ConnectorError::other(source, None);
    // Words of credentials, endpoints and regions, in errors that have none of their types.
    let words = "no credentials, no identity, no endpoint, no region";
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, words);
    assert_eq!(behind(&other(Box::new(broken))), Kind::Connection);
    let passing = ConnectorError::other(words.into(), Some(ErrorKind::TransientError));
    assert_eq!(behind(&passing), Kind::Connection);
    assert_eq!(behind(&other("a broken pipe".into())), Kind::Setup);
    let none = CredentialsError::not_loaded("a connection that broke");
    assert_eq!(behind(&other(none.into())), Kind::Credentials);
    let late = CredentialsError::provider_timed_out(std::time::Duration::from_secs(1));
    assert_eq!(behind(&other(late.into())), Kind::Timeout);
}

#[test]
fn what_never_came_to_an_answer_is_tried_again() {
    for (kind, expected) in [
        (Kind::Timeout, Remedy::Retry),
        (Kind::Connection, Remedy::Retry),
        (Kind::Unclear, Remedy::Retry),
        (Kind::Credentials, Remedy::Setup),
        (Kind::Setup, Remedy::Setup),
    ] {
        let seen = Seen {
            kind,
            status: None,
            code: None,
            words: None,
            region: None,
        };
        assert_eq!(judge(&seen).0, expected, "{kind:?}");
    }
}

#[test]
fn words_hold_nothing_that_was_signed() {
    let text = "The signature is wrong.\nThe Canonical String should have been\nx-amz-security-token:SECRET";
    assert_eq!(clean(text), "The signature is wrong. The ");
    assert_eq!(clean("key AKIAIOSFODNN7EXAMPLE, x"), "key …, x");
    assert_eq!(
        clean("arn:aws:iam::1:role/AKIA"),
        "arn:aws:iam::1:role/AKIA"
    );
    for code in [
        "InvalidSignatureException",
        "ReceiptHandleIsInvalid",
        "ExpiredToken",
    ] {
        let seen = Seen {
            kind: Kind::Answer,
            status: Some(400),
            code: Some(code),
            words: Some("SECRET"),
            region: None,
        };
        assert!(!words(&seen).contains("SECRET"), "{code}");
    }
    for text in [
        "Value SECRET for parameter ReceiptHandle is invalid",
        "The receipt handle SECRET",
    ] {
        let seen = Seen {
            kind: Kind::Answer,
            status: Some(400),
            code: Some("InvalidParameterValue"),
            words: Some(text),
            region: None,
        };
        assert!(!words(&seen).contains("SECRET"), "{text}");
    }
    assert!(clip(&"x".repeat(5000)).len() < LONGEST_WORDS + 8);
}
