//! The README, taken at its word: its files load, its commands are understood, and its demo leaves what it says.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use mail_parser::MessageParser;
use paperpost::config;
use paperpost::core::lint::Holdings;
use url::Url;

use crate::process::Home;
use crate::site::Site;
use crate::smtp::SmtpServer;

const README: &str = include_str!("../../README.md");

/// The insides of the blocks in this language, in order.
fn blocks(language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let blocks = README.split(&opening).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

fn paperpost(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_paperpost")).args(arguments).output().expect("the program runs")
}

#[test]
fn the_files_in_the_readme_are_right() {
    let blocks = blocks("toml");
    let [settings, subscriptions] = blocks.as_slice() else { panic!("{} blocks of TOML", blocks.len()) };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("paperpost.toml", settings);
    write("subscriptions.toml", subscriptions);
    write("smtp-password", "example\n");
    let report =
        config::check(Some(&folder.path().join("paperpost.toml")), &[], std::iter::empty(), |_| Holdings::default());
    assert!(report.problems.is_empty(), "{}", report.problems.pretty(false));
    assert_eq!(report.listing.subscriptions.len(), 1);
}

#[test]
fn every_command_in_the_readme_is_there() {
    let help = String::from_utf8(paperpost(&["--help"]).stdout).expect("text");
    let known: BTreeSet<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let code = README.split('`').skip(1).step_by(2).chain(README.lines());
    let named: BTreeSet<&str> = code
        .filter_map(|line| line.trim_start_matches("$ ").strip_prefix("paperpost "))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|word| !word.starts_with('-'))
        .collect();
    assert!(named.len() > 8, "{named:?}");
    for command in named {
        assert!(known.contains(command), "the README has `paperpost {command}`, the program has {known:?}");
        let output = paperpost(&[command, "--help"]);
        assert!(output.status.success(), "paperpost {command} --help: {output:?}");
    }
}

#[test]
fn a_subscription_made_as_in_the_readme_passes_the_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("paperpost.toml");
    fs::write(&settings, &blocks("toml")[0]).expect("a file");
    fs::write(folder.path().join("smtp-password"), "example\n").expect("a file");
    let line = README.lines().find_map(|line| line.strip_prefix("$ paperpost subscribe ")).expect("the command");
    // The words of a shell, for a line whose only quotes are single ones.
    let quoted = line.split('\'').enumerate().flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().collect::<Vec<_>>(),
        _ => vec![part],
    });
    let config = settings.to_str().expect("a path in Unicode");
    let arguments: Vec<&str> = ["--config", config, "subscribe"].into_iter().chain(quoted).collect();
    let subscribed = paperpost(&arguments);
    assert!(subscribed.status.success(), "{subscribed:?}");
    let checked = paperpost(&["--config", config, "check"]);
    assert!(checked.status.success(), "{checked:?}");
    assert!(String::from_utf8_lossy(&checked.stdout).contains("1 subscription"), "{checked:?}");
}

/// Where the links of a page lead, but for those that write a mail.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|link| !link.starts_with("mailto:"))
}

#[test]
fn the_demo_leaves_mails_settings_and_a_database_to_look_at() {
    let folder = tempfile::tempdir().expect("a folder");
    // A name that addresses write in another way.
    let output = folder.path().join("demo & links");
    let path = output.to_str().expect("a path in Unicode");
    let demo = paperpost(&["demo", "--output", path]);
    assert!(demo.status.success(), "{demo:?}");
    for file in ["paperpost.toml", "subscriptions.toml", "demo.db", "day-1/lab.eml", "day-2/lab.eml", "day-2/lab.html"]
    {
        assert!(output.join(file).is_file(), "{file} is missing: {demo:?}");
    }
    for day in ["day-1", "day-2"] {
        let mails = |end: &str| {
            let files = fs::read_dir(output.join(day)).expect("a folder").map(|entry| entry.expect("an entry").path());
            let mails: Vec<_> = files.filter(|path| path.extension().is_some_and(|own| own == end)).collect();
            assert!(mails.len() > 2, "{day}: {mails:?}");
            mails
        };
        for mail in mails("html") {
            let mail = fs::read_to_string(mail).expect("a mail");
            for link in links(&mail) {
                assert!(output.join(day).join(link).is_file(), "{link} leads nowhere");
            }
        }
        for path in mails("eml") {
            let bytes = fs::read(&path).expect("a mail");
            let mail = MessageParser::default().parse(&bytes).expect("a message");
            let (html, text) = (mail.body_html(0).expect("HTML"), mail.body_text(0).expect("text"));
            let of_text = text.split_whitespace().filter(|word| word.contains("://"));
            for link in links(&html).chain(of_text) {
                let link = link.replace("&amp;", "&");
                let page = Url::parse(&link).ok().and_then(|link| link.to_file_path().ok());
                assert!(page.is_some_and(|page| page.is_file()), "{}: {link} leads nowhere", path.display());
            }
            assert_eq!(html.contains("href=\"file:"), text.contains("file://"), "both alternatives have the links");
        }
    }
    let settings = output.join("paperpost.toml");
    let list = paperpost(&["--config", settings.to_str().expect("a path in Unicode"), "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("4 subscribers"), "{list:?}");
}

/// Cron's own environment has a home, a shell, and a PATH without anybody's own programs.
#[tokio::test]
async fn the_crontab_of_the_readme_works_in_the_environment_of_cron() {
    let (site, smtp) = (Site::start().await, SmtpServer::start().await);
    let home = Home::new(&site, &smtp, "");
    let folder = home.path("");
    fs::create_dir_all(folder.join(".cargo/bin")).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_paperpost"), folder.join(".cargo/bin/paperpost")).expect("a link");
    fs::create_dir(folder.join("papers")).expect("a folder");
    home.write("papers/paperpost.toml", &home.read("paperpost.toml"));
    home.write("papers/subscriptions.toml", "");
    let crontab = &blocks("crontab")[0];
    let command = crontab.split_whitespace().skip(5).collect::<Vec<_>>().join(" ");
    let mut cron = tokio::process::Command::new("/bin/sh");
    cron.args(["-c", &command]).env_clear().env("HOME", &folder).env("PATH", "/usr/bin:/bin").current_dir(&folder);
    let output = cron.output().await.expect("a shell");
    assert!(output.status.success() && home.path("papers/p.db").is_file(), "{output:?}");
}
