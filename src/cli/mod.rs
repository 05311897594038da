//! The command line: arguments in, answers out. What it does is in [`local`](crate::local) and the operator.

mod args;
mod cluster;
mod output;
mod progress;
mod run;
mod simulate;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use mooring_provider::Key;
use tracing_subscriber::EnvFilter;

use self::{
    args::{Cli, Command, Format, Place},
    output::{Answer, show},
    progress::Teller,
};
use crate::local::{self, Front, State, application_name, chain, documents::Documents};

/// Exit code of what was asked and could not be done.
const FAILED: u8 = 1;
/// Exit code of bad usage and bad input.
const BAD_INPUT: u8 = 2;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Local(#[from] local::Error),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error("the simulator cannot serve: is its port taken, or its state file not its own?")]
    Simulator(#[source] io::Error),
    #[error("cannot write the answer")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Operator(#[from] crate::operator::Error),
}

impl Error {
    fn code(&self) -> u8 {
        match self {
            Self::Local(local::Error::Input(_)) => BAD_INPUT,
            _ => FAILED,
        }
    }
}

/// Runs a command line.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows.
            let code = if error.use_stderr() { BAD_INPUT } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(FAILED),
            };
        }
    };
    if let Err(error) = log(&cli) {
        eprintln!("error: --log: {error}; use error, warn, info, debug, trace, or a filter such as mooring=debug");
        return ExitCode::from(BAD_INPUT);
    }
    match command(cli.command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            for line in chain(&error).lines() {
                eprintln!("error: {line}");
            }
            ExitCode::from(error.code())
        }
    }
}

fn log(cli: &Cli) -> Result<(), tracing_subscriber::filter::ParseError> {
    // Progress tells a person what a warning of the engine would tell again; an operator has no other voice.
    let (quiet, json) = match &cli.command {
        Command::Run(run) => ("info", run.json),
        _ => ("error", false),
    };
    let filter = EnvFilter::try_new(cli.log.as_deref().unwrap_or(quiet))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    // A second one in the same process, as in a test, keeps the first.
    let _ = match json {
        true => tracing::subscriber::set_global_default(subscriber.json().finish()),
        false => tracing::subscriber::set_global_default(subscriber.finish()),
    };
    Ok(())
}

/// Does what was asked. False if it was not done in full; what was wrong has been told.
async fn command(command: Command) -> Result<bool, Error> {
    match command {
        Command::Run(run) => {
            run.run().await?;
            Ok(true)
        }
        Command::Up {
            files,
            environment,
            place,
        } => up(files.files, environment.environment, place).await,
        Command::Down {
            application,
            files,
            place,
        } => down(application, files.files, place).await,
        Command::Plan {
            files,
            environment,
            place,
        } => {
            let documents = Documents::read(&files.files)?.judged()?;
            let front = Front::look(State::at(&place.state)).await?;
            let plan = local::plan(&front, &documents, environment.environment.as_deref()).await?;
            answer(&plan, &place)?;
            match plan.refused() {
                0 => Ok(true),
                refused => {
                    let (all, environment) = (plan.resources.len(), &plan.environment);
                    let message = format!(
                        "{refused} of {all} cannot be had in Environment `{environment}`, for the reasons in the plan"
                    );
                    Err(local::Error::input(message).into())
                }
            }
        }
        Command::Ls { cluster, place, .. } if cluster.is_meant() => answer(&cluster::list(&cluster).await?, &place),
        Command::Ls { files, place, .. } => {
            let Some((front, _)) = open(&files.files, &place).await? else {
                return answer(&Vec::<local::Listed>::new(), &place);
            };
            answer(&local::list(&front).await?, &place)
        }
        Command::Inventory { cluster, place, .. } if cluster.is_meant() => {
            let (entries, failures) = cluster::inventory(&cluster).await?;
            answer(&entries, &place)?;
            for failure in &failures {
                eprintln!("error: {}", chain(failure));
            }
            Ok(failures.is_empty())
        }
        Command::Inventory { files, place, .. } => {
            let Some((front, documents)) = open(&files.files, &place).await? else {
                return answer(&Vec::<crate::engine::Entry>::new(), &place);
            };
            answer(&local::inventory(&front, &documents).await?, &place)
        }
        Command::Check { files, place } => {
            let documents = Documents::read(&files.files)?.judged()?;
            let front = Front::look(State::at(&place.state)).await?;
            let checked = local::check(&front, &documents).await?;
            answer(&checked, &place)?;
            Ok(checked.iter().all(|checked| checked.error.is_none()))
        }
        Command::Approve { word, key, cluster, .. } if cluster.is_meant() => {
            say(&cluster::approve(&cluster, word.into(), &key).await?)
        }
        Command::Approve { word, key, place, .. } => {
            let teller = Teller::new();
            let front = take(&place, &Documents::default(), &teller).await?;
            say(&local::approve(&front, word.into(), &key).await?)
        }
        Command::Rotate { key, cluster, .. } if cluster.is_meant() => say(&cluster::rotate(&cluster, &key).await?),
        Command::Rotate { key, files, place, .. } => {
            let documents = Documents::read(&files.files)?.judged()?;
            let teller = Teller::new();
            let mut front = take(&place, &documents, &teller).await?;
            let path = local::rotate(&mut front, &documents, &key, &|progress| teller.tell(progress)).await?;
            say(&match path {
                Some(path) => format!("{key} has new credentials: {}", path.display()),
                None => format!("{key} has new credentials"),
            })
        }
        Command::Uninstall { namespace, cluster } => {
            cluster::uninstall(&cluster, &namespace, &|message| eprintln!("{message}")).await?;
            say("Mooring is no longer in the cluster")
        }
        Command::Simulate { cloud } => {
            simulate::run(cloud).await.map_err(Error::Simulator)?;
            Ok(true)
        }
        Command::Crds { write: Some(directory) } => {
            crate::api::write_crds(&directory)?;
            say(&format!("written to {}", directory.display()))
        }
        Command::Crds { write: None } => {
            let files = crate::api::crd_files();
            let ours = files.iter().filter(|(name, _)| name.starts_with("mooring.dev_"));
            let text = ours.map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("---\n");
            say(text.trim_end())
        }
        Command::Completion { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mooring", &mut text);
            heard(io::stdout().lock().write_all(&text))
        }
    }
}

async fn up(files: Vec<PathBuf>, environment: Option<String>, place: Place) -> Result<bool, Error> {
    let documents = Documents::read(&files)?.judged()?;
    let teller = Teller::new();
    // Bad input is told before the state directory is made.
    local::judge(
        &Front::look(State::at(&place.state)).await?,
        &documents,
        environment.as_deref(),
    )
    .await?;
    let mut front = take(&place, &documents, &teller).await?;
    // What is declared again is taken back with its data, as the plan says, however late that is.
    let declared = documents.application.iter().flat_map(|all| &all.declared.resources);
    let declared: Vec<_> = declared.map(|declaration| declaration.key.clone()).collect();
    reap(&mut front, &documents, &declared, &teller).await?;
    let tell = |progress| teller.tell(progress);
    let note = |message: String| teller.note(&message);
    let up = local::up(&mut front, &documents, environment.as_deref(), &tell, &note).await?;
    for message in &up.notes {
        teller.note(message);
    }
    if place.output != Format::Table {
        let whys = up
            .resources
            .iter()
            .filter_map(|row| Some(format!("{}: {}", row.name, row.why.as_ref()?)));
        whys.for_each(|why| teller.note(&why));
    }
    answer(&up, &place)?;
    Ok(!up.failed)
}

async fn down(application: Option<String>, files: Vec<PathBuf>, place: Place) -> Result<bool, Error> {
    let documents = Documents::read(&files)?;
    let teller = Teller::new();
    for problem in &documents.problems {
        teller.note(&format!("{problem} (this does not keep anything from going)"));
    }
    let named = application.as_deref().map(application_name);
    let declared = documents.application.as_ref().map(|all| &all.declared);
    let Some((namespace, name)) =
        named.or_else(|| declared.map(|declared| (declared.namespace.clone(), declared.application.clone())))
    else {
        return Err(
            local::Error::input("no application is named: give its file with `-f`, or its NAMESPACE/NAME").into(),
        );
    };
    let state = State::at(&place.state);
    let (went, all) = if state.exists() {
        let mut front = take(&place, &documents, &teller).await?;
        reap(&mut front, &documents, &[], &teller).await?;
        let went = local::down(&mut front, &documents, (&namespace, &name), &|progress| {
            teller.tell(progress);
        })
        .await?;
        // What was kept for nothing but its backup.
        reap(&mut front, &documents, &[], &teller).await?;
        (went, front.knows_all())
    } else {
        (Vec::new(), true)
    };
    answer(&went, &place)?;
    Ok(all && went.iter().all(|went| !went.failed))
}

/// Takes the state directory for this process.
async fn take(place: &Place, documents: &Documents, teller: &Teller) -> Result<Front, Error> {
    let told = |message: String| teller.note(&message);
    Ok(Front::take(State::at(&place.state), documents, place.timeout.get(), &told).await?)
}

/// Opens the state directory for a command that looks, and deletes what is due. None if there is none.
async fn open(files: &[PathBuf], place: &Place) -> Result<Option<(Front, Documents)>, Error> {
    let documents = Documents::read(files)?.judged()?;
    let state = State::at(&place.state);
    if !state.exists() {
        return Ok(if files.is_empty() {
            None
        } else {
            Some((Front::look(state).await?, documents))
        });
    }
    let mut front = Front::look(state).await?;
    if local::due(&front).await? {
        let teller = Teller::new();
        front = take(place, &documents, &teller).await?;
        reap(&mut front, &documents, &[], &teller).await?;
    }
    Ok(Some((front, documents)))
}

async fn reap(front: &mut Front, documents: &Documents, declared: &[Key], teller: &Teller) -> Result<(), Error> {
    for went in local::reap(front, documents, declared, &|progress| teller.tell(progress)).await? {
        teller.note(&format!(
            "{}: its time was over: {} {}",
            went.key, went.state, went.message
        ));
    }
    Ok(())
}

fn answer(answer: &impl Answer, place: &Place) -> Result<bool, Error> {
    heard(show(answer, place.output))
}

/// Whether somebody reads to the end does not change what was done; the exit code tells that.
fn heard(written: io::Result<()>) -> Result<bool, Error> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(true),
    }
}

fn say(message: &str) -> Result<bool, Error> {
    heard(writeln!(io::stdout().lock(), "{message}"))
}
