//! Inflates gzip files of one member by libdeflate, as `libdeflate-gunzip -c` does, for machines that lack it:
//! `inflate FILE… >/dev/null`.

use std::error::Error;
use std::fs;
use std::io::{Write, stdout};

use libdeflater::Decompressor;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut decompressor, mut buffer) = (Decompressor::new(), Vec::new());
    for path in std::env::args().skip(1) {
        let file = fs::read(&path)?;
        let size = file
            .last_chunk()
            .ok_or_else(|| format!("{path} is empty"))?;
        let size = u32::from_le_bytes(*size) as usize;
        buffer.resize(buffer.len().max(size), 0);
        let inflated = decompressor.gzip_decompress(&file, &mut buffer[..size])?;
        stdout().write_all(&buffer[..inflated])?;
    }
    Ok(())
}
