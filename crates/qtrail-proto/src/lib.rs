//! Client, server and messages of qtrail's gRPC service, generated from `proto/qtrail/v1/ingest.proto`.
//!
//! ```no_run
//! use qtrail_proto::v1::IngestRequest;
//! use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
//!
//! # async fn send() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = IngestServiceClient::connect("http://127.0.0.1:4319").await?;
//! let events = std::fs::read("trail.json.gz")?.into();
//! let request = IngestRequest { sequence: 1, events, ..Default::default() };
//! let response = client.ingest(request).await?;
//! println!("{:?}", response.into_inner());
//! # Ok(())
//! # }
//! ```
//!
//! `examples/send_grpc.rs` streams files and handles each answer.
//!
//! The generated files are checked in, so a build needs neither `protoc` nor a generator. After a change of
//! the `.proto` file, `UPDATE_PROTO=1 cargo test -p qtrail-proto` generates them again; a test fails until
//! then.

#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
#[rustfmt::skip]
#[path = "qtrail.v1.rs"]
pub mod v1;

/// The encoded `FileDescriptorSet` of the `.proto` file, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use prost::Message;

    #[test]
    fn the_generated_files_match_the_proto_file() {
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
                "{name} is stale: run UPDATE_PROTO=1 cargo test -p qtrail-proto"
            );
        }
    }
}
