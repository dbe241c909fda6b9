//! Git repositories: what their addresses mean to `ADD` and to a build, and fetching a commit.
//!
//! The work is done by the `git` program. It sees nothing of the person's: no configuration, no
//! hooks, no helpers, an empty home folder, and only the protocols that an address may have.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use url::Url;

use crate::crypto::secret::SecretBytes;
use crate::limits::{MAX_ERROR_BODY_BYTES, MAX_GIT_SECONDS};

/// The address of a repository, and what of it is meant (images.md §1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAddress {
    /// The repository, as git takes it.
    pub remote: String,
    /// Branch, tag or commit; what the repository calls `HEAD` without it.
    pub reference: Option<String>,
    /// Which folder of it is meant, without `/` at either end.
    pub folder: Option<String>,
    /// The commit that it must be, or the beginning of one.
    pub checksum: Option<String>,
    /// Whether `.git` stays, if the address says so.
    pub keeps_git_dir: Option<bool>,
    /// Whether submodules are fetched as well.
    pub submodules: bool,
}

/// Why an address is none that can be used.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
#[error("`{}` is not the address of a repository: {problem}", text.escape_debug())]
pub struct GitAddressError {
    /// The address, without a login.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl GitAddress {
    /// Reads an address as `ADD` and contexts have it: `https://….git`, `ssh://…`, `git://…` or
    /// `user@host:path`, then `?name=value…` and `#REF:FOLDER`. `None` if it is the address of
    /// something else.
    pub fn parse(text: &str) -> Option<Result<Self, GitAddressError>> {
        let (address, fragment) = match text.split_once('#') {
            Some((address, fragment)) => (address, Some(fragment)),
            None => (text, None),
        };
        let (remote, query) = match address.split_once('?') {
            Some((remote, query)) => (remote, query),
            None => (address, ""),
        };
        match remote.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" if rest.trim_end_matches('/') == rest && has_suffix(rest) => {}
                "ssh" | "git" => {}
                _ => return None,
            },
            None if is_scp_style(remote) => {}
            None => return None,
        }
        Some(Self::of(remote, query, fragment))
    }

    /// As [`GitAddress::parse`], for contexts: `github.com/…` is an address, too.
    pub fn parse_context(text: &str) -> Option<Result<Self, GitAddressError>> {
        if text.starts_with("github.com/") {
            let url = format!("https://{text}");
            let (address, fragment) = match url.split_once('#') {
                Some((address, fragment)) => (address, Some(fragment)),
                None => (url.as_str(), None),
            };
            let (remote, query) = address.split_once('?').unwrap_or((address, ""));
            return Some(Self::of(remote, query, fragment));
        }
        Self::parse(text)
    }

    fn of(remote: &str, query: &str, fragment: Option<&str>) -> Result<Self, GitAddressError> {
        let wrong = |problem: &str| GitAddressError {
            text: without_login(remote),
            problem: problem.to_owned(),
        };
        if remote.starts_with('-') || remote.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong("it has characters that no address has"));
        }
        if remote.contains("://") && Url::parse(remote).is_err() {
            return Err(wrong("it is not a URL"));
        }
        let mut found = Self {
            remote: remote.to_owned(),
            reference: None,
            folder: None,
            checksum: None,
            keeps_git_dir: None,
            submodules: true,
        };
        if let Some(fragment) = fragment {
            let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
            found.reference = Some(reference.to_owned()).filter(|text| !text.is_empty());
            found.folder = folder_of(folder).map_err(wrong)?;
        }
        found.take_query(query).map_err(|problem| wrong(&problem))?;
        if let Some(reference) = &found.reference
            && !is_reference(reference)
        {
            return Err(wrong("what follows `#` is no branch, tag or commit"));
        }
        if let Some(checksum) = &found.checksum
            && !is_commit_prefix(checksum)
        {
            return Err(wrong("the checksum is no commit"));
        }
        Ok(found)
    }

    fn take_query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch) = (None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let flag = || match value.as_str() {
                "" | "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
                "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
                _ => Err(format!("`{name}` is neither true nor false")),
            };
            match name.as_ref() {
                "keep-git-dir" => self.keeps_git_dir = Some(flag()?),
                "submodules" => self.submodules = flag()?,
                _ if value.is_empty() => return Err(format!("`{name}` has no value")),
                "ref" => self.say_reference(value)?,
                "tag" => tag = Some(prefixed("refs/tags/", &value)),
                "branch" => branch = Some(prefixed("refs/heads/", &value)),
                "subdir" => {
                    let folder = folder_of(&value).map_err(str::to_owned)?;
                    if self.folder.is_some() && self.folder != folder {
                        return Err("it names two folders".to_owned());
                    }
                    self.folder = folder;
                }
                "checksum" | "commit" => self.checksum = Some(value),
                _ => return Err(format!("it asks for `{name}`, which is not known")),
            }
        }
        match (tag, branch) {
            (Some(_), Some(_)) => Err("it names a tag and a branch".to_owned()),
            (Some(one), None) | (None, Some(one)) => self.say_reference(one),
            (None, None) => Ok(()),
        }
    }

    fn say_reference(&mut self, reference: String) -> Result<(), String> {
        if self.reference.as_ref().is_some_and(|before| *before != reference) {
            return Err("it names two branches, tags or commits".to_owned());
        }
        self.reference = Some(reference);
        Ok(())
    }

    /// The repository without a login that may stand in its address.
    pub fn shown(&self) -> String {
        without_login(&self.remote)
    }

    /// What names this very content: repository, commit and folder.
    pub fn at_commit(&self, commit: &str) -> String {
        let folder = self.folder.as_ref().map(|folder| format!(":{folder}")).unwrap_or_default();
        format!("{}#{commit}{folder}", self.shown())
    }

    /// Whether the reference is a whole commit.
    pub fn is_pinned(&self) -> bool {
        self.reference.as_deref().is_some_and(is_commit) || self.checksum.is_some()
    }
}

/// What fetching has to know besides the address.
#[derive(Debug, Clone, Default)]
pub struct GitSettings {
    /// Folders to look for programs in (`PATH`).
    pub path: Option<OsString>,
    /// The socket of an SSH agent.
    pub agent: Option<PathBuf>,
    /// A token for HTTPS.
    pub token: Option<SecretBytes>,
    /// A whole `Authorization` header for HTTPS.
    pub header: Option<SecretBytes>,
}

/// Why a repository could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// There is no `git`.
    #[error("the program `git` cannot be run")]
    NoProgram(#[source] std::io::Error),
    /// It failed.
    #[error("`git {doing}` of {remote} failed: {said}")]
    Failed {
        /// What it was to do.
        doing: &'static str,
        /// The repository.
        remote: String,
        /// Its last words.
        said: String,
    },
    /// There is no such branch, tag or commit.
    #[error("{remote} has no branch, tag or commit `{reference}`")]
    NoReference {
        /// The repository.
        remote: String,
        /// What was looked for.
        reference: String,
    },
    /// The commit is another.
    #[error("{remote} is at the commit {actual}, not {expected}")]
    OtherCommit {
        /// The repository.
        remote: String,
        /// What was demanded.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// It takes too long.
    #[error("`git {doing}` of {remote} was not done within {MAX_GIT_SECONDS} seconds")]
    TooLong {
        /// What it was to do.
        doing: &'static str,
        /// The repository.
        remote: String,
    },
}

/// Fetches the commit that an address means into `folder`, which is empty and stays the caller's:
/// `home` in it is git's home folder, `tree` has the files, with `.git`. Returns the commit.
/// `checksum`, the beginning of a commit, is demanded besides what the address demands.
pub async fn fetch(
    address: &GitAddress,
    checksum: Option<&str>,
    folder: &Path,
    settings: &GitSettings,
) -> Result<String, GitError> {
    let run = Running { address, folder, settings };
    run.git("init", &["init", "--quiet", "--template=", "tree"], folder).await?;
    let tree = run.tree();
    run.bring(&tree).await?;
    let commit = run.git("rev-parse", &["rev-parse", "--verify", FETCHED], &tree).await?;
    let commit = commit.trim().to_owned();
    for expected in address.checksum.as_deref().into_iter().chain(checksum) {
        if !is_commit_prefix(expected) || !commit.starts_with(&expected.to_ascii_lowercase()) {
            let (remote, expected) = (address.shown(), expected.to_owned());
            return Err(GitError::OtherCommit { remote, expected, actual: commit });
        }
    }
    run.git("checkout", &["checkout", "--quiet", "--detach", &commit], &tree).await?;
    if address.submodules {
        let words = ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"];
        run.git("submodule", &words, &tree).await?;
    }
    Ok(commit)
}

/// The folder of the files, in the folder that was given to [`fetch`].
pub fn tree_in(folder: &Path) -> PathBuf {
    folder.join("tree")
}

struct Running<'a> {
    address: &'a GitAddress,
    folder: &'a Path,
    settings: &'a GitSettings,
}

impl Running<'_> {
    fn tree(&self) -> PathBuf {
        tree_in(self.folder)
    }

    /// Fetches what is meant, alone if the server allows that, and gives it a name.
    async fn bring(&self, tree: &Path) -> Result<(), GitError> {
        let Some(wanted) = self.wanted(tree).await? else {
            let remote = self.address.shown();
            let reference = self.address.reference.clone().unwrap_or_else(|| "HEAD".to_owned());
            return Err(GitError::NoReference { remote, reference });
        };
        let remote = self.address.remote.as_str();
        let specification = format!("+{wanted}:refs/trust/fetched");
        let alone = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", remote, &specification];
        if self.git("fetch", &alone, tree).await.is_ok() {
            return Ok(());
        }
        // Some servers serve no commit by its id, and some nothing without its history.
        let everything =
            ["fetch", "--quiet", "--tags", "--", remote, "+refs/heads/*:refs/trust/heads/*"];
        self.git("fetch", &everything, tree).await?;
        let local = match wanted.strip_prefix("refs/heads/") {
            Some(branch) => format!("refs/trust/heads/{branch}"),
            None => wanted.clone(),
        };
        let words = ["rev-parse", "--verify", "--quiet", &local];
        if self.git("rev-parse", &words, tree).await.is_err() {
            let (remote, reference) = (self.address.shown(), wanted);
            return Err(GitError::NoReference { remote, reference });
        }
        self.git("update-ref", &["update-ref", "refs/trust/fetched", &local], tree).await?;
        Ok(())
    }

    /// The full name of what is meant, or the commit: as git itself would understand it.
    async fn wanted(&self, tree: &Path) -> Result<Option<String>, GitError> {
        let reference = self.address.reference.as_deref().unwrap_or("HEAD");
        if is_commit(reference) {
            return Ok(Some(reference.to_ascii_lowercase()));
        }
        let words = ["ls-remote", "--quiet", "--", &self.address.remote, reference];
        let listed = self.git("ls-remote", &words, tree).await?;
        let names: Vec<&str> =
            listed.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
        let full = |prefix: &str| format!("{prefix}{reference}");
        let candidates = ["", "refs/", "refs/tags/", "refs/heads/"].map(full);
        Ok(candidates.into_iter().find(|name| names.contains(&name.as_str())))
    }

    /// Runs git to its end; returns what it printed.
    async fn git(
        &self,
        doing: &'static str,
        words: &[&str],
        folder: &Path,
    ) -> Result<String, GitError> {
        let mut command = Command::new("git");
        command.args(words).current_dir(folder).env_clear().envs(self.variables());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let mut child = command.spawn().map_err(GitError::NoProgram)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (out, err) = tokio::join!(text_of(out), text_of(err));
            (out, err, child.wait().await)
        };
        let remote = self.address.shown();
        let Ok((out, err, status)) =
            tokio::time::timeout(Duration::from_secs(MAX_GIT_SECONDS), work).await
        else {
            return Err(GitError::TooLong { doing, remote });
        };
        if status.map_err(GitError::NoProgram)?.success() {
            return Ok(out);
        }
        let said = last_words(&err.replace(&self.address.remote, &remote));
        Err(GitError::Failed { doing, remote, said })
    }

    /// The whole environment of the program.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let home = self.folder.join("home");
        let mut variables: Vec<(OsString, OsString)> = vec![
            ("HOME".into(), home.clone().into()),
            ("XDG_CONFIG_HOME".into(), home.into()),
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
            ("GIT_CONFIG_SYSTEM".into(), "/dev/null".into()),
            ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
            ("GIT_ATTR_NOSYSTEM".into(), "1".into()),
            ("GIT_TERMINAL_PROMPT".into(), "0".into()),
            ("GIT_ASKPASS".into(), "/bin/false".into()),
            ("SSH_ASKPASS".into(), "/bin/false".into()),
            // Submodules and redirects too may have no other.
            ("GIT_ALLOW_PROTOCOL".into(), "https:http:ssh:git".into()),
            ("GIT_SSH_COMMAND".into(), SSH.into()),
            ("GIT_OPTIONAL_LOCKS".into(), "0".into()),
            ("LC_ALL".into(), "C".into()),
            ("TZ".into(), "UTC".into()),
        ];
        let path = self.settings.path.clone().unwrap_or_else(|| DEFAULT_PATH.into());
        variables.push(("PATH".into(), path));
        if let Some(agent) = &self.settings.agent {
            variables.push(("SSH_AUTH_SOCK".into(), agent.clone().into()));
        }
        let mut configuration: Vec<(String, String)> = [
            ("core.hooksPath", "/dev/null"),
            ("core.autocrlf", "false"),
            ("core.fsmonitor", "false"),
            ("core.symlinks", "true"),
            ("core.fileMode", "true"),
            ("credential.helper", ""),
            ("gc.auto", "0"),
            ("http.followRedirects", "initial"),
            ("init.defaultBranch", "main"),
            ("protocol.ext.allow", "never"),
            ("protocol.file.allow", "never"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        configuration.extend(self.authorization());
        variables.push(("GIT_CONFIG_COUNT".into(), configuration.len().to_string().into()));
        for (number, (name, value)) in configuration.into_iter().enumerate() {
            variables.push((format!("GIT_CONFIG_KEY_{number}").into(), name.into()));
            variables.push((format!("GIT_CONFIG_VALUE_{number}").into(), value.into()));
        }
        variables
    }

    /// The login for the repository's own host over HTTPS: not on the command line, where others
    /// see it, and for no other host.
    fn authorization(&self) -> Option<(String, String)> {
        let url = Url::parse(&self.address.remote).ok().filter(|url| url.scheme() == "https")?;
        let header = match (&self.settings.header, &self.settings.token) {
            (Some(header), _) => std::str::from_utf8(header.expose()).ok()?.trim().to_owned(),
            (None, Some(token)) => {
                let token = std::str::from_utf8(token.expose()).ok()?.trim();
                format!("basic {}", STANDARD.encode(format!("x-access-token:{token}")))
            }
            (None, None) => return None,
        };
        let origin = url.origin().ascii_serialization();
        let one_line = !header.contains(['\n', '\r']);
        one_line
            .then(|| (format!("http.{origin}/.extraheader"), format!("Authorization: {header}")))
    }
}

async fn text_of(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let mut limited = (&mut stream).take(MAX_OUTPUT_BYTES);
        // What cannot be read says nothing.
        drop(limited.read_to_end(&mut bytes).await);
        drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last line that says something.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().rev().find(|line| line.starts_with("fatal:"));
    let line = fatal.or(lines.last()).copied().unwrap_or("it does not say why");
    let most = usize::try_from(MAX_ERROR_BODY_BYTES).unwrap_or(usize::MAX);
    line.trim_start_matches("fatal:").trim().chars().take(most.min(500)).collect()
}

/// Whether the path of a URL ends in `.git`.
fn has_suffix(rest: &str) -> bool {
    Path::new(rest).extension().is_some_and(|extension| extension == "git")
}

/// `user@host:path`
fn is_scp_style(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let Some((host, path)) = rest.split_once(':') else { return false };
    let word = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(fits)
    };
    word(user, "_-.") && word(host, "-._") && !path.is_empty()
}

/// A folder of a repository: no `..` leads out of it.
fn folder_of(text: &str) -> Result<Option<String>, &'static str> {
    let mut names: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.iter().any(|name| name.contains('\0')) {
        return Err("its folder is none");
    }
    Ok(Some(names.join("/")).filter(|folder| !folder.is_empty()))
}

/// A name of a branch, tag or commit (git-check-ref-format(1)); never an option.
fn is_reference(text: &str) -> bool {
    let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.contains(bad)
}

/// A whole commit: SHA-1 or SHA-256.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_commit_prefix(text)
}

fn is_commit_prefix(text: &str) -> bool {
    (MIN_COMMIT_DIGITS..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn prefixed(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

/// The address without user and password; that of `git@host` is no secret.
fn without_login(remote: &str) -> String {
    match Url::parse(remote) {
        Ok(mut url) if url.password().is_some() || url.scheme() == "https" => {
            // Neither fails for a URL that has a host.
            let gone = url.set_password(None).and_then(|()| url.set_username(""));
            gone.map_or_else(|()| "the repository".to_owned(), |()| url.to_string())
        }
        _ => remote.to_owned(),
    }
}

/// What was fetched, as the commit that it is: an annotated tag is none.
const FETCHED: &str = "refs/trust/fetched^{commit}";
/// Nothing is asked, and unknown hosts are refused unless the system knows them.
const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes";
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Fewest digits that tell a commit.
const MIN_COMMIT_DIGITS: usize = 4;
/// Most of what git says that is kept, in bytes: a repository with 100,000 branches has some 10 MB.
const MAX_OUTPUT_BYTES: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn parse(text: &str) -> GitAddress {
        GitAddress::parse(text).unwrap().unwrap()
    }

    #[test]
    fn addresses() {
        let plain = parse("https://example.com/a/b.git");
        assert_eq!(plain.remote, "https://example.com/a/b.git");
        assert_eq!((plain.reference, plain.folder, plain.submodules), (None, None, true));
        let full = parse("ssh://git@example.com/b#baz/qux:quux//./quuz/");
        assert_eq!(full.reference.as_deref(), Some("baz/qux"));
        assert_eq!(full.folder.as_deref(), Some("quux/quuz"));
        assert_eq!(parse("git@example.com:a/b#:../../c").folder.as_deref(), Some("c"));
        let query = "https://example.com/b.git?tag=v1&subdir=x&submodules=false&keep-git-dir";
        let query = parse(&format!("{query}&commit=abcdef01"));
        assert_eq!(query.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(query.checksum.as_deref(), Some("abcdef01"));
        assert_eq!((query.submodules, query.keeps_git_dir), (false, Some(true)));
        assert_eq!(query.at_commit("c0"), "https://example.com/b.git#c0:x");
        let context = GitAddress::parse_context("github.com/a/b#main").unwrap().unwrap();
        assert_eq!(context.remote, "https://github.com/a/b");
    }

    #[test_case("https://example.com/file.tar.gz")]
    #[test_case("https://example.com/x.git/")]
    #[test_case("./x.git")]
    #[test_case("x.git")]
    #[test_case("github.com/a/b")]
    #[test_case("ext::sh -c whoami")]
    #[test_case("file:///x.git")]
    fn something_else(text: &str) {
        assert_eq!(GitAddress::parse(text), None, "{text}");
    }

    #[test_case("https://example.com/x.git#--upload-pack=touch", "branch")]
    #[test_case("https://example.com/x.git#a..b", "branch")]
    #[test_case("https://example.com/x.git#a:b#c", "branch"; "a folder may have a hash")]
    #[test_case("https://example.com/x.git?ref=a#b", "two branches")]
    #[test_case("https://example.com/x.git?tag=a&branch=b", "a tag and a branch")]
    #[test_case("https://example.com/x.git?shell=1", "not known")]
    #[test_case("https://example.com/x.git?ref=", "no value")]
    #[test_case("https://example.com/x.git?checksum=xyz", "no commit")]
    #[test_case("https://user:secret@example.com/x.git?submodules=2", "neither")]
    fn refused(text: &str, expected: &str) {
        match GitAddress::parse(text).unwrap() {
            Err(error) => {
                let words = error.to_string();
                assert!(words.contains(expected) && !words.contains("secret"), "{words}");
            }
            Ok(found) => assert_eq!(found.folder.as_deref(), Some("b#c"), "{text}"),
        }
    }

    #[test]
    fn a_login_is_not_shown_and_goes_to_its_host_alone() {
        let address = parse("https://user:secret@example.com:8443/x.git");
        assert_eq!(address.shown(), "https://example.com:8443/x.git");
        let settings = GitSettings {
            token: Some(SecretBytes::new(b"t0ken\n".to_vec())),
            ..Default::default()
        };
        let running = Running { address: &address, folder: Path::new("/f"), settings: &settings };
        let (name, value) = running.authorization().unwrap();
        assert_eq!(name, "http.https://example.com:8443/.extraheader");
        assert!(value.starts_with("Authorization: basic "), "{value}");
        let plain = parse("http://example.com/x.git");
        let running = Running { address: &plain, folder: Path::new("/f"), settings: &settings };
        assert_eq!(running.authorization(), None);
    }
}
