//! What people call a paper: its identifier, its key, or the address of a page about it.

use url::Url;

use super::PaperKey;

impl PaperKey {
    /// The key that an identifier or an address names; `None` for anything else.
    pub fn named(text: &str) -> Option<Self> {
        if let Some(key) = address(text) {
            return Some(key);
        }
        let bare = match text.split_at_checked(6) {
            Some((scheme, id)) if scheme.eq_ignore_ascii_case("arxiv:") => id.trim(),
            _ => text,
        };
        let doi = bare.strip_prefix("doi:").unwrap_or(bare);
        Self::arxiv(bare).or_else(|| Self::doi(doi))
    }
}

/// The key in the address of a paper's page, with or without its scheme.
fn address(text: &str) -> Option<PaperKey> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).ok()?;
    let host = url.host_str()?.trim_start_matches("www.");
    let path = url.path().trim_matches('/');
    match host {
        "arxiv.org" | "export.arxiv.org" | "alphaxiv.org" => {
            // /abs/2503.02130v1, /pdf/2503.02130.pdf, /html/2503.02130
            let (_, id) = path.split_once('/')?;
            PaperKey::arxiv(id.strip_suffix(".pdf").unwrap_or(id))
        }
        "doi.org" | "dx.doi.org" => PaperKey::doi(path),
        // The start of a DOI is no host.
        _ if !host.contains(|c: char| c.is_ascii_alphabetic()) => None,
        // Many sites call papers as arXiv does, by its newer identifiers: /papers/2503.02130
        _ => PaperKey::arxiv(path.split_once('/')?.1).filter(|_| path.matches('/').count() == 1),
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
            "https://papers.example.org/papers/2503.02130",
            "papers.example.org/papers/2503.02130/",
            "https://arxiv.org/abs/2503.02130v2",
            "http://www.arxiv.org/pdf/2503.02130.pdf?download=1",
            "https://arxiv.org/html/2503.02130v2#S1",
            "https://doi.org/10.48550/arXiv.2503.02130",
        ] {
            assert_eq!(PaperKey::named(name).as_ref().map(PaperKey::as_str), Some("arxiv:2503.02130"), "{name}");
        }
        assert_eq!(PaperKey::named("https://arxiv.org/abs/cs/0112017"), PaperKey::arxiv("cs/0112017"));
        assert_eq!(PaperKey::named("10.1000/x/2503.02130"), PaperKey::doi("10.1000/x/2503.02130"));
        assert_eq!(PaperKey::named("doi:10.1000/X").as_ref().map(PaperKey::as_str), Some("doi:10.1000/x"));
        for title in [
            "retrieval",
            "Retrieval at scale",
            "a 10.5 % gain",
            "https://example.org/2503.02130",
            "https://example.org/a/b/1234567",
            "é",
        ] {
            assert_eq!(PaperKey::named(title), None, "{title}");
        }
    }
}
