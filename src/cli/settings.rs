//! What the command line and the environment mean together: the one place that reads the
//! environment.
//!
//! A flag goes before a variable, a variable before the configuration file, that before the
//! default. [`Settings::resolve`] is pure: it sees an [`Environment`], not the process, and no file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use zeroize::Zeroizing;

use crate::actions::Context;
use crate::actions::context::{Connections, ServerChoice, Strictness};
use crate::cli::args::GlobalArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::passphrases::{PassphraseSettings, Passphrases};
use crate::cli::prompt::{Console, NoConsole, Terminal};
use crate::cli::ui::Verbosity;
use crate::client::Timeouts;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::crypto::Passphrase;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::server::config::environment::PREFIX;
use crate::store::TrustDir;
use crate::store::client_config::{ClientConfig, RemoteServer};
use crate::store::files::read_user_file;
use crate::store::keyring::KeyringEnv;
use crate::store::login_sources::{LoginSources, Variable};
use crate::store::registry_rules::RegistryRules;
use crate::store::tls_files::{ClientPair, TlsFiles};
use crate::tuf::Rules;
use crate::tuf::rules::{EqualTimestamp, MissingDelegation, RootWalk};

/// The variables of a process, and whether its stderr is a terminal.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    stderr_is_terminal: bool,
}

impl Environment {
    /// The variables of this process.
    pub fn of_this_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        Self { variables, stderr_is_terminal: std::io::stderr().is_terminal() }
    }

    /// Arms what ends the process at a chosen change to the disk, for the tests of crash safety.
    #[cfg(debug_assertions)]
    pub(crate) fn arm_kill(&self) {
        let changes = self.text("TRUST_TEST_KILL_AFTER").and_then(|text| text.parse().ok());
        if let Some(changes) = changes {
            crate::store::kill::after(changes);
            crate::server::kill::after(changes);
        }
    }

    /// These variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(*value));
        Self { variables: variables.iter().map(pair).collect(), stderr_is_terminal: false }
    }

    /// The text of a variable; an empty one counts as unset.
    pub fn text(&self, name: &str) -> Option<String> {
        self.variables.get(name)?.to_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The text of a variable, which may be empty.
    pub fn value(&self, name: &str) -> Option<String> {
        self.variables.get(name)?.to_str().map(str::to_owned)
    }

    /// The path in a variable; an empty one counts as unset.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// The variables whose names begin with this, as far as they are text.
    pub fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String> {
        let found = self.variables.iter().filter(|(name, _)| name.starts_with(prefix));
        found.filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned()))).collect()
    }

    /// The secret in a variable; an empty one counts as unset.
    pub fn secret(&self, name: &str) -> Option<Passphrase> {
        self.text(name).map(Passphrase::new)
    }
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// What this run of the program works with.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Settings {
    /// The variables of the process, for those that only a configuration names.
    pub environment: Environment,
    /// Docker's configuration folder.
    pub config_dir: PathBuf,
    /// Keys and trust data.
    pub trust_dir: PathBuf,
    /// The person's images; `None` if there is no home folder.
    pub images_dir: Option<PathBuf>,
    /// Where builds keep what they need again; `None` if there is no home folder.
    pub build_dir: Option<PathBuf>,
    /// The socket of the person's SSH agent (`SSH_AUTH_SOCK`).
    pub ssh_agent: Option<PathBuf>,
    /// Where temporary folders are made (`TMPDIR`).
    pub temporary_dir: PathBuf,
    /// Where `trust serve` keeps its data if nobody says; `None` if there is no home folder.
    pub server_data: Option<PathBuf>,
    /// Where the server's configuration is (`REGISTRY_CONFIGURATION_PATH`).
    pub server_config: Option<PathBuf>,
    /// What the server's configuration is overridden with (`REGISTRY_…`).
    pub server_variables: ServerVariables,
    /// When what is made says it was made, in seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub source_date_epoch: Option<String>,
    /// Whether content trust is on for push and pull (`DOCKER_CONTENT_TRUST`).
    pub content_trust: bool,
    /// Whether `DOCKER_CONTENT_TRUST` says that it is off.
    pub content_trust_refused: bool,
    /// Whether a `docker` that we started started us (`TRUST_DOCKER_CHAIN`).
    pub in_docker_chain: bool,
    /// The configuration file; it need not exist.
    pub config_file: PathBuf,
    /// What it says.
    pub config: ClientConfig,
    /// Which trust server is asked.
    pub server: ServerChoice,
    /// How strictly what servers say is judged.
    pub strictness: Strictness,
    /// How long servers are waited for.
    pub timeouts: Timeouts,
    /// How long all the work with servers may take.
    pub deadline: Duration,
    /// How long a transfer of images may take, if somebody said so.
    pub transfer_deadline: Option<Duration>,
    /// Whether bars may move on stderr.
    pub bars: bool,
    /// Accept any certificate from every server.
    pub insecure: bool,
    /// Sign with the example keys everywhere.
    pub example_keys_allowed: bool,
    /// `--tlscacert`, `--tlscert`, `--tlskey`.
    pub tls: TlsPaths,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Whether stderr takes colours.
    pub colour: bool,
    /// Whether questions may be asked on the terminal.
    pub prompts: bool,
    /// Where passphrases come from.
    pub passphrases: PassphraseSettings,
    /// Where the operating system's keyring may be.
    pub keyring: KeyringEnv,
    /// `NOTARY_AUTH`.
    pub trust_login: Option<(String, Passphrase)>,
    /// Where logins are looked up besides docker's configuration.
    pub logins: LoginSources,
}

/// The variables `REGISTRY_…`, by their names; some are secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerVariables(pub BTreeMap<String, String>);

impl fmt::Debug for ServerVariables {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// TLS files named by flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPaths {
    /// Certificates that servers may be signed by.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub certificate: Option<PathBuf>,
    /// Our certificate's key.
    pub key: Option<PathBuf>,
}

impl Settings {
    /// Reads the configuration file, and merges flags, environment and what it says.
    pub fn load(args: &GlobalArgs, environment: &Environment) -> Result<Self, CliError> {
        let without = Self::resolve(args, environment, ClientConfig::default())?;
        let config = match &args.config_file {
            Some(path) => ClientConfig::load(&without.config_file).map_err(|error| {
                let error = CliError::from(error);
                error.context(format!("cannot use `--config-file {}`", path.display()))
            })?,
            // That one is docker's.
            None if without.config_file == without.config_dir.join("config.json") => {
                return Ok(without);
            }
            None => match ClientConfig::load_if_present(&without.config_file)? {
                Some(config) => config,
                None => return Ok(without),
            },
        };
        let settings = Self::resolve(args, environment, config)?;
        Ok(Self { config_file: without.config_file, ..settings })
    }

    /// Merges flags, environment and what a configuration file says.
    pub fn resolve(
        args: &GlobalArgs,
        environment: &Environment,
        config: ClientConfig,
    ) -> Result<Self, CliError> {
        let config_dir = config_dir(args, environment)?;
        let configured = config.trust_dir.as_deref().filter(|dir| !dir.is_empty());
        let configured = configured.map(|dir| expand_home(dir, environment));
        let trust_dir = args.trust_dir.clone().or(configured);
        let trust_dir = trust_dir.unwrap_or_else(|| config_dir.join("trust"));
        let (config_dir, trust_dir) = (absolute(&config_dir)?, absolute(&trust_dir)?);
        let config_file = match &args.config_file {
            Some(path) => absolute(path)?,
            None => trust_dir.join("config.json"),
        };
        let server = args.server.clone();
        let server = server.or_else(|| environment.text("DOCKER_CONTENT_TRUST_SERVER"));
        let server = server.or_else(|| config.remote_server.url.clone());
        if args.tlscert.is_some() != args.tlskey.is_some() {
            return Err(CliError::usage("`--tlscert` and `--tlskey` go together"));
        }
        Ok(Self {
            environment: environment.clone(),
            trust_dir,
            images_dir: data_dir(environment).map(|data| data.join("trust/images")),
            build_dir: cache_dir(environment).map(|cache| cache.join("trust/build")),
            ssh_agent: environment.path("SSH_AUTH_SOCK"),
            server_data: data_dir(environment).map(|data| data.join("trust/server")),
            server_config: environment.path("REGISTRY_CONFIGURATION_PATH"),
            server_variables: ServerVariables(environment.beginning_with(PREFIX)),
            temporary_dir: environment.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp")),
            source_date_epoch: environment.text("SOURCE_DATE_EPOCH"),
            content_trust: environment.text("DOCKER_CONTENT_TRUST").is_some_and(|v| is_truthy(&v)),
            content_trust_refused: environment
                .text("DOCKER_CONTENT_TRUST")
                .is_some_and(|v| !is_truthy(&v)),
            in_docker_chain: environment.text("TRUST_DOCKER_CHAIN").is_some(),
            config_file,
            server: server.map_or(ServerChoice::OfTheRegistry, ServerChoice::Fixed),
            strictness: strictness(args, &config)?,
            timeouts: timeouts(args, &config),
            transfer_deadline: args.deadline.or(config.own.timeouts.deadline),
            bars: environment.stderr_is_terminal
                && verbosity(args) == Verbosity::Normal
                && environment.text("TERM").as_deref() != Some("dumb"),
            deadline: args.deadline.or(config.own.timeouts.deadline).unwrap_or(DEADLINE),
            config,
            insecure: args.insecure,
            example_keys_allowed: args.allow_example_keys,
            tls: TlsPaths {
                ca: args.tlscacert.clone(),
                certificate: args.tlscert.clone(),
                key: args.tlskey.clone(),
            },
            verbosity: verbosity(args),
            colour: environment.stderr_is_terminal
                && !args.no_color
                && environment.text("NO_COLOR").is_none()
                && environment.text("TERM").as_deref() != Some("dumb"),
            prompts: !args.no_prompt,
            passphrases: PassphraseSettings::resolve(&args.passphrases, environment),
            trust_login: environment.text("NOTARY_AUTH").map(|v| trust_login(&v)).transpose()?,
            logins: logins(environment),
            keyring: keyring(environment),
            config_dir,
        })
    }

    /// Docker's folder, if it is another than docker would take by itself.
    pub fn unusual_config_dir(&self) -> Option<&Path> {
        let home = || self.environment.path("HOME").map(|home| home.join(".docker"));
        let usual = self.environment.path("DOCKER_CONFIG").or_else(home);
        let usual = usual.and_then(|usual| absolute(&usual).ok());
        (usual.as_deref() != Some(&self.config_dir)).then_some(&self.config_dir)
    }

    /// Somebody to ask.
    pub fn console(&self) -> Arc<dyn Console> {
        if self.prompts { Arc::new(Terminal) } else { Arc::new(NoConsole) }
    }

    /// When what is made now says it was made.
    pub fn creation_time(&self) -> Result<Timestamp, CliError> {
        let Some(text) = &self.source_date_epoch else { return Ok(SystemClock.now()) };
        let time = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.ok_or_else(|| {
            CliError::usage("`SOURCE_DATE_EPOCH` is not a number of seconds since 1970")
        })
    }

    /// The time of all there is in a canonical image, in seconds since 1970: what
    /// `SOURCE_DATE_EPOCH` says, else 0.
    pub fn epoch(&self) -> Result<i64, CliError> {
        match self.source_date_epoch {
            Some(_) => self.creation_time().map(Timestamp::as_second),
            None => Ok(0),
        }
    }

    /// Builds what actions work with.
    pub fn context(&self, passphrases: Arc<Passphrases>) -> Result<Context, CliError> {
        Ok(Context {
            trust_dir: TrustDir::new(self.trust_dir.clone()),
            clock: Arc::new(SystemClock),
            passphrases,
            connections: Connections {
                config_dir: self.config_dir.clone(),
                server: self.server.clone(),
                insecure: self.insecure,
                tls: self.tls.load()?,
                trust_server_tls: self.trust_server_tls()?,
                insecure_trust_server: self.config.remote_server.skip_tls_verify,
                registries: RegistryRules {
                    daemon_file: Some(PathBuf::from(DAEMON_FILE)),
                    ..self.config.registries.clone()
                },
                timeouts: self.timeouts,
                trust_login: self.trust_login.clone(),
                logins: self.logins.clone(),
                archive: None,
            },
            pinning: self.config.pins.pinning()?,
            strictness: self.strictness,
            example_keys_allowed: self.example_keys_allowed,
            keyring: self.keyring.clone(),
        })
    }
}

impl Settings {
    /// The TLS files of `remote_server`, as far as no flag names others.
    fn trust_server_tls(&self) -> Result<TlsFiles, CliError> {
        let RemoteServer { root_ca, tls_client_cert, tls_client_key, .. } =
            &self.config.remote_server;
        if tls_client_cert.is_some() != tls_client_key.is_some() {
            return Err(CliError::usage(format!(
                "`tls_client_cert` and `tls_client_key` go together in {}",
                self.config_file.display()
            )));
        }
        let own_pair = self.tls.certificate.is_some();
        let unless = |given: bool, path: &Option<PathBuf>| path.clone().filter(|_| !given);
        let paths = TlsPaths {
            ca: unless(self.tls.ca.is_some(), root_ca),
            certificate: unless(own_pair, tls_client_cert),
            key: unless(own_pair, tls_client_key),
        };
        paths.load()
    }
}

impl TlsPaths {
    fn load(&self) -> Result<TlsFiles, CliError> {
        let read = |path: &PathBuf| read_user_file(path, MAX_KEY_FILE_BYTES);
        let roots_pem = match &self.ca {
            Some(path) => vec![read(path)?],
            None => Vec::new(),
        };
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let key = Zeroizing::new(read(key)?);
                let key = std::str::from_utf8(&key)
                    .map_err(|_| CliError::usage("the file of the client's TLS key is not PEM"))?
                    .to_owned();
                Some(ClientPair {
                    certificate_pem: read(certificate)?,
                    key_pem: Passphrase::new(key),
                })
            }
            _ => None,
        };
        Ok(TlsFiles { roots_pem, client })
    }
}

fn config_dir(args: &GlobalArgs, environment: &Environment) -> Result<PathBuf, CliError> {
    if let Some(dir) = args.config.clone().or_else(|| environment.path("DOCKER_CONFIG")) {
        return Ok(dir);
    }
    let home = environment.path("HOME").or_else(|| environment.path("USERPROFILE"));
    match (home, &args.trust_dir) {
        (Some(home), _) => Ok(home.join(".docker")),
        // A daemon's script without a home still works on the folder it names.
        (None, Some(trust_dir)) => Ok(trust_dir.clone()),
        (None, None) => Err(CliError::usage("HOME is not set, so there is no trust directory")
            .hint("name one with `--trust-dir DIR`, or docker's folder with `--config DIR`")),
    }
}

/// Where images are: in the folder for a person's data (XDG Base Directory Specification).
/// The person's folder of data.
fn data_dir(environment: &Environment) -> Option<PathBuf> {
    // One that is not absolute does not count.
    let data = environment.path("XDG_DATA_HOME").filter(|path| path.is_absolute());
    data.or_else(|| environment.path("HOME").map(|home| home.join(".local/share")))
}

/// The person's folder of what can be made again (XDG Base Directory Specification).
fn cache_dir(environment: &Environment) -> Option<PathBuf> {
    let cache = environment.path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache.or_else(|| environment.path("HOME").map(|home| home.join(".cache")))
}

fn keyring(environment: &Environment) -> KeyringEnv {
    KeyringEnv {
        bus_address: environment.text("DBUS_SESSION_BUS_ADDRESS"),
        runtime_dir: environment.path("XDG_RUNTIME_DIR"),
        wait: KeyringEnv::WAIT,
    }
}

/// Docker's variable before its files; the keyring and podman's file after them.
fn logins(environment: &Environment) -> LoginSources {
    let variable =
        |name: &'static str| environment.secret(name).map(|text| Variable { name, text });
    let podmans = environment.path("REGISTRY_AUTH_FILE").or_else(|| {
        let runtime = environment.path("XDG_RUNTIME_DIR")?;
        Some(runtime.join("containers/auth.json"))
    });
    LoginSources {
        variable: variable("DOCKER_AUTH_CONFIG"),
        keyring: Some(keyring(environment)),
        auth_files: podmans.into_iter().collect(),
    }
}

fn strictness(args: &GlobalArgs, config: &ClientConfig) -> Result<Strictness, CliError> {
    let own = config.own;
    let equal_timestamp =
        if args.accept_equal_timestamp { EqualTimestamp::Follow } else { own.equal_timestamp };
    let missing_delegation = if args.allow_missing_delegation {
        MissingDelegation::FallBack
    } else {
        own.missing_delegation
    };
    let root_walk = args.root_walk.map_or(own.root_walk, RootWalk::from);
    let rules = Rules { root_walk, equal_timestamp, missing_delegation, bounds: own.bounds };
    let max_staleness = args.max_staleness.map(SignedDuration::try_from).transpose();
    let max_staleness = max_staleness.map_err(|error| CliError::usage(error.to_string()))?;
    Ok(Strictness { rules, max_staleness: max_staleness.or(own.max_staleness) })
}

fn timeouts(args: &GlobalArgs, config: &ClientConfig) -> Timeouts {
    let (own, default) = (config.own.timeouts, Timeouts::default());
    Timeouts {
        connect: args.connect_timeout.or(own.connect).unwrap_or(default.connect),
        idle: args.idle_timeout.or(own.idle).unwrap_or(default.idle),
        minimum_rate: own.minimum_rate.unwrap_or(default.minimum_rate),
    }
}

/// `~` and `~/…` are the home folder, as notary has it; variables are left as they are.
fn expand_home(dir: &str, environment: &Environment) -> PathBuf {
    let rest = match dir.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => return PathBuf::from(dir),
    };
    match environment.path("HOME") {
        Some(home) if rest.is_empty() => home,
        Some(home) => home.join(rest),
        None => PathBuf::from(dir),
    }
}

/// The settings of docker's daemon, where Debian and docker itself have them.
const DAEMON_FILE: &str = "/etc/docker/daemon.json";

/// How long all the work of a command with servers may take.
const DEADLINE: Duration = Duration::from_hours(1);

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| {
        CliError::new(ErrorKind::Usage, error)
            .context(format!("`{}` is not the path of a folder", path.display()))
    })
}

fn verbosity(args: &GlobalArgs) -> Verbosity {
    match (args.debug, args.verbose, args.quiet) {
        (true, _, _) | (_, 2.., _) => Verbosity::Debug,
        (_, 1, _) => Verbosity::Verbose,
        (_, _, true) => Verbosity::Quiet,
        _ => Verbosity::Normal,
    }
}

/// Go's `ParseBool` as docker uses it: what is not a "no" is a "yes" (notary.md §5.2).
fn is_truthy(value: &str) -> bool {
    !matches!(value, "" | "0" | "f" | "F" | "false" | "FALSE" | "False")
}

/// `NOTARY_AUTH` is base64 of `user:password`.
fn trust_login(value: &str) -> Result<(String, Passphrase), CliError> {
    let wrong = || CliError::usage("NOTARY_AUTH is not the base64 of `user:password`");
    let bytes = Zeroizing::new(STANDARD.decode(value.trim()).map_err(|_| wrong())?);
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    Ok((user.to_owned(), Passphrase::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::cli::args::RootWalkArg;

    fn resolve(args: &GlobalArgs, variables: &[(&str, &str)]) -> Settings {
        with_config(args, variables, "{}")
    }

    fn with_config(args: &GlobalArgs, variables: &[(&str, &str)], text: &str) -> Settings {
        let config = ClientConfig::parse(Path::new("/etc/x/config.json"), text).unwrap();
        Settings::resolve(args, &Environment::of(variables), config).unwrap()
    }

    #[test]
    fn images_are_among_the_persons_data() {
        let dir = |variables: &[(&str, &str)]| {
            data_dir(&Environment::of(variables)).map(|data| data.join("trust/images"))
        };
        assert_eq!(dir(&[]), None);
        let home = ("HOME", "/h");
        assert_eq!(dir(&[home]), Some(PathBuf::from("/h/.local/share/trust/images")));
        assert_eq!(dir(&[home, ("XDG_DATA_HOME", "/d")]), Some(PathBuf::from("/d/trust/images")));
        let relative = [home, ("XDG_DATA_HOME", "d")];
        assert_eq!(dir(&relative), Some(PathBuf::from("/h/.local/share/trust/images")));
    }

    #[test]
    fn the_trust_directory_is_dockers() {
        let home = resolve(&GlobalArgs::default(), &[("HOME", "/h")]);
        assert_eq!(home.trust_dir, Path::new("/h/.docker/trust"));
        let moved = resolve(&GlobalArgs::default(), &[("HOME", "/h"), ("DOCKER_CONFIG", "/c")]);
        assert_eq!(moved.trust_dir, Path::new("/c/trust"));
        let args = GlobalArgs { config: Some("/d".into()), ..GlobalArgs::default() };
        let flag = resolve(&args, &[("HOME", "/h"), ("DOCKER_CONFIG", "/c")]);
        assert_eq!(flag.trust_dir, Path::new("/d/trust"));
        let args = GlobalArgs { trust_dir: Some("/t".into()), ..args };
        assert_eq!(resolve(&args, &[("HOME", "/h")]).trust_dir, Path::new("/t"));
        assert_eq!(resolve(&args, &[]).trust_dir, Path::new("/t"));
    }

    #[test]
    fn without_home_and_flags_there_is_advice() {
        let error = Settings::load(&GlobalArgs::default(), &Environment::default()).unwrap_err();
        assert!(error.render().contains("--trust-dir"));
    }

    #[test_case("1", true)]
    #[test_case("t", true)]
    #[test_case("True", true)]
    #[test_case("yes", true; "what go cannot parse is on")]
    #[test_case("0", false)]
    #[test_case("false", false)]
    #[test_case("F", false)]
    #[test_case("", false)]
    fn content_trust_is_on_as_docker_has_it(value: &str, expected: bool) {
        let variables = [("HOME", "/h"), ("DOCKER_CONTENT_TRUST", value)];
        assert_eq!(resolve(&GlobalArgs::default(), &variables).content_trust, expected);
    }

    #[test]
    fn the_server_flag_goes_before_the_variable() {
        let variables = [("HOME", "/h"), ("DOCKER_CONTENT_TRUST_SERVER", "https://a")];
        let settings = resolve(&GlobalArgs::default(), &variables);
        assert_eq!(settings.server, ServerChoice::Fixed("https://a".to_owned()));
        let args = GlobalArgs { server: Some("https://b".to_owned()), ..GlobalArgs::default() };
        let settings = resolve(&args, &variables);
        assert_eq!(settings.server, ServerChoice::Fixed("https://b".to_owned()));
    }

    #[test]
    fn notary_auth_is_a_login_and_never_shown() {
        let variables = [("HOME", "/h"), ("NOTARY_AUTH", "bWU6czNjcmV0Onc=")];
        let settings = resolve(&GlobalArgs::default(), &variables);
        let (user, password) = settings.trust_login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose()), ("me", "s3cret:w"));
        assert!(!format!("{settings:?}").contains("s3cret"));
        assert!(!format!("{:?}", Environment::of(&variables)).contains("bWU6"));
    }

    #[test]
    fn a_client_certificate_needs_its_key() {
        let args = GlobalArgs { tlscert: Some("c".into()), ..GlobalArgs::default() };
        let environment = Environment::of(&[("HOME", "/h")]);
        let error = Settings::resolve(&args, &environment, ClientConfig::default()).unwrap_err();
        assert!(error.render().contains("--tlskey"));
    }

    #[test]
    fn flags_go_before_variables_before_the_file_before_the_default() {
        let text = r#"{"trust_dir": "~/n", "remote_server": {"url": "https://c"},
            "trust": {"root_walk": "notary", "max_staleness": "2h",
            "timeouts": {"idle": "7s", "deadline": "9s", "minimum_rate": 5}}}"#;
        let home = ("HOME", "/h");
        let file = with_config(&GlobalArgs::default(), &[home], text);
        assert_eq!(file.trust_dir, Path::new("/h/n"));
        assert_eq!(file.server, ServerChoice::Fixed("https://c".to_owned()));
        assert_eq!(file.strictness.rules.root_walk, RootWalk::Notary);
        assert_eq!(file.strictness.max_staleness, Some(SignedDuration::from_hours(2)));
        let expected =
            Timeouts { idle: Duration::from_secs(7), minimum_rate: 5, ..Timeouts::default() };
        assert_eq!((file.timeouts, file.deadline), (expected, Duration::from_secs(9)));
        let server = ("DOCKER_CONTENT_TRUST_SERVER", "https://a");
        let variable = with_config(&GlobalArgs::default(), &[home, server], text);
        assert_eq!(variable.server, ServerChoice::Fixed("https://a".to_owned()));
        let args = GlobalArgs {
            trust_dir: Some("/t".into()),
            server: Some("https://b".to_owned()),
            root_walk: Some(RootWalkArg::Strict),
            max_staleness: Some(Duration::from_mins(1)),
            idle_timeout: Some(Duration::from_secs(8)),
            deadline: Some(Duration::from_secs(10)),
            ..GlobalArgs::default()
        };
        let flags = with_config(&args, &[home, server], text);
        assert_eq!(flags.trust_dir, Path::new("/t"));
        assert_eq!(flags.server, ServerChoice::Fixed("https://b".to_owned()));
        assert_eq!(flags.strictness.rules.root_walk, RootWalk::Strict);
        assert_eq!(flags.strictness.max_staleness, Some(SignedDuration::from_mins(1)));
        assert_eq!(flags.timeouts.idle, Duration::from_secs(8));
        assert_eq!(flags.deadline, Duration::from_secs(10));
        let nothing = resolve(&GlobalArgs::default(), &[home]);
        assert_eq!(nothing.strictness.rules, Rules::default());
        assert_eq!((nothing.timeouts, nothing.deadline), (Timeouts::default(), DEADLINE));
    }

    #[test_case("~", "/h"; "home itself")]
    #[test_case("~/a/b", "/h/a/b"; "below home")]
    #[test_case("~other/a", "~other/a"; "the home of others")]
    #[test_case("$HOME/a", "$HOME/a"; "variables are not looked at, as by notary")]
    fn a_tilde_in_the_trust_directory(dir: &str, expected: &str) {
        let expanded = expand_home(dir, &Environment::of(&[("HOME", "/h")]));
        assert_eq!(expanded, Path::new(expected));
    }

    #[test]
    fn the_file_is_in_the_trust_directory_unless_named() {
        let home = [("HOME", "/h")];
        let nothing = resolve(&GlobalArgs::default(), &home);
        assert_eq!(nothing.config_file, Path::new("/h/.docker/trust/config.json"));
        let args = GlobalArgs { config_file: Some("/c.json".into()), ..GlobalArgs::default() };
        assert_eq!(resolve(&args, &home).config_file, Path::new("/c.json"));
        let args = GlobalArgs { config_file: Some("/none/c".into()), ..GlobalArgs::default() };
        let error = Settings::load(&args, &Environment::of(&home)).unwrap_err();
        assert!(error.render().contains("--config-file /none/c"), "{}", error.render());
    }
}
