//! Refusals as servers put them, each with what it means. What follows a code is a fragment of what is really said.

use super::*;

#[track_caller]
fn check(status: &str, words: &str, context: Context, expected: Class) {
    assert_eq!(judge(None, status, words, context).class, expected, "{context:?}: {status} {words}");
}

/// In a report, and in a session where the reply code is given as well.
#[track_caller]
fn check_both(code: u16, status: &str, words: &str, expected: Class) {
    check(status, &format!("{code} {status} {words}"), Context::Report, expected);
    let verdict = judge(Some(code), status, words, Context::Rcpt);
    assert_eq!(verdict.class, expected, "in a session: {code} {status} {words}: {verdict:?}");
}

#[test]
fn words_that_contradict_a_hard_code_save_the_mailbox() {
    for (code, status, words, expected) in [
        (550, "5.2.1", "The user is receiving mail at a rate that prevents more from being delivered", Class::Soft),
        (550, "5.2.1", "This account is receiving too many messages from everywhere", Class::Soft),
        (550, "5.1.1", "IP address blacklisted by recipient", Class::Sender),
        (550, "5.1.1", "your server is blacklisted", Class::Sender),
        (552, "5.1.1", "the user is over quota", Class::Soft),
        (550, "5.1.1", "203.0.113.2 has sent to too many recipients this hour. IB607", Class::Sender),
        (550, "5.1.1", "exceeds max message size", Class::Sender),
        (550, "5.1.3", "see https://www.spamhaus.org/query/ip/192.0.2.1", Class::Sender),
        (550, "5.1.3", "rejected, zen.spamhaus.org", Class::Sender),
        (550, "5.1.0", "not allowed to send mail for this domain, SPF fails", Class::Sender),
        (550, "5.1.1", "Your mail server has been blocked for sending unsolicited mail", Class::Sender),
        (550, "5.1.1", "Sender address rejected: domain has no MX", Class::Sender),
        (550, "5.1.1", "mailbox temporarily disabled", Class::Soft),
        (550, "5.2.1", "mailbox is full", Class::Soft),
        (550, "5.1.1", "The account or domain may not exist, they may be blacklisted", Class::Soft),
        (550, "5.1.1", "Try again later", Class::Soft),
        (550, "5.1.2", "relaying denied", Class::Sender),
        (550, "5.1.6", "message contains a virus", Class::Sender),
    ] {
        check_both(code, status, words, expected);
    }
}

#[test]
fn words_that_name_a_missing_mailbox_speak_louder_than_a_code_that_blames_us() {
    for (code, status, words) in [
        (550, "5.7.1", "No such user"),
        (550, "5.5.0", "Invalid recipient"),
        (550, "5.7.1", "recipient account is blocked"),
        (553, "5.7.1", "sorry, your envelope recipient is in my badrcptto list"),
        (550, "5.0.0", "<ada@example.org>: User unknown"),
        (550, "5.1.351", "Remote server returned unknown recipient or mailbox unavailable"),
        (550, "5.1.0", "Domain example.org does not accept mail (nullMX)"),
        (556, "5.1.10", "the domain has a null MX"),
        (550, "5.1.0", "Unknown user account"),
        (554, "5.0.0", "delivery error: dd This user doesn't have a yahoo.com account (ada@yahoo.com) [0]"),
        (554, "5.0.0", "dd This account has been disabled or discontinued [#102]"),
        (550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        (550, "5.4.1", "Recipient address rejected: Access denied."),
        (550, "5.1.1", "The email account that you tried to reach does not exist. Please check for typos."),
        (550, "5.2.1", "The email account that you tried to reach is disabled."),
        (550, "5.0.0", "Message was not accepted -- invalid mailbox. Local mailbox is unavailable: user not found"),
        (550, "5.5.1", "No Such User Here"),
        (550, "5.1.1", "Recipient address rejected: User unknown in virtual mailbox table"),
        (550, "5.1.1", "unknown or illegal alias: ada@icloud.com"),
        (550, "5.1.1", "sorry, no mailbox here by that name (#5.1.1)"),
        (511, "5.1.1", "Unrouteable address"),
        (550, "5.7.0", "mailbox no longer available"),
        (550, "5.0.0", "Not our Customer"),
        (550, "5.0.0", "Empfänger unbekannt"),
        (550, "5.0.0", "Invalid recipient LPN416"),
        (550, "5.7.1", "the address you wrote to couldn't be found"),
    ] {
        check_both(code, status, words, Class::Hard);
    }
}

#[test]
fn a_full_or_busy_mailbox_is_a_passing_trouble_whatever_the_code() {
    for (code, status, words) in [
        (552, "5.2.2", "mailbox full"),
        (552, "5.2.2", ""),
        (550, "5.7.1", "mailbox has exceeded its disk space"),
        (550, "5.7.1", "mailbox has exceeded its disk space limit"),
        (
            554,
            "5.2.2",
            "STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; mailbox full",
        ),
        (550, "5.1.1", "<ada@example.org>: quota exceeded"),
        (552, "5.5.0", "Mailbox size limit exceeded"),
        (550, "5.0.0", "user over quota"),
        (552, "5.3.4", "mailbox of ada exceeds its quota"),
        (550, "5.5.0", "Requested action not taken: mailbox unavailable"),
        (550, "5.4.4", "Host or domain name not found"),
        (554, "5.4.7", "delivery time expired"),
    ] {
        check_both(code, status, words, Class::Soft);
    }
}

#[test]
fn what_is_said_of_us_stops_nobody() {
    for (code, status, words) in [
        (550, "5.7.1", "blocked"),
        (550, "5.7.26", "This mail is unauthenticated"),
        (550, "5.7.515", "Access denied, sending domain does not meet the required authentication level"),
        (550, "5.6.7", ""),
        (552, "5.3.4", "too big"),
        (550, "5.1.8", "bad sender's system"),
        (550, "5.5.0", "bad command"),
        (554, "5.0.0", "Message rejected as spam"),
        (554, "5.0.0", "Message rejected: Email address is not verified. The following identities failed the check"),
        (550, "5.1.90", "you've reached your daily limit for message recipients"),
        (554, "5.2.252", "SendAsDenied; not allowed to send as"),
        (554, "5.2.0", "STOREDRV.Submission.Exception:SendAsDeniedException"),
        (550, "5.4.5", "Daily user sending limit exceeded"),
        (550, "5.0.0", "Sorry, that domain isn't in my list of allowed rcpthosts"),
        (550, "5.0.0", "Administrative prohibition - envelope blocked"),
        (554, "5.0.0", "Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.1"),
        (550, "5.0.0", "Rejected by header based Anti-Spoofing policy"),
        (554, "5.7.1", "Service unavailable; Client host blocked using b.barracudacentral.org"),
        (
            550,
            "5.0.0",
            "SC-001 (COL004-OMC1S10) Unfortunately, messages from 192.0.2.1 weren't sent. part of their network is on our block list",
        ),
        (553, "5.0.0", "sorry, your envelope sender is in my badmailfrom list"),
        (550, "5.4.6", "Unusual sending activity detected"),
        (550, "5.7.133", "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"),
        (550, "5.0.0", "This group only accepts mail from its members"),
        (550, "5.0.0", "you are over your relay quota"),
        (550, "5.0.0", "Sender verify failed"),
        (550, "5.0.0", "message size exceeds the fixed limit"),
        (550, "5.0.0", "Too many invalid recipients"),
        (554, "5.0.0", "virus found"),
    ] {
        check_both(code, status, words, Class::Sender);
    }
}

#[test]
fn without_words_the_code_decides_and_the_one_among_the_words_is_the_servers_own() {
    for (status, words, expected) in [
        ("5.1.1", "", Class::Hard),
        ("5.1.2", "", Class::Hard),
        ("5.1.3", "", Class::Hard),
        ("5.1.6", "", Class::Hard),
        ("5.1.10", "", Class::Hard),
        ("5.2.1", "", Class::Hard),
        ("5.1.2", "Host unknown (Name server: host not found)", Class::Hard),
        ("5.1.1", "550 5.7.1 no", Class::Sender),
        ("5.1.1", "550 5.2.2 no", Class::Soft),
        ("5.7.1", "550 5.1.1 no", Class::Hard),
        ("5.1.0", "550 Something", Class::Soft),
        ("5.4.1", "no", Class::Soft),
        ("5.0.0", "smtp; 550-5.1.1 (#5.1.1) no", Class::Hard),
        ("5.0.0", "550 no", Class::Soft),
        ("5.0.0", "554 mx.spam-filter.example.org: no", Class::Soft),
        ("5.2.0", "554 5.2.0 mailbox trouble", Class::Soft),
        ("", "550 5.7.1 no", Class::Sender),
        ("", "", Class::Soft),
        ("nonsense", "", Class::Soft),
        ("4.2.2", "452 4.2.2 mailbox full", Class::Soft),
        ("4.1.1", "450 4.1.1 user unknown", Class::Soft),
        ("4.7.1", "450 4.7.1 greylisted", Class::Soft),
        ("4.7.1", "", Class::Sender),
        ("4.7.28", "421 4.7.28 unusual rate of mail", Class::Sender),
        ("4.4.1", "connection timed out", Class::Soft),
        ("4.3.0", "", Class::Soft),
        // Exim's version and a host's number are no status codes.
        ("5.0.0", "Exim 4.92.3 [192.0.2.1]", Class::Soft),
    ] {
        check(status, words, Context::Report, expected);
    }
}

#[test]
fn in_a_session_the_reply_code_says_whether_a_refusal_is_final_and_in_a_report_the_status() {
    for (code, status, words, context, expected) in [
        (450, "5.1.1", "No such user", Context::Rcpt, Class::Soft),
        (550, "4.1.1", "No such user", Context::Rcpt, Class::Hard),
        (550, "4.1.1", "No such user", Context::Report, Class::Soft),
        (450, "", "Mailbox unavailable", Context::Data, Class::Soft),
        (450, "4.3.0", "Mailbox unavailable", Context::Rcpt, Class::Soft),
        (550, "5.2.1", "Mailbox unavailable", Context::Rcpt, Class::Hard),
        // What is out of reach passes, in a report whatever the code; in a session it may be our own relay.
        (451, "4.4.1", "Connection timed out", Context::Rcpt, Class::Sender),
        (451, "4.7.0", "Connection timed out", Context::Report, Class::Soft),
        (550, "5.7.1", "Connection timed out", Context::Rcpt, Class::Soft),
        // At RCPT two codes speak of all our mail, after it each.
        (450, "", "no", Context::Rcpt, Class::Sender),
        (452, "", "no", Context::Rcpt, Class::Soft),
        (452, "", "no", Context::Data, Class::Sender),
        // Without a login nothing is said of the mailbox.
        (535, "", "Authentication failed: no such user", Context::Rcpt, Class::Sender),
        (550, "5.4.1", "Access denied", Context::Rcpt, Class::Sender),
    ] {
        let verdict = judge(Some(code), status, words, context);
        assert_eq!(verdict.class, expected, "{context:?}: {code} {status} {words}");
    }
}

#[test]
fn a_reply_code_is_a_number_from_400_to_599_by_itself() {
    for (words, expected) in [
        ("450 No such user", Class::Soft),
        ("<450-No such user", Class::Soft),
        ("550 No such user", Class::Hard),
        ("No such user", Class::Hard),
        ("4501 No such user", Class::Hard),
        ("450.2 No such user", Class::Hard),
        ("200 No such user", Class::Hard),
    ] {
        check("", words, Context::Report, expected);
    }
}

/// What providers, gateways and mail programs say, beyond the examples above.
#[test]
fn the_words_of_many_providers_are_understood() {
    for (expected, status, words) in [
        (
            Class::Hard,
            "5.1.1",
            "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. For more information, go to 550 5.1.1 https://support.google.com/mail/?p=NoSuchUser",
        ),
        (
            Class::Soft,
            "5.2.2",
            "552-5.2.2 The recipient's inbox is out of storage space. Please direct the 552-5.2.2 recipient to https://support.google.com/mail/?p=OverQuotaPerm",
        ),
        (
            Class::Hard,
            "5.2.1",
            "550-5.2.1 The email account that you tried to reach is inactive. For more 550 5.2.1 information, go to https://support.google.com/mail/?p=DisabledUser",
        ),
        (
            Class::Sender,
            "5.7.1",
            "550-5.7.1 [192.0.2.1 12] Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.",
        ),
        (
            Class::Sender,
            "4.7.0",
            "421-4.7.0 [192.0.2.1 15] Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
        ),
        (
            Class::Soft,
            "4.2.1",
            "450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time.",
        ),
        (
            Class::Sender,
            "5.7.606",
            "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit https://sender.office.com/",
        ),
        (
            Class::Sender,
            "5.7.708",
            "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.",
        ),
        (
            Class::Sender,
            "5.7.1",
            "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
        ),
        (Class::Sender, "5.7.124", "550 5.7.124 RESOLVER.RST.NotAuthorizedForGroup; not authorized to send to group"),
        (
            Class::Hard,
            "5.0.0",
            "554 30 Sorry, your message to ada@yahoo.com cannot be delivered. This mailbox is disabled (554.30).",
        ),
        (
            Class::Sender,
            "4.7.0",
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1",
        ),
        (
            Class::Sender,
            "5.7.9",
            "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
        ),
        (Class::Hard, "5.1.1", "550 5.1.1 <ada@icloud.com>: user does not exist"),
        (
            Class::Sender,
            "5.7.0",
            "554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/",
        ),
        (Class::Hard, "5.1.1", "550 5.1.1 <ada@web.de>... User is unknown {mx-eu}"),
        (
            Class::Sender,
            "5.0.0",
            "554-web.de (mxweb001) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record.",
        ),
        (Class::Sender, "5.0.0", "550 Dynamic IP address blocked. For explanation visit https://postmaster.gmx.net"),
        (
            Class::Hard,
            "5.0.0",
            "550 Message was not accepted -- invalid mailbox. Local mailbox ada@mail.ru is unavailable: account is disabled",
        ),
        (Class::Hard, "5.0.0", "550 5.7.1 No such user!"),
        (Class::Sender, "5.7.1", "550 5.7.1 Policy rejection on the target address"),
        (Class::Sender, "5.7.0", "550 5.7.0 Local Policy Violation"),
        (
            Class::Sender,
            "5.0.0",
            "550 Rejected by header based manually Blocked Senders: papers@example.org - https://community.mimecast.com/",
        ),
        (Class::Hard, "5.0.0", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550"),
        (Class::Sender, "5.0.0", "550 csi.mimecast.org Poor Reputation Sender. - https://community.mimecast.com/"),
        (Class::Soft, "5.0.0", "550 permanent failure for one or more recipients (ada@example.org:blocked)"),
        (
            Class::Hard,
            "5.0.0",
            "550 permanent failure for one or more recipients (ada@example.org:550 5.1.1 user unknown)",
        ),
        (
            Class::Sender,
            "5.7.1",
            "554 Service unavailable; Client host [mx.example.org] blocked by bl.spamcop.net; Blocked",
        ),
        (Class::Soft, "5.1.0", "550 #5.1.0 Address rejected."),
        (Class::Hard, "5.0.0", "550 Unknown address error 550-'5.1.1 <ada@example.org>... User unknown'"),
        (Class::Hard, "5.0.0", "550 sorry, no mailbox here by that name (chkuser)"),
        (Class::Hard, "5.1.1", "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)"),
        (Class::Sender, "5.7.1", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
        (Class::Sender, "5.7.1", "550 5.7.1 Unable to relay for ada@example.org"),
        (Class::Sender, "5.7.1", "554 5.7.1 <ada@example.org>: Relay access denied"),
        (Class::Sender, "5.7.1", "454 4.7.1 <ada@example.org>: Relay access denied"),
        (
            Class::Sender,
            "5.7.1",
            "550-Verification failed for <bounces@example.org> 550-No Such User Here 550 Sender verify failed",
        ),
        (
            Class::Hard,
            "5.1.1",
            "550 5.1.1 <ada@example.org>: Recipient address rejected: undeliverable address: host mx said: 550 no such user",
        ),
        (
            Class::Sender,
            "5.7.23",
            "550 5.7.23 <ada@example.org>: Recipient address rejected: Message rejected due to: SPF fail - not authorized",
        ),
        (
            Class::Soft,
            "4.2.0",
            "450 4.2.0 <ada@example.org>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.org.html",
        ),
        (Class::Soft, "5.4.6", "554 5.4.6 mail for example.org loops back to myself"),
        (Class::Soft, "5.4.6", "Too many hops 26 (25 max)"),
        (Class::Hard, "5.1.2", "Bad destination host 'DNS Hard Error looking up example.org (MX): NXDomain'"),
        (
            Class::Soft,
            "4.4.7",
            "Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for example.org>",
        ),
        (
            Class::Sender,
            "5.0.0",
            "554 Message rejected: Email address is not verified. The following identities failed the check in region US-EAST-1: ada@example.org",
        ),
        (Class::Sender, "5.7.1", "Amazon SES did not send the message because your account is paused"),
        (
            Class::Hard,
            "5.1.1",
            "Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address.",
        ),
        (Class::Hard, "5.0.0", "550 Account not available"),
        (Class::Hard, "5.0.0", "550 that user is unknown"),
        (Class::Hard, "5.0.0", "550 5.2.1 <ada@example.org>... Mailbox disabled for this recipient"),
        (Class::Hard, "5.0.0", "550 5.1.6 recipient no longer on server: ada@example.org"),
        (Class::Hard, "5.7.1", "550 5.7.1 User email address is marked as invalid"),
        (
            Class::Sender,
            "5.0.0",
            "554 5.7.1 Your access to this mail system has been rejected due to the sending MTA's poor reputation.",
        ),
        (Class::Sender, "5.0.0", "550 5.7.1 This message does not meet IPv6 sending guidelines regarding PTR records"),
        (
            Class::Sender,
            "5.0.0",
            "552 5.7.0 This message was blocked because its content presents a potential security issue.",
        ),
        (Class::Sender, "5.2.3", "552 5.2.3 Your message exceeded Google's message size limits"),
        (Class::Sender, "5.0.0", "550 5.6.0 Lone CR or LF in headers (see RFC2822 section 2.2)"),
        (Class::Soft, "5.0.0", "550 relay recipient mailbox is full"),
        (Class::Soft, "5.0.0", "552 Mailbox limit exeeded for this email address"),
        (Class::Soft, "5.0.0", "552 5.2.2 user has exceeded his/her quota"),
        (Class::Soft, "5.0.0", "The user's mailbox is over its size limit"),
        (Class::Sender, "5.7.1", "delivery not authorized, message refused"),
    ] {
        check(status, words, Context::Report, expected);
    }
}

fn fault(phase: Phase, code: Option<u16>, enhanced: Option<&str>, text: &str) -> Fault {
    Fault { phase, code, enhanced: enhanced.map(str::to_owned), text: text.to_owned() }
}

#[test]
fn a_refusal_speaks_of_the_recipient_only_where_the_recipient_was_named() {
    for (phase, code, enhanced, words, expected) in [
        (Phase::Rcpt, Some(550), Some("5.1.1"), "no such user", Some(Class::Hard)),
        (Phase::Rcpt, Some(550), None, "no such user", Some(Class::Hard)),
        (Phase::Rcpt, Some(550), None, "no such user, returned to sender", Some(Class::Hard)),
        (Phase::Rcpt, Some(550), None, "5.7.1 rejected", Some(Class::Sender)),
        (Phase::Rcpt, Some(550), None, "Relaying denied", Some(Class::Sender)),
        (Phase::Rcpt, Some(550), None, "Administrative prohibition", Some(Class::Soft)),
        (Phase::Rcpt, Some(550), None, "Mailbox is full / quota exceeded", Some(Class::Soft)),
        (Phase::Rcpt, Some(550), None, "Too many messages from your address today", Some(Class::Sender)),
        (Phase::Rcpt, Some(550), None, "", Some(Class::Soft)),
        (Phase::Rcpt, Some(551), None, "user not local", Some(Class::Soft)),
        (Phase::Rcpt, Some(450), Some("4.2.1"), "busy", Some(Class::Soft)),
        (Phase::Rcpt, Some(450), Some("4.2.0"), "Greylisted", Some(Class::Soft)),
        (
            Phase::Rcpt,
            Some(450),
            Some("4.2.1"),
            "The user you are trying to contact is receiving mail at a rate",
            Some(Class::Soft),
        ),
        (Phase::Rcpt, Some(450), None, "mailbox unavailable", Some(Class::Soft)),
        (Phase::Rcpt, Some(450), None, "busy", Some(Class::Sender)),
        (Phase::Rcpt, Some(421), Some("4.7.28"), "unusual rate", Some(Class::Sender)),
        (Phase::Rcpt, Some(421), None, "mailbox is full", Some(Class::Soft)),
        (Phase::Rcpt, Some(451), None, "too many messages", Some(Class::Sender)),
        (Phase::Rcpt, Some(554), None, "blocked, see our list", Some(Class::Sender)),
        (Phase::Rcpt, Some(553), None, "unknown", Some(Class::Soft)),
        (Phase::Rcpt, Some(550), None, "Domain has exceeded the max emails per hour", Some(Class::Sender)),
        (Phase::Rcpt, Some(530), Some("5.7.0"), "log in first", Some(Class::Sender)),
        (Phase::Body, Some(550), Some("5.1.1"), "no such user", Some(Class::Hard)),
        (Phase::Body, Some(550), None, "no", Some(Class::Soft)),
        (Phase::Body, Some(550), None, "not accepted for policy reasons", Some(Class::Sender)),
        (Phase::Data, Some(550), Some("5.4.5"), "Daily user sending limit exceeded", Some(Class::Sender)),
        (Phase::Data, Some(554), None, "Message rejected: Email address is not verified.", Some(Class::Sender)),
        (Phase::Data, Some(554), Some("5.1.1"), "no valid recipients", None),
        (Phase::Data, Some(554), Some("5.7.1"), "no", Some(Class::Sender)),
        (Phase::Mail, Some(550), Some("5.1.1"), "no", None),
        (Phase::Connect, Some(554), Some("5.7.1"), "no", None),
        (Phase::Rcpt, None, Some("5.1.1"), "the server did not say so", None),
        (Phase::Sendmail, None, Some("5.1.1"), "exit status: 67", Some(Class::Hard)),
        (Phase::Sendmail, None, Some("5.1.2"), "exit status: 68: host not found", Some(Class::Hard)),
        (
            Phase::Sendmail,
            None,
            Some("5.1.1"),
            "exit status: 67: Sender address rejected: not owned",
            Some(Class::Sender),
        ),
        (Phase::Sendmail, None, None, "exit status: 65", None),
    ] {
        let fault = fault(phase, code, enhanced, words);
        assert_eq!(refusal(&fault).map(|verdict| verdict.class), expected, "{fault}");
    }
}

#[test]
fn a_limit_on_what_we_send_is_not_a_full_mailbox() {
    for (code, text, expected) in [
        (Some("5.4.5"), "Daily user sending limit exceeded", true),
        (None, "Domain has exceeded the max emails per hour (500/500)", true),
        (None, "Too many messages from your address today", true),
        (Some("5.7.1"), "you have reached the hourly quota", true),
        (Some("5.1.90"), "you've reached your daily limit for message recipients", true),
        (Some("5.2.0"), "STOREDRV.Submission.Exception:SubmissionQuotaExceededException", true),
        (Some("5.2.0"), "SubmissionQuotaExceeded", true),
        (None, "your sending quota exceeded", true),
        (None, "user exceeded hourly receive limit", false),
        (None, "mailbox full, too many messages for your quota", false),
        (None, "this user takes so many mails per day", false),
        (Some("5.2.2"), "mailbox takes so many messages per day", false),
        (None, "5.2.2 takes so many messages per day", false),
        (None, "Mailbox is full / quota exceeded", false),
        (None, "no such user", false),
    ] {
        assert_eq!(is_limit(&fault(Phase::Rcpt, Some(550), code, text)), expected, "{text}");
    }
}

#[test]
fn what_may_be_about_one_mailbox_is_not_plainly_about_us() {
    for (code, enhanced, words, expected) in [
        (550, Some("5.7.26"), "unauthenticated", true),
        (550, Some("5.7.1"), "blocked", true),
        (421, None, "bye", true),
        (451, Some("4.7.1"), "slow down", true),
        (530, Some("5.7.0"), "first log in", true),
        (550, Some("5.7.1"), "no", false),
        (550, Some("5.7.1"), "this user only accepts mail from friends", false),
        (451, Some("4.7.1"), "later", false),
        (452, Some("4.3.1"), "insufficient system storage", false),
        (550, Some("5.1.1"), "no such user", false),
    ] {
        let verdict = refusal(&fault(Phase::Rcpt, Some(code), enhanced, words)).expect("a verdict");
        assert_eq!(verdict.is_plain, expected, "{code} {enhanced:?} {words}: {verdict:?}");
    }
}
