//! What a reader sees.
//!
//! A [`Digest`] is everything one mail shows, in the words it shows; this crate turns it into HTML and into plain text,
//! the two alternatives of one message. It owns the shape: whoever wants a digest fills these types and nothing else.
//! It knows neither papers nor subscribers nor the time, and depends on `maud` alone, so that a template can't reach
//! for any of them.
//!
//! Promises, each with a test: both alternatives say the same and link to the same addresses; no address but http,
//! https and mailto is ever linked ([`Href`]); no remote resource of any kind is loaded; every pair of text and
//! background colours has a contrast of at least 4.5 to 1 in the light and in the dark scheme.
//!
//! A digest is rendered in parts that can be put together by plain concatenation: `head`, then for each section its
//! `section` line and one `card` a paper, then `tail`. Every part begins at the start of a line and ends with a line
//! break, so a card can be rendered (and encoded for mail) once and spliced into many digests.

pub mod digest;
pub mod href;
pub mod layout;
pub mod notice;
pub mod style;
pub mod text;

pub use digest::{Brief, Card, Code, Contact, Digest, Run, Section, SourceLine};
pub use href::Href;
pub use notice::Notice;
