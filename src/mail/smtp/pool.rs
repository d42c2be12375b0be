//! Sessions, shared out: never more connections than the settings allow, each used by one mail at a time.
//!
//! A session is taken out of the pool by value and comes back only when its last command was answered. So a send that is
//! cancelled, at whatever await, drops the session and closes its connection; nobody can inherit it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::super::connect::{Connector, Server};
use super::session::Session;
use super::verdict::fault;
use super::{SettingsError, SmtpSettings};
use crate::core::delivery::{Phase, Receipt, SendError};
use crate::core::host::is_loopback;
use crate::core::server::Tls;
use crate::mail::{Handover, Mail, Transport};

/// A [`Transport`] over SMTP. Cloning shares the sessions.
#[derive(Clone)]
pub struct Smtp {
    pool: Arc<Pool>,
}

struct Pool {
    settings: SmtpSettings,
    connector: Connector,
    /// One permit a connection that is in use, being made or taking its leave. Those at rest have none: with them there are
    /// never more than permits.
    slots: Arc<Semaphore>,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    /// The last one in is the first one out, so that the surplus of a busy hour grows old and goes.
    sessions: Vec<Session>,
    /// Whether a task waits to close the ones that nobody takes.
    watched: bool,
}

impl Smtp {
    /// Checks the settings and reads the certificates; connects to nothing yet.
    pub fn new(settings: SmtpSettings) -> Result<Self, SettingsError> {
        if settings.tls == Tls::None && !is_loopback(&settings.host) {
            return Err(SettingsError::Clear);
        }
        if settings.hello.is_empty() || !settings.hello.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SettingsError::Hello);
        }
        if settings.connections == 0 || settings.mails_per_connection == 0 {
            return Err(SettingsError::Limits);
        }
        let connector = Connector::new(&Server {
            host: &settings.host,
            port: settings.port,
            is_encrypted: settings.tls != Tls::None,
            ca_file: settings.ca_file.as_deref(),
            limit: settings.timeouts.connect,
        })?;
        let slots = Arc::new(Semaphore::new(settings.connections));
        Ok(Self { pool: Arc::new(Pool { settings, connector, slots, resting: Mutex::default() }) })
    }

    /// Opens a session and closes it again: whether the server is there, its certificate is good and the login is right.
    pub async fn check(&self) -> Result<(), SendError> {
        Session::open(&self.pool.settings, &self.pool.connector).await?.quit().await;
        Ok(())
    }

    /// Says QUIT on every session at rest. Sends that wait for a connection end as transient; ones on the way may finish.
    pub async fn close(&self) {
        self.pool.slots.close();
        let mut leaving: JoinSet<()> = self.pool.take_all().into_iter().map(Session::quit).collect();
        while leaving.join_next().await.is_some() {}
    }
}

impl Transport for Smtp {
    async fn send_with_handover(&self, mail: &Mail, mut turn: Handover<'_>) -> Result<Option<Receipt>, SendError> {
        let pool = &self.pool;
        let closed = |_| fault(Phase::Connect, "the mail transport is closed");
        let slot = pool.slots.clone().acquire_owned().await.map_err(closed)?;
        if let Some(session) = pool.take(mail) {
            let ended = session.send(mail, &mut turn, &pool.settings).await;
            // Else the server hung up while the session rested; nothing was said about this mail.
            if !ended.unanswered {
                pool.put_back(ended.session, slot);
                return ended.result;
            }
            tracing::debug!(host = pool.settings.host, "a resting smtp session was gone; opening another");
        }
        pool.make_room();
        let session = Session::open(&pool.settings, &pool.connector).await?;
        let ended = session.send(mail, &mut turn, &pool.settings).await;
        pool.put_back(ended.session, slot);
        ended.result
    }
}

impl Pool {
    /// A session that may take this mail: the one at which it was announced, else one at which none was. The ones that may
    /// not, because they have done their part or the server has hung up or soon will, are dropped: to wait for their good-byes
    /// would keep the mail waiting.
    fn take(&self, mail: &Mail) -> Option<Session> {
        loop {
            let mut resting = self.lock();
            let expects = |session: &Session| session.announced.as_ref().map(|said| said.message_id == mail.message_id);
            let at = resting.sessions.iter().rposition(|session| expects(session) == Some(true));
            let at = at.or_else(|| resting.sessions.iter().rposition(|session| expects(session).is_none()))?;
            let mut session = resting.sessions.remove(at);
            drop(resting);
            let is_fit = session.announced.is_some() || !session.is_spent(&self.settings) && session.wire.is_quiet();
            if is_fit && session.used.elapsed() < self.settings.max_idle {
                return Some(session);
            }
        }
    }

    /// Before another connection is made: where there are as many as there may be, one at rest goes. It expects a mail that
    /// was announced and did not come.
    fn make_room(&self) {
        let mut resting = self.lock();
        let in_use = self.settings.connections - self.slots.available_permits();
        while !resting.sessions.is_empty() && in_use + resting.sessions.len() > self.settings.connections {
            resting.sessions.remove(0);
        }
    }

    /// Keeps the session for the next mail. One that has done its part leaves, and keeps its slot until it is gone.
    fn put_back(self: &Arc<Self>, session: Option<Session>, slot: OwnedSemaphorePermit) {
        let Some(session) = session else { return };
        if session.is_spent(&self.settings) || self.slots.is_closed() {
            tokio::spawn(async move {
                session.quit().await;
                drop(slot);
            });
            return;
        }
        let mut resting = self.lock();
        resting.sessions.push(session);
        // Under the lock, so that nobody counts it twice.
        drop(slot);
        if !std::mem::replace(&mut resting.watched, true) {
            tokio::spawn(close_when_idle(Arc::downgrade(self), self.settings.max_idle));
        }
    }

    fn take_all(&self) -> Vec<Session> {
        std::mem::take(&mut self.lock().sessions)
    }

    /// The list stays whole whatever panicked beside it.
    fn lock(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says QUIT on sessions that have rested for too long; ends when none rests or the pool is gone.
async fn close_when_idle(pool: Weak<Pool>, max_idle: Duration) {
    let mut watching = true;
    while watching {
        tokio::time::sleep(max_idle).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut resting = pool.lock();
        for session in resting.sessions.extract_if(.., |session| session.used.elapsed() >= max_idle) {
            let Ok(slot) = pool.slots.clone().try_acquire_owned() else { continue };
            tokio::spawn(async move {
                session.quit().await;
                drop(slot);
            });
        }
        watching = !resting.sessions.is_empty();
        resting.watched = watching;
    }
}
