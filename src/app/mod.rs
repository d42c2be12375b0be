//! Everything a running Paperpost works with, built from its settings.
//!
//! [`App::build`] makes all parts at once, so that a reload replaces them all or none. A step that has begun keeps the parts it
//! began with: a read, a mail or a request in hand ends as it would have. [`Current`] reads the settings anew and names
//! what can't change before a restart.
//!
//! Commands that need a single part build that part alone, and need only its secrets.

mod current;
mod database;
mod mail;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Problems, Settings, SubscriptionFiles};
use crate::jobs::inbox::Inbox;
use crate::jobs::{bounce, deliver, publish};
use crate::mail::AnyTransport;
use crate::source::Source;
use crate::source::fetch::Client;
use crate::source::progress::Listener;
use crate::store::Store;
use crate::web::Web;
pub use current::{Current, FIXED, Origin};
pub(crate) use database::{has_daemon, look, open, write};
pub(crate) use mail::{dkim_keys, transport, way_out};
pub(crate) use parts::{bounces, client, deliver, judging, old_zones, publish, sender, unusable};

/// The parts.
pub struct App {
    /// For reading sources.
    pub client: Client,
    /// The sources that are read.
    pub sources: Vec<Source>,
    /// How mails leave.
    pub transport: Arc<AnyTransport>,
    /// What publishing depends on.
    pub publish: publish::Settings,
    /// What delivering depends on.
    pub deliver: deliver::Settings,
    /// What comes back; `None` when nobody looks for it.
    pub bounces: Option<Bounces>,
    /// What the pages work with.
    pub web: Web,
    /// How many days the addresses of readers who left are kept.
    pub keep_days: u32,
    /// Where subscriptions are.
    pub files: SubscriptionFiles,
}

/// What comes back, and how often it is looked for.
pub struct Bounces {
    /// Where it arrives, if not by a mail server's pipe alone.
    pub inbox: Option<Inbox>,
    /// What it is judged by.
    pub settings: bounce::Settings,
    /// The pause between two looks.
    pub interval: Duration,
}

impl App {
    /// Builds all parts. Connects to nothing.
    ///
    /// # Errors
    /// A secret that can't be read here, a key or certificate that can't be used, a folder that can't be made.
    pub fn build(settings: &Settings, store: &Store) -> Result<Self, Problems> {
        if let Some(missing) = settings.missing() {
            return Err(missing);
        }
        Self::put_together(settings, store).map_err(|error| settings.problem(&format!("{error:#}")))
    }

    fn put_together(settings: &Settings, store: &Store) -> anyhow::Result<Self> {
        Ok(Self {
            client: client(settings)?.with_listener(Listener::new(|wait| tracing::info!("{wait}"))),
            sources: settings.sources.iter().filter(|source| source.enabled).cloned().collect(),
            transport: Arc::new(transport(settings)?),
            publish: publish(settings),
            deliver: deliver(settings, store)?,
            bounces: Some(bounces(settings, store)?),
            web: parts::web(settings, store)?,
            keep_days: settings.privacy.keep_days,
            files: SubscriptionFiles::of(settings),
        })
    }

    /// The same with what `before` knows of the hosts of sources: when each was asked last, and which are to be left alone.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { client: self.client.with_hosts(before.client.hosts().clone()), ..self }
    }
}
