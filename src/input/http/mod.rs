//! Events over http.

use axum::Router;

use super::ingest::Ingest;
use super::listen::auth::Auth;

/// The services.
pub fn router(_ingest: &Ingest, _auth: &Auth) -> Router {
    Router::new()
}
