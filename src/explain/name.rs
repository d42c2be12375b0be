//! Which paper is meant: an identifier, a key, an address on the web, or a piece of the title.

use crate::core::paper::PaperKey;
use crate::store::{KnownPaper, Store, StoreError};

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Found {
    /// This paper.
    One(Box<KnownPaper>),
    /// None that was ever seen. The key, when the name is one.
    Nothing(Option<PaperKey>),
    /// Several, by key and title, newest first.
    Several(Vec<(PaperKey, String)>),
}

/// The paper that `text` names.
pub fn find(store: &Store, text: &str) -> Result<Found, StoreError> {
    let text = text.trim();
    // A key of a source's own, such as `feed:17`, looks like nothing in particular.
    let named = PaperKey::named(text);
    let key = named.clone().unwrap_or_else(|| PaperKey::from_stored(text.to_owned()));
    if let Some(paper) = store.paper(&key)? {
        return Ok(Found::One(Box::new(paper)));
    }
    if named.is_some() || text.is_empty() {
        return Ok(Found::Nothing(named));
    }
    let mut titled = store.papers_titled(text)?;
    match titled.len() {
        0 => Ok(Found::Nothing(None)),
        1 => {
            let (key, _) = titled.remove(0);
            Ok(store.paper(&key)?.map_or(Found::Nothing(None), |paper| Found::One(Box::new(paper))))
        }
        _ => Ok(Found::Several(titled)),
    }
}
