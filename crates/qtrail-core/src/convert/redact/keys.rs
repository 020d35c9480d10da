//! Names of secrets: keys of JSON, of URLs, forms, connection strings, headers and variables.
//!
//! Enters: a name. Leaves: whether the value under it is secret, and how far. What must hold: case and
//! separators (`_`, `-`, `.`) make no difference; a long name costs no more than a short one.

mod beside;
mod endings;
mod last_letters;
mod names;

use memchr::memchr2_iter;

use crate::event::mask::is_mask;
use crate::json::{Node, Type};
pub(super) use beside::{
    are_cookies, are_headers, are_pairs, is_header, is_known_header, is_label_below, is_name_key,
    is_value, is_word_like,
};
pub(super) use endings::{may_be_secret, may_hide};
use names::{ABOUT_A_KEY, WHOLE};

/// Which values a name makes secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secret {
    /// Every value below it, except labels (an id, a name, a type, an ARN, …).
    All,
    /// The same, except numbers, which are counts.
    Counted,
    /// A text or number, also directly in an array. Objects have keys of their own.
    Scalar,
    /// A long random text: an OAuth code, but not an error code.
    Random,
    /// Deeper below a scalar's name: a text that is no word.
    Below,
}

/// The most digits of a count.
const COUNT_DIGITS: usize = 9;
/// The fewest characters of a random code.
const RANDOM_CHARS: usize = 16;
/// How many of a name's last letters and digits count.
const NAME_BYTES: usize = 48;

/// Which values the name makes secret, if any.
pub(super) fn secret(name: &[u8]) -> Option<Secret> {
    secret_or(name, true)
}

/// The same. `private`: whether the name may contain `privateKey` before its end.
#[inline]
pub(super) fn secret_or(name: &[u8], private: bool) -> Option<Secret> {
    let private = private && holds_private_key(name);
    if private || may_be_secret(name) {
        secret_of(name, private)
    } else {
        None
    }
}

#[inline(never)]
fn secret_of(name: &[u8], private: bool) -> Option<Secret> {
    let mut buffer = [0; NAME_BYTES];
    let (whole, plain) = plain(name, &mut buffer);
    let next = whole && plain.starts_with("next") && plain.ends_with("token");
    if next || endings::SPARED.of(plain.as_bytes()).is_some() {
        return None;
    }
    if whole {
        match plain {
            "code" => return Some(Secret::Random),
            _ if WHOLE.contains(&plain) => return Some(Secret::Scalar),
            _ => {}
        }
    }
    if private && let Some((_, about)) = plain.rsplit_once("privatekey") {
        return (!ABOUT_A_KEY.contains(&about)).then_some(Secret::All);
    }
    let mut rest = plain;
    loop {
        if rest.ends_with("pass") && is_word(name, b"pass") {
            return Some(Secret::All);
        }
        if rest.ends_with("psk") && is_word(name, b"psk") {
            return Some(Secret::Scalar);
        }
        if let Some((_, secret)) = endings::SECRETS.of(rest.as_bytes()) {
            return Some(secret);
        }
        let shorter = match endings::FORMS.of(rest.as_bytes()) {
            Some((start, ())) => &rest[..start],
            None => rest.trim_end_matches(|c: char| c.is_ascii_digit()),
        };
        if shorter.len() == rest.len() {
            return None;
        }
        rest = shorter;
    }
}

/// Whether a value under such a name is secret: a text or number that is not empty, not already masked,
/// and no reference to where the secret is kept.
pub(super) fn is_secret_value(secret: Secret, node: Node<'_>) -> bool {
    match node.kind() {
        Type::String => node
            .as_str()
            .is_some_and(|text| is_secret_text(secret, &text)),
        Type::Number => matches!(secret, Secret::All | Secret::Scalar),
        _ => false,
    }
}

/// Whether a value under some name may be secret; `false` is certain.
pub(super) fn may_hold_secret(node: Node<'_>) -> bool {
    node.kind() != Type::String || is_secret_value(Secret::All, node)
}

/// The same for a text.
pub(super) fn is_secret_text(secret: Secret, text: &str) -> bool {
    let text = text.trim();
    let is_count = text.len() <= COUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    // The units are of `tokenValidityUnits`.
    let no_secret = [
        "",
        "days",
        "false",
        "hours",
        "minutes",
        "none",
        "null",
        "seconds",
        "true",
        "undefined",
    ];
    !(no_secret.iter().any(|word| word.eq_ignore_ascii_case(text))
        || is_mask(text)
        || is_arn(text)
        || secret == Secret::Counted && is_count
        || secret == Secret::Random && !is_random(text)
        || secret == Secret::Below && is_word_like(text))
}

/// Whether a key below that of a secret describes the secret rather than holds it.
pub(super) fn is_label(key: &[u8]) -> bool {
    let mut buffer = [0; NAME_BYTES];
    endings::LABELS
        .of(plain(key, &mut buffer).1.as_bytes())
        .is_some()
}

/// Whether two names are equal apart from case and separators.
pub(super) fn same(name: &[u8], other: &str) -> bool {
    let letters = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        name.into_iter().filter(u8::is_ascii_alphanumeric)
    };
    if name.is_ascii() && other.is_ascii() {
        letters(name).eq(letters(other.as_bytes()))
    } else {
        name.eq_ignore_ascii_case(other.as_bytes())
    }
}

/// A name's last letters and digits in lower case, and whether these are all it has.
fn plain<'b>(name: &[u8], buffer: &'b mut [u8; NAME_BYTES]) -> (bool, &'b str) {
    let mut start = NAME_BYTES;
    let mut letters = name
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_alphanumeric());
    for letter in letters.by_ref().take(NAME_BYTES) {
        start -= 1;
        buffer[start] = letter.to_ascii_lowercase();
    }
    let whole = letters.next().is_none();
    (whole, str::from_utf8(&buffer[start..]).unwrap_or_default())
}

fn ends(name: &str, with: &[&str]) -> bool {
    with.iter().any(|end| name.ends_with(end))
}

/// Whether a name's last word is this one: a capital or a non-letter must start it.
fn is_word(name: &[u8], word: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(word.len()) else {
        return false;
    };
    let (before, last) = name.split_at(start);
    let starts_word = match before.last() {
        None => true,
        Some(byte) => !byte.is_ascii_alphabetic() || byte.is_ascii_lowercase() && last[0] == b'P',
    };
    last.eq_ignore_ascii_case(word) && starts_word
}

/// Whether the name may contain `privateKey`, after which anything may follow.
fn holds_private_key(name: &[u8]) -> bool {
    let last = &name[name.len().saturating_sub(NAME_BYTES)..];
    memchr2_iter(b'v', b'V', last).any(|at| {
        let three = at.checked_sub(1).and_then(|start| last.get(start..at + 2));
        three.is_some_and(|three| three.eq_ignore_ascii_case(b"iva"))
    })
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
        && text.bytes().filter(|byte| *byte == b':').count() >= 5
        && !text.contains(char::is_whitespace)
}

fn is_random(text: &str) -> bool {
    text.len() >= RANDOM_CHARS
        && !text.contains(char::is_whitespace)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_any_spelling() {
        for name in NAMES_OF_SECRETS.split_whitespace() {
            assert!(secret(name.as_bytes()).is_some(), "{name}");
            for spelt in [name.to_uppercase(), name.to_lowercase()] {
                assert!(secret(spelt.as_bytes()).is_some(), "{spelt}");
            }
        }
    }

    #[test]
    fn names_that_only_look_like_those_of_secrets_are_spared() {
        for name in OTHER_NAMES.split_whitespace() {
            assert_eq!(secret(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        /// Words of all lists, in any case, parted by anything or nothing.
        #[test]
        fn the_automaton_finds_what_a_comparison_with_each_word_finds(
            words in prop::collection::vec(prop::sample::select(words()), 0..4),
            parts in prop::collection::vec("[-_.a-z0-9]{0,2}", 5),
            capitals: bool,
        ) {
            let parted = parts.iter().zip(words.iter().chain(&[""; 5]));
            let mut name: String = parted.flat_map(|(part, word)| [part.as_str(), word]).collect();
            if capitals {
                name.make_ascii_uppercase();
            }
            let name = name.as_bytes();
            prop_assert!(secret_of(name, false).is_none() || endings::may_be_secret(name));
            let mut buffer = [0; NAME_BYTES];
            let plain = plain(name, &mut buffer).1;
            let ends = names::FORMS.iter().filter(|word| plain.ends_with(**word));
            let longest = ends.map(|word| plain.len() - word.len()).min();
            prop_assert_eq!(endings::FORMS.of(plain.as_bytes()).map(|found| found.0), longest);
        }
    }

    #[test]
    fn harmless_names_are_no_secrets() {
        for name in names::HARMLESS {
            assert_eq!(secret(name), None, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn keys_of_names_are_known_in_any_spelling() {
        for key in "attribute Field HEADER myKey label tagName option Parameter property setting variable k N".split(' ') {
            assert!(is_name_key(key.as_bytes()), "{key}");
        }
        for key in ["", "kn", "names", "version", "bedrock", "Host-", "field2"] {
            assert!(!is_name_key(key.as_bytes()), "{key}");
        }
    }

    fn words() -> Vec<&'static str> {
        let lists = [
            names::ALL,
            names::COUNTED,
            names::SCALAR,
            WHOLE,
            names::FORMS,
        ];
        [&lists.concat()[..], &["code", "pass", "psk"]].concat()
    }

    #[test]
    fn a_long_name_is_told_by_its_end() {
        let long = format!("{}_password", "x".repeat(100_000));
        assert_eq!(secret(long.as_bytes()), Some(Secret::All));
        assert_eq!(secret("-".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn values_that_are_no_secrets_are_spared() {
        for text in [
            "",
            " ",
            "true",
            "None",
            "hours",
            "***",
            "[HIDDEN_DUE_TO_SECURITY_REASONS]",
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod-AbCdEf",
        ] {
            assert!(!is_secret_text(Secret::All, text), "{text}");
        }
        assert!(is_secret_text(Secret::All, "512"));
        assert!(!is_secret_text(Secret::Counted, "512"));
        assert!(is_secret_text(Secret::Counted, "abc"));
        assert!(!is_secret_text(
            Secret::Random,
            "InsufficientInstanceCapacity"
        ));
        assert!(is_secret_text(Secret::Random, "4f9d1c7ab3e24e0f9a55"));
    }

    #[test]
    fn names_are_the_same_in_any_spelling() {
        assert!(same(b"my-own_Key", "MyOwnKey"));
        assert!(!same(b"my-own", "my-owner"));
        assert!(same("schlüssel".as_bytes(), "Schlüssel"));
        assert!(!same("schlüssel".as_bytes(), "schlssel"));
    }

    /// From AWS's own interfaces, and from what people put into tags, variables and headers.
    const NAMES_OF_SECRETS: &str = "
        secret token password passwd pwd passphrase passcode apiKey api_key x-api-key API-KEY
        authorization Proxy-Authorization authorizationToken authToken bearerToken
        accessToken access_token refreshToken refresh_token idToken id_token sessionToken
        session_token SecurityToken X-Amz-Security-Token X-Amz-Signature X-Amz-Credential
        X-Goog-Signature webIdentityToken WebIdentityToken sAMLAssertion SAMLAssertion samlAssertion
        client_assertion SAMLResponse SigninToken deviceCode device_code userCode tokenCode
        secretAccessKey secret_access_key aws_secret_access_key AWS_SECRET_ACCESS_KEY
        aws_session_token clientSecret client_secret CLIENT_SECRET appSecret webhookSecret
        secretString SecretString secretBinary secretHash secretKey secretKeyBase64
        SECRET_KEY_BASE64 secretValue privateKey private_key PRIVATE-KEY privateKeyPem
        privateKeyBase64 privateKeyPlaintext privateKeyMaterial PrivateKeyPassphrase privateKeyFoo
        AppServerPrivateKey certificatePrivateKey keyMaterial masterPassword masterUserPassword
        MasterUserPassword newPassword oldPassword previousPassword proposedPassword userPassword
        TemporaryPassword password1 newPassword2 passwordData passwordHash db.password db_password
        DB_PASSWORD dbPass DB_PASS SMTP-PASS pass MYSQL_PWD tokenValue TokenString conversationToken
        taskToken callbackToken CliToken WebToken JoinToken ParticipantToken registrationToken
        HECToken oauthToken GITHUB_TOKEN app:token tag/secret secrets tokens cookie Set-Cookie
        credentials credential basicAuthCredentials accessKey accountKey SharedAccessKey
        SharedAccessSignature signature sig auth jwt psk PreSharedKey sharedSecret RadiusSharedSecret
        SSECustomerKey copySourceSSECustomerKey x-amz-server-side-encryption-customer-key
        password_confirmation passwordConfirm passwordNew secret_b64 privateKeyBytes
        userData UserData user_data codeVerifier code_verifier authCode authorizationCode
        activationCode confirmationCode verificationCode otp pin twoFactorPin streamKey hostKey
        HostKeyBody licenseKey AWSAccessKeyId code Code SECRET_KEY_BASE DB_PASSWORD_PROD
        passwordProd authorizationHeader id_token_hint wifi_psk WIFI_PSK storepass keyPass
        X-Auth-Key Ocp-Apim-Subscription-Key";

    /// From AWS's own interfaces and real trails.
    const OTHER_NAMES: &str = "
        nextToken NextToken next_token nextPageToken nextForwardToken nextBackwardToken
        NextContinuationToken nextSequenceToken clientToken ClientToken client-token AmznClientToken
        clientRequestToken ClientRequestToken lastClientRequestToken requestToken continuationToken
        continuation-token paginationToken pageToken IdempotencyToken CreationToken sequenceToken
        expectedSequenceToken uploadSequenceToken LockToken WebACLLockToken ChangeToken UpdateToken
        versionToken startingToken httpTokens HttpTokens DkimTokens patternTokens maxTokensToSample
        tokenType token_type tokenCount tokenId tokenValidityUnits TokenExpiration tokenUse
        secretId secretArn secretName SecretIdList secretVersionId secretStatus secretsManagerArn
        passwordLastUsed passwordResetRequired passwordPolicy requirePassword_Length maxPasswordAge
        passwordReusePrevention passwordLastChanged minimumPasswordLength accessKeyId access_key_id
        keyId kmsKeyId KeyName publicKey sSHPublicKey publicKeyMaterialUrl key keys privateKeyId
        privateKeyPath privateKeyArn PrivateKeyAlgorithm apiKeyId apiKeySource authorizationType
        authorizerId AuthenticationMethod SignatureVersion signatureAlgorithm signingProfile
        signatureMethod credentialId credentialProvider credentialsArn cookieName sessionId
        sessionContext sessionName certificate certificatePem certificateArn x509CertificateData
        codeSha256 codeSize errorCode statusCode stateReasonCode zipCode countryCode currencyCode
        bypass compass tollPass2x userDataLocation pinned spin mapping author auths codec
        conversationId utterance bucketName region user principalId mfaAuthenticated data value text
        string material hash syncToken publicKeyMaterial prod test dev keyBase header hint desk";
}
