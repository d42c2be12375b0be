//! A mail's turn in a run of mails: what it must wait for at its last step, and what comes after it.
//!
//! Everything of a mail but the step by which the other side takes responsibility can be undone by hanging up. So a run
//! need not wait for the commit of one outcome before it begins the next mail: it gives the mail a [`Gate`], and the
//! transport waits there, and nowhere else. A crash then repeats at most one mail a connection.

use std::sync::OnceLock;

use tokio::sync::oneshot;

use super::Mail;

/// What a transport has to know of the run that a mail is part of.
pub struct Handover<'a> {
    /// To be passed before the other side may have the mail.
    pub gate: Gate,
    /// The mail that the same worker sends after this one, once it is known. A transport may announce it early,
    /// but not hand it over.
    pub next: &'a OnceLock<Mail>,
}

/// Leave to take the step that can't be undone: given, refused, or not told yet.
pub struct Gate(State);

enum State {
    Known(bool),
    Waiting(oneshot::Receiver<bool>),
}

impl Gate {
    /// A gate that is open, for a mail on its own.
    pub fn open() -> Self {
        Self(State::Known(true))
    }

    /// A gate, and what opens it by `true`. By `false`, or dropped, it refuses.
    pub fn waiting() -> (oneshot::Sender<bool>, Self) {
        let (answer, told) = oneshot::channel();
        (answer, Self(State::Waiting(told)))
    }

    /// Whether the mail may go; `None` when that is not told yet.
    pub fn known(&mut self) -> Option<bool> {
        if let State::Waiting(told) = &mut self.0 {
            let answer = match told.try_recv() {
                Ok(answer) => answer,
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => false,
            };
            self.0 = State::Known(answer);
        }
        match self.0 {
            State::Known(answer) => Some(answer),
            State::Waiting(_) => None,
        }
    }

    /// Waits until it is told whether the mail may go.
    pub async fn passed(&mut self) -> bool {
        if let State::Waiting(told) = &mut self.0 {
            let answer = told.await.unwrap_or(false);
            self.0 = State::Known(answer);
        }
        matches!(self.0, State::Known(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_opens_by_a_yes_and_by_nothing_else() {
        assert_eq!(Gate::open().known(), Some(true));
        for (told, opens) in [(Some(true), true), (Some(false), false), (None, false)] {
            let (answer, mut gate) = Gate::waiting();
            assert_eq!(gate.known(), None);
            match told {
                Some(told) => answer.send(told).expect("someone waits"),
                None => drop(answer),
            }
            assert_eq!(gate.passed().await, opens);
            assert_eq!(gate.known(), Some(opens), "and it stays so");
            assert_eq!(gate.passed().await, opens);
        }
    }
}
