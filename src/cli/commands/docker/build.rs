//! `trust docker build`

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::actions::docker::Known;
use crate::actions::docker::build::{Given as Facts, Pinned, build as pinned, context_name};
use crate::actions::docker::known;
use crate::cli::docker_flags::{Given, Scanned, parse_bool, scan};
use crate::cli::docker_steps::{
    FAILED, fail, failed, is_enforced, rewritten, say_known, tag, unreadable, without_switch,
};
use crate::cli::docker_tables::BUILD;
use crate::cli::docker_words::{of_build, of_image};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::client::docker::{Docker, Shown};
use crate::limits::MAX_IMAGE_FILE_BYTES;
use crate::oci::Reference;
use crate::store::files::{
    TemporaryFolder, create_file, exists, read_descriptor, read_user_file,
    read_user_file_if_present,
};
use crate::store::streams::is_folder;

/// Build on what is signed: `docker build` as it was with content trust
///
/// Takes the words of `docker build`. Every image that the Dockerfile names is put into it with the
/// digest that is signed, and docker builds that.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// The words of `docker build`
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Has docker build from a Dockerfile in which every image has its digest.
///
/// `verb` is what docker calls it: `build`, or `buildx build`.
pub fn build(
    session: &Session,
    docker: &Docker,
    verb: &str,
    words: &[OsString],
) -> Result<(), CliError> {
    let read = |words: &[OsString]| scan(&BUILD, words).map_err(|error| unreadable(verb, &error));
    // Flags that are replaced must not stand in one word with others.
    let words = &read(words)?.apart(words);
    let scanned = read(words)?;
    if scanned.is_on("help") == Some(true) || !is_enforced(session, &scanned) {
        return Err(docker.become_it(&without_switch(verb, words, &scanned)).into());
    }
    let typed = match scanned.words.as_slice() {
        [only] => words.get(*only),
        _ => None,
    };
    // Were docker to count otherwise, it must not build what nobody looked at.
    let context = typed
        .ok_or_else(|| fail(session, FAILED, &format!("'docker {verb}' requires 1 argument")))?;
    let input = Input::of(session, context, scanned.value("file"))?;
    let text = input.read(session)?;
    let mut pins = Pins::default();
    pins.contexts(session, &scanned)?;
    pins.frontend(session, &scanned)?;
    pins.scanners(session, &scanned)?;
    pins.caches(session, &scanned)?;
    let facts = facts(session, &scanned);
    let trust = session.context()?;
    let built = async { Ok::<_, CliError>(pinned(&trust, &text, &facts).await) };
    let Pinned { text, images } = session
        .block_on(built)?
        .map_err(|refusal| fail(session, FAILED, &of_build(refusal, &input.name())))?;
    for image in images {
        pins.add(image);
    }
    for known in &pins.images {
        say_known(session, known);
    }
    let code = match &input {
        Input::Alone => {
            let handed = rewritten(verb, words, &scanned, &|given| pins.replace(given));
            let mut written = Ok(());
            let ui = session.ui;
            let code = docker.follow(&handed, Some(text.as_bytes()), &mut |line| {
                if written.is_ok() {
                    written = ui.data(line);
                }
            })?;
            written?;
            code
        }
        Input::Stdin | Input::File { .. } => {
            let folder = TemporaryFolder::create(&session.settings.temporary_dir)?;
            let file = input.put(&folder, &text)?;
            let mut handed = rewritten(verb, words, &scanned, &|given| match given.long.as_str() {
                "file" => Some(Vec::new()),
                _ => pins.replace(given),
            });
            let after = verb.split(' ').count();
            handed.splice(after..after, ["--file".into(), file.into_os_string()]);
            let docker = docker.clone();
            // Somebody who ends docker with Ctrl-C leaves no file behind.
            session.outlive(move || docker.show(&handed, Shown::AsOutput))??
        }
    };
    if code != 0 {
        return Err(failed(code));
    }
    for known in &pins.images {
        tag_if_here(session, docker, known)?;
    }
    Ok(())
}

/// Docker's builder of old leaves the bases among its images, and docker gave them their tags;
/// BuildKit keeps them to itself.
fn tag_if_here(session: &Session, docker: &Docker, known: &Known) -> Result<(), CliError> {
    let pinned = known.pinned.familiar();
    let answer = docker.ask(&["image", "inspect", "--format", "{{.Id}}", &pinned])?;
    if answer.code != 0 {
        return Ok(());
    }
    match tag(session, docker, known)? {
        0 => Ok(()),
        code => Err(failed(code)),
    }
}

/// Where the Dockerfile is.
#[derive(Debug)]
enum Input {
    /// It is all there is, on the standard input.
    Alone,
    /// On the standard input; the context is a folder.
    Stdin,
    /// A file; the context is a folder.
    File { path: PathBuf },
}

impl Input {
    fn of(session: &Session, context: &OsStr, file: Option<&OsStr>) -> Result<Self, CliError> {
        if context == "-" {
            return Ok(Self::Alone);
        }
        let folder = Path::new(context);
        let shown = context.to_string_lossy();
        if !is_folder(folder) {
            let is_remote = shown.contains("://")
                || shown.starts_with("git@")
                || shown.starts_with("github.com/");
            return Err(if is_remote {
                let words = format!(
                    "{shown} is not looked into, so nothing is known of the images it builds on: \
                     fetch it, and build the folder"
                );
                fail(session, FAILED, &words)
            } else {
                let words = format!("unable to prepare context: path {shown:?} not found");
                fail(session, FAILED, &words)
            });
        }
        let path = match file {
            Some(file) if file == "-" => return Ok(Self::Stdin),
            Some(file) => PathBuf::from(file),
            None => {
                let usual = folder.join("Dockerfile");
                let small = folder.join("dockerfile");
                if !exists(&usual) && exists(&small) { small } else { usual }
            }
        };
        Ok(Self::File { path })
    }

    /// What messages call it.
    fn name(&self) -> String {
        match self {
            Self::Alone | Self::Stdin => "-".to_owned(),
            Self::File { path } => path.display().to_string(),
        }
    }

    fn read(&self, session: &Session) -> Result<String, CliError> {
        let bytes = match self {
            Self::Alone | Self::Stdin => read_descriptor(0, MAX_IMAGE_FILE_BYTES)?,
            Self::File { path } => read_user_file(path, MAX_IMAGE_FILE_BYTES)
                .map_err(|error| CliError { kind: ErrorKind::Command(FAILED), ..error.into() })
                .map_err(|error| {
                    let words = crate::cli::docker_words::with_causes(&error);
                    fail(session, FAILED, &format!("unable to prepare context: {words}"))
                })?,
        };
        // An archive is no text: its headers are padded with zeros.
        String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(|| {
            let words = match self {
                Self::Alone => {
                    "the archive on the standard input is not looked into, so nothing is known of \
                     the images it builds on: unpack it, and build the folder"
                        .to_owned()
                }
                _ => format!("{} is no Dockerfile: it is not text", self.name()),
            };
            fail(session, FAILED, &words)
        })
    }

    /// Writes the new Dockerfile into a folder of its own, under its name, with the list of what
    /// is ignored that goes with that name.
    fn put(&self, folder: &TemporaryFolder, text: &str) -> Result<PathBuf, CliError> {
        let (name, ignored) = match self {
            Self::File { path } => {
                let name = path.file_name().unwrap_or(OsStr::new("Dockerfile"));
                let mut ignored = path.clone().into_os_string();
                ignored.push(IGNORED);
                let ignored = PathBuf::from(ignored);
                (name, read_user_file_if_present(&ignored, MAX_IMAGE_FILE_BYTES)?)
            }
            Self::Alone | Self::Stdin => (OsStr::new("Dockerfile"), None),
        };
        let place = folder.path().join(name);
        create_file(&place, text.as_bytes(), PRIVATE_MODE)?;
        if let Some(ignored) = ignored {
            let mut beside = place.clone().into_os_string();
            beside.push(IGNORED);
            create_file(Path::new(&beside), &ignored, PRIVATE_MODE)?;
        }
        Ok(place)
    }
}

/// Flags that name images, and what they become.
#[derive(Debug, Default)]
struct Pins {
    images: Vec<Known>,
    replaced: Vec<(usize, OsString)>,
}

impl Pins {
    /// A context that is an image of a registry has to be signed, too.
    fn contexts(&mut self, session: &Session, scanned: &Scanned) -> Result<(), CliError> {
        for given in scanned.flags.iter().filter(|given| given.long == "build-context") {
            let value = given.value.as_deref().unwrap_or_default().to_string_lossy();
            let Some((name, image)) = value.split_once('=') else { continue };
            let Some(image) = image.strip_prefix(IMAGE_CONTEXT) else { continue };
            let pinned = self.pin(session, image)?;
            let word = format!("--build-context={name}={IMAGE_CONTEXT}{pinned}");
            self.replaced.push((given.at.start, word.into()));
        }
        Ok(())
    }

    /// An argument can name the image that reads the Dockerfile.
    fn frontend(&mut self, session: &Session, scanned: &Scanned) -> Result<(), CliError> {
        for given in scanned.flags.iter().filter(|given| given.long == "build-arg") {
            let value = given.value.as_deref().unwrap_or_default().to_string_lossy();
            let (name, image) = match value.split_once('=') {
                Some((name, image)) => (name, Some(image.to_owned())),
                None => (value.as_ref(), session.settings.environment.text(&value)),
            };
            let Some(image) = image.filter(|image| name == FRONTEND && !image.is_empty()) else {
                continue;
            };
            let pinned = self.pin(session, &image)?;
            let word = format!("--build-arg={FRONTEND}={pinned}");
            self.replaced.push((given.at.start, word.into()));
        }
        Ok(())
    }

    /// What looks for the parts of the outcome is a program in an image.
    fn scanners(&mut self, session: &Session, scanned: &Scanned) -> Result<(), CliError> {
        for given in &scanned.flags {
            let value = given.value.as_deref().unwrap_or_default().to_string_lossy();
            let fields = match given.long.as_str() {
                "sbom" if parse_bool(&value) == Some(false) => continue,
                "sbom" if parse_bool(&value) == Some(true) => Vec::new(),
                "sbom" | "attest" => fields(session, given, &value)?,
                _ => continue,
            };
            let is = |name, value| field(&fields, name).is_some_and(|given| given == value);
            if is("type", "provenance") || is("disabled", "true") {
                continue;
            }
            let Some(image) = field(&fields, "generator") else {
                let words = format!(
                    "--{}: the builder chooses the image that scans, so it is not known to be \
                     signed: `generator=IMAGE` names one",
                    given.long
                );
                return Err(fail(session, FAILED, &words));
            };
            let pinned = self.pin(session, image)?;
            self.put(given, &with_field(&fields, "generator", &pinned));
        }
        Ok(())
    }

    /// What comes from a cache in a registry is built into the outcome as it is.
    fn caches(&mut self, session: &Session, scanned: &Scanned) -> Result<(), CliError> {
        for given in scanned.flags.iter().filter(|given| given.long == "cache-from") {
            let value = given.value.as_deref().unwrap_or_default().to_string_lossy();
            let fields = fields(session, given, &value)?;
            if !fields.iter().any(|field| field.contains('=')) {
                let images = fields.iter().filter(|image| !image.is_empty());
                let pinned: Result<Vec<String>, CliError> =
                    images.map(|image| self.pin(session, image)).collect();
                self.put(given, &pinned?.join(","));
                continue;
            }
            match field(&fields, "type") {
                Some("registry") => {}
                Some(_) => continue,
                None => return Err(fail(session, FAILED, "--cache-from: there is no `type`")),
            }
            if let Some(image) = field(&fields, "ref") {
                let pinned = self.pin(session, image)?;
                self.put(given, &with_field(&fields, "ref", &pinned));
            }
        }
        Ok(())
    }

    /// Keeps an image, once.
    fn add(&mut self, image: Known) {
        let is_same = |other: &Known| other.pinned == image.pinned && other.tagged == image.tagged;
        if !self.images.iter().any(is_same) {
            self.images.push(image);
        }
    }

    /// Gives a flag another value.
    fn put(&mut self, given: &Given, value: &str) {
        let word = format!("--{}={value}", given.long);
        self.replaced.push((given.at.start, word.into()));
    }

    fn pin(&mut self, session: &Session, image: &str) -> Result<String, CliError> {
        let reference = Reference::parse(image)
            .map_err(|error| fail(session, FAILED, &format!("{image}: {error}")))?;
        let context = session.context()?;
        let found = session
            .block_on(async { Ok::<_, CliError>(known(&context, &reference).await) })?
            .map_err(|error| {
                let words = of_image(error, &reference);
                fail(session, FAILED, &format!("{}: {words}", reference.familiar()))
            })?;
        let pinned = found.pinned.familiar();
        self.add(found);
        Ok(pinned)
    }

    /// What stands in a flag's place.
    fn replace(&self, given: &Given) -> Option<Vec<OsString>> {
        if given.long == "disable-content-trust" {
            return Some(Vec::new());
        }
        let found = self.replaced.iter().find(|(at, _)| *at == given.at.start);
        found.map(|(_, word)| vec![word.clone()])
    }
}

/// The parts of a value; docker's form for parts with commas or quotes in them is not read.
fn fields(session: &Session, given: &Given, value: &str) -> Result<Vec<String>, CliError> {
    if value.contains(['"', '\n', '\r']) {
        let words = format!("--{}: `{value}`: a value with quotes is not looked into", given.long);
        return Err(fail(session, FAILED, &words));
    }
    Ok(value.split(',').map(|field| field.trim().to_owned()).collect())
}

/// The value of a part: the last one, if there are several.
fn field<'a>(fields: &'a [String], name: &str) -> Option<&'a str> {
    let found = fields.iter().rev().filter_map(|field| field.split_once('='));
    let mut found = found.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

/// The parts again, one of them with another value.
fn with_field(fields: &[String], name: &str, value: &str) -> String {
    let kept = fields.iter().filter(|field| {
        field.split_once('=').is_none_or(|(key, _)| !key.trim().eq_ignore_ascii_case(name))
    });
    let mut kept: Vec<&str> = kept.map(String::as_str).filter(|field| !field.is_empty()).collect();
    let new = format!("{name}={value}");
    kept.push(&new);
    kept.join(",")
}

/// What the flags say of images.
fn facts(session: &Session, scanned: &Scanned) -> Facts {
    let mut facts = Facts::default();
    for value in scanned.values("build-arg") {
        let value = value.to_string_lossy();
        match value.split_once('=') {
            Some((name, value)) => {
                facts.arguments.insert(name.to_owned(), value.to_owned());
            }
            // Its value is that of the environment; without one it is as if it was not given.
            None => {
                if let Some(text) = session.settings.environment.value(&value) {
                    facts.arguments.insert(value.into_owned(), text);
                }
            }
        }
    }
    let contexts = scanned.values("build-context").filter_map(|value| {
        value.to_string_lossy().split_once('=').map(|(name, _)| context_name(name))
    });
    facts.contexts = contexts.collect();
    facts
}

/// Ends the name of the list of what one Dockerfile's context lacks.
const IGNORED: &str = ".dockerignore";
/// Begins a context that is an image of a registry.
const IMAGE_CONTEXT: &str = "docker-image://";
/// Names the image that reads the Dockerfile, as an argument.
const FRONTEND: &str = "BUILDKIT_SYNTAX";
/// Mode of files that are gone at the end.
const PRIVATE_MODE: u32 = 0o600;
