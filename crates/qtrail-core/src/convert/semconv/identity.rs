//! Attribute names of `userIdentity`.

use opentelemetry_semantic_conventions::attribute as otel;

use super::{both, log};
use crate::convert::attributes::Field;
use crate::convert::attributes::Stability::{Collector, Development, Qtrail};

pub(crate) const USER_ID: Field = both(
    otel::USER_ID,
    "`userIdentity.onBehalfOf.userId`, else `.userId`, else `.principalId`",
    Development,
);
pub(crate) const ENDUSER_ID: Field = both(
    otel::ENDUSER_ID,
    "the id that the `identities` file gives for one of the event's ids, else `userIdentity.onBehalfOf.userId`, else an Identity Center user's `.userId`, else `.sessionContext.sourceIdentity`, else `.userName`, else the assumed role's session name, else the last part of `.arn`, else the part of `.principalId` after its last colon (roles, federated, SAML and web identity users), else `.userId`, else `additionalEventData.UserName`; never a value that AWS masked",
    Development,
);
pub(crate) const USER_NAME: Field = both(
    otel::USER_NAME,
    "the name that the `identities` file gives, else `userIdentity.userName`, else the last part of `.arn`",
    Development,
);
pub(crate) const USER_FULL_NAME: Field = log(
    otel::USER_FULL_NAME,
    "with `identity_store.enabled`, once it is known: the display name of `userIdentity.onBehalfOf.userId`, else of an Identity Center user's `.userId`, in the identity store of `.identityStoreArn`",
    Development,
);
pub(crate) const USER_ROLES: Field = both(
    otel::USER_ROLES,
    "`userIdentity.sessionContext.sessionIssuer.userName`, where the issuer's type is `Role` (array)",
    Development,
);
pub(crate) const PRINCIPAL_ID: Field =
    both("aws.principal.id", "`userIdentity.principalId`", Collector);
pub(crate) const PRINCIPAL_ARN: Field = both("aws.principal.arn", "`userIdentity.arn`", Collector);
pub(crate) const PRINCIPAL_TYPE: Field =
    both("aws.principal.type", "`userIdentity.type`", Collector);
pub(crate) const IDENTITY_ACCOUNT_ID: Field = both(
    "aws.user_identity.account_id",
    "`userIdentity.accountId`",
    Collector,
);
pub(crate) const ACCESS_KEY_ID: Field =
    both("aws.access_key.id", "`userIdentity.accessKeyId`", Collector);
pub(crate) const CREDENTIAL_ID: Field = both(
    "aws.user_identity.credential_id",
    "`userIdentity.credentialId`",
    Qtrail,
);
pub(crate) const IDENTITY_STORE_ARN: Field = both(
    "aws.identity_store.arn",
    "`userIdentity.onBehalfOf.identityStoreArn`, else `.identityStoreArn`",
    Collector,
);
pub(crate) const IDENTITY_PROVIDER: Field = both(
    "aws.user_identity.identity_provider",
    "`userIdentity.identityProvider`",
    Qtrail,
);
pub(crate) const INVOKED_BY: Field = both(
    "aws.user_identity.invoked_by",
    "the invoking service: `userIdentity.invokedBy`, else `.sessionContext.invokedBy`",
    Collector,
);
pub(crate) const DELEGATE_ACCOUNT_ID: Field = both(
    "aws.user_identity.invoked_by_delegate.account_id",
    "`userIdentity.invokedByDelegate.accountId`",
    Qtrail,
);
pub(crate) const MFA_AUTHENTICATED: Field = both(
    "aws.user_identity.session_context.attributes.mfa_authenticated",
    "`userIdentity.sessionContext.attributes.mfaAuthenticated`, as a boolean",
    Collector,
);
pub(crate) const CREATION_DATE: Field = both(
    "aws.user_identity.session_context.attributes.creation_date",
    "`userIdentity.sessionContext.attributes.creationDate`",
    Collector,
);
pub(crate) const SIGN_IN_SESSION_ARN: Field = both(
    "aws.sign_in_session.arn",
    "`userIdentity.sessionContext.signInSessionArn`, else, in a `grant`, `additionalEventData.signInSessionArn`",
    Qtrail,
);
pub(crate) const ISSUER_TYPE: Field = both(
    "aws.user_identity.session_context.issuer.type",
    "`userIdentity.sessionContext.sessionIssuer.type`",
    Collector,
);
pub(crate) const ISSUER_PRINCIPAL_ID: Field = both(
    "aws.user_identity.session_context.issuer.principal_id",
    "`userIdentity.sessionContext.sessionIssuer.principalId`",
    Collector,
);
pub(crate) const ISSUER_ARN: Field = both(
    "aws.user_identity.session_context.issuer.arn",
    "`userIdentity.sessionContext.sessionIssuer.arn`",
    Collector,
);
pub(crate) const ISSUER_ACCOUNT_ID: Field = both(
    "aws.user_identity.session_context.issuer.account_id",
    "`userIdentity.sessionContext.sessionIssuer.accountId`",
    Collector,
);
pub(crate) const ISSUER_USER_NAME: Field = both(
    "aws.user_identity.session_context.issuer.user_name",
    "`userIdentity.sessionContext.sessionIssuer.userName`",
    Collector,
);
pub(crate) const SOURCE_IDENTITY: Field = both(
    "aws.user_identity.session_context.source_identity",
    "`userIdentity.sessionContext.sourceIdentity`",
    Qtrail,
);
pub(crate) const FEDERATED_PROVIDER: Field = both(
    "aws.user_identity.session_context.web_id.federated_provider",
    "`userIdentity.sessionContext.webIdFederationData.federatedProvider`",
    Qtrail,
);
pub(crate) const ROLE_SESSION_NAME: Field = both(
    "aws.role_session.name",
    "`userIdentity.arn` of an assumed role: the part after the role's name",
    Qtrail,
);
pub(crate) const IDENTITY_CLASS: Field = both(
    "qtrail.identity.class",
    "`userIdentity.type`: `root`, `iam_user`, `assumed_role`, `federated_user`, `identity_center_user`, `web_identity_user`, `saml_user`, `directory_user`, `aws_account`, `aws_service`, `unknown`",
    Qtrail,
);
pub(crate) const CREDENTIAL_KIND: Field = both(
    "qtrail.credential.kind",
    "`userIdentity.type` and the first letters of `.accessKeyId`: `root`, `long_term`, `temporary`, `service`",
    Qtrail,
);
pub(crate) const INVOKED_BY_SERVICE: Field = both(
    "qtrail.invoked_by_service",
    "whether there is an invoking service (boolean)",
    Qtrail,
);
