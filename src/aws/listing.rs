//! What a bucket has below a prefix.
//!
//! Enters: a prefix that ends in `/`, or none. Leaves: S3's pages.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, RequestPayer};

use super::Aws;
use super::error::Error;
use super::object::decoded;

impl Aws {
    /// One page, by the bucket's region. `on_request` is called before each request.
    ///
    /// # Errors
    /// S3's own.
    pub(crate) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        token: Option<String>,
        on_request: impl Fn(),
    ) -> Result<ListObjectsV2Output, Error> {
        let payer = self.requester_pays().then_some(RequestPayer::Requester);
        let (token, payer, on_request) = (&token, &payer, &on_request);
        let ask = |region: String| async move {
            on_request();
            let request = self.s3(Some(&region)).list_objects_v2();
            let answer = request
                .bucket(bucket)
                .prefix(prefix)
                .delimiter("/")
                // XML cannot represent some characters of keys: one key would hide its neighbours.
                .encoding_type(EncodingType::Url)
                .set_continuation_token(token.clone())
                .set_request_payer(payer.clone())
                .set_expected_bucket_owner(self.expected_bucket_owner())
                .send()
                .await;
            answer.map_err(|error| Error::of(&error))
        };
        Ok(self.where_it_is(bucket, None, ask).await?.1)
    }
}

/// A key or prefix of a page, decoded if the server has encoded it. A key that is not UTF-8 stays encoded:
/// requesting it finds nothing, which is logged.
pub(crate) fn key(page: &ListObjectsV2Output, text: &str) -> String {
    let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
    let decoded = is_encoded.then(|| decoded(text).ok()).flatten();
    decoded.unwrap_or_else(|| text.to_owned())
}
