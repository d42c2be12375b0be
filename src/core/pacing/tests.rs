//! Pacing as a whole, with random times.

use proptest::prelude::*;

use super::*;
use crate::core::delivery::{Fault, Phase, Receipt, SendError};
use crate::core::mailing::Urgency;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

fn millis(millis: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::milliseconds(millis)
}

fn limits(rate: Option<Rate>) -> Limits {
    Limits { rate, ..Policy::default().domain }
}

fn fault(phase: Phase, code: u16, enhanced: Option<&str>, text: &str) -> Result<Receipt, SendError> {
    let fault = Fault { phase, code: Some(code), enhanced: enhanced.map(Into::into), text: text.into() };
    Err(if code < 500 { SendError::Transient(fault) } else { SendError::Permanent(fault) })
}

/// Begins a mail and ends it at once.
fn send(pacer: &mut Pacer, domain: &str, now: DateTime<Utc>, ending: &Ending) -> Vec<Change> {
    pacer.begin(domain, Urgency::Bulk, now).expect("room");
    pacer.end(domain, Urgency::Bulk, now, now, ending)
}

fn deferred() -> Ending {
    Ending::of(&fault(Phase::Rcpt, 451, Some("4.7.650"), "slow down"))
}

fn refused() -> Ending {
    Ending::of(&fault(Phase::Body, 550, Some("5.7.26"), "unauthenticated"))
}

#[test]
fn without_limits_nothing_waits_and_nothing_is_kept() {
    let mut pacer = Pacer::new(Policy::default(), None);
    for n in 0..5_000 {
        send(&mut pacer, &format!("d{n}.example.org"), at(0), &Ending::Taken);
    }
    assert_eq!(pacer.room(at(0)), Room::Open(u32::MAX));
    assert!(pacer.lanes.is_empty());
}

#[test]
fn a_limit_is_a_window_that_slides_and_not_a_bucket_that_refills_at_the_full_minute() {
    let policy = Policy { rate: Some(Rate { mails: 2, per: Duration::seconds(60) }), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    send(&mut pacer, "example.org", at(0), &Ending::Taken);
    send(&mut pacer, "example.org", at(59), &Ending::OwnTrouble);
    assert_eq!(pacer.room(at(59)), Room::Closed(Some(at(60))));
    send(&mut pacer, "example.org", at(60), &Ending::Taken);
    assert_eq!(pacer.room(at(60)), Room::Closed(Some(at(119))));
}

#[test]
fn a_mail_under_way_keeps_its_place_until_its_end_begins_the_length() {
    let policy = Policy { rate: Some(Rate { mails: 1, per: Duration::seconds(10) }), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    pacer.begin("example.org", Urgency::Bulk, at(0)).expect("room");
    assert_eq!(pacer.begin("example.net", Urgency::Bulk, at(15)), Err(Room::Closed(None)));
    pacer.end("example.org", Urgency::Bulk, at(0), at(20), &Ending::Taken);
    assert_eq!(pacer.begin("example.net", Urgency::Bulk, at(29)), Err(Room::Closed(Some(at(30)))));
    pacer.begin("example.net", Urgency::Bulk, at(30)).expect("room");
    // What nobody was asked about takes no place.
    pacer.end("example.net", Urgency::Bulk, at(30), at(31), &Ending::Untried);
    pacer.begin("example.net", Urgency::Bulk, at(31)).expect("room");
}

#[test]
fn a_domain_has_limits_of_its_own_and_holds_no_other() {
    let slow = Limits { rate: Some(Rate { mails: 1, per: Duration::hours(1) }), per_day: Some(2), connections: 1 };
    let policy = Policy { domains: [("slow.example.org".to_owned(), slow)].into(), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    pacer.begin("slow.example.org", Urgency::Bulk, at(0)).expect("room");
    assert!(pacer.begin("slow.example.org", Urgency::Bulk, at(0)).is_err());
    for _ in 0..20 {
        pacer.begin("fast.example.org", Urgency::Bulk, at(0)).expect("room");
    }
    assert_eq!(
        pacer.begin("fast.example.org", Urgency::Bulk, at(0)),
        Err(Room::Closed(None)),
        "so many under way at once"
    );
    pacer.end("slow.example.org", Urgency::Bulk, at(0), at(0), &Ending::Taken);
    send(&mut pacer, "slow.example.org", at(3_600), &Ending::Taken);
    assert_eq!(
        pacer.room_for("slow.example.org", Urgency::Bulk, at(7_200)),
        Room::Closed(Some(at(86_400))),
        "the day's two"
    );
}

#[test]
fn the_days_limit_of_a_new_sender_grows_from_its_first_mail_on() {
    let ramp = Some(Ramp { start: 50, growth: 1.5 });
    let policy = Policy { ramp, per_day: Some(200), ..Policy::default() };
    let first = Some(at(1_000));
    let day = |days: i64| at(1_000 + days * 86_400);
    assert_eq!(policy.day_limit(None, day(9)), Some(50), "nothing was sent yet");
    let grown: Vec<_> = (0..6).map(|days| policy.day_limit(first, day(days)).expect("a limit")).collect();
    assert_eq!(grown, [50, 75, 112, 168, 200, 200]);
    assert_eq!(policy.day_limit(first, day(1) - Duration::seconds(1)), Some(50));
    assert_eq!(policy.day_limit(first, day(100_000)), Some(200), "no overflow");
}

#[test]
fn what_was_sent_before_a_restart_counts() {
    let policy = Policy { per_day: Some(10), domain: Limits { per_day: Some(4), ..limits(None) }, ..Policy::default() };
    let mut pacer = Pacer::new(policy, Some(at(0)));
    pacer.remember("example.org", at(100), 5, 4);
    pacer.remember("example.net", at(1_000), 5, 5);
    assert_eq!(pacer.room(at(2_000)), Room::Open(1));
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(2_000)), Room::Closed(Some(at(86_500))));
    assert_eq!(pacer.room(at(86_500)), Room::Open(5));
}

#[test]
fn a_rest_doubles_to_its_ceiling_and_goes_back_mail_by_mail() {
    let mut pacer = Pacer::new(Policy::default(), None);
    let (mut now, mut holds) = (at(0), Vec::new());
    for _ in 0..9 {
        let changes = send(&mut pacer, "example.org", now, &deferred());
        let until = changes[0].hold.as_ref().expect("a hold").until;
        holds.push((until - now).num_minutes());
        assert_eq!(pacer.room_for("example.org", Urgency::Bulk, now), Room::Closed(Some(until)));
        send(&mut pacer, "example.net", now, &Ending::Taken);
        now = until;
    }
    assert_eq!(holds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let mut taken = 0;
    while !pacer.holds().is_empty() {
        pacer.begin("example.org", Urgency::Bulk, now).expect("room");
        assert_eq!(pacer.begin("example.org", Urgency::Bulk, now), Err(Room::Closed(None)), "one at a time");
        pacer.end("example.org", Urgency::Bulk, now, now, &Ending::Taken);
        taken += 1;
    }
    assert_eq!(taken, 7, "a mail for each time that it doubled");
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, now), Room::Open(u32::MAX));
}

#[test]
fn mails_that_were_under_way_when_a_rest_began_neither_deepen_nor_end_it() {
    let mut pacer = Pacer::new(Policy::default(), None);
    (0..4).for_each(|_| pacer.begin("example.org", Urgency::Bulk, at(0)).expect("room"));
    assert_eq!(pacer.end("example.org", Urgency::Bulk, at(0), at(1), &deferred()).len(), 1);
    assert_eq!(pacer.end("example.org", Urgency::Bulk, at(0), at(2), &deferred()), []);
    assert_eq!(pacer.end("example.org", Urgency::Bulk, at(0), at(2), &Ending::Taken), []);
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(3)), Room::Closed(Some(at(61))));
    // Nor does one that began, or ended, in the very instant.
    (0..2).for_each(|_| pacer.begin("example.net", Urgency::Bulk, at(0)).expect("room"));
    assert_eq!(pacer.end("example.net", Urgency::Bulk, at(0), at(0), &deferred()).len(), 1);
    assert_eq!(pacer.end("example.net", Urgency::Bulk, at(0), at(0), &Ending::Taken), []);
}

#[test]
fn a_hold_outlives_the_process() {
    let mut pacer = Pacer::new(Policy::default(), None);
    let changes = send(&mut pacer, "example.org", at(0), &deferred());
    let mut again = Pacer::new(Policy::default(), None);
    again.set_holds(changes);
    assert_eq!(again.room_for("example.org", Urgency::Bulk, at(59)), Room::Closed(Some(at(60))));
    let deeper = send(&mut again, "example.org", at(60), &deferred());
    assert_eq!(deeper[0].hold.as_ref().map(|hold| hold.level), Some(2));
    again.set_holds([]);
    assert_eq!(again.room_for("example.org", Urgency::Bulk, at(61)), Room::Open(u32::MAX), "a person ended it");
    assert!(again.lanes.is_empty());
}

#[test]
fn who_refuses_us_rests_and_three_of_them_with_nothing_taken_hold_everything() {
    let mut pacer = Pacer::new(Policy::default(), None);
    send(&mut pacer, "a.example.org", at(0), &refused());
    assert_eq!(pacer.room_for("a.example.org", Urgency::Bulk, at(1)), Room::Closed(Some(at(900))));
    send(&mut pacer, "b.example.org", at(1), &refused());
    send(&mut pacer, "ok.example.org", at(2), &Ending::Taken);
    send(&mut pacer, "c.example.org", at(3), &refused());
    assert_eq!(pacer.room(at(4)), Room::Open(u32::MAX), "somebody took one in between");
    send(&mut pacer, "d.example.org", at(5), &refused());
    send(&mut pacer, "e.example.org", at(6), &refused());
    assert_eq!(pacer.room(at(7)), Room::Closed(Some(at(906))));
    // One goes ahead, and it is taken: then everything goes.
    send(&mut pacer, "ok.example.org", at(906), &Ending::Taken);
    assert_eq!(pacer.room(at(907)), Room::Open(u32::MAX));
}

#[test]
fn mailboxes_that_are_missing_one_after_the_other_are_a_fault_of_their_domain() {
    let mut pacer = Pacer::new(Policy::default(), None);
    let missing = Ending::of(&fault(Phase::Rcpt, 550, Some("5.1.1"), "no such user"));
    for second in 0..4 {
        assert_eq!(send(&mut pacer, "example.org", at(second), &missing), []);
        assert!(!pacer.disbelieves("example.org"));
    }
    send(&mut pacer, "example.org", at(4), &Ending::Taken);
    for second in 5..9 {
        send(&mut pacer, "example.org", at(second), &missing);
    }
    assert!(!pacer.disbelieves("example.org"), "one was taken in between");
    assert_eq!(send(&mut pacer, "example.org", at(9), &missing).len(), 1);
    assert!(pacer.disbelieves("example.org") && !pacer.disbelieves("example.net"));
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(10)), Room::Closed(Some(at(909))));
    send(&mut pacer, "example.org", at(909), &Ending::Taken);
    assert!(!pacer.disbelieves("example.org"));
}

#[test]
fn a_clock_that_was_set_back_makes_nobody_wait_longer_than_was_meant() {
    let policy = Policy { rate: Some(Rate { mails: 1, per: Duration::seconds(60) }), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    send(&mut pacer, "example.org", at(100_000), &deferred());
    assert_eq!(pacer.room(at(0)), Room::Closed(Some(at(60))));
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(0)), Room::Open(1));
    // What is taken ends the hold.
    pacer.end("example.org", Urgency::Bulk, at(0), at(1), &Ending::Taken);
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(1)), Room::Open(u32::MAX));
}

#[test]
fn only_what_is_said_of_all_our_mail_slows_a_domain_down() {
    let ending = |phase, code, enhanced, text: &str| Ending::of(&fault(phase, code, enhanced, text));
    for (phase, code, enhanced, text) in [
        (Phase::Rcpt, 421, None, "too many connections"),
        (Phase::Body, 421, Some("4.7.28"), "unusual rate"),
        (Phase::Rcpt, 450, None, "busy"),
        (Phase::Rcpt, 451, Some("4.7.1"), "try again later"),
        (Phase::Body, 452, Some("4.3.1"), "out of storage"),
        (Phase::Body, 454, None, "Throttling failure: Maximum sending rate exceeded."),
        (Phase::Rcpt, 452, None, "too many recipients received this hour"),
    ] {
        let ending = ending(phase, code, enhanced, text);
        assert!(matches!(ending, Ending::Deferred { by_domain: true, .. }), "{code} {enhanced:?} {text}");
    }
    for (phase, code, enhanced, text) in [
        (Phase::Rcpt, 450, Some("4.7.1"), "Greylisted, see the postmaster"),
        (Phase::Rcpt, 452, Some("4.2.2"), "mailbox full"),
        (Phase::Rcpt, 450, Some("4.1.1"), "unverified address"),
        (Phase::Rcpt, 450, None, "Requested mail action not taken: mailbox unavailable"),
        (Phase::Body, 452, None, "mailbox is full"),
        (Phase::Mail, 552, Some("5.3.4"), "too large"),
        (Phase::Body, 552, Some("5.3.4"), "message too large"),
        (Phase::Rcpt, 552, Some("5.2.2"), "no"),
        (Phase::Rcpt, 550, None, "mailbox is full"),
        // Of a mailbox that may be missing, but not for good.
        (Phase::Rcpt, 450, Some("5.4.1"), "Recipient address rejected: Access denied"),
    ] {
        assert_eq!(ending(phase, code, enhanced, text), Ending::OwnTrouble, "{code} {enhanced:?} {text}");
    }
    assert!(matches!(ending(Phase::Mail, 451, None, "later"), Ending::Deferred { by_domain: false, .. }));
    assert!(matches!(ending(Phase::Rcpt, 550, Some("5.1.1"), "no such user"), Ending::NoMailbox { .. }));
    assert!(matches!(ending(Phase::Rcpt, 550, None, "Administrative prohibition"), Ending::Rejected { .. }));
    assert!(matches!(ending(Phase::Rcpt, 500, Some("5.1.1"), "no such user"), Ending::NoMailbox { .. }));
    let limit = ending(Phase::Data, 550, Some("5.4.5"), "Daily user sending limit exceeded");
    assert!(matches!(limit, Ending::Deferred { by_domain: false, .. }));
    assert!(matches!(ending(Phase::Body, 550, Some("5.7.1"), "spam"), Ending::Refused { by_domain: true, .. }));
    assert!(matches!(ending(Phase::Body, 500, Some("5.7.1"), "spam"), Ending::Refused { by_domain: true, .. }));
    assert!(matches!(ending(Phase::Rcpt, 530, Some("5.7.0"), "log in"), Ending::Refused { by_domain: false, .. }));
    // What a setting of the server's may mend is tried again, whatever the code.
    let mended = |phase, code, text: &str| {
        Ending::of(&Err(SendError::Transient(Fault { code: Some(code), ..Fault::new(phase, text) })))
    };
    assert!(matches!(mended(Phase::Mail, 500, "not yours"), Ending::Refused { by_domain: false, .. }));
    assert_eq!(mended(Phase::Rcpt, 550, "Administrative prohibition"), Ending::OwnTrouble);
    assert_eq!(ending(Phase::Auth, 535, Some("5.7.8"), "wrong password"), Ending::Untried);
    let unreachable = Err(SendError::Transient(Fault::new(Phase::Connect, "refused")));
    assert_eq!(Ending::of(&unreachable), Ending::Untried);
}

#[test]
fn what_may_be_about_one_mailbox_is_the_domains_once_a_second_hears_it() {
    let vague = || Ending::of(&fault(Phase::Rcpt, 550, Some("5.7.1"), "no"));
    let later = || Ending::of(&fault(Phase::Rcpt, 451, Some("4.7.1"), "later"));
    let mut pacer = Pacer::new(Policy::default(), None);
    assert!(matches!(pacer.weigh("example.org", 1, false, vague()), Ending::Rejected { .. }));
    assert_eq!(pacer.weigh("example.org", 1, false, later()), Ending::OwnTrouble, "the same once more");
    send(&mut pacer, "example.org", at(0), &Ending::Taken);
    assert_eq!(pacer.weigh("example.org", 2, false, later()), Ending::OwnTrouble, "one was taken in between");
    assert_eq!(pacer.weigh("example.org", 3, false, later()), later());
    // Beyond doubt it is the domain's at once, unless others there are served.
    assert_eq!(pacer.weigh("example.net", 4, false, refused()), refused());
    assert!(matches!(pacer.weigh("example.net", 4, true, refused()), Ending::Rejected { .. }));
    assert_eq!(pacer.weigh("example.net", 4, true, deferred()), Ending::OwnTrouble);
    // What the server says of all our mail is no mailbox's.
    let of_all = Ending::of(&fault(Phase::Mail, 451, None, "later"));
    assert_eq!(pacer.weigh("example.net", 4, true, of_all.clone()), of_all);
    // A mailbox that is missing day after day is one.
    let missing = || Ending::of(&fault(Phase::Rcpt, 550, Some("5.1.1"), "no such user"));
    assert_eq!(pacer.weigh("example.com", 5, false, missing()), missing());
    assert_eq!(pacer.weigh("example.com", 5, false, missing()), Ending::OwnTrouble);
    assert_eq!(pacer.weigh("example.com", 6, false, missing()), missing());
    // One at each of several domains is a relay's matter.
    let mut pacer = Pacer::new(Policy::default(), None);
    for (domain, expected) in
        [("a.example.org", Ending::OwnTrouble), ("b.example.org", Ending::OwnTrouble), ("c.example.org", later())]
    {
        assert_eq!(pacer.weigh(domain, 1, false, later()), expected, "{domain}");
    }
}

#[test]
fn a_server_that_rejects_everybody_is_left_alone() {
    let rejected = |n: i64| Ending::of(&fault(Phase::Body, 554, None, &format!("no, {n}")));
    let mut pacer = Pacer::new(Policy::default(), None);
    for n in 0..9 {
        assert_eq!(send(&mut pacer, &format!("d{n}.example.org"), at(n), &rejected(n)), []);
    }
    send(&mut pacer, "ok.example.org", at(9), &Ending::Taken);
    for n in 10..19 {
        assert_eq!(send(&mut pacer, &format!("d{n}.example.org"), at(n), &rejected(n)), [], "one was taken in between");
    }
    let changes = send(&mut pacer, "d19.example.org", at(19), &rejected(19));
    assert!(matches!(&changes[..], [Change { domain: None, hold: Some(_) }]), "{changes:?}");
    assert_eq!(pacer.room(at(20)), Room::Closed(Some(at(919))));
}

#[test]
fn a_server_that_falls_silent_on_one_after_the_other_gets_one_mail_at_a_time() {
    let lost = Ending::of(&Err(SendError::Transient(Fault::new(Phase::Rcpt, "the server closed the connection"))));
    assert_eq!(lost, Ending::Lost);
    let mut pacer = Pacer::new(Policy::default(), None);
    for (mail, ending) in [(1, &lost), (1, &lost), (1, &lost), (2, &Ending::Taken), (1, &lost), (3, &Ending::Untried)] {
        assert!(!pacer.hears_of(mail, ending), "one mail alone is to blame itself");
    }
    assert!(pacer.hears_of(2, &lost) && !pacer.is_cut_off());
    assert!(pacer.hears_of(3, &Ending::Unknown) && pacer.is_cut_off());
    pacer.begin("example.org", Urgency::Bulk, at(6)).expect("one finds out");
    assert_eq!(pacer.begin("example.net", Urgency::Bulk, at(6)), Err(Room::Closed(None)));
    pacer.end("example.org", Urgency::Bulk, at(6), at(7), &Ending::OwnTrouble);
    assert!(!pacer.hears_of(4, &Ending::OwnTrouble));
    assert_eq!(pacer.room(at(7)), Room::Open(u32::MAX), "it speaks again");
}

#[test]
fn a_rest_that_is_read_again_still_knows_what_was_under_way_when_it_began() {
    let mut pacer = Pacer::new(Policy::default(), None);
    (0..3).for_each(|_| pacer.begin("example.org", Urgency::Bulk, millis(200)).expect("room"));
    let mut written = pacer.end("example.org", Urgency::Bulk, millis(200), millis(500), &deferred());
    let hold = written[0].hold.as_mut().expect("a hold");
    (hold.since, hold.until) = (at(0), at(60));
    pacer.set_holds(written);
    assert_eq!(pacer.end("example.org", Urgency::Bulk, millis(200), millis(600), &Ending::Taken), []);
    assert_eq!(pacer.end("example.org", Urgency::Bulk, millis(200), millis(700), &deferred()), []);
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, millis(800)), Room::Closed(Some(millis(60_500))));
}

#[test]
fn a_large_limit_takes_no_more_memory_than_a_small_one() {
    let policy = Policy { rate: Some(Rate { mails: 1_000_000, per: Duration::seconds(10) }), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    for n in 0..12_000 {
        send(&mut pacer, "example.org", millis(n), &Ending::Taken);
        pacer.room(millis(n));
        assert!(pacer.rate.as_ref().map_or(0, Window::marks) <= 258, "{n}");
    }
}

#[test]
fn mails_over_the_limit_are_waited_for_until_so_many_have_left_the_window_that_one_fits() {
    let policy = Policy { rate: Some(Rate { mails: 2, per: Duration::seconds(60) }), ..Policy::default() };
    let mut pacer = Pacer::new(policy, None);
    for second in 0..4 {
        pacer.remember("example.org", at(second), 1, 1);
    }
    assert_eq!(pacer.room(at(4)), Room::Closed(Some(at(62))));
    assert_eq!(pacer.room(at(62)), Room::Open(1));
}

#[test]
fn what_is_under_way_to_a_domain_is_counted_and_at_least_one_mail_may_be() {
    let domains = [("few", 3), ("none", 0)];
    let domains = domains.map(|(name, connections)| (name.to_owned(), Limits { connections, ..limits(None) }));
    let mut pacer = Pacer::new(Policy { domains: domains.into(), ..Policy::default() }, None);
    assert_eq!(["few", "none", "other"].map(|domain| pacer.connections_for(domain)), [3, 1, 20]);
    (0..3).for_each(|_| pacer.begin("few", Urgency::Bulk, at(0)).expect("room"));
    assert_eq!((pacer.running_for("few"), pacer.running_for("other")), (3, 0));
    pacer.end("few", Urgency::Bulk, at(0), at(1), &Ending::Taken);
    assert_eq!(pacer.running_for("few"), 2);
}

/// Ends a mail to each of so many domains that no other test has.
fn end_at_many(pacer: &mut Pacer, name: &str, domains: usize, now: DateTime<Utc>, ending: &Ending) {
    (0..domains).for_each(|n| drop(pacer.end(&format!("{name}{n}.example.org"), Urgency::Bulk, now, now, ending)));
}

#[test]
fn domains_are_forgotten_once_there_are_many_whose_windows_have_passed() {
    let rate = Some(Rate { mails: 9, per: Duration::seconds(60) });
    let mut pacer = Pacer::new(Policy { domain: limits(rate), ..Policy::default() }, None);
    end_at_many(&mut pacer, "a", LANES, at(0), &Ending::Taken);
    assert_eq!(pacer.lanes.len(), LANES, "none is looked for before there are many");
    end_at_many(&mut pacer, "b", LANES, at(1), &Ending::Taken);
    assert_eq!(pacer.lanes.len(), 2 * LANES, "all of them count still");
    // While most are busy, they are not looked through at every mail.
    assert_eq!(pacer.tidy_at, 2 * (LANES + 1));
    end_at_many(&mut pacer, "c", 100, at(100), &Ending::Taken);
    assert!(pacer.lanes.len() <= 100);
    // Mails of the past may bring many at once.
    (0..3 * LANES).for_each(|n| pacer.remember(&format!("d{n}.example.org"), at(100), 1, 1));
    end_at_many(&mut pacer, "e", 1, at(200), &Ending::Taken);
    assert_eq!(pacer.lanes.len(), 1);
}

#[test]
fn dead_mailboxes_of_many_domains_fill_no_memory_and_a_domain_without_any_stays_disbelieved() {
    let missing = Ending::NoMailbox { words: "no such user".into() };
    let mut pacer = Pacer::new(Policy::default(), None);
    (0..5).for_each(|_| drop(pacer.end("broken.example.org", Urgency::Bulk, at(0), at(0), &missing)));
    end_at_many(&mut pacer, "a", LANES, at(1), &missing);
    assert_eq!(pacer.lanes.len(), 1);
    assert!(pacer.disbelieves("broken.example.org"));
}

#[test]
fn however_many_mails_a_dead_server_cuts_off_a_few_are_remembered() {
    let mut pacer = Pacer::new(Policy::default(), None);
    for mail in 0..100 {
        pacer.hears_of(mail, &Ending::Lost);
    }
    assert_eq!(pacer.lost.len(), CUT_OFF);
}

#[test]
fn a_relay_that_knows_no_mailbox_of_any_domain_is_left_alone() {
    let missing = Ending::of(&fault(Phase::Rcpt, 550, Some("5.1.1"), "no such user"));
    let mut pacer = Pacer::new(Policy::default(), None);
    for n in 0..9 {
        assert_eq!(send(&mut pacer, &format!("d{n}.example.org"), at(n), &missing), []);
    }
    assert!(matches!(&send(&mut pacer, "d9.example.org", at(9), &missing)[..], [Change { domain: None, .. }]));
}

#[test]
fn a_rest_for_another_cause_begins_anew() {
    let mut pacer = Pacer::new(Policy::default(), None);
    send(&mut pacer, "example.org", at(0), &refused());
    send(&mut pacer, "example.org", at(900), &refused());
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(901)), Room::Closed(Some(at(2_700))));
    send(&mut pacer, "example.org", at(2_700), &deferred());
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(2_701)), Room::Closed(Some(at(2_760))));
}

#[test]
fn a_hold_that_somebody_changed_takes_the_place_of_the_known_one() {
    let mut pacer = Pacer::new(Policy::default(), None);
    let mut written = send(&mut pacer, "example.org", at(0), &deferred());
    written[0].hold.as_mut().expect("a hold").until = at(3_600);
    pacer.set_holds(written);
    assert_eq!(pacer.room_for("example.org", Urgency::Bulk, at(60)), Room::Closed(Some(at(3_600))));
}

#[test]
fn only_limits_over_time_look_back_at_what_was_sent() {
    let rate = Some(Rate { mails: 1, per: Duration::seconds(1) });
    let plain = Policy::default;
    let of_a_domain = |limits| [("example.org".to_owned(), limits)].into();
    let per_day = Limits { per_day: Some(9), ..limits(None) };
    assert!(!plain().looks_back());
    for policy in [
        Policy { rate, ..plain() },
        Policy { per_day: Some(9), ..plain() },
        Policy { ramp: Some(Ramp { start: 50, growth: 2.0 }), ..plain() },
        Policy { domain: limits(rate), ..plain() },
        Policy { domain: per_day, ..plain() },
        Policy { domains: of_a_domain(limits(rate)), ..plain() },
        Policy { domains: of_a_domain(per_day), ..plain() },
    ] {
        assert!(policy.looks_back(), "{policy:?}");
    }
}

#[test]
fn what_sendmail_and_our_own_checks_say_is_of_the_mailbox_unless_it_is_of_us() {
    let sendmail = |enhanced: Option<&str>, text: &str| {
        let fault = Fault { enhanced: enhanced.map(Into::into), ..Fault::new(Phase::Sendmail, text) };
        Ending::of(&Err(SendError::Permanent(fault)))
    };
    assert!(matches!(sendmail(Some("5.1.1"), "user unknown"), Ending::NoMailbox { .. }));
    assert!(matches!(sendmail(Some("5.7.1"), "refused as spam"), Ending::Refused { by_domain: true, .. }));
    assert_eq!(sendmail(None, "it failed"), Ending::OwnTrouble);
    let ours = Err(SendError::Permanent(Fault::new(Phase::Rcpt, "the server takes no such address")));
    assert_eq!(Ending::of(&ours), Ending::OwnTrouble);
}

/// Steps of a random life: how much later, for which domain, how long the mail is under way, how it ends.
fn life() -> impl Strategy<Value = Vec<(i64, u8, i64, u8)>> {
    prop::collection::vec((0i64..700, 0u8..3, 0i64..1_500, 0u8..12), 1..300)
}

/// Lives it, with as many mails as may begin, and returns when the server may have seen each: `(domain, from, to)`.
fn live(policy: &Policy, life: &[(i64, u8, i64, u8)]) -> Vec<(String, DateTime<Utc>, DateTime<Utc>)> {
    let mut pacer = Pacer::new(policy.clone(), None);
    let mut under_way: Vec<(DateTime<Utc>, DateTime<Utc>, String, Ending)> = Vec::new();
    let mut seen = Vec::new();
    let mut now = millis(0);
    for (pause, domain, duration, ending) in life {
        now += Duration::milliseconds(*pause);
        under_way.sort_by_key(|mail| mail.0);
        while under_way.first().is_some_and(|mail| mail.0 <= now) {
            let (ended, begun, domain, ending) = under_way.remove(0);
            pacer.end(&domain, Urgency::Bulk, begun, ended, &ending);
            seen.push((domain, begun, ended));
        }
        let domain = format!("d{domain}.example.org");
        while pacer.begin(&domain, Urgency::Bulk, now).is_ok() {
            let ending = match ending {
                0 => deferred(),
                1 => Ending::OwnTrouble,
                _ => Ending::Taken,
            };
            under_way.push((now + Duration::milliseconds(*duration), now, domain.clone(), ending));
            if under_way.len() > 200 {
                break;
            }
        }
    }
    seen.extend(under_way.into_iter().map(|(ended, begun, domain, _)| (domain, begun, ended)));
    seen
}

/// The most mails in any stretch of this length, wherever between its beginning and its end a server counts each.
fn most(times: &[DateTime<Utc>], length: Duration) -> usize {
    let mut times = times.to_vec();
    times.sort();
    let within = |from: usize| times[from..].iter().take_while(|time| **time < times[from] + length).count();
    (0..times.len()).map(within).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_stretch_of_the_length_ever_has_more_than_the_limit(
        life in life(), all in 1u32..9, each in 1u32..5, per in 1i64..4_000, at_once in 1u32..4, share in 0.0f64..=1.0,
    ) {
        let per = Duration::milliseconds(per);
        let policy = Policy {
            rate: Some(Rate { mails: all, per }),
            domain: Limits { rate: Some(Rate { mails: each, per: per * 2 }), per_day: None, connections: at_once },
            backoff: Duration::milliseconds(300),
            ..Policy::default()
        };
        let seen = live(&policy, &life);
        prop_assert!(!seen.is_empty(), "something goes out");
        // The server may count a mail at its beginning, at its end, or anywhere between.
        let counted = |(_, begun, ended): &(String, DateTime<Utc>, DateTime<Utc>)| {
            let between = (*ended - *begun).num_milliseconds() as f64 * share;
            *begun + Duration::milliseconds(between as i64)
        };
        let times: Vec<_> = seen.iter().map(counted).collect();
        prop_assert!(most(&times, per) <= all as usize);
        for domain in ["d0.example.org", "d1.example.org", "d2.example.org"] {
            let own: Vec<_> = seen.iter().filter(|mail| mail.0 == domain).collect();
            let times: Vec<_> = own.iter().map(|mail| counted(mail)).collect();
            prop_assert!(most(&times, per * 2) <= each as usize, "{domain}");
            for mail in &own {
                let at_that_time = own.iter().filter(|other| other.1 <= mail.1 && other.2 > mail.1).count();
                prop_assert!(at_that_time <= at_once as usize, "{domain}: {at_that_time} under way");
            }
        }
    }

    #[test]
    fn whoever_comes_at_the_time_that_was_named_may_send(life in life(), mails in 1u32..9, per in 1i64..4_000) {
        let rate = Some(Rate { mails, per: Duration::milliseconds(per) });
        let mut pacer = Pacer::new(Policy { rate, domain: limits(rate), ..Policy::default() }, None);
        let mut now = millis(0);
        for (pause, ..) in &life {
            if let Room::Closed(until) = pacer.room(now) {
                let until = until.expect("nothing is under way");
                prop_assert!(until > now && until <= now + Duration::milliseconds(per));
                now = until;
            }
            send(&mut pacer, "example.org", now, &Ending::Taken);
            now += Duration::milliseconds(*pause);
            let marks = pacer.rate.as_ref().map_or(0, Window::marks);
            prop_assert!(marks <= mails as usize + 1, "{marks} marks");
        }
    }

}
