//! What the errors of a build are to a person: the kind, the place in the Dockerfile, and what can
//! be done.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use crate::actions::build::cache::CacheError;
use crate::actions::build::lock::LockError;
use crate::actions::build::opened::OpenError;
use crate::actions::build::output::OutputError;
use crate::actions::build::outside::SourceError;
use crate::actions::build::run::RunBuildError;
use crate::build::context::ContextError;
use crate::build::copy::CopyError;
use crate::build::error::{BuildError, Problem};
use crate::build::outside::OutsideError;
use crate::build::runner::RunError;
use crate::build::unpack::UnpackError;
use crate::cli::archive_error::kind_of;
use crate::cli::error::{CliError, ErrorKind};
use crate::client::download::DownloadError;
use crate::client::git::GitError;
use crate::dockerfile::SyntaxError;

/// The words about a place in a file, and the place: its line, with a mark below.
pub fn at_place(message: &str, file: &str, text: &str, at: &Range<usize>) -> String {
    let Excerpt { line, column, shown, marks } = Excerpt::of(text, at);
    let margin = " ".repeat(line.to_string().len());
    format!(
        "{message}\n{margin}--> {file}:{line}:{column}\n{margin} |\n{line} | {shown}\n{margin} | {marks}"
    )
}

/// A line of a file, cut to what fits a screen, and the marks below the words in question.
struct Excerpt {
    line: usize,
    column: usize,
    shown: String,
    marks: String,
}

impl Excerpt {
    fn of(text: &str, at: &Range<usize>) -> Self {
        let start = floor(text, at.start);
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        let left: Vec<char> = before.get(begins..).unwrap_or_default().chars().collect();
        let rest = text.get(start..).unwrap_or_default();
        let rest: Vec<char> = rest.split(['\n', '\r']).next().unwrap_or_default().chars().collect();
        let end = floor(text, at.end.max(start));
        let words = text.get(start..end).unwrap_or_default();
        let length = words.split(['\n', '\r']).next().unwrap_or_default().chars().count().max(1);
        let skipped = left.len().saturating_sub(MAX_BEFORE);
        let cut = if skipped > 0 { "…" } else { "" };
        let plain = |characters: &[char]| -> String {
            characters.iter().map(|&c| if c == '\t' { ' ' } else { c }).collect()
        };
        let left_shown = plain(left.get(skipped..).unwrap_or_default());
        let right_shown = plain(rest.get(..rest.len().min(MAX_AFTER)).unwrap_or_default());
        let more = if rest.len() > MAX_AFTER { "…" } else { "" };
        let indent = " ".repeat(left_shown.chars().count() + cut.chars().count());
        Self {
            line,
            column: left.len() + 1,
            shown: format!("{cut}{left_shown}{right_shown}{more}"),
            marks: format!("{indent}{}", "^".repeat(length.min(MAX_AFTER))),
        }
    }
}

/// The nearest place at or before this one that is no middle of a letter.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// An error with its place in a file; causes stay.
#[derive(Debug)]
struct Placed {
    words: String,
    error: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Placed {
    /// What the error itself is is said already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<RunBuildError> for CliError {
    fn from(error: RunBuildError) -> Self {
        match error {
            RunBuildError::Open(cause) => cause.into(),
            RunBuildError::Lock(cause) => cause.into(),
            RunBuildError::Layout(cause) => cause.into(),
            RunBuildError::Build { name, text, cause } => of_build(&name, &text, *cause),
            RunBuildError::Index(_) => Self::new(ErrorKind::Internal, error),
        }
    }
}

/// What is wrong with a Dockerfile, or with what it leads to, and where.
pub fn of_build(name: &str, text: &str, error: BuildError) -> CliError {
    let BuildError { at, trigger, problem } = error;
    let CliError { kind, source, hints } = of_problem(*problem);
    if kind == ErrorKind::Interrupted {
        return CliError::interrupted();
    }
    let mut message = source.to_string();
    if let Some(trigger) = trigger {
        message = format!("{message} (in `ONBUILD {trigger}` of the base)");
    }
    let words = match &at {
        Some(at) => at_place(&message, name, text, at),
        None => message,
    };
    CliError { kind, source: Box::new(Placed { words, error: source }), hints }
}

fn of_problem(problem: Problem) -> CliError {
    let meant = |nearest: &Option<String>| -> Vec<String> {
        nearest.iter().map(|nearest| format!("did you mean `{nearest}`?")).collect()
    };
    let (kind, hints) = match problem {
        Problem::Image { name, nearest, cause } => {
            let mut error = of_outside(cause).context(format!("the image `{name}` cannot be used"));
            if let Some(nearest) = nearest {
                error.hints.insert(0, format!("did you mean the stage `{nearest}`?"));
            }
            return error;
        }
        Problem::Download { url, cause } => {
            return of_outside(cause).context(format!("`{url}` cannot be added"));
        }
        Problem::Layer(cause) => return cause.into(),
        Problem::Layout(cause) => return cause.into(),
        Problem::Context(cause) => return cause.into(),
        Problem::Copy(CopyError::Store(cause)) => return cause.into(),
        Problem::Syntax(ref error) => (ErrorKind::Storage, of_syntax(error)),
        Problem::NoStage { ref nearest, .. } => (ErrorKind::Usage, meant(nearest)),
        Problem::Name { ref nearest, .. } => (ErrorKind::Storage, meant(nearest)),
        Problem::NoSecret { ref id } => (
            ErrorKind::Usage,
            vec![format!(
                "give it with `--secret id={id},src=FILE` or `--secret id={id},env=NAME`"
            )],
        ),
        Problem::NoSsh { ref id } => {
            (ErrorKind::Usage, vec![format!("give it with `--ssh {id}`, or `--ssh {id}=SOCKET`")])
        }
        Problem::NotAllowed { .. } => (
            ErrorKind::Policy,
            vec!["`--allow security.insecure` and `--allow network.host` allow it".to_owned()],
        ),
        Problem::Copy(CopyError::NoSource { ref nearest, ignored, .. }) => {
            let mut hints = meant(nearest);
            if ignored {
                hints.insert(0, "`.dockerignore` leaves it out of the context".to_owned());
            }
            (ErrorKind::NotFound, hints)
        }
        Problem::Copy(CopyError::Archive { ref cause, .. }) => (kind_of(cause), Vec::new()),
        Problem::Failed { .. }
        | Problem::Run(RunError::NotInImage { .. } | RunError::NotExecutable { .. }) => {
            (ErrorKind::Failed, Vec::new())
        }
        Problem::Run(RunError::Unable { .. }) => (ErrorKind::Policy, Vec::new()),
        Problem::Run(RunError::Unsupported { .. }) => {
            (ErrorKind::Usage, vec!["`--runtime` chooses another way to run commands".to_owned()])
        }
        Problem::Stopped | Problem::Run(RunError::Interrupted) => {
            (ErrorKind::Interrupted, Vec::new())
        }
        _ => (ErrorKind::Storage, Vec::new()),
    };
    with_hints(problem, (kind, hints))
}

fn of_syntax(error: &SyntaxError) -> Vec<String> {
    error.suggestion.iter().map(|meant| format!("did you mean `{meant}`?")).collect()
}

/// What is wrong elsewhere decides, as if it had been asked for by itself.
fn of_outside(cause: OutsideError) -> CliError {
    match cause.downcast::<SourceError>() {
        Ok(error) => (*error).into(),
        Err(other) => CliError::new(ErrorKind::Internal, other),
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        let unsigned = "`--disable-content-trust` builds on bases that nobody signed";
        let (kind, hint) = match error {
            SourceError::Verify(cause) => {
                let error = Self::from(cause);
                let is_new = !error.hints.iter().any(|hint| hint.contains("--disable-content"));
                let is_no = error.kind == ErrorKind::Untrusted && is_new;
                return if is_no { error.hint(unsigned) } else { error };
            }
            SourceError::Pull(cause) => return cause.into(),
            SourceError::Find(cause) => return cause.into(),
            SourceError::Layout(cause) => return cause.into(),
            SourceError::Connection(cause) => return cause.into(),
            SourceError::Store(cause) => return cause.into(),
            SourceError::Lock(cause) => return cause.into(),
            SourceError::Download(cause) => return cause.into(),
            SourceError::Git(cause) => return cause.into(),
            SourceError::Files(cause) => return cause.into(),
            SourceError::Unsigned { .. } => (ErrorKind::Untrusted, Some(unsigned)),
            SourceError::OtherImage { .. } | SourceError::OtherContent { .. } => {
                (ErrorKind::Tampered, None)
            }
            SourceError::NotRecorded { .. } => (ErrorKind::Policy, None),
            SourceError::OtherPlatform { .. } | SourceError::NoFolder { .. } => {
                (ErrorKind::NotFound, None)
            }
            SourceError::Checksum { .. } | SourceError::NotGit { .. } | SourceError::Address(_) => {
                (ErrorKind::Storage, None)
            }
        };
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<DownloadError> for CliError {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::Transport(cause) => cause.into(),
            DownloadError::Plain { .. } => Self::new(ErrorKind::Policy, error).hint(
                "use https, or say with a checksum what must come; `--insecure` takes it as it is",
            ),
            _ => Self::new(ErrorKind::Storage, error),
        }
    }
}

impl From<GitError> for CliError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::NoProgram(_) => Self::new(ErrorKind::Policy, error)
                .hint("install git: repositories are fetched by it"),
            GitError::NoReference { .. } => Self::new(ErrorKind::NotFound, error),
            GitError::OtherCommit { .. } => Self::new(ErrorKind::Tampered, error),
            GitError::Failed { .. } | GitError::TooLong { .. } => {
                Self::new(ErrorKind::Network, error).hint(
                    "logins come from `--secret id=GIT_AUTH_TOKEN,…` over https, and from \
                     `--ssh default` over ssh",
                )
            }
        }
    }
}

impl From<ContextError> for CliError {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Store(cause) => cause.into(),
            ContextError::TooLarge { .. } => Self::new(ErrorKind::Policy, error),
            ContextError::Path(ref cause)
            | ContextError::Unpack(UnpackError::Archive(ref cause)) => {
                Self::new(kind_of(cause), error)
            }
            _ => Self::new(ErrorKind::Storage, error),
        }
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Store(cause) => cause.into(),
            LockError::Format { .. } => {
                Self::new(ErrorKind::Storage, error).hint("`--update-lock` writes it anew")
            }
            LockError::Absent { .. } => {
                Self::new(ErrorKind::NotFound, error).hint("`--lock` writes one")
            }
            LockError::Unlocked { .. } => {
                Self::new(ErrorKind::Policy, error).hint("`--lock` adds what the file lacks")
            }
        }
    }
}

fn with_hints(
    error: impl Error + Send + Sync + 'static,
    (kind, hints): (ErrorKind, Vec<String>),
) -> CliError {
    let mut error = CliError::new(kind, error);
    error.hints = hints;
    error
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        let class = match error {
            OpenError::Store(cause) => return cause.into(),
            OpenError::Context(cause) => return cause.into(),
            OpenError::Source(cause) => return cause.into(),
            OpenError::Layout(cause) => return cause.into(),
            OpenError::NoDockerfile { .. } => {
                (ErrorKind::NotFound, vec!["`--file FILE` names another".to_owned()])
            }
            OpenError::NoImage { .. } => (ErrorKind::NotFound, Vec::new()),
            OpenError::SeveralImages { .. } => (
                ErrorKind::Usage,
                vec![
                    "name one: `oci-layout://FOLDER:TAG` or `oci-layout://FOLDER@DIGEST`"
                        .to_owned(),
                ],
            ),
            OpenError::StdinTwice | OpenError::NotAnArchive { .. } => {
                (ErrorKind::Usage, Vec::new())
            }
            OpenError::Reference(_) => (ErrorKind::Usage, Vec::new()),
            OpenError::NotText { .. } | OpenError::Ignore { .. } | OpenError::Read(_) => {
                (ErrorKind::Storage, Vec::new())
            }
        };
        with_hints(error, class)
    }
}

impl From<CacheError> for CliError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Layout(cause) => cause.into(),
            CacheError::Layer(cause) => cause.into(),
            CacheError::Verify(cause) => cause.into(),
            CacheError::Connection(cause) => cause.into(),
            CacheError::Remote(cause) => cause.into(),
            CacheError::Registry(cause) => cause.into(),
            CacheError::Push(cause) => cause.into(),
            CacheError::NoCache { .. } => Self::new(ErrorKind::Storage, error)
                .hint("`--cache-to` writes caches that `--cache-from` takes"),
            CacheError::Manifest { .. } | CacheError::Tree(_) => {
                Self::new(ErrorKind::Storage, error)
            }
        }
    }
}

impl From<OutputError> for CliError {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::Save(cause) => cause.into(),
            OutputError::Files(cause) => cause.into(),
            OutputError::Find(cause) => cause.into(),
            OutputError::Layout(cause) => cause.into(),
            OutputError::Store(cause) => cause.into(),
            OutputError::Write(cause) => cause.into(),
            OutputError::SeveralPlatforms => Self::new(ErrorKind::Usage, error)
                .hint("`--output type=oci` takes them all; `--platform` chooses one"),
            OutputError::Archive(_) => Self::new(ErrorKind::Internal, error),
        }
    }
}

/// How much of a line is shown before the words in question, in characters.
const MAX_BEFORE: usize = 60;
/// How much of it is shown from there on.
const MAX_AFTER: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_line() {
        let text = "FROM scratch\n\tCOPY ü b\nRUN x\n";
        let at = text.find('ü').unwrap();
        let shown = at_place("there is no `ü`", "Dockerfile", text, &(at..at + 2));
        let expected = "there is no `ü`\n --> Dockerfile:2:7\n  |\n2 |  COPY ü b\n  |       ^";
        assert_eq!(shown, expected);
        let whole = at_place("x", "f", text, &(13..text.len()));
        assert!(whole.ends_with("2 |  COPY ü b\n  | ^^^^^^^^^"), "{whole}");
    }

    #[test]
    fn a_line_of_a_megabyte_is_cut() {
        let text = format!("RUN {}x{}", "a".repeat(1 << 20), "b".repeat(1 << 20));
        let at = text.find('x').unwrap();
        let shown = at_place("m", "f", &text, &(at..at + 1));
        assert!(shown.len() < 500, "{}", shown.len());
        let lines: Vec<&str> = shown.lines().collect();
        let column = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().nth(column), Some('x'));
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        for (start, end) in [(0, 0), (3, 9), (100, 200), (2, 1)] {
            assert!(at_place("m", "f", "aü\n", &(start..end)).contains("--> f:"));
        }
    }
}
