//! What a Dockerfile says, instruction by instruction.
//!
//! Every place is a range of bytes of the file. Words are as written: quotes, escapes and variables
//! are for expansion, which depends on the values at that point.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use crate::dockerfile::words;

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// What its first comments say about how to read it.
    pub directives: Directives,
    /// `ARG` before the first `FROM`, in their order.
    pub arguments: Vec<Step>,
    /// Its stages; at least one.
    pub stages: Vec<Stage>,
}

/// The parser directives: comments at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend that is asked for.
    pub syntax: Option<Word>,
    /// `# escape=`: a backslash or a backtick.
    pub escape: char,
    /// `# check=`: which checks are left out, and whether a finding fails the build.
    pub check: Check,
}

/// What `# check=` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// Checks that are not made.
    pub skip: Skipped,
    /// Checks that are made though they are experimental, by their names; `all` is every one.
    pub experimental: BTreeSet<String>,
    /// Whether a finding is an error.
    pub error: bool,
}

/// Checks that are not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// None is made.
    All,
    /// These, by their names.
    These(BTreeSet<String>),
}

/// A stage: `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it begins from.
    pub from: From,
    /// What is done, in order; no `FROM` among them.
    pub steps: Vec<Step>,
}

/// `FROM [--platform=P] IMAGE [AS NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The platform, to be expanded with global arguments.
    pub platform: Option<Word>,
    /// Image, earlier stage or `scratch`, to be expanded with global arguments.
    pub image: Word,
    /// The stage's name, in small letters.
    pub name: Option<String>,
    /// The instruction as one line, its continuations joined.
    pub text: String,
    /// Where it stands.
    pub at: Range<usize>,
}

/// An instruction, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub instruction: Instruction,
    /// The instruction as one line, its continuations joined; the text of the file.
    pub text: String,
    /// Where it stands; in a trigger, where in the trigger's text.
    pub at: Range<usize>,
}

/// A piece of text, not yet expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As written, quotes and escapes included.
    pub text: String,
    /// Where it begins and ends.
    pub at: Range<usize>,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `ADD`
    Add(Add),
    /// `ARG NAME`, `ARG NAME=value`, several in one.
    Arg(Vec<Argument>),
    /// `CMD`
    Cmd(Command),
    /// `COPY`
    Copy(Copy),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `ENV`
    Env(Vec<Assignment>),
    /// `EXPOSE`, sorted; a word may expand to several.
    Expose(Vec<Word>),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`
    Label(Vec<Assignment>),
    /// `MAINTAINER`: the rest of the line.
    Maintainer(String),
    /// `ONBUILD`
    Onbuild(Trigger),
    /// `RUN`
    Run(Run),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`
    Stopsignal(Word),
    /// `USER`
    User(Word),
    /// `VOLUME`
    Volume(Vec<Word>),
    /// `WORKDIR`
    Workdir(Word),
}

/// An argument that is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: Word,
    /// Its value if nobody gives another, to be expanded.
    pub default: Option<Word>,
}

/// `NAME=value` of `ENV` and `LABEL`; both are expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: Word,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A JSON array: program and arguments.
    Exec(Vec<String>),
    /// A line for the shell. Not expanded here: the shell does that.
    Shell(String),
}

/// `ADD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// What is added; at least one.
    pub sources: Vec<Source>,
    /// Where it goes.
    pub destination: Word,
    /// `--chown`
    pub chown: Option<Word>,
    /// `--chmod`
    pub chmod: Option<Word>,
    /// `--link`
    pub link: bool,
    /// `--exclude`, each one.
    pub exclude: Vec<Word>,
    /// `--checksum`
    pub checksum: Option<Word>,
    /// `--keep-git-dir`
    pub keep_git_dir: Option<bool>,
    /// `--unpack`
    pub unpack: Option<bool>,
}

/// `COPY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// `--from`: a stage, its number, a named context, or an image. Not expanded.
    pub from: Option<Word>,
    /// What is copied; at least one.
    pub sources: Vec<Source>,
    /// Where it goes.
    pub destination: Word,
    /// `--chown`
    pub chown: Option<Word>,
    /// `--chmod`
    pub chmod: Option<Word>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`, each one.
    pub exclude: Vec<Word>,
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, a pattern, or for `ADD` a URL.
    Path(Word),
    /// A here-document: a file of its name.
    Heredoc(Heredoc),
}

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word after `<<`, its quotes taken off.
    pub name: String,
    /// Its lines, tabs taken off if `<<-` said so.
    pub content: String,
    /// Whether variables in it are expanded: no part of the word was quoted.
    pub expand: bool,
    /// The file descriptor before `<<`, if one is named.
    pub descriptor: Option<u32>,
    /// Where its content stands.
    pub at: Range<usize>,
}

/// `RUN`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is run. With here-documents, the text before them.
    pub command: Command,
    /// Its here-documents, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, each one.
    pub mounts: Vec<Mount>,
    /// `--network`
    pub network: Option<Network>,
    /// `--security`
    pub security: Security,
    /// `--device`, each one.
    pub devices: Vec<Word>,
}

/// `--mount` of `RUN`. Values are expanded, all but `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where; a relative path is below the working directory.
    pub target: Option<Word>,
    /// Whether it may not be written to, if the option says so.
    pub read_only: Option<bool>,
    /// Where the option stands.
    pub at: Range<usize>,
}

/// What a mount is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind {
        /// The stage, its number, named context or image; the context without it.
        from: Option<Word>,
        /// Which part of it.
        source: Option<Word>,
    },
    /// A folder that is kept from build to build.
    Cache {
        /// Its name; its target without it.
        id: Option<Word>,
        /// What it begins as.
        from: Option<Word>,
        /// Which part of that.
        source: Option<Word>,
        /// Who may use it at the same time.
        sharing: Option<Sharing>,
        /// Permission bits.
        mode: Option<Word>,
        /// Owner.
        uid: Option<Word>,
        /// Group.
        gid: Option<Word>,
    },
    /// A folder in memory.
    Tmpfs {
        /// Most bytes, such as `10m`.
        size: Option<Word>,
    },
    /// A file, or a variable, that the image does not keep.
    Secret {
        /// Which secret; the last name of the target without it.
        id: Option<Word>,
        /// The variable that has its value.
        env: Option<Word>,
        /// Whether it must be there.
        required: bool,
        /// Permission bits.
        mode: Option<Word>,
        /// Owner.
        uid: Option<Word>,
        /// Group.
        gid: Option<Word>,
    },
    /// The socket of an SSH agent.
    Ssh {
        /// Which agent; `default` without it.
        id: Option<Word>,
        /// Whether it must be there.
        required: bool,
        /// Permission bits.
        mode: Option<Word>,
        /// Owner.
        uid: Option<Word>,
        /// Group.
        gid: Option<Word>,
    },
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody.
    Shared,
    /// One each.
    Private,
    /// One after the other.
    Locked,
}

/// The network that a command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// What the build says.
    Default,
    /// Its own loopback alone.
    None,
    /// That of the machine.
    Host,
}

/// How a command is kept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// As containers are.
    #[default]
    Sandbox,
    /// With all rights of who builds.
    Insecure,
}

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: not even the base's.
    None,
    /// `CMD`
    Test {
        /// What is run.
        command: Command,
        /// `--interval`
        interval: Option<Duration>,
        /// `--timeout`
        timeout: Option<Duration>,
        /// `--start-period`
        start_period: Option<Duration>,
        /// `--start-interval`
        start_interval: Option<Duration>,
        /// `--retries`
        retries: Option<u32>,
    },
}

/// `ONBUILD`: an instruction for builds that begin from this image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its text, as the image's configuration keeps it; here-documents included.
    pub text: String,
    /// The same, read.
    pub step: Box<Step>,
}

impl Run {
    /// Whether it is a here-document and nothing else: then the document is the command.
    pub fn is_heredoc(&self) -> bool {
        match &self.command {
            Command::Shell(text) => words::heredoc(text).is_some() && !self.heredocs.is_empty(),
            Command::Exec(_) => false,
        }
    }
}

impl Instruction {
    /// Its name, in capital letters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

impl Default for Skipped {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl MountKind {
    /// What its files come from, if something is named.
    pub fn from(&self) -> Option<&Word> {
        match self {
            Self::Bind { from, .. } | Self::Cache { from, .. } => from.as_ref(),
            Self::Tmpfs { .. } | Self::Secret { .. } | Self::Ssh { .. } => None,
        }
    }
}
