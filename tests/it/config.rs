//! Configuration, from files and environment to settings or to every problem at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use paperpost::config::settings::{Inbox, LogFormat, Transport};
use paperpost::config::{self, Problems, Settings};
use paperpost::core::lint::Holdings;
use paperpost::core::server::{Credential, Tls};
use paperpost::core::subscription::{Rank, Subscription, WhenEmpty};
use paperpost::core::zone::Zone;
use tempfile::TempDir;

/// A folder of configuration files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn load_with(&self, overrides: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, Problems> {
        let path = self.path("paperpost.toml");
        config::load(path.exists().then_some(path.as_path()), &pairs(overrides), pairs(environment).into_iter())
    }

    fn load(&self) -> Result<Settings, Problems> {
        self.load_with(&[], &[])
    }

    /// What a check says, a line each, without the folder's own name.
    fn check(&self) -> Vec<String> {
        let report =
            config::check(Some(&self.path("paperpost.toml")), &[], std::iter::empty(), |_| Holdings::default());
        self.lines(&report.problems)
    }

    fn lines(&self, problems: &Problems) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        problems.to_string().replace(&folder, "").lines().map(str::to_owned).collect()
    }

    fn subscriptions(&self) -> Vec<Subscription> {
        config::load_subscriptions(&self.load().expect("settings")).expect("subscriptions").0
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

const SMTP: &str = "[mail]\nfrom = \"Papers <papers@example.org>\"\ntransport = \"smtp\"\n[smtp]\n";

fn smtp(settings: &Settings) -> &config::settings::Smtp {
    match &settings.mail.transport {
        Transport::Smtp(smtp) => smtp,
        other => panic!("expected SMTP, found {other:?}"),
    }
}

#[test]
fn the_example_files_are_right_and_say_what_they_seem_to_say() {
    let settings = config::load(Some(Path::new("config/paperpost.toml")), &[], std::iter::empty()).expect("settings");
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    assert_eq!(settings.mail.from.address.reveal(), "papers@example.org");
    assert_eq!(settings.mail.list_id, "paperpost.example.org");
    let sources: Vec<_> = settings.sources.iter().map(|s| (s.id.as_str(), s.about.word, s.enabled)).collect();
    assert_eq!(
        sources,
        [("huggingface", "huggingface-daily", true), ("huggingface-trending", "huggingface-trending", false)]
    );

    let (subscriptions, warnings) = config::load_subscriptions(&settings).expect("subscriptions");
    assert!(warnings.is_empty(), "{warnings}");
    let [ada, bob, cyd, dee, eve] = subscriptions.as_slice() else { panic!("five subscriptions") };
    assert_eq!(
        (ada.schedule.to_string().as_str(), ada.zone),
        ("weekdays at 07:30", Zone::named("Europe/Paris").expect("a zone"))
    );
    assert_eq!((ada.profiles[0].max_papers, ada.profiles[0].keywords.len()), (20, 2));
    assert_eq!(
        (bob.paused, bob.when_empty, bob.zone),
        (true, WhenEmpty::Note, Zone::named("America/New_York").expect("a zone"))
    );
    assert_eq!(bob.profiles[0].keywords.iter().map(|k| k.weight).collect::<Vec<_>>(), [1.0, 2.0]);
    assert_eq!((bob.profiles[0].rank, bob.profiles[0].min_upvotes), (Rank::Trending, 10));
    let sections: Vec<_> = cyd.profiles.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(sections, ["Speech", "What everybody reads"]);
    assert_eq!((&dee.profiles, dee.profiles[0].name.as_str()), (&eve.profiles, "Agents"));
    assert_eq!([&dee.address, &eve.address].map(|address| address.reveal()), ["dee@example.org", "eve@example.org"]);
}

#[test]
fn nothing_at_all_is_a_configuration_that_sends_nothing() {
    let settings = Folder::new(&[("paperpost.toml", "")]).load().expect("settings");
    assert!(matches!(settings.mail.transport, Transport::Files { .. }));
    assert_eq!(settings.digest.window_days, 14);
    assert_eq!(settings.http.timeout, Duration::from_secs(60));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.sources.len(), 2);
}

#[test]
fn every_problem_of_the_settings_is_reported_at_once_with_its_place() {
    let folder = Folder::new(&[(
        "paperpost.toml",
        r#"
[databse]
path = "x.db"

[subscriptions]
files = []

[sources.huggingface]
days = 31
base_url = "ftp://example.org"
[sources.mirror]

[http]
contact = "ops"
timeout = "10 parsecs"
max_body = "16 MiB "
retries = "3"

[mail]
from = "Papers <papers>"
transport = "smpt"

[smtp]
host = "smtp.example.org"
port = 70000
tls = "none"
username = "papers"

[digest]
max_papers = 0
zone = "Europe/Berln"
windw_days = 3

[log]
level = "inof"
format = true
"#,
    )]);
    assert_eq!(
        folder.check(),
        [
            "paperpost.toml:2:2: unknown section `databse`",
            "hint: did you mean `database`?",
            "paperpost.toml:9:8: sources.huggingface.days: expected a whole number from 1 to 30, found 31",
            "paperpost.toml:10:12: sources.huggingface.base_url: expected an address that begins with https:// or http://",
            "paperpost.toml:11:10: sources.mirror.kind: is missing",
            "hint: add kind = \"huggingface-daily\" or another kind",
            "paperpost.toml:14:11: http.contact: expected a web address that begins with https://, or a mail address",
            "paperpost.toml:15:11: http.timeout: expected a duration such as \"30s\", \"2m\" or \"1h30m\", found a string",
            "paperpost.toml:17:11: http.retries: expected a whole number from 0 to 10, found a string",
            "paperpost.toml:20:8: mail.from: the address has no @ between a name and a domain",
            "paperpost.toml:21:13: mail.transport: expected one of \"files\", \"smtp\", \"sendmail\", found \"smpt\"",
            "hint: did you mean `smtp`?",
            "paperpost.toml:25:8: smtp.port: expected a whole number from 1 to 65535, found 70000",
            "paperpost.toml:26:7: smtp.tls: \"none\" leaves everything in clear, so it is only for a host on this machine",
            "hint: use \"implicit\" or \"starttls\"",
            "paperpost.toml:27:12: smtp.username: there is no password to it",
            "hint: set smtp.password_file, PAPERPOST__SMTP__PASSWORD or the credential smtp-password",
            "paperpost.toml:30:14: digest.max_papers: expected a whole number from 1 to 500, found 0",
            "hint: to stop the mails of a subscription, set `paused = true`",
            "paperpost.toml:31:8: digest.zone: \"Europe/Berln\" is no time zone; expected an IANA name such as \
             \"Europe/Paris\"",
            "hint: did you mean \"Europe/Berlin\"?",
            "paperpost.toml:32:1: digest: unknown key `windw_days`",
            "hint: did you mean `window_days`?",
            "paperpost.toml:35:9: log.level: expected off, error, warn, info, debug or trace, or directives with = and \
             commas",
            "hint: did you mean `info`?",
            "paperpost.toml:36:10: log.format: expected one of \"text\", \"json\", found a boolean",
        ]
    );
}

#[test]
fn every_problem_of_every_subscription_file_is_reported_and_a_broken_file_hides_none() {
    let folder = Folder::new(&[
        ("paperpost.toml", "[subscriptions]\nfiles = [\"broken.toml\", \"lists/*.toml\", \"none/*.toml\"]\n[lgo]\n"),
        ("broken.toml", "[[subscription]]\nemail = \"ada@example.org\nkeywords = []\n"),
        (
            "lists/a.toml",
            r#"
[defaults]
zone = "Berlin"
paused = true

[[subscription]]
email = "ada@example.org"
keyword = ["rag"]

[[subscription]]
email = "ada"
keywords = "rag"
sources = ["hugingface", "huggingface-trending"]
max_papers = 0

[[subscription]]
keywords = ["rag", 5, { query = "rag", weight = -1 }, { weigth = 2 }]
rank = "best"
"#,
        ),
        (
            "lists/b.toml",
            r#"
[[subscription]]
email = "ADA@example.org"
keywords = ["rag"]

[[subscription]]
email = "bob@example.org"
must = ["x"]
[[subscription.profile]]
keywords = ["rag"]
[[subscription.profile]]
name = "A"
keywords = ["rag"]
[[subscription.profile]]
name = "A"
[[subscription.profile]]
name = "B"
keywords = []
"#,
        ),
    ]);
    assert_eq!(
        folder.check(),
        [
            "broken.toml:2:25: this is not TOML: invalid basic string, expected `\"`",
            "lists/a.toml:3:8: zone: \"Berlin\" is no time zone; expected an IANA name such as \"Europe/Paris\"",
            "hint: did you mean \"Europe/Berlin\"?",
            "lists/a.toml:4:1: unknown key `paused`",
            "hint: known here: schedule, zone, max_papers, min_upvotes, rank, when_empty, sources",
            "lists/a.toml:8:1: unknown key `keyword`",
            "hint: did you mean `keywords`?",
            "lists/a.toml:11:9: email: the address has no @ between a name and a domain",
            "lists/a.toml:12:12: keywords: expected a list in square brackets, found a string",
            "hint: write [\"rag\"]",
            "lists/a.toml:13:12: sources: there is no source \"hugingface\"",
            "hint: did you mean `huggingface`?",
            "lists/a.toml:13:26: warning: sources: \"huggingface-trending\" is not enabled",
            "hint: set sources.huggingface-trending.enabled = true",
            "lists/a.toml:14:14: max_papers: expected a whole number from 1 to 500, found 0",
            "hint: to stop the mails of a subscription, set `paused = true`",
            "lists/a.toml:16:1: email: is missing",
            "hint: add email = \"name@example.org\"",
            "lists/a.toml:17:20: query: expected a string in quotes, found an integer",
            "lists/a.toml:17:49: weight: expected a number above 0, at most 100, found -1",
            "lists/a.toml:17:55: keywords: query is missing in this table",
            "lists/a.toml:17:57: unknown key `weigth`",
            "hint: did you mean `weight`?",
            "lists/a.toml:18:8: rank: expected one of \"relevance\", \"trending\", \"newest\", found \"best\"",
            "lists/b.toml:3:9: email: this address already has a subscription at lists/a.toml:7",
            "hint: one subscription an address; several interests are [[subscription.profile]] tables of it",
            "lists/b.toml:8:1: must: is beside [[subscription.profile]], and would count for none",
            "hint: move it into the profiles",
            "lists/b.toml:9:1: profile: name is missing",
            "hint: it is the section's heading in the mail",
            "lists/b.toml:15:8: name: another profile of this subscription has the same name",
            "lists/b.toml:18:12: warning: keywords: there is none, so every paper matches",
            "hint: add keywords = [\"retrieval\", \"language model\"], or min_upvotes for the most liked papers",
            "paperpost.toml:2:41: subscriptions.files: no file matches none/*.toml",
            "hint: relative paths start at the folder of the file that names them; an empty list reads none",
            "paperpost.toml:3:2: unknown section `lgo`",
            "hint: did you mean `log`?",
        ]
    );
}

#[test]
fn the_environment_covers_the_file_and_an_override_covers_both() {
    let folder =
        Folder::new(&[("paperpost.toml", "[digest]\nmax_papers = 5\nwindow_days = 6\n[log]\nlevel = \"warn\"\n")]);
    let environment = [
        ("PAPERPOST__DIGEST__MAX_PAPERS", "7"),
        ("PAPERPOST__LOG__LEVEL", "debug"),
        ("PAPERPOST__SOURCES__HUGGINGFACE_TRENDING__ENABLED", "true"),
        ("PAPERPOST__HTTP__CONTACT", ""),
        ("PAPERPOST_OTHER", "x"),
    ];
    let settings = folder.load_with(&[("log.level", "error")], &environment).expect("settings");
    assert_eq!((settings.digest.max_papers, settings.digest.window_days), (7, 6));
    assert_eq!(settings.log.level, "error");
    assert!(settings.sources.iter().all(|source| source.enabled));
    assert_eq!(settings.http.contact, None);
}

#[test]
fn what_is_wrong_in_the_environment_is_reported_by_the_variable() {
    let environment =
        [("PAPERPOST__SMTP__PORT", "smtp"), ("PAPERPOST__SMTP__PROT", "25"), ("PAPERPOST__LOG__FORMAT", "xml")];
    let folder = Folder::new(&[("paperpost.toml", "")]);
    let problems = folder.load_with(&[("digest.window_days", "0")], &environment).expect_err("problems");
    let mut lines = folder.lines(&problems);
    lines.sort();
    assert_eq!(
        lines,
        [
            "environment variable PAPERPOST__LOG__FORMAT: log.format: expected one of \"text\", \"json\", found \"xml\"",
            "environment variable PAPERPOST__SMTP__PORT: smtp.port: expected a whole number from 1 to 65535",
            "environment variable PAPERPOST__SMTP__PROT: smtp: unknown key `prot`",
            "hint: did you mean `port`?",
            "override digest.window_days: digest.window_days: expected a whole number from 1 to 90, found 0",
        ]
    );
}

#[test]
fn a_mail_server_has_the_port_of_its_protection() {
    for (lines, tls, port) in [
        ("", Tls::Implicit, 465),
        ("tls = \"starttls\"", Tls::StartTls, 587),
        ("tls = \"starttls\"\nport = 2525", Tls::StartTls, 2525),
    ] {
        let folder = Folder::new(&[("paperpost.toml", &format!("{SMTP}host = \"smtp.example.org\"\n{lines}\n"))]);
        let settings = folder.load().expect("settings");
        assert_eq!((smtp(&settings).tls, smtp(&settings).port), (tls, port));
    }
    let folder = Folder::new(&[("paperpost.toml", &format!("{SMTP}host = \"127.0.0.1\"\ntls = \"none\"\n"))]);
    assert_eq!(smtp(&folder.load().expect("loopback needs no TLS")).port, 25);
}

#[test]
fn a_mailbox_for_bounces_needs_a_host_and_a_login_and_is_the_only_one() {
    let imap = "[imap]\nhost = \"imap.example.org\"\nusername = \"bounces\"\npassword = \"hunter2\"\n";
    let inbox = |text: &str| Folder::new(&[("paperpost.toml", text)]).load().map(|settings| settings.bounces.inbox);
    let Ok(Some(Inbox::Imap(found))) = inbox(imap) else { panic!("no mailbox") };
    assert_eq!((found.port, found.tls, found.mailbox.as_str(), found.delete), (993, Tls::Implicit, "INBOX", false));
    let Ok(Some(Inbox::Imap(found))) = inbox(&format!("{imap}tls = \"starttls\"\n")) else { panic!("no mailbox") };
    assert_eq!(found.port, 143);
    assert!(inbox("[imap]\nusername = \"bounces\"\npassword = \"hunter2\"\n").is_ok_and(|inbox| inbox.is_none()));

    let errors = |text: &str| {
        let problems = Folder::new(&[("paperpost.toml", text)]).check().into_iter();
        problems.filter(|line| line.starts_with("paperpost.toml") && !line.contains("warning")).collect::<Vec<_>>()
    };
    let problem = |text: &str| errors(text).remove(0);
    assert_eq!(
        problem("[imap]\nhost = \"imap.example.org\"\n"),
        "paperpost.toml:2:8: imap.username: is missing, and no mailbox is open to everybody"
    );
    assert_eq!(
        problem(&format!("[bounces]\nmaildir = \"bounces\"\n{imap}")),
        "paperpost.toml:4:8: imap.host: is set, and bounces.maildir as well; only one can count"
    );
    assert_eq!(
        problem(&format!("{imap}tls = \"none\"\n")),
        "paperpost.toml:5:7: imap.tls: \"none\" leaves everything in clear, so it is only for a host on this machine"
    );
    assert_eq!(
        problem(&format!("{imap}mailbox = \"Rückläufer\"\n")),
        "paperpost.toml:5:11: imap.mailbox: expected the name of a mailbox in plain characters, as the server spells it"
    );
}

#[test]
fn mails_that_leave_need_a_sender_and_a_server() {
    let folder = Folder::new(&[("paperpost.toml", "[mail]\ntransport = \"smtp\"\n")]);
    let lines = folder.lines(&folder.load().expect_err("problems"));
    assert_eq!(lines[0], "paperpost.toml:2:13: mail.from: is missing, and mails that leave need a sender");
    assert_eq!(lines[2], "paperpost.toml:2:13: smtp.host: is missing, and mail.transport is \"smtp\"");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn a_sender_that_needs_more_of_every_server_than_most_have_is_refused() {
    let problems = |from: &str, reply_to: &str| {
        let text = format!("[subscriptions]\nfiles = []\n[mail]\nfrom = \"{from}\"\nreply_to = \"{reply_to}\"\n");
        Folder::new(&[("paperpost.toml", &text)]).check()
    };
    let hint = "hint: others need SMTPUTF8 (RFC 6531) of every server on the way; the domain may have any letters";
    assert_eq!(
        problems("Pépé <pépé@example.org>", "mémé@example.org"),
        [
            "paperpost.toml:4:8: mail.from: expected plain characters before the @",
            hint,
            "paperpost.toml:5:12: mail.reply_to: expected plain characters before the @",
            hint,
        ]
    );
    assert_eq!(problems("Pépé <pepe@bücher.example>", "meme@bücher.example"), [""; 0]);
}

#[test]
fn a_signature_that_few_receivers_know_is_not_enough() {
    let warnings = |keys: &str| {
        let text = format!("[subscriptions]\nfiles = []\n[dkim]\n{keys}");
        Folder::new(&[("paperpost.toml", &text), ("e.pem", "a key"), ("r.pem", "a key")]).check()
    };
    let (ed25519, rsa) = (
        "ed25519_selector = \"e\"\ned25519_key_file = \"e.pem\"\n",
        "rsa_selector = \"r\"\nrsa_key_file = \"r.pem\"\n",
    );
    assert_eq!(
        warnings(ed25519),
        [
            "paperpost.toml:4:20: warning: dkim.ed25519_selector: has the only key, and to receivers that know only \
             RSA, Gmail among them, mails are then not signed",
            "hint: add an RSA key; `paperpost dkim keygen --type rsa` makes one",
        ]
    );
    assert_eq!(warnings(&format!("{rsa}{ed25519}")), [""; 0]);
    assert_eq!(warnings(rsa), [""; 0]);
}

#[test]
fn a_password_comes_from_a_file_the_environment_or_the_service_manager_and_never_prints() {
    let login = format!("{SMTP}host = \"smtp.example.org\"\nusername = \"papers\"\n");
    let folder = Folder::new(&[
        ("paperpost.toml", &format!("{login}password_file = \"secrets/smtp\"\n")),
        ("secrets/smtp", "from the file\n"),
        ("credentials/smtp-password", "from the manager\n"),
        ("credentials/huggingface-token", "hf_secret"),
    ]);
    let password = |settings: &Settings| {
        assert!(!format!("{settings:?}").contains("from the"), "a secret printed");
        match &smtp(settings).login.as_ref().expect("a login").secret {
            Credential::Given(secret) => secret.reveal().to_owned(),
            Credential::File(path) => std::fs::read_to_string(path).expect("a file").trim_end().to_owned(),
        }
    };
    assert_eq!(password(&folder.load().expect("settings")), "from the file");
    let variable = [("PAPERPOST__SMTP__PASSWORD", "from the environment")];
    assert_eq!(password(&folder.load_with(&[], &variable).expect("settings")), "from the environment");

    folder.write("paperpost.toml", &login);
    let credentials = folder.path("credentials");
    let variable = [("CREDENTIALS_DIRECTORY", credentials.to_str().expect("UTF-8"))];
    let settings = folder.load_with(&[], &variable).expect("settings");
    assert_eq!(password(&settings), "from the manager");
    assert!(format!("{:?}", settings.sources[0].kind).contains("Token(***)"), "of the credential");
    folder.write("credentials/huggingface-token", "hf\u{7}secret");
    let wrong = folder.load_with(&[], &variable).expect_err("no header can carry it").to_string();
    assert!(wrong.contains("sources.huggingface.token: has characters that a token can't have"), "{wrong}");
}

#[test]
fn a_secret_that_cannot_be_read_is_reported_with_its_path() {
    let settings = format!(
        "{SMTP}host = \"smtp.example.org\"\nusername = \"papers\"\npassword_file = \"none\"\nca_file = \"ca\"\n"
    );
    let folder = Folder::new(&[
        ("paperpost.toml", &settings),
        ("subscriptions.toml", "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"rag\"]\n"),
    ]);
    assert_eq!(
        folder.check(),
        [
            "paperpost.toml:7:17: smtp.password: can't read none: No such file or directory (os error 2)",
            "paperpost.toml:8:11: smtp.ca_file: can't read ca: No such file or directory (os error 2)",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_password_that_everybody_can_read_gets_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("{SMTP}host = \"smtp.example.org\"\nusername = \"papers\"\npassword = \"hunter2\"\n");
    let folder = Folder::new(&[("paperpost.toml", &text)]);
    let warnings = |mode| {
        fs::set_permissions(folder.path("paperpost.toml"), fs::Permissions::from_mode(mode)).expect("a mode");
        folder.load().expect("settings").warnings
    };
    assert!(warnings(0o640).is_empty());
    let warnings = warnings(0o644);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].message.contains("every user") && !warnings[0].to_string().contains("hunter2"));
}

#[test]
fn relative_paths_start_at_the_file_that_says_them() {
    let folder = Folder::new(&[("etc/paperpost.toml", "[database]\npath = \"x.db\"\n[files]\nfolder = \"/mails\"\n")]);
    let path = folder.path("etc/paperpost.toml");
    let settings = config::load(Some(&path), &[], std::iter::empty()).expect("settings");
    assert_eq!(settings.database.path, folder.path("etc/x.db"));
    assert!(matches!(&settings.mail.transport, Transport::Files { folder } if folder == Path::new("/mails")));
    let overrides = pairs(&[("database.path", "y.db")]);
    let settings = config::load(Some(&path), &overrides, std::iter::empty()).expect("settings");
    assert_eq!(settings.database.path, Path::new("y.db"));
}

#[test]
fn without_a_path_the_users_own_file_is_found() {
    let folder = Folder::new(&[
        ("xdg/paperpost/paperpost.toml", "[log]\nlevel = \"warn\"\n"),
        ("home/.config/paperpost/paperpost.toml", "[log]\nlevel = \"error\"\n"),
    ]);
    let (xdg, home) = (folder.path("xdg"), folder.path("home"));
    let home = ("HOME", home.to_str().expect("UTF-8"));
    let settings = folder.load_with(&[], &[("XDG_CONFIG_HOME", xdg.to_str().expect("UTF-8")), home]).expect("settings");
    assert_eq!(settings.log.level, "warn");
    assert_eq!(settings.file, Some(folder.path("xdg/paperpost/paperpost.toml")));
    assert_eq!(folder.load_with(&[], &[home]).expect("settings").log.level, "error");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = Folder::new(&[]);
    let report = config::check(Some(&folder.path("paperpost.toml")), &[], std::iter::empty(), |_| Holdings::default());
    let lines = folder.lines(&report.problems);
    assert_eq!(lines, ["paperpost.toml: can't be read: No such file or directory (os error 2)"]);
}

#[test]
fn a_folder_may_have_a_pattern_for_a_name() {
    let subscription = "[[subscription]]\nemail = \"ada@example.org\"\nkeywords = [\"rag\"]\n";
    for files in ["subscriptions.toml", "sub*.toml"] {
        let folder = Folder::new(&[
            ("a[b]*/paperpost.toml", &format!("[subscriptions]\nfiles = [\"{files}\", \"./subscriptions.toml\"]\n")),
            ("a[b]*/subscriptions.toml", subscription),
        ]);
        let path = folder.path("a[b]*/paperpost.toml");
        let settings = config::load(Some(&path), &[], std::iter::empty()).expect("settings");
        let (subscriptions, _) = config::load_subscriptions(&settings).expect("a file read once");
        assert_eq!(subscriptions.len(), 1);
    }
}

#[test]
fn a_subscription_takes_what_it_does_not_say_from_its_file_and_then_from_the_settings() {
    let folder = Folder::new(&[
        ("paperpost.toml", "[subscriptions]\nfiles = [\"*.list\"]\n[digest]\nzone = \"Asia/Tokyo\"\nmax_papers = 3\n"),
        (
            "a.list",
            "\u{FEFF}defaults.max_papers = 4\r\ndefaults.sources = [\"huggingface\"]\r\nsubscription = [{ email = \
             \"ada@example.org\", keywords = [\"rag\"] }]\r\n",
        ),
        (
            "b.list",
            "[[subscription]]\nemail = \"bob@example.org\"\nkeywords = [\"rag\"]\nmax_papers = 5\nzone = \"UTC\"\n",
        ),
    ]);
    let subscriptions = folder.subscriptions();
    let said: Vec<_> = subscriptions.iter().map(|s| (s.zone.name(), s.profiles[0].max_papers)).collect();
    assert_eq!(said, [("Asia/Tokyo", 4), ("UTC", 5)]);
    assert_eq!(subscriptions[0].profiles[0].sources[0].as_str(), "huggingface");
}

#[test]
fn what_several_share_is_wrong_where_it_is_and_warned_of_where_nobody_wants_it() {
    let folder = Folder::new(&[
        ("paperpost.toml", ""),
        (
            "subscriptions.toml",
            r#"
[defaults]
max_papers = 7
[shared.vision]
name = "Computer vision"
keywords = ["(image"]
email = "ada@example.org"
schedule = "daily at 08:00"
keyword = []
[shared.speech]
keywords = ["speech"]
[shared.unused]
keywords = ["rag"]
[shared]
x = 1

[[subscription]]
email = ["ada@example.org", "ADA@example.org", 5, "bob@example.org"]
name = "Both"
profiles = ["visoin", "speech", "speech"]
keywords = ["rag"]

[[subscription]]
email = []
profiles = "speech"

[[subscription]]
email = "cyd@example.org"
profiles = ["vision", "nothing like it"]
[[subscription.profile]]
name = "speech"
keywords = ["rag"]

[[subscription]]
email = "dee@example.org"
profile = ["speech"]

[[subscription]]
email = "eve@example.org"
profiles = ["speech"]
[[subscription.profile]]
name = "speech"
keywords = ["rag"]
"#,
        ),
    ]);
    assert_eq!(
        folder.check(),
        [
            "subscriptions.toml:6:14: query: this \"(\" is never closed",
            "hint: add a \")\" where the group ends",
            "subscriptions.toml:7:1: email: a shared profile has none",
            "hint: addresses are in the [[subscription]] tables, which say profiles = [\"vision\"]",
            "subscriptions.toml:8:1: schedule: a shared profile has none",
            "hint: it is a key of [[subscription]]",
            "subscriptions.toml:9:1: unknown key `keyword`",
            "hint: did you mean `keywords`?",
            "subscriptions.toml:12:9: warning: shared.unused: nobody uses it",
            "hint: a [[subscription]] does with profiles = [\"unused\"]",
            "subscriptions.toml:15:1: warning: shared.x: nobody uses it",
            "hint: a [[subscription]] does with profiles = [\"x\"]",
            "subscriptions.toml:15:5: shared.x: expected a table, found an integer",
            "hint: write [shared.NAME]",
            "subscriptions.toml:18:29: email: this address already has a subscription at subscriptions.toml:18",
            "hint: one subscription an address; several interests are [[subscription.profile]] tables of it",
            "subscriptions.toml:18:48: email: expected a string in quotes, found an integer",
            "subscriptions.toml:19:8: name: an entry with several addresses can't have one",
            "hint: leave it out, or give that person an entry of their own; profiles = [\"…\"] shares what is wanted",
            "subscriptions.toml:20:13: profiles: there is no shared profile \"visoin\"",
            "hint: did you mean `vision`?",
            "subscriptions.toml:20:33: profiles: another profile of this subscription has the same name",
            "subscriptions.toml:21:1: keywords: is beside profiles, and would count for none",
            "hint: move it into a [[subscription.profile]]",
            "subscriptions.toml:24:9: email: expected at least one address",
            "subscriptions.toml:25:12: profiles: expected a list in square brackets, found a string",
            "hint: write [\"speech\"]",
            "subscriptions.toml:29:23: profiles: there is no shared profile \"nothing like it\"",
            "hint: this file has: vision, speech, unused, x",
            "subscriptions.toml:36:11: profile: expected tables, found names",
            "hint: profiles = [\"…\"] names shared ones",
            "subscriptions.toml:42:8: name: another profile of this subscription has the same name",
        ]
    );
}

#[test]
fn shared_profiles_come_first_and_take_the_defaults_of_their_file() {
    let folder = Folder::new(&[
        ("paperpost.toml", ""),
        (
            "subscriptions.toml",
            "[defaults]\nmax_papers = 7\n[shared.speech]\nkeywords = [\"speech\"]\n[shared.vision]\nname = \"Computer vision\"\n\
             keywords = [\"image\"]\nmax_papers = 2\n[[subscription]]\nemail = [\"ada@example.org\", \"bob@example.org\"]\n\
             profiles = [\"vision\", \"speech\"]\n[[subscription.profile]]\nname = \"Own\"\nkeywords = [\"rag\"]\n",
        ),
    ]);
    let subscriptions = folder.subscriptions();
    assert_eq!(subscriptions.len(), 2);
    for subscription in subscriptions {
        let sections: Vec<_> =
            subscription.profiles.iter().map(|profile| (profile.name.as_str(), profile.max_papers)).collect();
        assert_eq!(sections, [("Computer vision", 2), ("speech", 7), ("Own", 7)]);
    }
}
