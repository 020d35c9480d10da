//! Where units come from.

pub mod directory;
