//! One request to the identity store.

use std::time::Duration;

use aws_sdk_identitystore::Client;
use aws_sdk_identitystore::config::http::HttpResponse;
use aws_sdk_identitystore::config::retry::RetryConfig;
use aws_sdk_identitystore::config::timeout::TimeoutConfig;
use aws_sdk_identitystore::error::SdkError;
use aws_sdk_identitystore::operation::describe_user::DescribeUserError;

use super::lookup::{Failure, Store};
use crate::aws::error::{Error, Remedy};

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The identity stores of an IAM Identity Center.
pub(crate) struct IdentityCenter(pub(crate) Client);

impl Store for IdentityCenter {
    /// One request: the caller keeps the rate, and tries again.
    async fn name(&self, store: &str, user: &str) -> Result<Option<String>, Failure> {
        let once = aws_sdk_identitystore::Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
        let request = self
            .0
            .describe_user()
            .identity_store_id(store)
            .user_id(user);
        match request.customize().config_override(once).send().await {
            Ok(found) => {
                let shown = found.display_name().filter(|name| !name.trim().is_empty());
                Ok(shown.or(found.user_name()).map(str::to_owned))
            }
            Err(error) => failure(&error),
        }
    }
}

fn failure(error: &SdkError<DescribeUserError, HttpResponse>) -> Result<Option<String>, Failure> {
    let denied = match error.as_service_error() {
        // An id that cannot be one is nobody's.
        Some(
            DescribeUserError::ResourceNotFoundException(_)
            | DescribeUserError::ValidationException(_),
        ) => return Ok(None),
        Some(DescribeUserError::AccessDeniedException(_)) => true,
        _ => false,
    };
    let error = Error::of(error);
    Err(match error.remedy {
        Remedy::Retry => Failure::Passes(error.message),
        _ if denied => Failure::Setup(format!(
            "{}; allow identitystore:DescribeUser on the identity store and its users, in the account of the Identity Center or one that it is delegated to",
            error.message
        )),
        _ => Failure::Setup(error.message),
    })
}
