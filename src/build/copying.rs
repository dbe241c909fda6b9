//! `COPY`, `ADD` and `WORKDIR` in a stage: what they mean, and what was kept of them.
//!
//! What a step comes to is looked up twice. First by its words and by what it takes files from as a
//! whole: that costs nothing. Then by the very changes it would make, which are worked out without
//! reading a file's content that is known already. A step that was never made before is not looked
//! up so: its files are hashed while they are packed.

use std::ops::Range;
use std::sync::Arc;

use crate::build::accounts;
use crate::build::changes::Changes;
use crate::build::content::{Content, Files};
use crate::build::copy::{CopyError, Job, Source as Copied, copy, make_folder};
use crate::build::engine::{Builder, Origin, Place, Recalled, Sourced, Stage};
use crate::build::error::{BuildError, Problem};
use crate::build::held::Held;
use crate::build::key::Key;
use crate::build::layer;
use crate::build::outside::{Checkout, Download};
use crate::dockerfile::{self, Add, Copy, Heredoc, Source, Word};
use crate::oci::Digest;
use crate::oci::archive::{Entry, Kind};
use crate::store::images::layer_archive::StoredLayer;

/// A copy with its words expanded.
struct Wanted {
    name: &'static str,
    sources: Vec<Taken>,
    destination: String,
    chown: Option<String>,
    chmod: Option<String>,
    link: bool,
    parents: bool,
    exclude: Vec<String>,
}

/// Something that is copied.
enum Taken {
    /// A path in files, and where it is written.
    Path { from: Sourced, path: String, at: Range<usize>, unpack: bool },
    /// A file.
    File { name: String, content: Content, size: u64, mode: u32, unpack: bool },
    /// All files of a repository, by its commit.
    All { files: Files, commit: String },
}

impl Builder<'_> {
    /// `COPY`
    pub(super) fn copy(
        &mut self,
        stage: &mut Stage,
        copy: &Copy,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let sourced = self.source(copy.from.as_ref(), place)?;
        let mut sources = Vec::new();
        for source in &copy.sources {
            sources.push(match source {
                Source::Path(word) => {
                    let path = self.expand(stage, word)?;
                    if self.is_remote(&path) {
                        let source_text = path;
                        return Err(BuildError::at(&word.at, Problem::RemoteCopy { source_text }));
                    }
                    let (from, at) = (sourced.clone(), word.at.clone());
                    Taken::Path { from, path, at, unpack: false }
                }
                Source::Heredoc(document) => Self::heredoc(stage, document)?,
            });
        }
        let wanted = Wanted {
            name: "COPY",
            sources,
            destination: self.expand(stage, &copy.destination)?,
            chown: self.expand_some(stage, copy.chown.as_ref())?,
            chmod: self.expand_some(stage, copy.chmod.as_ref())?,
            link: copy.link,
            parents: copy.parents,
            exclude: copy.exclude.iter().map(|word| word.text.clone()).collect(),
        };
        self.carry_out(stage, &wanted, place)
    }

    /// `ADD`
    pub(super) fn add(
        &mut self,
        stage: &mut Stage,
        add: &Add,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let checksum = self.expand_some(stage, add.checksum.as_ref())?;
        if checksum.is_some() && add.sources.len() != 1 {
            return Err(BuildError::at(place.at, Problem::Checksum));
        }
        let context = self.source(None, place)?;
        let mut sources = Vec::new();
        for source in &add.sources {
            let word = match source {
                Source::Path(word) => word,
                Source::Heredoc(document) => {
                    sources.push(Self::heredoc(stage, document)?);
                    continue;
                }
            };
            let path = self.expand(stage, word)?;
            if self.is_remote(&path) {
                sources.push(self.fetch(&path, add, checksum.as_deref(), word)?);
                continue;
            }
            if checksum.is_some() {
                return Err(BuildError::at(&word.at, Problem::Checksum));
            }
            sources.push(Taken::Path {
                from: context.clone(),
                path,
                at: word.at.clone(),
                unpack: add.unpack.unwrap_or(true),
            });
        }
        let wanted = Wanted {
            name: "ADD",
            sources,
            destination: self.expand(stage, &add.destination)?,
            chown: self.expand_some(stage, add.chown.as_ref())?,
            chmod: self.expand_some(stage, add.chmod.as_ref())?,
            link: add.link,
            parents: false,
            exclude: add.exclude.iter().map(|word| word.text.clone()).collect(),
        };
        self.carry_out(stage, &wanted, place)
    }

    /// What a URL or a repository of `ADD` is.
    fn fetch(
        &mut self,
        url: &str,
        add: &Add,
        checksum: Option<&str>,
        word: &Word,
    ) -> Result<Taken, BuildError> {
        let outside = self.shop.outside;
        let failed = |cause| {
            let url = url.to_owned();
            BuildError::at(&word.at, Problem::Download { url, cause })
        };
        if outside.is_repository(url) {
            let keep = add.keep_git_dir.unwrap_or(false);
            let Checkout { files, keeps_git_dir, commit, pinned } =
                outside.clone(url, checksum, keep).map_err(failed)?;
            self.inputs.downloads.insert(url.to_owned(), commit.clone());
            if !pinned {
                self.inputs.holes.insert(format!("unpinned: {url}"));
            }
            if keeps_git_dir {
                self.inputs.holes.insert(format!("git: {url}"));
            }
            return Ok(Taken::All { files, commit });
        }
        let Download { content, size, checksum, pinned } =
            outside.download(url, checksum).map_err(failed)?;
        self.inputs.downloads.insert(url.to_owned(), checksum);
        if !pinned {
            self.inputs.holes.insert(format!("unpinned: {url}"));
        }
        let name = file_name(url);
        let unpack = add.unpack.unwrap_or(false);
        Ok(Taken::File { name, content, size, mode: 0o600, unpack })
    }

    fn is_remote(&self, source: &str) -> bool {
        let is_url = source.starts_with("http://") || source.starts_with("https://");
        is_url || self.shop.outside.is_repository(source)
    }

    fn heredoc(stage: &Stage, document: &Heredoc) -> Result<Taken, BuildError> {
        let lookup = |name: &str| stage.variables.get(name).map(str::to_owned);
        let text = dockerfile::expand_heredoc(document, &lookup)
            .map_err(|error| BuildError::at(&document.at, error))?;
        let size = text.len() as u64;
        let content: Content = Arc::new(Held::new(text.into_bytes()));
        let name = document.name.clone();
        Ok(Taken::File { name, content, size, mode: 0o644, unpack: false })
    }

    fn carry_out(
        &mut self,
        stage: &mut Stage,
        wanted: &Wanted,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let words = self.words(stage, wanted);
        let whole = wanted.identity(&words);
        if let Some(whole) = &whole
            && let Some(Recalled(layer)) = self.recall(whole, place)?
        {
            self.was_found();
            stage.record(&wanted.text(), layer.as_ref(), &self.created);
            stage.push(layer);
            return Ok(());
        }
        let files = self.files(stage, place.at)?;
        let changes = self.changes(stage, &files, wanted, place)?;
        let layer = self.layer(stage, &files, &changes, &words, place)?;
        // What was not known before may be now that it was read.
        if let Some(whole) = whole.or_else(|| wanted.identity(&words)) {
            self.learn(whole, layer.as_ref(), place.text);
        }
        drop(files);
        stage.record(&wanted.text(), layer.as_ref(), &self.created);
        Self::applied(stage, &changes, layer, place)
    }

    /// What a copy is, but for the files it takes.
    fn words(&self, stage: &Stage, wanted: &Wanted) -> Digest {
        let mut key = Key::of("copy");
        key.text(wanted.name).texts(stage.chain().as_ref().map(Digest::as_str));
        key.text(stage.folder()).text(&wanted.destination);
        key.texts(&wanted.chown).texts(&wanted.chmod).texts(&wanted.exclude);
        key.number(u64::from(wanted.link)).number(u64::from(wanted.parents));
        self.format_into(&mut key);
        key.finish()
    }

    /// Adds to a key how layers are written.
    pub(super) fn format_into(&self, key: &mut Key) {
        key.number(self.request.settings.epoch.cast_unsigned());
        key.text(self.request.settings.compression.oci_layer());
    }

    fn changes(
        &self,
        stage: &Stage,
        files: &Files,
        wanted: &Wanted,
        place: Place<'_>,
    ) -> Result<Changes, BuildError> {
        let left_out = self.request.left_out.as_ref();
        let sources = wanted.sources.iter().map(|source| match source {
            Taken::Path { from, path, unpack, .. } => Copied::Path {
                files: &from.files,
                path,
                ignored: left_out
                    .filter(|_| from.origin == Origin::Context)
                    .map(|left_out| &*left_out.0 as _),
                unpack: *unpack,
            },
            Taken::File { name, content, size, mode, unpack } => Copied::File {
                name,
                content: Arc::clone(content),
                size: *size,
                mode: *mode,
                unpack: *unpack,
            },
            Taken::All { files, .. } => Copied::All(files),
        });
        let job = Job {
            sources: sources.collect(),
            destination: &wanted.destination,
            workdir: stage.folder(),
            owner: wanted.chown.as_deref(),
            mode: wanted.chmod.as_deref(),
            link: wanted.link,
            parents: wanted.parents,
            exclude: &wanted.exclude,
            epoch: self.request.settings.epoch,
            scratch: self.shop.folder,
        };
        copy(&job, files).map_err(|error| {
            let at = wanted.place_of(&error).unwrap_or(place.at);
            BuildError::at(at, error)
        })
    }

    /// The layer of changes: found, or made.
    pub(super) fn layer(
        &mut self,
        stage: &Stage,
        files: &Files,
        changes: &Changes,
        words: &Digest,
        place: Place<'_>,
    ) -> Result<Option<StoredLayer>, BuildError> {
        if changes.is_empty() {
            return Ok(None);
        }
        let chain = stage.chain();
        let by_changes = |changes: &Changes| -> Result<Digest, BuildError> {
            let mut key = Key::of("changes");
            key.texts(chain.as_ref().map(Digest::as_str));
            self.format_into(&mut key);
            changes_into(&mut key, changes).map_err(|error| BuildError::at(place.at, error))?;
            Ok(key.finish())
        };
        // Were these words never carried out, nothing is known of their outcome.
        if self.recall(words, place)?.is_some() {
            let key = by_changes(changes)?;
            if let Some(Recalled(layer)) = self.recall(&key, place)? {
                self.was_found();
                return Ok(layer);
            }
        }
        let layer = layer::write(self.shop.lease, files, changes, self.format(), self.shop.folder)
            .map_err(|error| BuildError::at(place.at, error))?;
        let key = by_changes(changes)?;
        self.learn(key, Some(&layer), place.text);
        self.learn(words.clone(), None, place.text);
        Ok(Some(layer))
    }

    /// Puts a layer onto a stage whose changes are at hand.
    fn applied(
        stage: &mut Stage,
        changes: &Changes,
        layer: Option<StoredLayer>,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let Some(layer) = layer else { return Ok(()) };
        stage.push_known(layer, changes).map_err(|error| BuildError::at(place.at, error))
    }

    /// `WORKDIR`
    pub(super) fn workdir(
        &mut self,
        stage: &mut Stage,
        word: &Word,
        place: Place<'_>,
    ) -> Result<(), BuildError> {
        let written = self.expand(stage, word)?;
        // As BuildKit has it, an absolute path stays as it is written.
        let folder = match written.as_str() {
            "" => stage.folder().to_owned(),
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => dockerfile::joined(stage.folder(), relative),
        };
        stage.image.set("WorkingDir", serde_json::json!(folder));
        let text = format!("WORKDIR {folder}");
        if folder == "/" {
            self.note(stage, &text);
            return Ok(());
        }
        let mut words = Key::of("workdir");
        words.texts(stage.chain().as_ref().map(Digest::as_str));
        words.text(&folder).text(stage.image.text("User"));
        self.format_into(&mut words);
        let words = words.finish();
        let layer = if let Some(Recalled(layer)) = self.recall(&words, place)? {
            self.was_found();
            stage.push(layer.clone());
            layer
        } else {
            let files = self.files(stage, place.at)?;
            let owner = match stage.image.text("User") {
                "" => (0, 0),
                user => accounts::owner(&files, user)
                    .map_err(|error| BuildError::at(place.at, error))?,
            };
            let changes = make_folder(&files, &folder, owner, self.request.settings.epoch)
                .map_err(|error| BuildError::at(place.at, error))?;
            let layer = self.layer(stage, &files, &changes, &words, place)?;
            drop(files);
            Self::applied(stage, &changes, layer.clone(), place)?;
            self.learn(words, layer.as_ref(), place.text);
            layer
        };
        stage.record(&text, layer.as_ref(), &self.created);
        Ok(())
    }

    /// Makes the files of a context what a stage begins from.
    pub(super) fn begin_from(
        &mut self,
        stage: &mut Stage,
        files: &Files,
        at: &Range<usize>,
    ) -> Result<(), BuildError> {
        let place = Place { at, text: "FROM", trigger: false, stage: 0, number: 0, fresh: false };
        let mut changes = Changes::default();
        for (entry, id) in files.entries().filter(|(entry, _)| !entry.path.is_top()) {
            let content = files.get(id).and_then(|inode| inode.content.clone());
            let content = content.filter(|_| entry.kind == Kind::File);
            changes.put(entry, content);
        }
        let nothing = Files::default();
        let layer = self.layer(stage, &nothing, &changes, &Key::of("context").finish(), place)?;
        Self::applied(stage, &changes, layer, place)
    }
}

impl Wanted {
    /// The source that an error is about.
    fn place_of(&self, error: &CopyError) -> Option<&Range<usize>> {
        let CopyError::NoSource { path: missing, .. } = error else { return None };
        self.sources.iter().find_map(|source| match source {
            Taken::Path { path, at, .. } if path == missing => Some(at),
            _ => None,
        })
    }

    /// The copy as a digest, if all that it takes is known without reading anything.
    fn identity(&self, words: &Digest) -> Option<Digest> {
        let sources = self.sources.iter().map(|source| match source {
            Taken::Path { from, path, unpack, .. } => {
                let identity = match &from.identity {
                    Some(identity) => identity.clone(),
                    None => identity_of(&from.files)?,
                };
                Some(format!("{identity} {unpack} {path}"))
            }
            Taken::File { name, content, mode, unpack, .. } => {
                let hash = content.known_sha256()?;
                Some(format!("{hash} {unpack} {mode} {name}"))
            }
            Taken::All { commit, .. } => Some(commit.clone()),
        });
        let sources: Vec<String> = sources.collect::<Option<_>>()?;
        let mut key = Key::of("copy, by its sources");
        key.digest(words).texts(&sources);
        Some(key.finish())
    }

    /// The line of the history.
    fn text(&self) -> String {
        let mut words = vec![self.name.to_owned()];
        words.extend(self.parents.then(|| "--parents".to_owned()));
        words.extend(self.chown.iter().map(|owner| format!("--chown={owner}")));
        words.extend(self.chmod.iter().map(|mode| format!("--chmod={mode}")));
        words.extend(self.sources.iter().map(|source| match source {
            Taken::Path { path, .. } => path.clone(),
            Taken::File { name, mode: 0o644, .. } => format!("<<{name}"),
            Taken::File { name, .. } => name.clone(),
            Taken::All { commit, .. } => commit.clone(),
        }));
        words.push(self.destination.clone());
        words.join(" ")
    }
}

/// Files as a digest, if all contents are known without reading them.
pub(super) fn identity_of(files: &Files) -> Option<Digest> {
    let mut key = Key::of("files");
    for (path, id) in files.walk() {
        let inode = files.get(id)?;
        entry_into(&mut key, &inode.entry(path));
        match &inode.content {
            Some(content) => key.hash(&content.known_sha256()?),
            None => key.number(0),
        };
    }
    Some(key.finish())
}

fn changes_into(key: &mut Key, changes: &Changes) -> Result<(), Problem> {
    key.number(changes.paths.len() as u64);
    for (path, change) in &changes.paths {
        key.bytes(path.as_bytes()).number(u64::from(change.removes));
        let Some((entry, content)) = &change.puts else {
            key.number(0);
            continue;
        };
        entry_into(key, entry);
        if let Some(content) = content {
            let hash = content.sha256().map_err(|cause| {
                let path = path.to_string();
                Problem::Content { path, cause }
            })?;
            key.hash(&hash);
        }
    }
    Ok(())
}

fn entry_into(key: &mut Key, entry: &Entry) {
    key.bytes(entry.path.as_bytes()).text(entry.kind.name());
    match &entry.kind {
        Kind::Symlink(target) => key.bytes(target),
        Kind::Hardlink(target) => key.bytes(target.as_bytes()),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            key.number(u64::from(*major)).number(u64::from(*minor))
        }
        Kind::File | Kind::Folder | Kind::Fifo => key.number(entry.size),
    };
    key.number(u64::from(entry.mode)).number(entry.uid).number(entry.gid);
    key.number(entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        key.bytes(name).bytes(value);
    }
}

/// The name that what comes from a URL gets: the last one of its path.
fn file_name(url: &str) -> String {
    let path = url::Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default();
    match path.trim_end_matches('/').rsplit('/').next() {
        None | Some("" | ".") => "__unnamed__".to_owned(),
        Some(name) => name.to_owned(),
    }
}
