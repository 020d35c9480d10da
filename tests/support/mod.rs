//! What the integration tests share.

pub mod collector;
pub mod delivery;
pub mod program;
pub mod receiver;
pub mod sidecar;
pub mod trail;
