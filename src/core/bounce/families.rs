//! Programs that report a failed delivery in words alone, without a `message/delivery-status` part: how each is known, and
//! where its report begins. A further one is a further entry.
//!
//! The last entry is for all others: whatever says of itself that it is a mail server and that something was not delivered.

/// One program, or programs that write alike.
#[derive(Debug)]
pub(super) struct Family {
    /// Its name, for the log and the tests.
    pub(super) name: &'static str,
    /// All of these must hold.
    pub(super) marks: &'static [Mark],
    /// The report's own words begin behind the first of these that is there; else at the start. Lower case.
    pub(super) begins: &'static [&'static str],
}

/// What a program is known by. Texts are in lower case and may lie anywhere.
#[derive(Debug)]
pub(super) enum Mark {
    /// In the text.
    Text(&'static str),
    /// In the text, any of them.
    AnyText(&'static [&'static str]),
    /// In the line that names the program (X-Mailer and the like).
    Program(&'static str),
    /// The header names the failed addresses (`X-Failed-Recipients`).
    NamesFailed,
    /// Who wrote it is a mail server, or the subject is that of a failure.
    IsFromServer,
}

use Mark::{AnyText, IsFromServer, NamesFailed, Program, Text};

const EXIM: &str = "this message was created automatically by mail delivery software";

/// The first that fits is taken.
pub(super) const FAMILIES: &[Family] = &[
    // Fields of RFC 3464 in a part of plain text.
    Family {
        name: "Amazon WorkMail",
        marks: &[AnyText(&["technical report", "reporting-mta:"]), Text("final-recipient:")],
        begins: &["technical report"],
    },
    Family {
        name: "qmail",
        marks: &[Text("this is the qmail-send program")],
        begins: &["sorry it didn't work out.", "following addresses.", "following address."],
    },
    Family {
        name: "DragonFly Mail Agent",
        marks: &[Text("this is the dragonfly mail agent")],
        begins: &["there was an error delivering your mail to"],
    },
    Family {
        name: "Google Groups",
        marks: &[AnyText(&["the group you tried to contact", "googlegroups.com"]), Text("permission to post")],
        begins: &[],
    },
    Family {
        name: "Google",
        marks: &[AnyText(&[
            "delivery to the following recipient failed permanently",
            "delivery to the following recipients failed permanently",
            "technical details of permanent failure",
            "technical details of temporary failure",
        ])],
        begins: &["other server returned was:", "details of permanent failure:", "details of temporary failure:"],
    },
    Family {
        name: "Yahoo",
        marks: &[AnyText(&[
            "unable to deliver message to the following address",
            "unable to deliver your message to the following address",
        ])],
        begins: &["following address(es).", "following addresses.", "following address."],
    },
    Family {
        name: "mail.ru",
        marks: &[Text("mail.ru"), AnyText(&[EXIM, "письмо создано автоматически"])],
        begins: &["address(es) failed:", "нескольким получателям:", "одному или нескольким"],
    },
    Family {
        name: "GMX",
        marks: &[Text(EXIM), AnyText(&["the header of the original message is following", "after rcpt command:"])],
        begins: &["address failed:", "addresses failed:", "address(es) failed:", "failed:"],
    },
    Family {
        name: "Zoho",
        marks: &[Text(EXIM), AnyText(&["error_code :", "error_code:", "[status: error, address:", "mail.zoho."])],
        begins: &["this is a permanent error.", "of its recipients."],
    },
    Family {
        name: "Exim",
        marks: &[AnyText(&[
            EXIM,
            "a message that you sent could not be delivered",
            "message that you have sent could not",
        ])],
        begins: &["address(es) failed:", "following address failed:", "addresses failed:", "could not be delivered"],
    },
    Family { name: "Exim, by its header", marks: &[NamesFailed, IsFromServer], begins: &["failed:"] },
    Family {
        name: "Microsoft Exchange",
        marks: &[AnyText(&[
            "did not reach the following recipient(s):",
            "the following recipient(s) could not be reached:",
            "the following recipient(s) cannot be reached:",
            "msexch:",
        ])],
        begins: &["following recipient(s):", "could not be reached:", "cannot be reached:"],
    },
    Family { name: "Lotus Notes", marks: &[Text("failure reasons")], begins: &["failure reasons"] },
    Family {
        name: "Lotus Domino",
        marks: &[Text("was not delivered to:"), Text("because:")],
        begins: &["was not delivered to:"],
    },
    Family {
        name: "sendmail",
        marks: &[Text("transcript of session follows")],
        begins: &["had permanent fatal errors", "transcript of session follows"],
    },
    Family {
        name: "Courier",
        marks: &[Text("courier mail server")],
        begins: &["cannot be delivered:", "undeliverable mail"],
    },
    Family {
        name: "IMail Server",
        marks: &[AnyText(&["original message follows", "unknown user:", "mailbox exceeds"]), Program("smtp32")],
        begins: &[],
    },
    Family {
        name: "IMail Server, without its header",
        marks: &[
            AnyText(&["unknown user: ", "unknown host: ", "invalid final delivery userid: ", "user mailbox exceeds"]),
            Text("original message follows"),
        ],
        begins: &[],
    },
    Family {
        name: "InterScan",
        marks: &[AnyText(&["interscan", "sent <<<"]), AnyText(&["received >>>", "unable to deliver message to"])],
        begins: &[],
    },
    Family {
        name: "MailMarshal",
        marks: &[Text("could not be delivered because of"), Text("recipients were affected")],
        begins: &["could not be delivered because of"],
    },
    Family {
        name: "McAfee",
        marks: &[Text("the following addresses had delivery problems")],
        begins: &["had delivery problems"],
    },
    Family {
        name: "Sun Messaging Server",
        marks: &[Text("your message cannot be delivered to the following recipients:")],
        begins: &["following recipients:"],
    },
    Family {
        name: "sendmail, later ones",
        marks: &[AnyText(&["the following addresses had permanent fatal errors", "while talking to "])],
        begins: &["permanent fatal errors", "while talking to "],
    },
    Family {
        name: "OpenSMTPD",
        marks: &[Text("error has occurred while attempting to deliver a message")],
        begins: &["list of recipients:"],
    },
    Family {
        name: "Postfix",
        marks: &[AnyText(&["this is the mail system at host", "this is the postfix program at host"])],
        begins: &["the mail system\n", "the postfix program\n"],
    },
    Family { name: "any mail server", marks: &[IsFromServer], begins: &[] },
];

/// A line that begins like this, after dashes and the like, ends the report: what follows is the mail that came back.
pub(super) const ENDS: &[&str] = &[
    "below this line is a copy of the message",
    "below is a copy of",
    "this is a copy of",
    "this is the copy of",
    "original message",
    "returned message",
    "unsent message",
    "message header",
    "original header",
    "the header of the original message",
    "header of the original message",
    "included is a copy of",
    "a copy of the original message",
    "copy of the original message",
    "the following is a copy",
    "forwarded message",
    "original mail",
    "undelivered message",
    "message text follows",
    "текст письма",
];

/// And one that begins like this belongs to it already.
pub(super) const RETURNED: &[&str] =
    &["received:", "return-path:", "message-id:", "list-unsubscribe:", "dkim-signature:"];

/// Where one of these is said, nothing has failed for good yet.
pub(super) const DELAYS: &[&str] = &[
    "(delay)",
    "warning message only",
    "do not need to resend",
    "not required to take any action",
    "has not yet been delivered",
    "will continue to be attempted",
    "delivery attempts will continue",
    "will keep trying",
    "will be retried for",
    "delivery of the message you sent has been delayed",
    "has been delayed",
    "still being attempted",
];

/// And with these it has arrived.
pub(super) const ARRIVALS: &[&str] =
    &["successfully delivered", "successfully relayed", "was delivered to the following", "successful mail delivery"];

/// Who writes reports.
pub(super) const SERVERS: &[&str] = &[
    "mailer-daemon",
    "mailer daemon",
    "mailerdaemon",
    "mail-daemon",
    "postmaster",
    "mail delivery",
    "mail deliver",
    "mdaemon",
    "mail administrator",
    "mail system",
    "bounce@",
    "bounces@",
];

/// What the subjects of reports say.
pub(super) const FAILURES: &[&str] = &[
    "undeliver",
    "delivery fail",
    "delivery status notification",
    "failure notice",
    "returned mail",
    "mail delivery",
    "message delivery",
    "could not be delivered",
    "not delivered",
    "delivery error",
    "delivery problem",
    "delivery report",
    "mail system error",
    "returned to sender",
    "failed mail",
    "unzustellbar",
    "permanent error",
    "delivery has failed",
    "non remis",
];
