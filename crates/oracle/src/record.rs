//! Recorded decisions: gzipped JSON lines, a header line with the versions first. Nothing about what is recorded.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A record: which versions of what decided, and the decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Versions and how it was made.
    pub header: Value,
    /// A line each.
    pub rows: Vec<Value>,
}

impl Record {
    /// Writes it. The same record gives the same bytes.
    pub fn write(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        let mut encoder = GzEncoder::new(file, Compression::best());
        for line in std::iter::once(&self.header).chain(&self.rows) {
            serde_json::to_writer(&mut encoder, line)?;
            encoder.write_all(b"\n")?;
        }
        encoder.finish()?;
        Ok(())
    }

    /// Reads it.
    pub fn read(path: &Path) -> Result<Record> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let mut lines = BufReader::new(GzDecoder::new(file)).lines();
        let header = lines.next().with_context(|| format!("{} is empty", path.display()))??;
        let rows = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<Vec<Value>>>()?;
        Ok(Record { header: serde_json::from_str(&header)?, rows })
    }
}

/// A number for a value, the same on every platform: tells whether a seed still makes what it made (FNV-1a over the
/// JSON text).
pub fn fingerprint(value: &Value) -> String {
    let bytes = value.to_string().into_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl.gz");
        let record = Record { header: json!({"version": "v1"}), rows: vec![json!([1]), json!({"a": "b"})] };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record);
        assert!(Record::read(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn fingerprints_tell_values_apart() {
        assert_eq!(fingerprint(&json!({"a": 1})), fingerprint(&json!({"a": 1})));
        assert_ne!(fingerprint(&json!({"a": 1})), fingerprint(&json!({"a": 2})));
    }
}
