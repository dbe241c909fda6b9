//! `RUN` in a stage: what the command is, what it sees, and what was kept of it.

use crate::build::content::Files;
use crate::build::engine::{Builder, Origin, Place, Recalled, Sourced, Stage};
use crate::build::error::{BuildError, Problem};
use crate::build::key::Key;
use crate::build::layer;
use crate::build::outside::Event;
use crate::build::runner::{Job, Mountable, Mounted, Root};
use crate::build::variables::is_proxy;
use crate::crypto::secret::SecretBytes;
use crate::dockerfile::{
    self, Command, Heredoc, Mount, MountKind, Network, Run, Security, Sharing, Word,
};
use crate::oci::Digest;
use crate::oci::archive::Kind;
use crate::store::images::layer_archive::StoredLayer;

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
        from: Sourced,
        /// What the mounted part is, as a digest.
        part: Digest,
        source: String,
        writable: bool,
    },
    Cache {
        id: String,
        sharing: Sharing,
        read_only: bool,
        seed: Option<Seed>,
        access: Access,
    },
    Tmpfs {
        size: Option<u64>,
    },
    Secret {
        id: String,
        bytes: SecretBytes,
        access: Access,
    },
    Script {
        text: String,
    },
    Ssh {
        id: String,
        access: Access,
    },
}

/// What a cache begins as.
struct Seed {
    from: Sourced,
    /// What it is, as a digest.
    part: Digest,
    source: String,
}

/// Permission bits, owner and group of something that is mounted.
#[derive(Debug, Clone, Copy)]
struct Access {
    mode: u32,
    owner: (u32, u32),
}

/// A secret in the environment.
struct Variable {
    name: String,
    id: String,
    value: String,
}

/// A command, all of it known.
struct Prepared {
    arguments: Vec<String>,
    mounts: Vec<Ready>,
    /// Secrets in the environment.
    secrets: Vec<Variable>,
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
        let inputs = self.run_key(stage, run, &ready);
        for mount in &ready.mounts {
            if let ReadyKind::Files { from, part, .. } = &mount.kind
                && from.origin != Origin::Stage
            {
                let mut key = Key::of("mounted");
                key.texts(self.inputs.mounted.as_ref().map(Digest::as_str)).digest(part);
                self.inputs.mounted = Some(key.finish());
            }
        }
        self.holes(run, &ready, place);
        let text = format!("RUN {}", Self::shown(stage, &ready.arguments));
        let layer = if let Some(Recalled(layer)) = self.recall(&inputs, place)? {
            self.was_found();
            layer
        } else {
            let layer = self.execute(stage, run, &ready, place)?;
            self.learn(inputs, layer.as_ref(), place.text);
            layer
        };
        stage.record(&text, layer.as_ref(), &self.created);
        stage.push(layer);
        Ok(())
    }

    /// Runs the command; returns the layer of what it changed, if it changed anything.
    fn execute(
        &self,
        stage: &mut Stage,
        run: &Run,
        ready: &Prepared,
        place: Place<'_>,
    ) -> Result<Option<StoredLayer>, BuildError> {
        let files = self.files(stage, place.at)?;
        let mut mounts = Vec::new();
        for mount in &ready.mounts {
            mounts.push(self.mounted(mount, place)?);
        }
        let job = Job {
            arguments: ready.arguments.clone(),
            environment: self.seen(stage, ready),
            folder: stage.folder().to_owned(),
            user: stage.image.text("User").to_owned(),
            hostname: ready.hostname.clone(),
            hosts: self.request.settings.hosts.clone(),
            network: ready.network,
            security: run.security,
            mounts,
            interactive: false,
            epoch: self.request.settings.epoch,
        };
        let mut stack = stage.stack();
        let root = Root { layers: &stack, files: &files };
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
        if outcome.changes.is_empty() {
            return Ok(None);
        }
        let (lease, folder) = (self.shop.lease, self.shop.folder);
        let layer = layer::write(lease, &files, &outcome.changes, self.format(), folder)
            .map_err(|error| BuildError::at(place.at, error))?;
        stack.push((layer.descriptor.clone(), layer.diff_id.clone()));
        self.shop.runner.stored(&stack);
        Ok(Some(layer))
    }

    /// What the command finds in its environment: the variables of the stage, where proxies are,
    /// and what it alone is given.
    fn seen(&self, stage: &Stage, ready: &Prepared) -> Vec<(String, String)> {
        let mut variables = stage.variables.clone();
        for (name, value) in
            self.request.settings.arguments.iter().filter(|(name, _)| is_proxy(name))
        {
            variables.set(&name.to_ascii_uppercase(), value);
            variables.set(&name.to_ascii_lowercase(), value);
        }
        for Variable { name, value, .. } in &ready.secrets {
            variables.set(name, value);
        }
        if let Some(socket) = &ready.agent {
            variables.set("SSH_AUTH_SOCK", socket);
        }
        variables.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn mounted<'m>(&self, mount: &'m Ready, place: Place<'_>) -> Result<Mounted<'m>, BuildError> {
        let what = match &mount.kind {
            ReadyKind::Files { from, source, writable, .. } => {
                let (source, writable) = (source.clone(), *writable);
                Mountable::Files { files: &from.files, source, writable }
            }
            ReadyKind::Cache { id, sharing, read_only, seed, access } => Mountable::Cache {
                id: id.clone(),
                sharing: *sharing,
                read_only: *read_only,
                seed: seed.as_ref().map(|seed| (&*seed.from.files, seed.source.clone())),
                mode: access.mode,
                owner: access.owner,
            },
            ReadyKind::Tmpfs { size } => Mountable::Tmpfs { size: *size },
            ReadyKind::Secret { bytes, access: Access { mode, owner }, .. } => {
                Mountable::Held { bytes: bytes.clone(), mode: *mode, owner: *owner }
            }
            ReadyKind::Script { text } => Mountable::Held {
                bytes: SecretBytes::new(text.clone().into_bytes()),
                mode: 0o755,
                owner: (0, 0),
            },
            ReadyKind::Ssh { id, access: Access { mode, owner } } => {
                let Some(socket) = self.request.settings.ssh.get(id) else {
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
            Network::Default => self.request.settings.network,
            Network::Host
                if self.request.settings.network != Network::Host
                    && !self.request.settings.host_network_allowed =>
            {
                let right = "the network of this machine";
                return Err(BuildError::at(place.at, Problem::NotAllowed { right }));
            }
            network => network,
        };
        if run.security == Security::Insecure && !self.request.settings.insecure_allowed {
            let right = "all rights of who builds";
            return Err(BuildError::at(place.at, Problem::NotAllowed { right }));
        }
        if let Some(device) = run.devices.first() {
            let problem = "devices of this machine are not handed to commands".to_owned();
            return Err(BuildError::at(&device.at, Problem::Mount { problem }));
        }
        let hostname = self.request.settings.arguments.get(HOSTNAME_ARGUMENT);
        if let Some(hostname) = hostname {
            self.inputs.arguments.insert(HOSTNAME_ARGUMENT.to_owned(), hostname.clone());
        }
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
        let written = self.expand_some(stage, mount.target.as_ref())?;
        let kind = match &mount.kind {
            MountKind::Bind { from, source } => {
                let Seed { from, part, source } =
                    self.part(stage, from.as_ref(), source.as_ref(), mount, place)?;
                let writable = mount.read_only == Some(false);
                ReadyKind::Files { from, part, source, writable }
            }
            MountKind::Cache { id, from, source, sharing, mode, uid, gid } => {
                let seed = match from {
                    Some(_) => {
                        Some(self.part(stage, from.as_ref(), source.as_ref(), mount, place)?)
                    }
                    None => None,
                };
                let id = match self.expand_some(stage, id.as_ref())? {
                    Some(id) => id,
                    None => target(stage, written.as_deref(), &mount.at)?,
                };
                ReadyKind::Cache {
                    id,
                    sharing: sharing.unwrap_or(Sharing::Shared),
                    read_only: mount.read_only == Some(true),
                    seed,
                    access: self.access(
                        stage,
                        mode.as_ref(),
                        0o755,
                        [uid.as_ref(), gid.as_ref()],
                    )?,
                }
            }
            MountKind::Tmpfs { size } => {
                let size = match (size, self.expand_some(stage, size.as_ref())?) {
                    (Some(word), Some(text)) => {
                        Some(dockerfile::bytes(&text).ok_or_else(|| {
                            let problem = format!("`{text}` is not a size");
                            BuildError::at(&word.at, Problem::Mount { problem })
                        })?)
                    }
                    _ => None,
                };
                ReadyKind::Tmpfs { size }
            }
            MountKind::Secret { .. } => return self.secret(stage, mount, written, prepared),
            MountKind::Ssh { .. } => return self.agent(stage, mount, written, prepared),
        };
        let target = target(stage, written.as_deref(), &mount.at)?;
        prepared.mounts.push(Ready { target, kind });
        Ok(())
    }

    /// A secret: a file, a variable, or both; nothing if it is not given and need not be.
    fn secret(
        &self,
        stage: &Stage,
        mount: &Mount,
        written: Option<String>,
        prepared: &mut Prepared,
    ) -> Result<(), BuildError> {
        let MountKind::Secret { id, env, required, mode, uid, gid } = &mount.kind else {
            return Ok(());
        };
        let last = written.as_deref().and_then(|path| path.rsplit('/').next());
        let id = self.expand_some(stage, id.as_ref())?.or(last.map(str::to_owned));
        let id = id.unwrap_or_default();
        let Some(bytes) = self.request.settings.secrets.get(&id).cloned() else {
            if *required {
                return Err(BuildError::at(&mount.at, Problem::NoSecret { id }));
            }
            return Ok(());
        };
        if let Some(name) = self.expand_some(stage, env.as_ref())? {
            let value = std::str::from_utf8(bytes.expose()).map_err(|_| {
                let problem = format!("the secret `{id}` is no text");
                BuildError::at(&mount.at, Problem::Mount { problem })
            })?;
            let name = if name.is_empty() { id.clone() } else { name };
            let (id, value) = (id.clone(), value.to_owned());
            prepared.secrets.push(Variable { name, id, value });
            if written.is_none() {
                return Ok(());
            }
        }
        let name = id.rsplit('/').next().unwrap_or_default();
        let path = written.unwrap_or_else(|| format!("{SECRETS}/{name}"));
        let target = target(stage, Some(&path), &mount.at)?;
        let access = self.access(stage, mode.as_ref(), 0o400, [uid.as_ref(), gid.as_ref()])?;
        prepared.mounts.push(Ready { target, kind: ReadyKind::Secret { id, bytes, access } });
        Ok(())
    }

    /// The socket of an SSH agent; nothing if it is not given and need not be.
    fn agent(
        &self,
        stage: &Stage,
        mount: &Mount,
        written: Option<String>,
        prepared: &mut Prepared,
    ) -> Result<(), BuildError> {
        let MountKind::Ssh { id, required, mode, uid, gid } = &mount.kind else { return Ok(()) };
        let id = self.expand_some(stage, id.as_ref())?.unwrap_or_else(|| "default".to_owned());
        if !self.request.settings.ssh.contains_key(&id) {
            if *required {
                return Err(BuildError::at(&mount.at, Problem::NoSsh { id }));
            }
            return Ok(());
        }
        let is_agent = |mount: &&Ready| matches!(mount.kind, ReadyKind::Ssh { .. });
        let number = prepared.mounts.iter().filter(is_agent).count();
        let path = written.unwrap_or_else(|| format!("{AGENTS}.{number}"));
        let target = target(stage, Some(&path), &mount.at)?;
        prepared.agent.get_or_insert_with(|| target.clone());
        let access = self.access(stage, mode.as_ref(), 0o600, [uid.as_ref(), gid.as_ref()])?;
        prepared.mounts.push(Ready { target, kind: ReadyKind::Ssh { id, access } });
        Ok(())
    }

    /// A part of the files that a mount names, and what it is.
    fn part(
        &mut self,
        stage: &Stage,
        from: Option<&Word>,
        source: Option<&Word>,
        mount: &Mount,
        place: Place<'_>,
    ) -> Result<Seed, BuildError> {
        let source = self.expand_some(stage, source)?.unwrap_or_default();
        let from = self.source(from, place)?;
        let part = part_identity(&from.files, &source)
            .map_err(|problem| BuildError::at(&mount.at, problem))?;
        Ok(Seed { from, part, source })
    }

    fn access(
        &self,
        stage: &Stage,
        mode: Option<&Word>,
        default: u32,
        owner: [Option<&Word>; 2],
    ) -> Result<Access, BuildError> {
        let [uid, gid] = owner;
        let owner = (self.owner(stage, uid)?, self.owner(stage, gid)?);
        Ok(Access { mode: self.mode(stage, mode, default)?, owner })
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

    fn owner(&self, stage: &Stage, word: Option<&Word>) -> Result<u32, BuildError> {
        let Some(word) = word else { return Ok(0) };
        let text = self.expand(stage, word)?;
        text.parse().map_err(|_| {
            let problem = format!("`{text}` is not the number of a user or group");
            BuildError::at(&word.at, Problem::Mount { problem })
        })
    }

    /// Everything that the outcome of a command depends on; values of secrets are not among it, and
    /// neither are proxies.
    fn run_key(&self, stage: &Stage, run: &Run, ready: &Prepared) -> Digest {
        let mut key = Key::of("run");
        key.texts(stage.chain().as_ref().map(Digest::as_str));
        key.texts(&ready.arguments);
        key.texts(stage.variables.iter().map(|(name, value)| format!("{name}={value}")));
        key.text(stage.folder()).text(stage.image.text("User"));
        key.text(&ready.hostname).text(&self.request.platform.to_string());
        key.texts(
            self.request.settings.hosts.iter().map(|(name, address)| format!("{name}={address}")),
        );
        key.number(u64::from(ready.network == Network::Host));
        key.number(u64::from(run.security == Security::Insecure));
        key.number(ready.mounts.len() as u64);
        for mount in &ready.mounts {
            key.text(&mount.target);
            match &mount.kind {
                ReadyKind::Files { part, source, writable, .. } => {
                    key.text("files").digest(part).text(source);
                    key.number(u64::from(*writable));
                }
                ReadyKind::Cache { id, read_only, seed, access, .. } => {
                    key.text("cache").text(id).number(u64::from(*read_only));
                    key.texts(seed.as_ref().map(|seed| seed.part.as_str()));
                    access.into_key(&mut key);
                }
                ReadyKind::Tmpfs { size } => {
                    key.text("tmpfs").number(size.unwrap_or(u64::MAX));
                }
                ReadyKind::Secret { id, access, .. } => {
                    key.text("secret").text(id);
                    access.into_key(&mut key);
                }
                ReadyKind::Script { text } => {
                    key.text("script").text(text);
                }
                ReadyKind::Ssh { id, access } => {
                    key.text("ssh").text(id);
                    access.into_key(&mut key);
                }
            }
        }
        key.number(ready.secrets.len() as u64);
        for Variable { name, id, .. } in &ready.secrets {
            key.text(name).text(id);
        }
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
        let hosts = self.request.settings.hosts.iter();
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

impl Access {
    fn into_key(self, key: &mut Key) {
        let (uid, gid) = self.owner;
        key.number(self.mode.into()).number(uid.into()).number(gid.into());
    }
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
    let target = dockerfile::joined(stage.folder(), written.unwrap_or_default());
    if target == "/" {
        let problem = "nothing can be mounted over the root".to_owned();
        return Err(BuildError::at(at, Problem::Mount { problem }));
    }
    Ok(target)
}

/// A part of files as a digest. It is recorded in the image, so it must not depend on what happens
/// to be known: contents that are not are read.
fn part_identity(files: &Files, source: &str) -> Result<Digest, Problem> {
    let Some((path, found)) = files.find(source.as_bytes()).map_err(Problem::Files)? else {
        let problem = format!("there is no `{source}`");
        return Err(Problem::Mount { problem });
    };
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
