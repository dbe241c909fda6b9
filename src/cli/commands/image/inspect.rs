//! `trust image inspect IMAGE…`

use serde_json::{Map, Value, json};

use crate::actions::image::find::Catalog;
use crate::actions::image::inspect::{Inspected, inspect};
use crate::cli::docker_format::indented;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::InTurn;
use crate::cli::output::{FormatArgs, verdict_first};
use crate::cli::run::Session;
use crate::oci::{Digest, ImageName, Platform, Reference};

/// Show what is known of images
///
/// Prints what `docker image inspect` prints, but for what only a daemon has.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: names, ids or digests
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Of an image for several platforms, the one for this
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// How to print what is known of an image.
    #[command(flatten)]
    pub format: FormatArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Prints the images that are found; goes on after one that is not.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.format.documents(&sample())?;
        let platform = self.platform.as_deref().map(Platform::parse).transpose()?;
        let layout = self.layout.open(session)?;
        let catalog = Catalog::read(&layout)?;
        let mut documents = Vec::new();
        // Errors say of which image they are.
        let mut turns = InTurn::new(session, 1);
        for image in &self.images {
            turns.take(image, || {
                documents.push(document(&inspect(&catalog, image, platform.as_ref())?));
                Ok(())
            });
        }
        let printed = match output.print(session, &documents) {
            Ok(false) => print_as_docker(session, &documents),
            printed => printed,
        };
        verdict_first(session, turns.finish(), printed)
    }
}

fn print_as_docker(session: &Session, documents: &[Value]) -> Result<bool, CliError> {
    let json = indented(&documents).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    session.ui.data(json)?;
    Ok(true)
}

/// What docker says of an image, members in its order.
fn document(inspected: &Inspected) -> Value {
    let image = &inspected.image;
    let raw = &image.config.raw;
    let text = |name| raw.get(name).and_then(Value::as_str).unwrap_or_default();
    let last = image.config.history.last();
    let comment = match text("comment") {
        "" => last.map_or("", |step| step.comment.as_str()),
        comment => comment,
    };
    let tags: Vec<String> = inspected.tags.iter().map(ImageName::familiar).collect();
    let digests: Vec<String> = inspected.digests.iter().map(Reference::familiar).collect();
    let layers: Vec<&str> = image.config.diff_ids.iter().map(Digest::as_str).collect();
    let mut rootfs = json!({"Type": "layers"});
    if let (Some(rootfs), false) = (rootfs.as_object_mut(), layers.is_empty()) {
        rootfs.insert("Layers".to_owned(), json!(layers));
    }
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    put("Id", json!(image.id.as_str()));
    put("RepoTags", json!(tags));
    put("RepoDigests", json!(digests));
    put("Parent", json!(text("parent")));
    put("Comment", json!(comment));
    if image.config.created.is_some() {
        put("Created", json!(text("created")));
    }
    put("DockerVersion", json!(text("docker_version")));
    put("Author", json!(image.config.author));
    put("Config", config(raw.get("config")));
    put("Architecture", json!(text("architecture")));
    if !text("variant").is_empty() {
        put("Variant", json!(text("variant")));
    }
    put("Os", json!(text("os")));
    if !text("os.version").is_empty() {
        put("OsVersion", json!(text("os.version")));
    }
    put("Size", json!(inspected.size));
    put("RootFS", rootfs);
    // Docker's word for never.
    put("Metadata", json!({"LastTagTime": "0001-01-01T00:00:00Z"}));
    let descriptor = &image.entry.descriptor;
    let (media_type, digest) = (&descriptor.media_type, descriptor.digest.as_str());
    put("Descriptor", json!({"mediaType": media_type, "digest": digest, "size": descriptor.size}));
    Value::Object(document)
}

/// What a container is to be like: the members that docker knows, in its order, as far as they say
/// something; then those of others.
fn config(raw: Option<&Value>) -> Value {
    let Some(raw) = raw.and_then(Value::as_object) else { return json!({}) };
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => !parts.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
    };
    let known = CONFIG_MEMBERS.iter().filter_map(|name| raw.get_key_value(*name));
    let others = raw.iter().filter(|(name, _)| {
        !CONFIG_MEMBERS.contains(&name.as_str()) && !OF_CONTAINERS.contains(&name.as_str())
    });
    let members = known.chain(others).filter(|(_, value)| says(value));
    Value::Object(members.map(|(name, value)| (name.clone(), sorted(value))).collect())
}

/// Go prints maps by their keys' order.
fn sorted(value: &Value) -> Value {
    let Some(members) = value.as_object() else { return value.clone() };
    let sorted: std::collections::BTreeMap<_, _> = members.iter().collect();
    Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// One of everything that can be shown.
fn sample() -> Value {
    json!({
        "Id": "", "RepoTags": [""], "RepoDigests": [""], "Parent": "", "Comment": "",
        "Created": "", "DockerVersion": "", "Author": "",
        "Config": {
            "User": "", "ExposedPorts": {}, "Env": [""], "Entrypoint": [""], "Cmd": [""],
            "Volumes": {}, "WorkingDir": "", "Labels": {}, "StopSignal": "", "ArgsEscaped": false,
            "Healthcheck": {
                "Test": [""], "Interval": 0, "Timeout": 0, "StartPeriod": 0, "StartInterval": 0,
                "Retries": 0
            },
            "OnBuild": [""], "Shell": [""]
        },
        "Architecture": "", "Variant": "", "Os": "", "OsVersion": "", "Size": 0,
        "RootFS": {"Type": "", "Layers": [""]},
        "Metadata": {"LastTagTime": ""},
        "Descriptor": {"mediaType": "", "digest": "", "size": 0}
    })
}

/// In the order of docker.
const CONFIG_MEMBERS: [&str; 13] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
    "OnBuild",
    "Shell",
];
/// What older makers wrote of the container that they made an image of; docker does not show it
/// any more.
const OF_CONTAINERS: [&str; 14] = [
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Image",
    "NetworkDisabled",
    "MacAddress",
    "StopTimeout",
    "Memory",
    "CpuShares",
];
