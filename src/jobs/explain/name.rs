//! Which paper is meant: an identifier, a key, an address on the web, or a piece of the title.

use url::Url;

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
    let named = named(text);
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

/// The key that an identifier or an address names; `None` for anything else.
fn named(text: &str) -> Option<PaperKey> {
    if let Some(key) = address(text) {
        return Some(key);
    }
    let bare = match text.split_at_checked(6) {
        Some((scheme, id)) if scheme.eq_ignore_ascii_case("arxiv:") => id.trim(),
        _ => text,
    };
    let doi = bare.strip_prefix("doi:").unwrap_or(bare);
    PaperKey::arxiv(bare).or_else(|| PaperKey::doi(doi))
}

/// The key in the address of a paper's page, with or without its scheme.
fn address(text: &str) -> Option<PaperKey> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).ok()?;
    let host = url.host_str()?.trim_start_matches("www.");
    let path = url.path().trim_matches('/');
    match host {
        "huggingface.co" | "hf.co" => PaperKey::arxiv(path.strip_prefix("papers/")?),
        "arxiv.org" | "export.arxiv.org" | "alphaxiv.org" => {
            // /abs/2503.02130v1, /pdf/2503.02130.pdf, /html/2503.02130
            let (_, id) = path.split_once('/')?;
            PaperKey::arxiv(id.strip_suffix(".pdf").unwrap_or(id))
        }
        "doi.org" | "dx.doi.org" => PaperKey::doi(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paper_goes_by_many_names() {
        for name in [
            "2503.02130",
            "2503.02130v3",
            "arxiv:2503.02130",
            "arXiv:2503.02130v1",
            "https://huggingface.co/papers/2503.02130",
            "huggingface.co/papers/2503.02130/",
            "https://arxiv.org/abs/2503.02130v2",
            "http://www.arxiv.org/pdf/2503.02130.pdf?download=1",
            "https://arxiv.org/html/2503.02130v2#S1",
            "https://doi.org/10.48550/arXiv.2503.02130",
        ] {
            assert_eq!(named(name).as_ref().map(PaperKey::as_str), Some("arxiv:2503.02130"), "{name}");
        }
        assert_eq!(named("https://arxiv.org/abs/cs/0112017"), PaperKey::arxiv("cs/0112017"));
        assert_eq!(named("doi:10.1000/X").as_ref().map(PaperKey::as_str), Some("doi:10.1000/x"));
        for title in ["retrieval", "Retrieval at scale", "a 10.5 % gain", "https://example.org/2503.02130", "é"] {
            assert_eq!(named(title), None, "{title}");
        }
    }
}
