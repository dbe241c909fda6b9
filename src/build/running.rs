//! `RUN` in a stage: what the command is, what it sees, and what was kept of it.

use std::rc::Rc;

use crate::build::content::Files;
use crate::build::copying::identity_of;
use crate::build::engine::{Builder, From, Place, Recalled, Stage};
use crate::build::error::{BuildError, Problem};
use crate::build::image::Layered;
use crate::build::key::Key;
use crate::build::outside::Event;
use crate::build::request::NamedContext;
use crate::build::runner::{Job, Mountable, Mounted, Root};
use crate::build::variables::is_proxy;
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::{
    Command, Heredoc, Mount, MountKind, Network, Run, Security, Sharing, Word,
};
use crate::oci::archive::Kind;
use crate::oci::{Descriptor, Digest};

/// The name of the machine that commands see.
const HOSTNAME: &str = "buildkitsandbox";
/// The argument that gives another.
const HOSTNAME_ARGUMENT: &str = "BUILDKIT_SANDBOX_HOSTNAME";
/// Where a script that names its interpreter is.
const SCRIPTS: &str = "/dev/pipes";
const SECRETS: &str = "/run/secrets";
const AGENTS: &str = "/run/buildkit/ssh_agent";

/// A mount with its words expanded, its files found.
struct Ready {
    target: String,
    kind: ReadyKind,
}

enum ReadyKind {
    Files {
        files: Rc<Files>,
        identity: Digest,
        source: String,
        writable: bool,
        context: bool,
    },
    Cache {
        id: String,
        sharing: Sharing,
        read_only: bool,
        seed: Option<(Rc<Files>, String)>,
        mode: u32,
        owner: (u32, u32),
    },
    Tmpfs {
        size: Option<u64>,
    },
    Secret {
        bytes: SecretBytes,
        mode: u32,
        owner: (u32, u32),
    },
    Script {
        text: String,
    },
    Ssh {
        id: String,
        mode: u32,
        owner: (u32, u32),
    },
}

/// A command, all of it known.
struct Prepared {
    arguments: Vec<String>,
    mounts: Vec<Ready>,
    /// Secrets in the environment.
    secrets: Vec<(String, String)>,
    /// Where the socket of an SSH agent is.
    agent: Option<String>,
    network: Network,
    hostname: String,
}

impl Builder<'_> {
    /// `RUN`
    pub(super) fn run(
        &mut self,
        stage: &mut Stage,
        run: &Run,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let ready = self.ready(stage, run, place)?;
        let environment = environment(stage);
        let inputs = self.run_key(stage, run, &ready, &environment);
        for mount in &ready.mounts {
            if let ReadyKind::Files { identity, context: true, .. } = &mount.kind {
                let mut key = Key::of("mounted");
                key.texts(self.inputs.mounted.as_ref().map(Digest::as_str)).digest(identity);
                self.inputs.mounted = Some(key.finish());
            }
        }
        self.holes(run, &ready, place);
        let text = format!("RUN {}", Self::shown(stage, &ready.arguments));
        if let Some(Recalled(layer)) = self.recall(&inputs, place)? {
            self.was_found();
            let layered = if layer.is_some() { Layered::Yes } else { Layered::No };
            stage.push(layer);
            stage.record(&text, layered, &self.created);
            return Ok(());
        }
        let files = self.files(stage, place.at)?;
        let changes = self.execute(stage, &files, run, &ready, environment, place)?;
        let layer = if changes.changes.is_empty() {
            None
        } else {
            let format = crate::build::layer::Format {
                compression: self.request.compression,
                epoch: self.request.epoch,
            };
            let layer = crate::build::layer::write(
                self.shop.lease,
                &files,
                &changes.changes,
                format,
                self.shop.folder,
            );
            let layer = layer.map_err(|error| BuildError::at(place.at, error))?;
            let made = (layer.descriptor.clone(), layer.diff_id.clone());
            let below = stage.layers.iter();
            let below = below.map(|layer| (layer.descriptor.clone(), layer.diff_id.clone()));
            self.shop.runner.stored(&below.chain([made]).collect::<Vec<_>>());
            Some(layer)
        };
        drop(changes);
        self.learn(inputs, layer.as_ref(), place.text);
        let layered = if layer.is_some() { Layered::Yes } else { Layered::No };
        stage.push(layer);
        stage.record(&text, layered, &self.created);
        Ok(())
    }

    fn execute(
        &self,
        stage: &Stage,
        files: &Files,
        run: &Run,
        ready: &Prepared,
        mut environment: Vec<(String, String)>,
        place: Place<'_>,
    ) -> Result<crate::build::runner::Outcome, BuildError> {
        let proxies = self.request.arguments.iter().filter(|(name, _)| is_proxy(name));
        for (name, value) in proxies {
            environment.push((name.clone(), value.clone()));
        }
        environment.extend(ready.secrets.iter().cloned());
        if let Some(socket) = &ready.agent {
            environment.push(("SSH_AUTH_SOCK".to_owned(), socket.clone()));
        }
        let mut mounts = Vec::new();
        for mount in &ready.mounts {
            mounts.push(self.mounted(mount, place)?);
        }
        let job = Job {
            arguments: ready.arguments.clone(),
            environment,
            folder: stage.folder().to_owned(),
            user: stage.image.text("User").to_owned(),
            hostname: ready.hostname.clone(),
            hosts: self.request.hosts.clone(),
            network: ready.network,
            security: run.security,
            mounts,
            interactive: false,
            epoch: self.request.epoch,
        };
        let layers: Vec<(Descriptor, Digest)> = stage
            .layers
            .iter()
            .map(|layer| (layer.descriptor.clone(), layer.diff_id.clone()))
            .collect();
        let root = Root { layers: &layers, files };
        let step = place.number;
        let mut output = |stream, bytes: &[u8]| {
            self.report(Event::Wrote { step, stream, bytes });
        };
        let outcome = self.shop.runner.run(root, &job, &mut output);
        let outcome = outcome.map_err(|error| BuildError::at(place.at, error))?;
        for warning in &outcome.warnings {
            self.report(Event::Warning(warning));
        }
        if outcome.status != 0 {
            let (command, status) = (ready.arguments.join(" "), outcome.status);
            return Err(BuildError::at(place.at, Problem::Failed { command, status }));
        }
        Ok(outcome)
    }

    fn mounted<'m>(&self, mount: &'m Ready, place: Place<'_>) -> Result<Mounted<'m>, BuildError> {
        let what = match &mount.kind {
            ReadyKind::Files { files, source, writable, .. } => {
                Mountable::Files { files, source: source.clone(), writable: *writable }
            }
            ReadyKind::Cache { id, sharing, read_only, seed, mode, owner } => Mountable::Cache {
                id: id.clone(),
                sharing: *sharing,
                read_only: *read_only,
                seed: seed.as_ref().map(|(files, source)| (&**files, source.clone())),
                mode: *mode,
                owner: *owner,
            },
            ReadyKind::Tmpfs { size } => Mountable::Tmpfs { size: *size },
            ReadyKind::Secret { bytes, mode, owner } => {
                Mountable::Held { bytes: bytes.clone(), mode: *mode, owner: *owner }
            }
            ReadyKind::Script { text } => Mountable::Held {
                bytes: SecretBytes::new(text.clone().into_bytes()),
                mode: 0o755,
                owner: (0, 0),
            },
            ReadyKind::Ssh { id, mode, owner } => {
                let Some(socket) = self.request.ssh.get(id) else {
                    return Err(BuildError::at(place.at, Problem::NoSsh { id: id.clone() }));
                };
                Mountable::Socket { socket: socket.clone(), mode: *mode, owner: *owner }
            }
        };
        Ok(Mounted { target: mount.target.clone(), what })
    }

    fn ready(
        &mut self,
        stage: &Stage,
        run: &Run,
        place: Place<'_>,
    ) -> Result<Prepared, BuildError> {
        let network = match run.network.unwrap_or(Network::Default) {
            Network::Default => self.request.network,
            Network::Host
                if self.request.network != Network::Host && !self.request.host_network_allowed =>
            {
                let right = "the network of this machine";
                return Err(BuildError::at(place.at, Problem::NotAllowed { right }));
            }
            network => network,
        };
        if run.security == Security::Insecure && !self.request.insecure_allowed {
            let right = "all rights of who builds";
            return Err(BuildError::at(place.at, Problem::NotAllowed { right }));
        }
        if let Some(device) = run.devices.first() {
            let problem = "devices of this machine are not handed to commands".to_owned();
            return Err(BuildError::at(&device.at, Problem::Mount { problem }));
        }
        let hostname = self.request.arguments.get(HOSTNAME_ARGUMENT);
        let mut prepared = Prepared {
            arguments: Vec::new(),
            mounts: Vec::new(),
            secrets: Vec::new(),
            agent: None,
            network,
            hostname: hostname.cloned().unwrap_or_else(|| HOSTNAME.to_owned()),
        };
        prepared.arguments = command_line(stage, run, &mut prepared.mounts);
        for mount in &run.mounts {
            self.mount(stage, mount, place, &mut prepared)?;
        }
        Ok(prepared)
    }

    fn mount(
        &mut self,
        stage: &Stage,
        mount: &Mount,
        place: Place<'_>,
        prepared: &mut Prepared,
    ) -> Result<(), BuildError> {
        let written = self.some(stage, mount.target.as_ref())?;
        let kind = match &mount.kind {
            MountKind::Bind { from, source } => {
                let source = self.some(stage, source.as_ref())?.unwrap_or_default();
                let (files, context) = self.mount_files(from.as_ref(), place)?;
                let identity = part_identity(&files, &source)
                    .map_err(|problem| BuildError::at(&mount.at, problem))?;
                let writable = mount.read_only == Some(false);
                ReadyKind::Files { files, identity, source, writable, context }
            }
            MountKind::Cache { id, from, source, sharing, mode, uid, gid } => {
                let source = self.some(stage, source.as_ref())?.unwrap_or_default();
                let seed = match from {
                    Some(_) => Some((self.mount_files(from.as_ref(), place)?.0, source)),
                    None => None,
                };
                let target = target(stage, written.as_deref(), &mount.at)?;
                ReadyKind::Cache {
                    id: self.some(stage, id.as_ref())?.unwrap_or(target),
                    sharing: sharing.unwrap_or(Sharing::Shared),
                    read_only: mount.read_only == Some(true),
                    seed,
                    mode: self.mode(stage, mode.as_ref(), 0o755)?,
                    owner: self.owner(stage, uid.as_ref(), gid.as_ref())?,
                }
            }
            MountKind::Tmpfs { size } => {
                let size = match (size, self.some(stage, size.as_ref())?) {
                    (Some(word), Some(text)) => Some(bytes(&text).ok_or_else(|| {
                        let problem = format!("`{text}` is not a size");
                        BuildError::at(&word.at, Problem::Mount { problem })
                    })?),
                    _ => None,
                };
                ReadyKind::Tmpfs { size }
            }
            MountKind::Secret { id, env, required, mode, uid, gid } => {
                let id = self.some(stage, id.as_ref())?;
                let last = written.as_deref().and_then(|path| path.rsplit('/').next());
                let id = id.or(last.map(str::to_owned)).unwrap_or_default();
                let Some(bytes) = self.request.secrets.get(&id).cloned() else {
                    if *required {
                        return Err(BuildError::at(&mount.at, Problem::NoSecret { id }));
                    }
                    return Ok(());
                };
                if let Some(name) = self.some(stage, env.as_ref())? {
                    let value = std::str::from_utf8(bytes.expose()).map_err(|_| {
                        let problem = format!("the secret `{id}` is no text");
                        BuildError::at(&mount.at, Problem::Mount { problem })
                    })?;
                    let name = if name.is_empty() { id.clone() } else { name };
                    prepared.secrets.push((name, value.to_owned()));
                    if written.is_none() {
                        return Ok(());
                    }
                }
                let name = id.rsplit('/').next().unwrap_or_default();
                let path = written.unwrap_or_else(|| format!("{SECRETS}/{name}"));
                let kind = ReadyKind::Secret {
                    bytes,
                    mode: self.mode(stage, mode.as_ref(), 0o400)?,
                    owner: self.owner(stage, uid.as_ref(), gid.as_ref())?,
                };
                let target = target(stage, Some(&path), &mount.at)?;
                prepared.mounts.push(Ready { target, kind });
                return Ok(());
            }
            MountKind::Ssh { id, required, mode, uid, gid } => {
                let id = self.some(stage, id.as_ref())?.unwrap_or_else(|| "default".to_owned());
                if !self.request.ssh.contains_key(&id) {
                    if *required {
                        return Err(BuildError::at(&mount.at, Problem::NoSsh { id }));
                    }
                    return Ok(());
                }
                let number = prepared
                    .mounts
                    .iter()
                    .filter(|mount| matches!(mount.kind, ReadyKind::Ssh { .. }))
                    .count();
                let path = written.unwrap_or_else(|| format!("{AGENTS}.{number}"));
                let target = target(stage, Some(&path), &mount.at)?;
                prepared.agent.get_or_insert_with(|| target.clone());
                let kind = ReadyKind::Ssh {
                    id,
                    mode: self.mode(stage, mode.as_ref(), 0o600)?,
                    owner: self.owner(stage, uid.as_ref(), gid.as_ref())?,
                };
                prepared.mounts.push(Ready { target, kind });
                return Ok(());
            }
        };
        let target = target(stage, written.as_deref(), &mount.at)?;
        prepared.mounts.push(Ready { target, kind });
        Ok(())
    }

    /// The files that are mounted, and whether they are of a context.
    fn mount_files(
        &mut self,
        from: Option<&Word>,
        place: Place<'_>,
    ) -> Result<(Rc<Files>, bool), BuildError> {
        let Some(word) = from else { return Ok((Rc::new(self.request.context.clone()), true)) };
        match self.from(word, place.stage, place.at)? {
            From::Context => Ok((Rc::new(self.request.context.clone()), true)),
            From::Named(name) => match self.request.contexts.get(&name) {
                Some(NamedContext::Files(files)) => Ok((Rc::new(files.clone()), true)),
                _ => Ok((Rc::default(), true)),
            },
            From::Stage(stage) => {
                let mut stage = (*stage).clone();
                Ok((self.files(&mut stage, place.at)?, false))
            }
        }
    }

    fn some(&self, stage: &Stage, word: Option<&Word>) -> Result<Option<String>, BuildError> {
        word.map(|word| self.expand(stage, word)).transpose()
    }

    fn mode(&self, stage: &Stage, word: Option<&Word>, default: u32) -> Result<u32, BuildError> {
        let Some(word) = word else { return Ok(default) };
        let text = self.expand(stage, word)?;
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
        mode.ok_or_else(|| {
            let problem = format!("`{text}` is not a mode");
            BuildError::at(&word.at, Problem::Mount { problem })
        })
    }

    fn owner(
        &self,
        stage: &Stage,
        uid: Option<&Word>,
        gid: Option<&Word>,
    ) -> Result<(u32, u32), BuildError> {
        let number = |word: Option<&Word>| -> Result<u32, BuildError> {
            let Some(word) = word else { return Ok(0) };
            let text = self.expand(stage, word)?;
            text.parse().map_err(|_| {
                let problem = format!("`{text}` is not the number of a user or group");
                BuildError::at(&word.at, Problem::Mount { problem })
            })
        };
        Ok((number(uid)?, number(gid)?))
    }

    /// Everything that the outcome of a command depends on; values of secrets are not among it, and
    /// neither are proxies.
    fn run_key(
        &self,
        stage: &Stage,
        run: &Run,
        ready: &Prepared,
        environment: &[(String, String)],
    ) -> Digest {
        let mut key = Key::of("run");
        key.texts(stage.chain().as_ref().map(Digest::as_str));
        key.texts(&ready.arguments);
        key.texts(environment.iter().map(|(name, value)| format!("{name}={value}")));
        key.text(stage.folder()).text(stage.image.text("User"));
        key.text(&ready.hostname).text(&self.request.platform.to_string());
        key.texts(self.request.hosts.iter().map(|(name, address)| format!("{name}={address}")));
        key.number(u64::from(ready.network == Network::Host));
        key.number(u64::from(run.security == Security::Insecure));
        key.number(ready.mounts.len() as u64);
        for mount in &ready.mounts {
            key.text(&mount.target);
            match &mount.kind {
                ReadyKind::Files { identity, source, writable, .. } => {
                    key.text("files").digest(identity).text(source);
                    key.number(u64::from(*writable))
                }
                ReadyKind::Cache { id, read_only, mode, owner, .. } => {
                    key.text("cache").text(id).number(u64::from(*read_only));
                    key.number(u64::from(*mode)).text(&format!("{owner:?}"))
                }
                ReadyKind::Tmpfs { size } => key.text("tmpfs").number(size.unwrap_or(u64::MAX)),
                ReadyKind::Secret { mode, owner, .. } => {
                    key.text("secret").number(u64::from(*mode)).text(&format!("{owner:?}"))
                }
                ReadyKind::Script { text } => key.text("script").text(text),
                ReadyKind::Ssh { id, mode, owner } => {
                    key.text("ssh").text(id).number(u64::from(*mode)).text(&format!("{owner:?}"))
                }
            };
        }
        key.texts(ready.secrets.iter().map(|(name, _)| name));
        self.format_into(&mut key);
        key.finish()
    }

    /// Records what the outcome of a command may depend on besides what is declared.
    fn holes(&mut self, run: &Run, ready: &Prepared, place: Place<'_>) {
        let mut holes = Vec::new();
        holes.extend((ready.network == Network::Host).then(|| "network".to_owned()));
        holes.extend((run.security == Security::Insecure).then(|| "insecure".to_owned()));
        for mount in &ready.mounts {
            match &mount.kind {
                ReadyKind::Cache { .. } => holes.push("cache".to_owned()),
                ReadyKind::Secret { .. } => holes.push("secret".to_owned()),
                ReadyKind::Ssh { .. } => holes.push("ssh".to_owned()),
                _ => {}
            }
        }
        holes.extend((!ready.secrets.is_empty()).then(|| "secret".to_owned()));
        let holes = holes.into_iter().map(|hole| format!("{hole}: {}", place.text));
        self.inputs.holes.extend(holes);
        let hosts = self.request.hosts.iter();
        let hosts = hosts.map(|(name, address)| format!("host: {name}={address}"));
        self.inputs.holes.extend(hosts);
    }

    /// A command as the history has it: the arguments that are in force before it.
    fn shown(stage: &Stage, arguments: &[String]) -> String {
        let mut words = Vec::new();
        if !stage.arguments.is_empty() {
            words.push(format!("|{}", stage.arguments.len()));
        }
        for name in &stage.arguments {
            words.push(format!("{name}={}", stage.variables.get(name).unwrap_or_default()));
        }
        words.extend(arguments.iter().cloned());
        words.join(" ")
    }
}

/// What a command's environment is of, but for secrets and proxies.
fn environment(stage: &Stage) -> Vec<(String, String)> {
    let variables = stage.variables.iter();
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The command line; a script that names its interpreter is mounted.
fn command_line(stage: &Stage, run: &Run, mounts: &mut Vec<Ready>) -> Vec<String> {
    let text = match &run.command {
        Command::Exec(line) => return line.clone(),
        Command::Shell(text) => text,
    };
    let Some(first) = run.heredocs.first() else { return stage.image.with_shell(text) };
    if run.is_heredoc() {
        if first.content.starts_with("#!") {
            let target = format!("{SCRIPTS}/{}", first.name);
            let kind = ReadyKind::Script { text: first.content.clone() };
            mounts.push(Ready { target: target.clone(), kind });
            return vec![target];
        }
        return stage.image.with_shell(&first.content);
    }
    let mut whole = text.clone();
    for Heredoc { name, content, .. } in &run.heredocs {
        whole.push('\n');
        whole.push_str(content);
        whole.push_str(name);
    }
    stage.image.with_shell(&whole)
}

/// Where a mount goes: an absolute path, and not the root.
fn target(
    stage: &Stage,
    written: Option<&str>,
    at: &std::ops::Range<usize>,
) -> Result<String, BuildError> {
    let written = written.unwrap_or_default();
    let from = if written.starts_with('/') { "" } else { stage.folder() };
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/').chain(written.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    if names.is_empty() {
        let problem = "nothing can be mounted over the root".to_owned();
        return Err(BuildError::at(at, Problem::Mount { problem }));
    }
    Ok(format!("/{}", names.join("/")))
}

/// A part of files as a digest; contents that are not known are read.
fn part_identity(files: &Files, source: &str) -> Result<Digest, Problem> {
    let Some((path, found)) = files.find(source.as_bytes()).map_err(Problem::Files)? else {
        let problem = format!("there is no `{source}`");
        return Err(Problem::Mount { problem });
    };
    let whole = path.is_top().then(|| identity_of(files)).flatten();
    if let Some(whole) = whole {
        return Ok(whole);
    }
    let mut key = Key::of("part of files");
    let below = files.walk_below(&path, found);
    for (path, id) in std::iter::once((path.clone(), found)).chain(below) {
        let Some(inode) = files.get(id) else { continue };
        key.bytes(path.as_bytes()).text(inode.kind.name()).number(u64::from(inode.mode));
        key.number(inode.uid).number(inode.gid);
        if let Kind::Symlink(target) = &inode.kind {
            key.bytes(target);
        }
        if let Some(content) = &inode.content {
            let hash = content.sha256().map_err(|cause| {
                let path = path.to_string();
                Problem::Content { path, cause }
            })?;
            key.hash(&hash);
        }
    }
    Ok(key.finish())
}

/// A size as people write it: a number, and `k`, `m`, `g` or `t` after it.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let bare = lower.trim_end_matches('b').trim_end_matches('i');
    let unit = |unit: char| bare.strip_suffix(unit).map(str::trim);
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let (number, shift) = units
        .iter()
        .find_map(|(name, shift)| Some((unit(*name)?, *shift)))
        .unwrap_or((bare.trim(), 0));
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
