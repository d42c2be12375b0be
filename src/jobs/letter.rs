//! From an edition's frozen inputs to the bytes of its mail.

mod shared;

use std::collections::HashMap;
use std::sync::Arc;

use super::returns::Returns;
use crate::core::address::Address;
use crate::core::candidate::Candidate;
use crate::core::digest::{self, Chosen, Facts, Rendered, Section, SourceNote};
use crate::core::matching::Reasoner;
use crate::core::paper::SourceId;
use crate::mail::dkim::{DkimError, Signer};
use crate::mail::mime::{self, Letter, Mailbox};
use crate::source::health;
use crate::store::{Mailing, SourceStatus, Store, StoreError};
use shared::Papers;
pub use shared::Shared;

/// Who writes, and what every mail says of the list.
#[derive(Clone)]
pub struct Sender {
    /// The From header.
    pub from: Mailbox,
    /// The Reply-To header.
    pub reply_to: Option<Mailbox>,
    /// The List-Id header: a name for people, and the identifier (RFC 2919).
    pub list_id: (String, String),
    /// How a reader changes what comes: an address or a sentence.
    pub change: Option<String>,
    /// How a reader leaves, and where bounces go.
    pub returns: Returns,
    /// Signs every mail, when there is a key.
    pub signer: Option<Arc<Signer>>,
    /// What readers call each source; one that isn't here is no longer read, and not shown.
    pub sources: HashMap<SourceId, String>,
}

/// Why a mail could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What it is made of could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be signed; an unsigned mail would be taken for a forged one.
    #[error("dkim: {0}")]
    Dkim(#[from] DkimError),
}

/// Writes mails; clones share what they have read and made.
#[derive(Clone)]
pub struct Writer {
    store: Store,
    sender: Arc<Sender>,
    shared: Arc<Shared>,
}

impl Writer {
    /// A writer over `store`.
    pub fn new(store: Store, sender: Sender) -> Self {
        Self::sharing(store, sender, Arc::default())
    }

    /// The same, with what other writers over this store have read and made.
    pub fn sharing(store: Store, sender: Sender, shared: Arc<Shared>) -> Self {
        Self { store, sender: Arc::new(sender), shared }
    }

    /// Who writes.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The return path of a mailing: the subscriber's own where bounces have a mailbox, else the sender's address.
    pub fn return_path(&self, mailing: &Mailing) -> Address {
        self.sender.returns.path(&mailing.subscriber).unwrap_or_else(|| self.sender.from.address.clone())
    }

    /// The mail as it goes over the wire: the same bytes whenever it is written, the signature with them.
    pub fn write(&self, mailing: &Mailing) -> Result<Vec<u8>, WriteError> {
        let body = self.facts(mailing, |facts, papers| {
            let of = |candidate: &Candidate| papers.get(&candidate.id).map(|paper| paper.encoded.clone());
            digest::encode(facts, |candidate| of(candidate).unwrap_or_default())
        })?;
        let bytes = mime::compose(&Letter {
            from: self.sender.from.clone(),
            reply_to: self.sender.reply_to.clone(),
            to: Mailbox { name: mailing.subscription.name.clone(), address: mailing.subscription.address.clone() },
            subject: body.subject,
            date: mailing.decided,
            message_id: mailing.message_id.clone(),
            boundary: mailing.message_id.clone(),
            list_id: Some(self.sender.list_id.clone()),
            extra: self.headers(mailing),
            text: body.text,
            html: body.html,
        });
        match &self.sender.signer {
            Some(signer) => Ok(signer.sign(&bytes, mailing.decided)?),
            None => Ok(bytes),
        }
    }

    /// The headers for leaving and, in a signed mail, the one by which Gmail's Postmaster Tools tell mails apart
    /// (support.google.com/mail/answer/6254652): the kind of mail, the list, the sender.
    fn headers(&self, mailing: &Mailing) -> Vec<(&'static str, String)> {
        let mut headers = self.sender.returns.headers(&mailing.subscriber);
        if self.sender.signer.is_some() {
            headers.push(("Feedback-ID", format!("digest:{}:paperpost", self.sender.list_id.1)));
        }
        headers
    }

    /// What the reader sees.
    pub fn render(&self, mailing: &Mailing) -> Result<Rendered, StoreError> {
        self.facts(mailing, |facts, _| digest::render(facts))
    }

    /// Gathers what the edition froze, and has it shown.
    fn facts<T>(&self, mailing: &Mailing, show: impl FnOnce(&Facts<'_>, &Papers) -> T) -> Result<T, StoreError> {
        let ids: Vec<u32> = mailing.papers.iter().flatten().chain(&mailing.also).copied().collect();
        let (papers, sources) = self.shared.known(&self.store, &ids, mailing.read)?;
        let subscription = &mailing.subscription;
        let today = mailing.slot.date();
        let sections = subscription.profiles.iter().zip(&mailing.papers).map(|(profile, ids)| {
            let reasoner = Reasoner::new(profile);
            let chosen = ids.iter().filter_map(|id| papers.get(id)).map(|paper| Chosen {
                candidate: &paper.candidate,
                reasons: paper.reasons(&reasoner, mailing.decided),
                trend: digest::trend(&paper.candidate.votes, today, subscription.zone),
            });
            Section { name: &profile.name, papers: chosen.collect() }
        });
        let notes: Vec<(&SourceStatus, Option<String>)> = sources
            .iter()
            .filter(|status| self.sender.sources.contains_key(&status.source))
            .map(|status| (status, health::note(&status.outcome, status.last_good, status.route)))
            .collect();
        let schedule = format!("{} ({})", subscription.schedule, subscription.zone);
        let stop = self.sender.returns.link(&mailing.subscriber);
        let facts = Facts {
            name: subscription.name.as_deref(),
            zone: subscription.zone,
            slot: mailing.slot,
            sections: sections.collect(),
            also: mailing.also.iter().filter_map(|id| papers.get(id)).map(|paper| paper.candidate.as_ref()).collect(),
            owed: mailing.owed,
            looked_at: mailing.looked_at as usize,
            sources: notes
                .iter()
                .map(|(status, note)| SourceNote {
                    name: self.sender.sources.get(&status.source).map_or(status.source.as_str(), String::as_str),
                    last_read: status.last_good,
                    route: status.route,
                    items: status.items as usize,
                    trouble: note.as_deref(),
                })
                .collect(),
            schedule: &schedule,
            change: self.sender.change.as_deref(),
            stop: Some(&stop),
        };
        Ok(show(&facts, &papers))
    }
}
