//! What libFuzzer runs. The targets themselves are in `targets`, where `cargo test` finds them too.

pub mod targets;

/// What the targets share with the integration tests.
#[allow(dead_code)]
#[path = "../../tests/support"]
mod support {
    pub mod flow;
}

#[allow(dead_code)]
#[path = "../../tests/it/oracle"]
mod oracle {
    pub mod naive;
}
