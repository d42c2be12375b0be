//! What papers say, as it is kept: JSON, compressed.
//!
//! Papers are kept for ever, and their titles and abstracts are most of the file. Zstandard halves them, and what a page then
//! holds without a gap is three or four instead of one.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::zstd_safe::get_frame_content_size;

use super::{Result, StoreError, from_json, to_json};
use crate::core::paper::Paper;

/// Much more than any content has, in bytes: what claims to be larger is damaged.
const MOST: u64 = 4 << 20;

/// Zstandard's levels go to 22; beyond this one texts so short gain nothing.
const LEVEL: i32 = 9;

/// A paper, or a part of one, as a row holds it.
pub(super) fn packed<T: Serialize>(paper: &T) -> Result<Vec<u8>> {
    compressed(&to_json("paper", paper)?)
}

/// The paper, or the part of one, that a row holds, in the words of its source.
pub(super) fn unpacked<T: DeserializeOwned>(content: &[u8]) -> Result<T> {
    let size = get_frame_content_size(content).ok().flatten().filter(|size| *size <= MOST);
    let size = size.ok_or_else(|| unreadable("it has no size"))?;
    let bytes = zstd::bulk::decompress(content, size as usize).map_err(unreadable)?;
    from_json("paper", std::str::from_utf8(&bytes).map_err(unreadable)?)
}

/// The paper that a row holds, as a reader sees it.
pub(super) fn shown(content: &[u8]) -> Result<Paper> {
    Ok(unpacked::<Paper>(content)?.displayed())
}

fn compressed(text: &str) -> Result<Vec<u8>> {
    zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(unreadable)
}

/// Teaches SQL the function `compressed`, for the migration that needs it.
pub(super) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_scalar_function("compressed", 1, FunctionFlags::SQLITE_DETERMINISTIC, |context| {
        let text = context.get_raw(0).as_str()?;
        compressed(text).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
    })
}

fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable { what: "compressed paper", why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::paper::PaperKey;

    #[test]
    fn what_is_packed_comes_out_as_it_was_and_what_is_damaged_is_unreadable() {
        let key = PaperKey::arxiv("2611.00001").expect("an id");
        let paper = Paper::new(key, "Retrieval, \u{1d4de} and naïve scale", "https://example.org/1");
        let bytes = packed(&paper).expect("packed");
        assert_eq!(unpacked::<Paper>(&bytes).expect("unpacked"), paper);
        for damaged in [&bytes[..bytes.len() - 1], &bytes[1..], b"{}", b""] {
            assert!(matches!(unpacked::<Paper>(damaged), Err(StoreError::Unreadable { .. })), "{damaged:?}");
        }
    }
}
