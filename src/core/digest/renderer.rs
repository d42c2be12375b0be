//! Which version of the renderer makes a mail.
//!
//! Every attempt at a mail is the same mail (I5), and mails are made at each attempt. So a program that makes other bytes of the
//! same inputs says so here, and `store/claims.rs` asks: a mail that an older one has tried gets a new Message-ID, and one that a server
//! may have already is left to a person.

/// The version of all that a mail's bytes depend on besides its inputs and the settings: this module, the templates, why a paper
/// was chosen, `mail::mime`. Raised with each change that shows in a mail; `tests/it/renderer.rs` notices one that was forgotten.
pub const RENDERER: u32 = 1;
