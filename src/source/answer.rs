//! What a GET is given and what it brings: tokens, validators, answers.

use std::fmt;

use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};
use url::Url;

/// A bearer token (RFC 6750) and the one origin it is meant for. Prints masked.
#[derive(Clone)]
pub struct BearerToken {
    pub(super) header: HeaderValue,
    pub(super) origin: url::Origin,
}

impl BearerToken {
    /// The token for `base` and nothing else: no other host, scheme or port ever sees it. `None` when it has characters
    /// that no header can carry.
    pub fn new(secret: &str, base: &Url) -> Option<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.trim())).ok()?;
        header.set_sensitive(true);
        Some(Self { header, origin: base.origin() })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(***)")
    }
}

/// What a server gave to ask "has it changed?" with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// Sent back as If-None-Match, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Sent back as If-Modified-Since, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// How a GET ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The server has nothing newer than the validators that were sent (304).
    NotModified,
    /// A body.
    Answer(Answer),
}

/// A body and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The address after redirects.
    pub url: Url,
    /// The media type as the server gave it.
    pub content_type: Option<String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// What to ask with next time, if the server gave anything.
    pub validators: Option<Validators>,
}

impl Validators {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let found = Self { etag: text(headers, ETAG), last_modified: text(headers, LAST_MODIFIED) };
        (found != Self::default()).then_some(found)
    }

    pub(super) fn headers(&self) -> Vec<(HeaderName, &str)> {
        let etag = self.etag.as_deref().map(|value| (IF_NONE_MATCH, value));
        let date = self.last_modified.as_deref().map(|value| (IF_MODIFIED_SINCE, value));
        etag.into_iter().chain(date).collect()
    }
}

pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
