//! The messages and the service of `proto/qtrail/v1/ingest.proto`.
//!
//! The rest of this folder is generated from the `.proto` file, so that a build needs neither `protoc` nor a
//! generator. `UPDATE_PROTO=1 cargo test -p qtrail-proto` generates it again; a test fails while it is stale.

#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
#[rustfmt::skip]
#[path = "qtrail.v1.rs"]
pub mod v1;

/// The file's descriptors, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prost::Message;

    #[test]
    fn what_is_generated_is_what_the_proto_file_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let proto = root.join("../../proto");
        let descriptors = protox::compile(["qtrail/v1/ingest.proto"], [proto]).unwrap();
        let made = tempfile::tempdir().unwrap();
        let bytes = descriptors.encode_to_vec();
        tonic_prost_build::configure()
            .bytes(".")
            .out_dir(made.path())
            .compile_fds(descriptors)
            .unwrap();
        std::fs::write(made.path().join("descriptors.bin"), bytes).unwrap();
        for name in ["qtrail.v1.rs", "descriptors.bin"] {
            let (new, kept) = (made.path().join(name), root.join("src").join(name));
            let new = std::fs::read(new).unwrap();
            if std::env::var_os("UPDATE_PROTO").is_some() {
                std::fs::write(&kept, &new).unwrap();
            }
            assert!(
                std::fs::read(&kept).unwrap() == new,
                "{name} is old: run UPDATE_PROTO=1 cargo test proto"
            );
        }
    }
}
