//! The account and the region of a file, by its name.

/// Account and region in `<account>_CloudTrail_<region>_<time>_…`, and in the names of `CloudTrail-Digest` and the
/// others. `name`: a file's name, path or key.
///
/// ```
/// use qtrail_core::convert::owner;
///
/// let key = "AWSLogs/111122223333_CloudTrail_us-east-1_20240410T1410Z_Abcdefghijklmnop.json.gz";
/// assert_eq!(owner(key), (Some("111122223333"), Some("us-east-1")));
/// assert_eq!(owner("events.json"), (None, None));
/// ```
pub fn owner(name: &str) -> (Option<&str>, Option<&str>) {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut parts = file.split('_');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(account), Some(product), region)
            if is_account(account) && product.starts_with("CloudTrail") =>
        {
            (Some(account), region.filter(|region| is_region(region)))
        }
        _ => (None, None),
    }
}

/// Whether a text is an account number.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name has the form of a region's: `us-east-1`, `us-gov-west-1`.
pub fn is_region(name: &str) -> bool {
    let (area, number) = name.rsplit_once('-').unwrap_or_default();
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_digit = number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit());
    area.contains('-') && area.split('-').all(word) && is_digit
}
