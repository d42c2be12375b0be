//! From the frozen inputs of a mail to its bytes.

pub mod returns;
mod shared;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::core::address::{Address, Mailbox};
use crate::core::candidate::Candidate;
use crate::core::digest::{self, Chosen, Facts, Rendered, Section, SourceNote, Welcome};
use crate::core::mailing::Matter;
use crate::core::matching::Reasoner;
use crate::core::paper::SourceId;
use crate::core::subscription::Subscription;
use crate::core::token::SubscriberId;
use crate::mail::Mail;
use crate::mail::dkim::{DkimError, Signer};
use crate::mail::mime::{self, Letter, Letterhead, QuotedPrintable};
use crate::source::health;
use crate::store::{self, Content, Mailing, SourceStatus, Store, StoreError};
use chrono::{DateTime, Utc};
use returns::{Returns, WayOut};
use shared::Papers;
pub use shared::Shared;
use templates::{Href, Notice};

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

thread_local! {
    /// The bodies of the last mail, to be written over.
    static BODIES: Cell<[QuotedPrintable; 2]> = Cell::default();
}

/// A link that names no subscriber.
const NOBODY: SubscriberId = [0; 16];

/// Writes mails; clones share what they have read and made.
#[derive(Clone)]
pub struct Writer {
    store: Store,
    sender: Arc<Sender>,
    letterhead: Arc<Letterhead>,
    shared: Arc<Shared>,
}

impl Writer {
    /// A writer over `store`.
    pub fn new(store: Store, sender: Sender) -> Self {
        Self::sharing(store, sender, Arc::default())
    }

    /// The same, with what other writers over this store have read and made.
    pub fn sharing(store: Store, sender: Sender, shared: Arc<Shared>) -> Self {
        let letterhead = Arc::new(letterhead(&sender, "digest"));
        Self { store, letterhead, sender: Arc::new(sender), shared }
    }

    /// Who writes.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The mail with its envelope.
    pub fn mail(&self, content: &Content) -> Result<Mail, WriteError> {
        Ok(match content {
            Content::Edition(mailing) => Mail {
                from: Some(self.return_path(&mailing.subscriber)),
                to: mailing.subscription.address.clone(),
                message_id: mailing.message_id.clone(),
                message: self.write(mailing)?.into(),
            },
            Content::Transactional(letter) => Mail {
                from: Some(self.return_path(&letter.subscriber.unwrap_or(NOBODY))),
                to: letter.to.clone(),
                message_id: letter.message_id.clone(),
                message: self.write_transactional(letter)?.into(),
            },
        })
    }

    /// The return path of a mail: the subscriber's own where bounces have a mailbox, else the sender's address.
    fn return_path(&self, subscriber: &SubscriberId) -> Address {
        self.sender.returns.path(subscriber).unwrap_or_else(|| self.sender.from.address.clone())
    }

    /// A transactional mail, with the headers of all mail: what is found out with a test holds for digests.
    fn write_transactional(&self, letter: &store::TransactionalInputs) -> Result<Vec<u8>, WriteError> {
        let says = &letter.says;
        let notice = match &says.matter {
            Matter::Test { route } => {
                Notice::test_mail(route, &says.at.format("on %-d %B %Y at %H:%M UTC").to_string())
            }
            Matter::Confirmation { link } => Notice::confirmation(
                Href::parse(link)
                    .ok_or_else(|| StoreError::Unreadable { what: "link", why: "it is no web address".to_owned() })?,
            ),
        };
        let way_out = self.sender.returns.way_out(&letter.subscriber.unwrap_or(NOBODY));
        self.sign(
            mime::compose(&Letter {
                letterhead: Arc::new(letterhead(&self.sender, says.kind().as_str())),
                to: Mailbox { name: None, address: letter.to.clone() },
                subject: notice.subject.clone(),
                date: says.at,
                message_id: letter.message_id.clone(),
                boundary: letter.message_id.clone(),
                extra: vec![way_out.header()],
                text: QuotedPrintable::encode(&notice.text()),
                html: QuotedPrintable::encode(&notice.html()),
            }),
            says.at,
        )
    }

    fn sign(&self, bytes: Vec<u8>, at: DateTime<Utc>) -> Result<Vec<u8>, WriteError> {
        match &self.sender.signer {
            Some(signer) => Ok(signer.sign(&bytes, at)?),
            None => Ok(bytes),
        }
    }

    /// An edition's mail as it goes over the wire: the same bytes whenever it is written, the signature with them.
    pub fn write(&self, mailing: &Mailing) -> Result<Vec<u8>, WriteError> {
        let way_out = self.sender.returns.way_out(&mailing.subscriber);
        let body = self.facts(mailing, &way_out, |facts, papers| {
            let of = |candidate: &Candidate| papers.get(candidate.id).map(|paper| paper.encoded.clone());
            digest::encode_over(BODIES.take(), facts, |candidate| of(candidate).unwrap_or_default())
        })?;
        self.sealed(mailing, &way_out, body.subject, [body.html, body.text])
    }

    /// The same with other bodies: for a mail that is only looked at, where its own links lead nowhere.
    pub fn write_as(&self, mailing: &Mailing, body: Rendered) -> Result<Vec<u8>, WriteError> {
        let way_out = self.sender.returns.way_out(&mailing.subscriber);
        let bodies = [body.html, body.text].map(|text| QuotedPrintable::encode(&text));
        self.sealed(mailing, &way_out, body.subject, bodies)
    }

    /// The bodies, HTML first, with headers and signature.
    fn sealed(
        &self,
        mailing: &Mailing,
        way_out: &WayOut,
        subject: String,
        [html, text]: [QuotedPrintable; 2],
    ) -> Result<Vec<u8>, WriteError> {
        let letter = Letter {
            letterhead: self.letterhead.clone(),
            to: Mailbox { name: mailing.subscription.name.clone(), address: mailing.subscription.address.clone() },
            subject,
            date: mailing.decided,
            message_id: mailing.message_id.clone(),
            boundary: mailing.message_id.clone(),
            extra: vec![way_out.header()],
            text,
            html,
        };
        let bytes = mime::compose(&letter);
        BODIES.set([letter.html, letter.text]);
        self.sign(bytes, mailing.decided)
    }

    /// What the reader sees.
    pub fn render(&self, mailing: &Mailing) -> Result<Rendered, StoreError> {
        let way_out = self.sender.returns.way_out(&mailing.subscriber);
        self.facts(mailing, &way_out, |facts, _| digest::render(facts))
    }

    /// Gathers what the edition froze, and has it shown.
    fn facts<T>(
        &self,
        mailing: &Mailing,
        way_out: &WayOut,
        show: impl FnOnce(&Facts<'_>, &Papers) -> T,
    ) -> Result<T, StoreError> {
        let told = &mailing.told.left[..mailing.told.left.len().min(digest::MAX_TOLD)];
        let ids: Vec<u32> = mailing.papers.iter().flatten().chain(&mailing.also).chain(told).copied().collect();
        let (papers, sources) = self.shared.known(&self.store, &ids, mailing.read)?;
        let subscription = &mailing.subscription;
        // Not the slot's day: a first edition is made for a slot that may be weeks old, and so is one after an outage.
        let today = mailing.decided.with_timezone(&subscription.zone).date_naive();
        let unlike = BTreeMap::new();
        let sections = subscription.profiles.iter().zip(&mailing.papers).map(|(profile, ids)| {
            let reasoner = Reasoner::new(profile);
            let chosen = ids.iter().filter_map(|id| papers.get(*id)).map(|paper| Chosen {
                candidate: &paper.candidate,
                reasons: paper.reasons(
                    &reasoner,
                    mailing.decided,
                    mailing.near.get(&paper.candidate.id).unwrap_or(&unlike),
                ),
                trend: digest::trend(&paper.candidate.votes, today, subscription.zone),
            });
            Section { name: &profile.name, papers: chosen.collect() }
        });
        let notes: Vec<(&SourceStatus, Option<String>)> = sources
            .iter()
            .filter(|status| self.sender.sources.contains_key(&status.source))
            .map(|status| (status, health::note(status.outcome, status.last_good, status.route)))
            .collect();
        let schedule = format!("{} ({})", subscription.schedule, subscription.zone);
        let facts = Facts {
            name: subscription.name.as_deref(),
            zone: subscription.zone,
            today,
            sections: sections.collect(),
            also: mailing.also.iter().filter_map(|id| papers.get(*id)).map(|paper| paper.candidate.as_ref()).collect(),
            owed: mailing.owed,
            told: told.iter().filter_map(|id| papers.get(*id)).map(|paper| paper.candidate.as_ref()).collect(),
            left: mailing.told.left.len(),
            cut: mailing.told.cut.len(),
            refused: mailing.told.refused.len(),
            welcome: (mailing.welcome > 0).then(|| welcome(mailing)),
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
            stop: Some(way_out.link()),
        };
        Ok(show(&facts, &papers))
    }
}

/// What a first mail says that has no paper.
fn welcome(mailing: &Mailing) -> Welcome {
    let Subscription { profiles, schedule, zone, .. } = &mailing.subscription;
    let queries = profiles.iter().flat_map(|profile| &profile.keywords);
    Welcome {
        days: mailing.welcome,
        follows: queries.map(|keyword| keyword.query.text().to_string()).collect(),
        next: schedule.next(mailing.decided, *zone).map(|(slot, _)| slot),
    }
}

/// What all mails of a sender say of themselves. A signed one has the header by which Gmail's Postmaster Tools tell mails
/// apart (support.google.com/mail/answer/6254652): the kind of mail, the list, the sender.
fn letterhead(sender: &Sender, kind: &str) -> Letterhead {
    let Sender { from, reply_to, list_id: (name, id), returns, signer, .. } = sender;
    let mut headers = returns.headers();
    if signer.is_some() {
        headers.push(("Feedback-ID", format!("{kind}:{id}:paperpost")));
    }
    Letterhead::new(from, reply_to.as_ref(), Some((name, id)), headers)
}
