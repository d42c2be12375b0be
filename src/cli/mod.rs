//! The command line: arguments in, jobs called, results printed.
//!
//! Exit codes: 0 when all went well; 1 when something is wrong that the output names (a problem in the configuration, a
//! source that can't be read, a mail that can't be sent); 2 for a command line that isn't understood.

#[macro_use]
mod output;

mod attention;
mod bounce;
pub mod demo;
mod dkim;
mod edit;
mod explain;
mod expression;
mod files;
mod format;
mod json;
mod manual;
mod outbox;
mod preview;
mod progress;
mod reload;
mod show;
mod suppress;
mod trial;
mod work;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::app::Origin;
use crate::clock::Clock;
use crate::config::{self, Problems};
use crate::core::address::Address;
use crate::{app, telemetry, zones};

/// Trending papers in your inbox.
///
/// Paperpost reads lists of new papers, picks those that fit each subscriber's keywords, and mails a digest. Two files say everything: paperpost.toml how it works, subscriptions.toml who gets what.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The settings: by default ./paperpost.toml, then ~/.config/paperpost/, then /etc/paperpost/
    #[arg(short, long, global = true, value_name = "FILE", env = "PAPERPOST_CONFIG")]
    config: Option<PathBuf>,
    /// Sets one setting for this run, such as `--set mail.transport=files`
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// When to use colors; NO_COLOR turns them off as well
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    color: output::Color,
}

const EXAMPLES: &str = "Examples:
  paperpost demo                               a run with sample papers, offline
  paperpost subscribe ada@example.org mamba 'diffusion -image'
  paperpost edit ada@example.org --add speech  one keyword more
  paperpost check                              every problem in both files
  paperpost preview ada@example.org            what her next digest would be
  paperpost explain ada@example.org            why she got what she got
  paperpost try '\"state space\" OR mamba'       what that would have found
  paperpost help queries                       the language of expressions
  paperpost once                               read, decide, send; for cron
  paperpost run                                the daemon: for systemd";

#[derive(Debug, Subcommand)]
enum Command {
    /// Works until stopped: reads sources, publishes and delivers on schedule
    ///
    /// SIGTERM and Ctrl-C finish the work in hand. Changed subscription files are taken in without a request; SIGHUP and `paperpost reload` read the settings anew, too. Only one paperpost works on a
    /// database at a time.
    Run,
    /// Reads the bounce mailbox and all sources, publishes what is due, delivers what is queued, and exits
    Once {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Reads sources and takes in what they list
    Scrape {
        /// Only these sources, by their names in paperpost.toml
        sources: Vec<String>,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Decides the editions that are due and queues their mails
    Publish {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Sends queued mails that are due
    Deliver {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Shows what a subscriber's next digest would be; nothing is sent and nothing moves
    #[command(after_help = "Examples:
  paperpost preview ada@example.org                   as text, on the terminal
  paperpost preview ada@example.org --format html -o digest.html")]
    Preview {
        /// A subscribed address
        address: String,
        /// What to write
        #[arg(long, value_enum, default_value_t = preview::Format::Text)]
        format: preview::Format,
        /// Where to write it, instead of the terminal
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// As JSON, for scripts: which papers, and the mail's subject, text and HTML
        #[arg(long, conflicts_with_all = ["format", "output"])]
        json: bool,
    },
    /// Says why a subscriber got a paper or did not, or why the last edition had what it had
    #[command(after_help = "Examples:
  paperpost explain ada@example.org                 the last edition
  paperpost explain ada@example.org 2503.02130      a paper by its arXiv number
  paperpost explain ada@example.org https://arxiv.org/abs/2503.02130
  paperpost explain ada@example.org 'scaling laws'  by a piece of its title")]
    Explain {
        /// A subscribed address
        address: String,
        /// An arXiv number, a key, a web address or a piece of the title; without it, the last edition
        paper: Option<String>,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Counts and lists what an expression would have matched in the last days
    #[command(after_help = "Examples:
  paperpost try '\"state space\" OR mamba'
  paperpost try 'agents -survey' --days 30 --min-upvotes 20
  paperpost try diffusion --fresh                      needs no database

`paperpost help queries` explains expressions.")]
    Try(trial::Try),
    /// Explains keyword expressions
    #[command(hide = true, long_about = manual::queries(), help_template = "{about}")]
    Queries,
    /// Reports every problem in the settings and the subscriptions, and what was probably not meant
    Check {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Lists queued and failed mails; shows, retries, drops or exports them
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:
  paperpost outbox --state failed
  paperpost outbox show 17
  paperpost outbox retry 17
  paperpost outbox retry --all
  paperpost outbox drop 17 18
  paperpost outbox eml 17 -o mail.eml
  paperpost outbox export --state failed | jq -r .address"
    )]
    Outbox {
        #[command(flatten)]
        list: outbox::OutboxList,
        #[command(subcommand)]
        action: Option<outbox::OutboxAction>,
    },
    /// Shows how the sources are, when the next editions are due and what is queued
    Status {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        /// Ends with 1 when something needs a person
        #[arg(long)]
        check: bool,
    },
    /// Adds a subscription to the subscriptions file
    #[command(after_help = "Examples:
  paperpost subscribe ada@example.org 'retrieval AND (rag OR \"key-value cache\")'
  paperpost subscribe lab@example.org robotics --min-upvotes 20 \\
      --schedule 'weekly on mon at 08:00' --zone Europe/Paris

`paperpost help queries` explains expressions, `paperpost try EXPRESSION` shows what one finds.")]
    Subscribe(edit::Subscribe),
    /// Changes keywords, exclusions, limits or the schedule of a subscription
    #[command(after_help = "Examples:
  paperpost edit ada@example.org --add 'speech OR audio' --max-papers 10
  paperpost edit ada@example.org --remove rag --exclude survey
  paperpost edit ada@example.org --schedule 'fri-sun at 8am' --zone Europe/Paris
  paperpost edit ada@example.org --unset max_papers

`paperpost help queries` explains expressions. `paperpost unsubscribe` removes a subscription, `pause` and `resume` interrupt it.")]
    Edit(edit::Edit),
    /// Removes a subscription from the subscriptions file
    Unsubscribe {
        /// The address
        address: String,
        /// The file to change, when several are configured
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Sends a subscriber nothing for a while; what is new waits
    Pause {
        /// The address
        address: String,
        /// The file to change, when several are configured
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Ends a pause
    Resume {
        /// The address
        address: String,
        /// The file to change, when several are configured
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Has the daemon read the settings and the subscription files anew, and says what it made of them
    ///
    /// Settings change in a running daemon by this command or SIGHUP alone; changed subscription files are taken in without it. With
    /// an error in the settings the old ones stay in force.
    Reload {
        /// Removes the subscribers who are held because they are missing from the files, if the files are as they are now
        #[arg(long)]
        accept_removals: bool,
    },
    /// Lists the subscribers with their last and next editions
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Addresses that must not be written to: who left, whose mail comes back
    #[command(after_help = "Examples:
  paperpost suppress list
  paperpost suppress add ada@example.org --note 'asked by telephone'
  paperpost suppress remove ada@example.org")]
    Suppress {
        #[command(subcommand)]
        action: suppress::SuppressAction,
    },
    /// Takes in one bounce, complaint or request to leave from standard input: for a mail server's pipe
    ///
    /// Exit codes are those of sysexits.h: 0 taken or ignored, 67 a letter that nobody reads, 75 try again later.
    #[command(after_help = "In /etc/aliases:
  bounces: \"|/usr/bin/paperpost -c /etc/paperpost/paperpost.toml bounce\"")]
    Bounce {
        /// Reads the mailbox of the settings (imap.host or bounces.maildir) now, instead of standard input
        #[arg(long)]
        inbox: bool,
    },
    /// Keys for signing mails (DKIM), and what the DNS must say about them
    #[command(after_help = "Examples:
  paperpost dkim keygen --selector r2026
  paperpost dkim keygen --type ed25519 --selector e2026
  paperpost dkim record")]
    Dkim {
        #[command(subcommand)]
        action: dkim::DkimAction,
    },
    /// Runs two days with sample papers and four sample subscribers into a folder: no network, no account
    Demo {
        /// The folder for the mails
        #[arg(short, long, value_name = "FOLDER", default_value = "paperpost-demo")]
        output: PathBuf,
    },
    /// Sends a short mail through the configured transport and says what the server answered
    TestMail {
        /// Where to
        address: String,
    },
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    output::end(start(std::env::args_os().collect()))
}

fn start(words: Vec<OsString>) -> ExitCode {
    private_files();
    let color = output::wanted_color(&words);
    let arguments = match Arguments::try_parse_from(settings_first(words)) {
        Ok(arguments) => arguments,
        Err(error) => {
            output::set_color(color);
            output::usage(&error);
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    output::set_color(arguments.global.color);
    // Both of its providers may be in the dependency graph; TLS must not have to guess.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        note!("paperpost: another TLS provider is installed already");
    }
    zones::choose(std::env::var_os("TZDIR").as_deref().map(Path::new));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(arguments));
            // What still runs, such as the look-up of a name that nobody answers, must not hold up the end.
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        }
        Err(error) => Err(anyhow::anyhow!("can't start: {error}")),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            note!("paperpost: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line with every `--set KEY=VALUE` right after the program's name: of an argument that stands on both sides
/// of a command, clap keeps only what stands on one. What comes after `--` is no argument of ours.
fn settings_first(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut rest = arguments.into_iter();
    let mut first: Vec<OsString> = rest.next().into_iter().collect();
    let mut others = Vec::new();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--") => {
                others.push(argument);
                others.extend(rest.by_ref());
            }
            Some("--set") => first.extend([argument].into_iter().chain(rest.next())),
            Some(text) if text.starts_with("--set=") => first.push(argument),
            _ => others.push(argument),
        }
    }
    first.extend(others);
    first
}

/// Whatever is written has addresses in it: the database with its log and lock, mails, exports. So nothing that this
/// process makes is open to other users, whatever the umask it was given.
fn private_files() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { global: Global { config, set, .. }, command } = arguments;
    match command {
        Command::Demo { output } => return demo::run(&output).await,
        Command::Queries => {
            output::text(&manual::queries());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Check { json } => {
            let mut report = config::check(config.as_deref(), &set, environment(), expression::holdings);
            if let Some(settings) = &report.settings {
                config::clear_leftovers(settings);
            }
            report.add(report.settings.as_ref().map(app::unusable).unwrap_or_default());
            report.add_access();
            report.add_warnings(report.settings.as_ref().map(expression::reread_in_database).unwrap_or_default());
            let today = Clock::System.now().date_naive();
            report.warn(files::late_starts(&report.listing, today));
            report.warn(app::old_zones(today));
            return show::check(&report, json);
        }
        _ => {}
    }
    let settings = match config::load(config.as_deref(), &set, environment()) {
        Ok(settings) => settings,
        Err(problems) => {
            let code = refuse(&problems);
            if matches!(command, Command::Reload { .. }) {
                note!("a running daemon keeps the settings that it has");
            }
            // A mail server tries again once the settings are mended.
            return Ok(if matches!(command, Command::Bounce { inbox: false }) {
                ExitCode::from(bounce::EX_TEMPFAIL)
            } else {
                code
            });
        }
    };
    let missing = settings.missing_secrets.iter().filter(|missing| needs(&command, &missing.key));
    let missing: Vec<_> = missing.map(|missing| missing.problem.clone().into_error()).collect();
    if !missing.is_empty() {
        return Ok(refuse(&Problems::new(missing)));
    }
    // Commands for people print their results; only the daemon's log is its output.
    let level = match command {
        Command::Run => settings.log.level.as_str(),
        _ => "warn",
    };
    let is_json = settings.log.format == config::settings::LogFormat::Json;
    telemetry::start(level, is_json, output::log_has_color(), || output::Log);
    match command {
        Command::Run => {
            let origin = Origin { file: config, overrides: set, environment: environment().collect() };
            work::run(settings, origin).await
        }
        Command::Once { json } => work::once(&settings, json).await,
        Command::Scrape { sources, json } => work::scrape(&settings, &sources, json).await,
        Command::Publish { json } => work::publish(&settings, json),
        Command::Deliver { json } => work::deliver(&settings, json).await,
        Command::Preview { address, json: true, .. } => {
            preview::preview(&settings, &parse_address(&address)?, preview::Format::Json, None)
        }
        Command::Preview { address, format, output, json: false } => {
            preview::preview(&settings, &parse_address(&address)?, format, output.as_deref())
        }
        Command::Explain { address, paper, json } => {
            explain::explain(&settings, &parse_address(&address)?, paper.as_deref(), json)
        }
        Command::Try(arguments) => trial::run(&settings, &arguments).await,
        Command::Outbox { list, action } => outbox::outbox(&settings, &list, action),
        Command::Status { json, check } => show::status(&settings, json, check),
        Command::Subscribe(arguments) => edit::subscribe(&settings, &arguments),
        Command::Edit(arguments) => edit::edit(&settings, &arguments),
        Command::Unsubscribe { address, file } => edit::unsubscribe(&settings, &parse_address(&address)?, file),
        Command::Pause { address, file } => edit::pause(&settings, &parse_address(&address)?, file, true),
        Command::Resume { address, file } => edit::pause(&settings, &parse_address(&address)?, file, false),
        Command::Reload { accept_removals } => reload::reload(&settings, accept_removals),
        Command::List { json } => show::list(&settings, json),
        Command::Suppress { action } => suppress::suppress(&settings, action),
        Command::Bounce { inbox: true } => bounce::inbox(&settings).await,
        Command::Bounce { inbox: false } => Ok(bounce::bounce(&settings)),
        Command::Dkim { action } => dkim::dkim(&settings, action),
        Command::TestMail { address } => preview::test_mail(&settings, &parse_address(&address)?).await,
        Command::Check { .. } | Command::Queries | Command::Demo { .. } => Ok(ExitCode::SUCCESS),
    }
}

/// Whether a command needs the secret under this key. Those that only look never do: the user who looks may be another
/// than the one who sends.
fn needs(command: &Command, key: &str) -> bool {
    let is_sources = key.starts_with("sources.");
    match command {
        Command::Run | Command::Once { .. } | Command::Deliver { .. } | Command::TestMail { .. } => true,
        Command::Scrape { .. } => is_sources,
        Command::Try(arguments) => is_sources && arguments.is_fresh(),
        Command::Bounce { inbox: true } => matches!(key, "imap.password" | "tokens.key"),
        Command::Dkim { .. } => key.starts_with("dkim."),
        _ => false,
    }
}

/// The environment, less what isn't Unicode: no setting of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Prints every problem and how many there are.
fn refuse(problems: &Problems) -> ExitCode {
    output::note_problems(|color| problems.pretty(color));
    ExitCode::FAILURE
}

fn parse_address(text: &str) -> anyhow::Result<Address> {
    Address::parse(text).map_err(|error| anyhow::anyhow!("`{text}` {error}"))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as mail.transport=files".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn no_line_of_an_example_is_wrapped_and_the_language_is_named_where_it_is_written() {
        let mut program = Arguments::command();
        program.build();
        let mut commands: Vec<&clap::Command> = vec![&program];
        let mut named = Vec::new();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().filter(|inner| inner.get_name() != "help"));
            let Some(help) = command.get_after_help().map(ToString::to_string) else { continue };
            let examples = help.lines().take_while(|line| !line.is_empty());
            examples.for_each(|line| assert!(line.chars().count() <= 80, "{}: {line}", command.get_name()));
            if help.contains("paperpost help queries") {
                named.push(command.get_name().to_owned());
            }
        }
        named.sort();
        assert_eq!(named, ["edit", "paperpost", "subscribe", "try"]);
    }

    #[test]
    fn settings_count_wherever_they_stand() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (given, meant) in [
            ("paperpost --set a=1 status --set b=2 --json", "paperpost --set a=1 --set b=2 status --json"),
            ("paperpost try x --set=a=1 -- --set b", "paperpost --set=a=1 try x -- --set b"),
            ("paperpost status --set", "paperpost --set status"),
        ] {
            assert_eq!(settings_first(words(given)), words(meant));
        }
        let parsed = Arguments::parse_from(settings_first(words("paperpost --set a=1 status --set b=2")));
        assert_eq!(parsed.global.set, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }
}
