//! What the flags of `trust build` mean: each of them is a small language of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::actions::build::cache::CacheAt;
use crate::actions::build::output::{Destination, Output};
use crate::actions::build::place::{NamedPlace, PlaceError};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::settings::Environment;
use crate::crypto::secret::SecretBytes;
use crate::limits::MAX_BUILD_SECRET_BYTES;
use crate::oci::{ImageName, Platform, Reference};
use crate::store::files::{exists, read_user_file};

/// What `--output` says besides where the outcome goes.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Where the outcome goes.
    pub outputs: Vec<Output>,
    /// More names of the image.
    pub names: Vec<String>,
    /// Whether it is sent to its registry.
    pub push: bool,
}

/// Reads `--build-arg NAME[=VALUE]`: without a value the variable of this name in the environment
/// has it, if there is one.
pub fn arguments(
    typed: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut found = BTreeMap::new();
    for text in typed {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), environment.value(text)),
        };
        if name.is_empty() {
            return Err(CliError::usage(format!("`--build-arg {text}` has no name"))
                .hint("write `--build-arg NAME=VALUE`"));
        }
        found.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(found)
}

/// Reads `--label NAME[=VALUE]`.
pub fn labels(typed: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let label = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(CliError::usage(format!("`--label {text}` has no name"))
                .hint("write `--label NAME=VALUE`"));
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    typed.iter().map(label).collect()
}

/// Reads `--platform OS/ARCH[/VARIANT][,…]`; what runs here without it.
pub fn platforms(typed: &[String]) -> Result<Vec<Platform>, CliError> {
    let mut found: Vec<Platform> = Vec::new();
    for text in typed.iter().flat_map(|text| text.split(',')) {
        let platform = Platform::parse(text).map_err(|error| CliError::usage(error.to_string()))?;
        if !found.contains(&platform) {
            found.push(platform);
        }
    }
    if found.is_empty() {
        found.push(Platform::host());
    }
    Ok(found)
}

/// Reads the names of the image.
pub fn names(typed: &[String]) -> Result<Vec<ImageName>, CliError> {
    let mut found: Vec<ImageName> = Vec::new();
    for text in typed {
        let name = ImageName::parse(text)
            .map_err(|error| CliError::from(error).context(format!("cannot use `--tag {text}`")))?;
        if name.reference().is_some_and(|name| name.digest().is_some()) {
            return Err(CliError::usage("the name of a new image has no digest")
                .hint("its digest is what the build finds out"));
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Reads `--secret id=ID[,src=FILE|env=NAME]`, and what the secrets are.
pub fn secrets(
    typed: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, SecretBytes>, CliError> {
    let mut found = BTreeMap::new();
    for text in typed {
        let mut of = Members::read("--secret", text)?;
        let kind = of.take(&["type"]);
        let id = of.take(&["id"]).ok_or_else(|| of.lacks("id"))?;
        let mut file = of.take(&["src", "source"]);
        let mut variable = of.take(&["env"]);
        of.finish("id, src, env and type")?;
        match (kind.as_deref(), &file, &variable) {
            (Some("file"), None, Some(_)) | (_, Some(_), Some(_)) => {
                return Err(CliError::usage(format!("`--secret {text}` has two sources")));
            }
            (Some("env"), Some(name), None) => (variable, file) = (Some(name.clone()), None),
            (Some("env"), None, None) => variable = Some(id.clone()),
            (None, None, None) if environment.value(&id).is_some() => variable = Some(id.clone()),
            (None | Some("file"), None, None) => file = Some(id.clone()),
            (None | Some("file" | "env"), _, _) => {}
            (Some(kind), _, _) => {
                return Err(CliError::usage(format!("`{kind}` is no type of a secret"))
                    .hint("the types are `file` and `env`"));
            }
        }
        let secret = match (variable, file) {
            (Some(name), _) => match environment.value(&name) {
                Some(value) => SecretBytes::new(value.into_bytes()),
                None => {
                    return Err(CliError::new(
                        ErrorKind::NotFound,
                        format!(
                            "the secret `{id}` is to be in the variable {name}, which is not set"
                        ),
                    ));
                }
            },
            (None, file) => {
                let path = PathBuf::from(file.unwrap_or_default());
                let read = read_user_file(&path, MAX_BUILD_SECRET_BYTES);
                let read = read.map_err(|error| {
                    CliError::from(error).context(format!("the secret `{id}` cannot be read"))
                })?;
                SecretBytes::new(read)
            }
        };
        found.insert(id, secret);
    }
    Ok(found)
}

/// Reads `--ssh ID[=SOCKET]`.
pub fn agents(
    typed: &[String],
    own: Option<&PathBuf>,
) -> Result<BTreeMap<String, PathBuf>, CliError> {
    let mut found = BTreeMap::new();
    for text in typed {
        let (id, socket) = match text.split_once('=') {
            Some((id, socket)) => (id, Some(PathBuf::from(socket))),
            None => (text.as_str(), own.cloned()),
        };
        if id.is_empty() || id.contains(',') {
            return Err(CliError::usage(format!("`--ssh {text}` does not say which agent"))
                .hint("write `--ssh default`, or `--ssh ID=SOCKET`"));
        }
        let Some(socket) = socket else {
            return Err(CliError::usage("there is no SSH agent: SSH_AUTH_SOCK is not set")
                .hint("`--ssh ID=SOCKET` names the socket of one"));
        };
        if !exists(&socket) {
            let words = format!("there is no socket {} of an SSH agent", socket.display());
            return Err(CliError::new(ErrorKind::NotFound, words));
        }
        found.insert(id.to_owned(), socket);
    }
    Ok(found)
}

/// Reads `--build-context NAME=PLACE`.
pub fn contexts(typed: &[String]) -> Result<Vec<(String, NamedPlace)>, CliError> {
    let mut found: BTreeMap<String, NamedPlace> = BTreeMap::new();
    for text in typed {
        let Some((name, place)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(CliError::usage(format!("`--build-context {text}` has no name"))
                .hint("write `--build-context NAME=FOLDER`, or an address after the `=`"));
        };
        let place = NamedPlace::of(place).map_err(|error| {
            CliError::from(error).context(format!("cannot use `--build-context {text}`"))
        })?;
        found.insert(name.to_owned(), place);
    }
    Ok(found.into_iter().collect())
}

/// Reads `--add-host NAME:ADDRESS`, or with `=`.
pub fn hosts(typed: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let host = |text: &String| {
        let wrong = |problem: &str| {
            CliError::usage(format!("`--add-host {text}` {problem}"))
                .hint("write `--add-host NAME:ADDRESS`, the address in digits")
        };
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| wrong("has no address"))?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(wrong("has no name that a host can have"));
        }
        let address: std::net::IpAddr =
            address.parse().map_err(|_| wrong("has an address that is none"))?;
        Ok((name.to_owned(), address.to_string()))
    };
    typed.iter().map(host).collect()
}

/// Reads `--allow RIGHT[,…]`: whether all rights, and whether the network of this machine.
pub fn rights(typed: &[String]) -> Result<(bool, bool), CliError> {
    let (mut insecure, mut network) = (false, false);
    for right in typed.iter().flat_map(|text| text.split(',')) {
        match right {
            "security.insecure" => insecure = true,
            "network.host" => network = true,
            other => {
                return Err(CliError::usage(format!("`{other}` is no right of a build"))
                    .hint("the rights are `security.insecure` and `network.host`"));
            }
        }
    }
    Ok((insecure, network))
}

/// Reads `--no-cache-filter STAGE[,…]`.
pub fn stages(typed: &[String]) -> BTreeSet<String> {
    typed.iter().flat_map(|text| text.split(',')).map(|name| name.trim().to_lowercase()).collect()
}

/// Reads `--output`: `-`, a folder, or `type=…,dest=…`.
pub fn outputs(typed: &[String]) -> Result<Outputs, CliError> {
    let mut found = Outputs::default();
    for text in typed {
        if text == "-" {
            found.outputs.push(Output::Tar(Destination::Stdout));
            continue;
        }
        if !text.contains('=') {
            found.outputs.push(Output::Local(PathBuf::from(text)));
            continue;
        }
        let mut of = Members::read("--output", text)?;
        let kind = of.take(&["type"]).ok_or_else(|| of.lacks("type"))?;
        let dest = of.take(&["dest", "destination"]);
        let archive = || match dest.as_deref() {
            Some("-") | None => Destination::Stdout,
            Some(path) => Destination::File(PathBuf::from(path)),
        };
        let folder = || {
            dest.as_ref().map(PathBuf::from).ok_or_else(|| {
                CliError::usage(format!("`--output {text}` does not say which folder"))
                    .hint("add `,dest=FOLDER`")
            })
        };
        let output = match kind.as_str() {
            "local" => Output::Local(folder()?),
            "tar" => Output::Tar(archive()),
            "layout" => Output::Layout(folder()?),
            "docker" => Output::Docker(archive()),
            "oci" => match of.take(&["tar"]).as_deref() {
                Some("false" | "0") => Output::Layout(folder()?),
                _ => Output::Oci(archive()),
            },
            "image" | "registry" => {
                let is = |value: Option<String>| value.is_some_and(|v| v == "true" || v == "1");
                found.push |= is(of.take(&["push"])) || kind == "registry";
                let names = of.take(&["name"]);
                found.names.extend(names.iter().flat_map(|n| n.split(',')).map(str::to_owned));
                Output::Image
            }
            other => {
                return Err(CliError::usage(format!("`{other}` is no type of an output")).hint(
                    "the types are `image`, `oci`, `docker`, `layout`, `tar`, `local` and `registry`",
                ));
            }
        };
        of.finish("type and dest; the compression is said with `--compression`")?;
        found.outputs.push(output);
    }
    Ok(found)
}

/// Reads `--cache-from` or `--cache-to`: `type=local,src=FOLDER` (or `dest=`), `type=registry,ref=NAME`,
/// or the name alone.
pub fn caches(flag: &'static str, typed: &[String]) -> Result<Vec<CacheAt>, CliError> {
    let cache = |text: &String| {
        if !text.contains('=') {
            return Ok(CacheAt::Registry(Reference::parse(text)?));
        }
        let mut of = Members::read(flag, text)?;
        let kind = of.take(&["type"]).ok_or_else(|| of.lacks("type"))?;
        let cache = match kind.as_str() {
            "local" => {
                let folder = of.take(&["src", "dest", "source", "destination"]);
                CacheAt::Folder(PathBuf::from(folder.ok_or_else(|| of.lacks("src"))?))
            }
            "registry" => {
                let name = of.take(&["ref"]).ok_or_else(|| of.lacks("ref"))?;
                CacheAt::Registry(Reference::parse(&name)?)
            }
            other => {
                return Err(CliError::usage(format!("`{other}` is no type of a cache"))
                    .hint("the types are `local` and `registry`"));
            }
        };
        // Every step is kept, whatever is asked.
        drop(of.take(&["mode"]));
        of.finish("type, src or dest, ref and mode")?;
        Ok(cache)
    };
    typed.iter().map(cache).collect()
}

/// `name=value,…` as BuildKit's flags have it: fields of CSV.
struct Members<'a> {
    flag: &'static str,
    text: &'a str,
    given: BTreeMap<String, String>,
}

impl<'a> Members<'a> {
    fn read(flag: &'static str, text: &'a str) -> Result<Self, CliError> {
        let mut members = BTreeMap::new();
        for field in fields(text) {
            let Some((name, value)) = field.split_once('=') else {
                let words = format!("`{flag} {text}`: `{field}` has no value");
                return Err(CliError::usage(words).hint("write NAME=VALUE, with commas between"));
            };
            let name = name.trim().to_ascii_lowercase();
            if members.insert(name.clone(), value.to_owned()).is_some() {
                return Err(CliError::usage(format!("`{flag} {text}` says `{name}` twice")));
            }
        }
        Ok(Self { flag, text, given: members })
    }

    /// Takes the member of one of these names.
    fn take(&mut self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.given.remove(*name))
    }

    fn lacks(&self, name: &str) -> CliError {
        CliError::usage(format!("`{} {}` does not say `{name}`", self.flag, self.text))
            .hint(format!("add `{name}=…`"))
    }

    /// Nothing must be left.
    fn finish(self, known: &str) -> Result<(), CliError> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) => {
                let words = format!("`{} {}`: `{name}` is not known", self.flag, self.text);
                Err(CliError::usage(words).hint(format!("known are {known}")))
            }
        }
    }
}

/// The fields of a line of CSV; a field in quotes may have commas.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let begins = fields.last().is_some_and(String::is_empty);
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(field) = fields.last_mut() {
                    field.push('"');
                }
            }
            '"' if quoted => quoted = false,
            '"' if begins => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            other => {
                if let Some(field) = fields.last_mut() {
                    field.push(other);
                }
            }
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}

impl From<PlaceError> for CliError {
    fn from(error: PlaceError) -> Self {
        match &error {
            PlaceError::NoFolder { .. } => Self::new(ErrorKind::NotFound, error).hint(
                "the context is a folder, `-`, or the address of a git repository or an archive",
            ),
            PlaceError::Scheme { .. } => Self::new(ErrorKind::Usage, error)
                .hint("contexts are fetched over https, and by git"),
            _ => Self::new(ErrorKind::Usage, error),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the disk themselves")]
mod tests {
    use test_case::test_case;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn arguments_come_from_the_command_line_or_the_environment() {
        let environment = Environment::of(&[("A", "from outside"), ("EMPTY", "")]);
        let found = arguments(&texts(&["A", "B=1=2", "C", "EMPTY", "D="]), &environment).unwrap();
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("A", "from outside"), ("B", "1=2"), ("D", ""), ("EMPTY", "")]);
        assert!(arguments(&texts(&["=x"]), &environment).is_err());
    }

    #[test]
    fn several_platforms() {
        let found = platforms(&texts(&["linux/amd64,linux/arm64", "linux/amd64"])).unwrap();
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["linux/amd64", "linux/arm64"]);
        assert_eq!(platforms(&[]).unwrap(), [Platform::host()]);
        assert!(platforms(&texts(&["linux"])).is_err());
    }

    #[test]
    fn outputs_of_every_type() {
        let to = |path: &str| Destination::File(PathBuf::from(path));
        let typed = [
            "-",
            "out",
            "type=tar,dest=x.tar",
            "type=oci,dest=-",
            "type=oci,dest=o,tar=false",
            "type=docker,dest=d.tar",
            "type=layout,dest=l",
            "\"type=local\",\"dest=a,b\"",
        ];
        let found = outputs(&texts(&typed)).unwrap();
        let expected = [
            Output::Tar(Destination::Stdout),
            Output::Local("out".into()),
            Output::Tar(to("x.tar")),
            Output::Oci(Destination::Stdout),
            Output::Layout("o".into()),
            Output::Docker(to("d.tar")),
            Output::Layout("l".into()),
            Output::Local("a,b".into()),
        ];
        assert_eq!(found.outputs, expected);
        assert!(!found.push);
        let pushed = outputs(&texts(&["type=image,name=a:1,push=true"])).unwrap();
        assert_eq!((pushed.push, pushed.names), (true, texts(&["a:1"])));
    }

    #[test_case("type=zip", "`zip` is no type")]
    #[test_case("type=local", "which folder")]
    #[test_case("dest=x", "`type`")]
    #[test_case("type=tar,dest=x,compression=zstd", "`compression` is not known")]
    #[test_case("type=tar,type=oci", "twice")]
    #[test_case("type=tar,x", "`x` has no value")]
    fn outputs_that_are_none(text: &str, expected: &str) {
        let error = outputs(&texts(&[text])).unwrap_err();
        assert!(error.render().contains(expected), "{}", error.render());
    }

    #[test]
    fn secrets_come_from_files_and_variables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, b"of a file").unwrap();
        let environment = Environment::of(&[("TOKEN", "of a variable")]);
        let file = format!("id=a,src={}", path.display());
        let typed = texts(&[&file, "id=b,env=TOKEN", "id=TOKEN", "type=env,id=c,src=TOKEN"]);
        let found = secrets(&typed, &environment).unwrap();
        assert_eq!(found["a"].expose(), b"of a file");
        for id in ["b", "TOKEN", "c"] {
            assert_eq!(found[id].expose(), b"of a variable", "{id}");
        }
        for wrong in ["src=x", "id=a,env=NOT_SET", "id=a,src=x,env=Y", "id=a,type=x", "id=a,x=1"] {
            let error = secrets(&texts(&[wrong]), &environment);
            assert!(error.is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_rights() {
        let found = hosts(&texts(&["a:10.0.0.1", "b=[::1]", "c:::1"])).unwrap();
        let expected = [("a", "10.0.0.1"), ("b", "::1"), ("c", "::1")];
        let expected = expected.map(|(name, address)| (name.to_owned(), address.to_owned()));
        assert_eq!(found, expected);
        for wrong in ["a", "a:host-gateway", ":1.1.1.1", "a b:1.1.1.1", "a\n:1.1.1.1"] {
            assert!(hosts(&texts(&[wrong])).is_err(), "{wrong}");
        }
        assert_eq!(rights(&texts(&["security.insecure,network.host"])).unwrap(), (true, true));
        assert!(rights(&texts(&["all"])).is_err());
    }

    #[test]
    fn caches_in_folders_and_registries() {
        let typed = texts(&["type=local,src=x", "type=registry,ref=h.example/c:1,mode=max", "c:2"]);
        let found = caches("--cache-from", &typed).unwrap();
        assert_eq!(found[0], CacheAt::Folder("x".into()));
        assert_eq!(found[2], CacheAt::Registry(Reference::parse("c:2").unwrap()));
        assert!(caches("--cache-from", &texts(&["type=s3,bucket=x"])).is_err());
    }

    #[test]
    fn agents_have_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        std::fs::write(&socket, b"").unwrap();
        let found = agents(&texts(&["default"]), Some(&socket)).unwrap();
        assert_eq!(found["default"], socket);
        assert!(agents(&texts(&["default"]), None).is_err());
        assert!(agents(&texts(&["x=/no/such/socket"]), None).is_err());
    }
}
