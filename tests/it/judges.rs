//! What others think of a digest: verifiers and spam filters.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use paperpost::cli::demo::sample;
use paperpost::clock::Clock;
use paperpost::mail::dkim::{Algorithm, Key, new_key};
use serde_json::Value;

use crate::dns::{Dns, Record};
use crate::postoffice::free_ports;
use crate::process::{Home, listens, said};
use crate::site::Site;
use crate::smtp::SmtpServer;

/// Mails as the program makes them, and the name server that knows their keys.
pub(crate) struct Post {
    home: Home,
    /// A long digest, one with a single paper, and one that says that there is none; as a server that took them from ours
    /// would have them.
    pub(crate) mails: Vec<Vec<u8>>,
    dns: Dns,
}

/// Of the network for benchmarks: filters know that those for documentation send no mail.
const SENDER: &str = "198.18.0.25";

impl Post {
    /// Digests of the demo's papers, from the program itself, signed with both keys.
    pub(crate) async fn new() -> Self {
        let (site, smtp) = (Site::start().await, SmtpServer::start().await);
        let today = Clock::System.now().date_naive();
        for item in sample::first(today).into_values().flatten() {
            site.list_raw(today, item);
        }
        let home = Home::new(
            &site,
            &smtp,
            "[[subscription]]\nemail = \"ada@example.net\"\nname = \"Ada\"\n\
             [[subscription.profile]]\nname = \"Language\"\nkeywords = [\"language OR model*\", \"agents\"]\n\
             [[subscription.profile]]\nname = \"Learning\"\nkeywords = [\"learning OR training OR data\"]\n\
             [[subscription]]\nemail = \"grace@example.net\"\nkeywords = [\"model* OR learning\"]\nmax_papers = 1\n\
             [[subscription]]\nemail = \"mary@example.net\"\nkeywords = [\"zeppelin\"]\nwhen_empty = \"note\"\n",
        );
        let mut records = vec![
            ("example.org".to_owned(), Record::Txt(format!("v=spf1 ip4:{SENDER} -all"))),
            ("bounce.example.org".to_owned(), Record::Txt(format!("v=spf1 ip4:{SENDER} -all"))),
            ("_dmarc.example.org".to_owned(), Record::Txt("v=DMARC1; p=reject; adkim=s".into())),
            ("bounce.example.org".to_owned(), Record::A(SENDER.parse().expect("an address"))),
            ("mx.example.org".to_owned(), Record::A(SENDER.parse().expect("an address"))),
        ];
        let mut keys = String::new();
        for (selector, algorithm, name) in [("r1", Algorithm::Rsa, "rsa"), ("e1", Algorithm::Ed25519, "ed25519")] {
            let pem = new_key(algorithm).expect("a key");
            home.write(&format!("{selector}.pem"), &pem);
            keys += &format!("{name}_selector = \"{selector}\"\n{name}_key_file = \"{selector}.pem\"\n");
            let key = Key::from_pem(selector, &pem).expect("a key");
            let record = Record::Txt(key.dns_record().expect("a record"));
            records.push((format!("{selector}._domainkey.example.org"), record));
        }
        home.write(
            "paperpost.toml",
            &format!(
                "[sources.huggingface]\nbase_url = \"http://listing.example.org\"\n\
                 [mail]\nfrom = \"Paperpost <papers@example.org>\"\nbounce = \"bounces@bounce.example.org\"\n\
                 [dkim]\n{keys}\
                 [web]\nlisten = \"127.0.0.1:0\"\nbase_url = \"https://papers.example.org\"\n",
            ),
        );
        // The site is in for another, so that links in the mails look as they do in life.
        let mut once = home.command(&["once"]);
        once.env("http_proxy", site.base().as_str());
        let once = tokio::process::Command::from(once).output().await.expect("the program");
        assert!(once.status.success(), "{}", said(&once));
        let files = std::fs::read_dir(home.path("mails")).expect("a folder");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        let date = Clock::System.now().to_rfc2822();
        let trace = format!(
            "Return-Path: <bounces@bounce.example.org>\r\n\
             Received: from mx.example.org (mx.example.org [{SENDER}])\r\n\
             \tby mx.example.net (Postfix) with ESMTPS id 4B32B9983A6\r\n\tfor <ada@example.net>; {date}\r\n\
             Received: from localhost (localhost [127.0.0.1])\r\n\
             \tby mx.example.org (Postfix) with ESMTPSA id 3FBD1998193; {date}\r\n"
        );
        let received = |path: &PathBuf| [trace.as_bytes(), &std::fs::read(path).expect("a mail")].concat();
        let mails: Vec<_> = files.iter().map(received).collect();
        assert_eq!(mails.len(), 3);
        Self { home, mails, dns: Dns::start(records).await }
    }

    /// What a program says of each mail.
    async fn judged(&self, judge: impl Fn() -> Command) -> Vec<Output> {
        let mut outputs = Vec::new();
        for mail in &self.mails {
            outputs.push(judged(judge(), mail.clone()).await);
        }
        outputs
    }
}

/// What a program says of its input.
pub(crate) async fn judged(mut judge: Command, input: Vec<u8>) -> Output {
    let run = move || {
        let missing = format!("{} is missing: tests/install installs it", judge.get_program().display());
        judge.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut judge = judge.spawn().expect(&missing);
        judge.stdin.take().expect("its input").write_all(&input).expect("written");
        judge.wait_with_output().expect("an end")
    };
    // Beside this task, where the name server answers its questions.
    let output = tokio::task::spawn_blocking(run).await.expect("a judgement");
    assert!(output.status.success(), "{}", said(&output));
    output
}

/// Debian's python3-dkim: no code of ours, nor of the library that the other tests verify with.
#[tokio::test]
async fn dkimpy_finds_both_signatures_good_and_every_forgery_bad() {
    let post = Post::new().await;
    let script = "
import sys, dkim, dns.resolver
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ['127.0.0.1'], int(sys.argv[1])
def txt(name, timeout=5):
    return b''.join(resolver.resolve(name.decode(), 'TXT')[0].strings)
mail = sys.stdin.buffer.read()
def verdicts(mail):
    message = dkim.DKIM(mail)
    signatures = [value for name, value in message.headers if name.lower() == b'dkim-signature']
    def verdict(index):
        try:
            return message.verify(idx=index, dnsfunc=txt)
        except dkim.DKIMException as error:
            return str(error)
    return [(b'a=rsa-sha256' in signature, verdict(index)) for index, signature in enumerate(signatures)]
good = verdicts(mail)
assert sorted(good) == [(False, True), (True, True)], good
for old, new in [(b'Subject: ', b'Subject: x'), (b'papers.example.org/u/', b'papers.example.org/v/'), (b'<html', b'<htmL')]:
    forged = mail.replace(old, new, 1)
    assert forged != mail and not any(verdict is True for _, verdict in verdicts(forged)), (old, verdicts(forged))
";
    post.judged(|| {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", script, &post.dns.port.to_string()]);
        python
    })
    .await;
}

#[tokio::test]
async fn spamassassin_finds_nothing_to_say_against_a_digest() {
    let post = Post::new().await;
    let resolver = format!("dns_server 127.0.0.1:{}", post.dns.port);
    let lines = [&resolver, "dns_available yes", "skip_rbl_checks 1", "skip_uribl_checks 1", "use_bayes 0"];
    let outputs = post.judged(|| {
        let mut judge = Command::new("spamassassin");
        judge.env("HOME", post.home.path("")).arg("--test-mode").args(lines.map(|line| format!("--cf={line}")));
        judge
    });
    for output in outputs.await {
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, table) = text.split_once("pts rule name").expect("a table");
        // ` 0.1 DKIM_SIGNED            Message has a DKIM or DK signature, not necessarily valid`
        let rows = table.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse::<f64>().ok()?, words.next()?))
        });
        let rows: Vec<_> = rows.collect();
        let against: Vec<_> = rows.iter().filter(|(points, _)| *points > 0.0).map(|(_, rule)| *rule).collect();
        assert_eq!(against, ["DKIM_SIGNED"], "a good signature takes it back:\n{text}");
        assert!(rows.iter().map(|(points, _)| points).sum::<f64>() < 0.0, "{text}");
        for good in ["DKIM_VALID", "DKIM_VALID_AU", "MAILING_LIST_MULTI"] {
            assert!(rows.iter().any(|(_, rule)| *rule == good), "{good}:\n{text}");
        }
    }
}

/// rspamd, in the folder of the digest; ended when dropped.
struct Rspamd {
    child: Child,
    port: u16,
}

impl Rspamd {
    async fn start(folder: &Path, dns: u16) -> Self {
        let [port] = free_ports();
        let home = folder.join("rspamd");
        for name in ["override.d", "db", "run", "log"] {
            std::fs::create_dir_all(home.join(name)).expect("a folder");
        }
        // It compiles them all at its start, and the whole list takes it a dozen seconds.
        std::fs::write(home.join("tlds"), "org\nnet\n").expect("written");
        let at = home.display();
        let options = [
            format!("dns {{ nameserver = [\"127.0.0.1:{dns}\"]; timeout = 5s; retransmits = 3; }}"),
            format!("control_socket = \"{at}/db/rspamd.sock\"; url_tld = \"{at}/tlds\"; local_addrs = [];"),
        ];
        let write = |name: &str, text: &str| std::fs::write(home.join("override.d").join(name), text).expect("written");
        write("options.inc", &options.concat());
        write("logging.inc", &format!("type = \"file\"; filename = \"{at}/log/rspamd.log\";"));
        write("worker-normal.inc", &format!("bind_socket = \"127.0.0.1:{port}\"; count = 1; task_timeout = 60s;"));
        // What needs other workers, or lists in the network.
        let off = "worker-controller.inc worker-proxy.inc worker-fuzzy.inc fuzzy_check.conf rbl.conf surbl.conf asn.conf \
                   phishing.conf url_redirector.conf neural.conf greylist.conf ratelimit.conf replies.conf mx_check.conf \
                   history_redis.conf";
        for name in off.split_whitespace() {
            write(name, "enabled = false;");
        }
        let mut rspamd = Command::new("rspamd");
        rspamd.args(["--no-fork", "--insecure", "--config=/etc/rspamd/rspamd.conf"]);
        rspamd.arg(format!("--var=LOCAL_CONFDIR={at}"));
        for (name, folder) in [("DBDIR", "db"), ("RUNDIR", "run"), ("LOGDIR", "log")] {
            rspamd.arg(format!("--var={name}={at}/{folder}"));
        }
        let started = rspamd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let it = Self { child: started.expect("rspamd (tests/install installs it)"), port };
        let log = || std::fs::read_to_string(home.join("log/rspamd.log")).unwrap_or_default();
        listens(port, || format!("rspamd does not answer:\n{}", log())).await;
        it
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn rspamd_finds_nothing_to_say_against_a_digest() {
    let post = Post::new().await;
    let rspamd = Rspamd::start(&post.home.path(""), post.dns.port).await;
    let outputs = post.judged(|| {
        let mut judge = Command::new("rspamc");
        judge.args([
            "--json",
            "--timeout=60",
            "--helo=mx.example.org",
            "--hostname=mx.example.org",
            "--rcpt=ada@example.net",
        ]);
        judge.args(["--from=bounces@bounce.example.org".to_owned(), format!("--ip={SENDER}")]);
        judge.arg(format!("--connect=127.0.0.1:{}", rspamd.port));
        judge
    });
    for output in outputs.await {
        let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let symbols = verdict["symbols"].as_object().expect("symbols");
        let score = |symbol: &Value| symbol["score"].as_f64().expect("a score");
        let against: Vec<_> = symbols.iter().filter(|(_, symbol)| score(symbol) > 0.0).map(|(name, _)| name).collect();
        // The line that a list of mails shows beside the subject is hidden in the mail itself.
        assert_eq!(against, ["MANY_INVISIBLE_PARTS"], "{verdict:#}");
        assert!(verdict["score"].as_f64().is_some_and(|score| score < 0.0), "{verdict:#}");
        for good in ["R_DKIM_ALLOW", "R_SPF_ALLOW", "DMARC_POLICY_ALLOW", "MAILLIST", "MIME_GOOD"] {
            assert!(symbols.contains_key(good), "{good}: {verdict:#}");
        }
        assert_eq!(symbols["R_DKIM_ALLOW"]["options"].as_array().map(Vec::len), Some(2), "both signatures");
    }
}
