//! Hashes of inflated bytes.
//!
//! Enters: a reader of gzip or plain bytes. Leaves: the SHA-256 of what they inflate to. What must hold: several
//! gzip members in a row are one stream; no more than a limit is inflated; errors of the reader are kept apart from
//! those of the bytes.

use std::io::{self, BufReader, Cursor, Read};

use aws_lc_rs::digest::{Context, SHA256};
use flate2::bufread::MultiGzDecoder;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Bytes that are inflated at once.
const BLOCK: usize = 64 << 10;
/// Bytes that are read at once.
const INPUT: usize = 64 << 10;

/// Why bytes cannot be hashed.
#[derive(Debug)]
pub(super) enum Error {
    /// They are not what CloudTrail writes, in words.
    Damaged(String),
    /// They cannot be read.
    Read(io::Error),
}

/// The SHA-256 of what the bytes inflate to, as hex, and how many bytes were read.
pub(super) fn inflated(reader: impl Read, limit: u64) -> Result<(String, u64), Error> {
    let mut context = Context::new(&SHA256);
    let read = inflate(reader, limit, |block| context.update(block))?;
    Ok((hex::encode(context.finish()), read))
}

/// Passes what the bytes inflate to, block by block. Returns how many bytes were read.
pub(super) fn inflate(
    reader: impl Read,
    limit: u64,
    mut each: impl FnMut(&[u8]),
) -> Result<u64, Error> {
    let mut counted = Counted {
        reader,
        bytes: 0,
        failed: None,
    };
    let done = pass(&mut counted, limit, &mut each);
    match (done, counted.failed) {
        (Ok(()), _) => Ok(counted.bytes),
        (Err(_), Some(error)) => Err(Error::Read(error)),
        (Err(error), None) => Err(error),
    }
}

fn pass(reader: &mut impl Read, limit: u64, each: &mut impl FnMut(&[u8])) -> Result<(), Error> {
    let mut first = Vec::new();
    let magic = reader.take(MAGIC.len() as u64).read_to_end(&mut first);
    magic.map_err(Error::Read)?;
    let is_gzip = first == MAGIC;
    let input = BufReader::with_capacity(INPUT, Cursor::new(first).chain(reader));
    let mut bytes: Box<dyn Read + '_> = match is_gzip {
        true => Box::new(MultiGzDecoder::new(input)),
        false => Box::new(input),
    };
    let (mut block, mut inflated) = (vec![0; BLOCK], 0);
    loop {
        let count = match bytes.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Damaged(format!("its gzip data is damaged: {error}"))),
        };
        inflated += count as u64;
        if inflated > limit {
            return Err(Error::Damaged(format!(
                "it inflates to more than {limit} bytes"
            )));
        }
        each(&block[..count]);
    }
}

/// Counts bytes, and keeps the reader's own error.
struct Counted<R> {
    reader: R,
    bytes: u64,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(count) => {
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn hash(bytes: &[u8], limit: u64) -> Result<String, Error> {
        inflated(bytes, limit).map(|(hash, _)| hash)
    }

    #[test]
    fn gzip_its_members_and_plain_bytes_have_the_hash_of_what_they_hold() {
        let text = b"records".repeat(100_000);
        let expected = hex::encode(Sha256::digest(&text));
        let members = [gzip(&text[..300_000]), gzip(&text[300_000..])].concat();
        for bytes in [&text, &gzip(&text), &members] {
            assert_eq!(hash(bytes, u64::MAX).unwrap(), expected);
        }
        assert_ne!(
            hash(&[gzip(&text), gzip(b"x")].concat(), u64::MAX).unwrap(),
            expected
        );
    }

    #[test]
    fn damage_and_too_many_bytes_are_errors_of_the_bytes() {
        let whole = gzip(&b"records".repeat(1000));
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bytes in [
            &whole[..whole.len() - 1],
            &whole[..5],
            &flipped,
            &[&whole[..], b"x"].concat(),
        ] {
            assert!(matches!(hash(bytes, u64::MAX), Err(Error::Damaged(_))));
        }
        assert!(hash(&whole, 7000).is_ok());
        assert!(matches!(hash(&whole, 6999), Err(Error::Damaged(_))));
    }

    #[test]
    fn an_error_of_the_reader_is_one() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let whole = gzip(&b"records".repeat(1000));
        let error = inflated(whole[..9].chain(Broken), u64::MAX).unwrap_err();
        assert!(
            matches!(error, Error::Read(error) if error.kind() == io::ErrorKind::ConnectionReset)
        );
    }
}
