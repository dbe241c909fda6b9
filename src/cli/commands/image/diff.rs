//! `trust image diff IMAGE IMAGE`

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::actions::image::diff::{
    Archives, ConfigChange, DiffError, Difference, FileChange, LayerChange, Parts, diff,
};
use crate::actions::image::entries::{ArchiveChange, EntryChange, FieldChange};
use crate::actions::image::find::{find, find_for};
use crate::cli::archives::{ExpansionArgs, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::codec::text::to_hex;
use crate::oci::Digest;
use crate::oci::archive::tree::Inode;
use crate::oci::archive::{EntryPath, Kind};
use crate::oci::media_type::Compression;

/// Show what two images have and have not in common
///
/// Files are listed as `docker diff` does: A for added, D for deleted, C for changed, and in
/// brackets what of it. Layers begin with `=` (both), `~` (both, packed differently), `-` or `+`.
/// If the files are the same and the layers are not, their entries follow, with each field of their
/// headers that differs.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// First image: a name, an id or a digest
    #[arg(value_name = "IMAGE")]
    pub before: String,

    /// Second image
    #[arg(value_name = "IMAGE")]
    pub after: String,

    /// Compare layers; with another of these flags that as well, and nothing else
    #[arg(long)]
    pub layers: bool,

    /// Compare configurations
    #[arg(long)]
    pub configuration: bool,

    /// Compare manifests
    #[arg(long)]
    pub manifest: bool,

    /// Compare files
    #[arg(long)]
    pub files: bool,

    /// Compare layers entry by entry, each field of their headers
    #[arg(long)]
    pub entries: bool,

    /// Platform of images for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// How large layers may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// How to print files; JSON has the rest too.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Prints what is different.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<FileRow<'_>>()?;
        let platform = platform(self.platform.as_deref())?;
        let layout = self.layout.open(session)?;
        let image = |typed: &str| {
            let found = match &platform {
                Some(platform) => find_for(&layout, typed, platform),
                None => find(&layout, typed),
            };
            found.map_err(DiffError::from)
        };
        let (before, after) = (image(&self.before)?, image(&self.after)?);
        let all =
            !(self.layers || self.configuration || self.manifest || self.files || self.entries);
        let parts = Parts {
            layers: self.layers || all,
            config: self.configuration || all,
            manifest: self.manifest || all,
            files: self.files || all,
            archives: if self.entries {
                Archives::Compared
            } else if all {
                Archives::WithoutOtherReason
            } else {
                Archives::Left
            },
        };
        let difference = diff(&layout, &before, &after, parts, self.expansion.expansion())?;
        let document = Document::of(&difference);
        let rows = document.files.as_deref().unwrap_or_default();
        if output.print_as(session, &document, rows)? {
            return Ok(());
        }
        let mut text = String::new();
        for layer in document.layers.iter().flatten() {
            text.push_str(&layer.line());
        }
        for member in document.config.iter().flatten() {
            text.push_str(&member.line());
        }
        for member in document.manifest.iter().flatten() {
            text.push_str(&member.line());
        }
        for file in rows {
            text.push_str(&file.line());
        }
        for archive in document.entries.iter().flatten() {
            text.push_str(&archive.lines());
        }
        Ok(session.ui.data(text)?)
    }
}

/// All that is different, as JSON has it. What was not asked is not there.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Vec<ConfigRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Vec<ConfigRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileRow<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<ArchiveRow<'a>>>,
}

/// Two layers that stand for each other.
#[derive(Debug, Serialize)]
struct ArchiveRow<'a> {
    before: &'a str,
    after: &'a str,
    entries: Vec<EntryRow<'a>>,
    order: Option<[String; 2]>,
    end: Option<[u64; 2]>,
}

#[derive(Debug, Serialize)]
struct EntryRow<'a> {
    kind: &'static str,
    path: String,
    number: usize,
    fields: Vec<FieldRow<'a>>,
}

#[derive(Debug, Serialize)]
struct FieldRow<'a> {
    field: &'a str,
    before: Option<String>,
    after: Option<String>,
}

#[derive(Debug, Serialize)]
struct LayerRow<'a> {
    /// `same`, `repacked`, `removed` or `added`.
    change: &'static str,
    diff_id: &'a str,
    before: Option<BlobRow<'a>>,
    after: Option<BlobRow<'a>>,
}

#[derive(Debug, Serialize)]
struct BlobRow<'a> {
    digest: &'a str,
    size: u64,
    media_type: &'a str,
}

#[derive(Debug, Serialize)]
struct ConfigRow<'a> {
    path: &'a str,
    before: &'a Option<Value>,
    after: &'a Option<Value>,
}

/// A file that is different.
#[derive(Debug, Default, Serialize)]
struct FileRow<'a> {
    /// `A`, `D` or `C`.
    kind: &'static str,
    path: String,
    changed: &'a [&'static str],
    before: Option<Details<'a>>,
    after: Option<Details<'a>>,
}

#[derive(Debug, Default, Serialize)]
struct Details<'a> {
    r#type: &'static str,
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn of(difference: &'a Difference) -> Self {
        Self {
            layers: difference.layers.as_deref().map(rows),
            config: difference.config.as_deref().map(rows),
            manifest: difference.manifest.as_deref().map(rows),
            files: difference.files.as_deref().map(rows),
            entries: difference.archives.as_deref().map(rows),
        }
    }
}

fn rows<'a, T, R: From<&'a T>>(changes: &'a [T]) -> Vec<R> {
    changes.iter().map(R::from).collect()
}

impl<'a> From<&'a LayerChange> for LayerRow<'a> {
    fn from(layer: &'a LayerChange) -> Self {
        let change = match (&layer.before, &layer.after) {
            (Some(_), None) => "removed",
            (None, _) => "added",
            (Some(_), Some(_)) if layer.is_repacked() => "repacked",
            (Some(_), Some(_)) => "same",
        };
        let blob = |blob: &'a crate::oci::Descriptor| BlobRow {
            digest: blob.digest.as_str(),
            size: blob.size,
            media_type: &blob.media_type,
        };
        Self {
            change,
            diff_id: layer.diff_id.as_str(),
            before: layer.before.as_ref().map(blob),
            after: layer.after.as_ref().map(blob),
        }
    }
}

impl LayerRow<'_> {
    fn line(&self) -> String {
        let sign = match self.change {
            "same" => '=',
            "repacked" => '~',
            "removed" => '-',
            _ => '+',
        };
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if self.change == "repacked" => {
                let packed = match (before.compression(), after.compression()) {
                    (before, after) if before == after => format!("{before}, other bytes"),
                    (before, after) => format!("{before}, {after}"),
                };
                format!("{sign} {} [{packed}]\n", self.diff_id)
            }
            _ => format!("{sign} {}\n", self.diff_id),
        }
    }
}

impl BlobRow<'_> {
    fn compression(&self) -> &'static str {
        match Compression::of_layer(self.media_type) {
            Some(Compression::Gzip) => "gzip",
            Some(Compression::Zstd) => "zstd",
            Some(Compression::None) => "none",
            None => "unknown",
        }
    }
}

impl<'a> From<&'a ArchiveChange> for ArchiveRow<'a> {
    fn from(change: &'a ArchiveChange) -> Self {
        Self {
            before: change.before.as_str(),
            after: change.after.as_str(),
            entries: rows(&change.entries),
            order: change.order.as_ref().map(|(one, other)| [rooted(one), rooted(other)]),
            end: change.end.map(|(before, after)| [before, after]),
        }
    }
}

impl ArchiveRow<'_> {
    fn lines(&self) -> String {
        let mut text = format!("{} {}:\n", self.before, self.after);
        for entry in &self.entries {
            text.push_str(&entry.line());
        }
        if let Some([one, other]) = &self.order {
            let (one, other) = (printable(one), printable(other));
            let line = format!("  order: {one} before {other}, which it comes after\n");
            text.push_str(&line);
        }
        if let Some([before, after]) = self.end {
            let line = format!("  end: {before} bytes, {after} bytes\n");
            text.push_str(&line);
        }
        text
    }
}

impl<'a> From<&'a EntryChange> for EntryRow<'a> {
    fn from(change: &'a EntryChange) -> Self {
        let kind = match (change.before, change.after) {
            (false, _) => "A",
            (_, false) => "D",
            _ => "C",
        };
        Self {
            kind,
            path: rooted(&change.path),
            number: change.number,
            fields: rows(&change.fields),
        }
    }
}

impl EntryRow<'_> {
    fn line(&self) -> String {
        let field = |field: &FieldRow<'_>| {
            let value = |value: &Option<String>| printable(value.as_deref().unwrap_or("nothing"));
            format!("{}: {}, {}", field.field, value(&field.before), value(&field.after))
        };
        let fields: Vec<String> = self.fields.iter().map(field).collect();
        let what =
            if fields.is_empty() { String::new() } else { format!(" [{}]", fields.join("; ")) };
        format!("  {} {}{what}\n", self.kind, printable(&self.path))
    }
}

impl<'a> From<&'a FieldChange> for FieldRow<'a> {
    fn from(change: &'a FieldChange) -> Self {
        let value = |value: &Option<Vec<u8>>| {
            value.as_deref().map(|bytes| match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains(char::is_control) => text.to_owned(),
                _ => bytes.escape_ascii().to_string(),
            })
        };
        Self { field: &change.field, before: value(&change.before), after: value(&change.after) }
    }
}

fn rooted(path: &EntryPath) -> String {
    format!("/{}", String::from_utf8_lossy(path.as_bytes()))
}

impl<'a> From<&'a ConfigChange> for ConfigRow<'a> {
    fn from(change: &'a ConfigChange) -> Self {
        Self { path: &change.path, before: &change.before, after: &change.after }
    }
}

impl ConfigRow<'_> {
    fn line(&self) -> String {
        let path = printable(self.path);
        let value = |sign, value: &Option<Value>| {
            value
                .as_ref()
                .map(|value| format!("{sign} {path}: {}\n", printable(&value.to_string())))
        };
        let lines = [value('-', self.before), value('+', self.after)];
        lines.into_iter().flatten().collect()
    }
}

impl<'a> From<&'a FileChange> for FileRow<'a> {
    fn from(change: &'a FileChange) -> Self {
        let kind = match (&change.before, &change.after) {
            (None, _) => "A",
            (_, None) => "D",
            _ => "C",
        };
        Self {
            kind,
            path: rooted(&change.path),
            changed: &change.changed,
            before: change.before.as_ref().map(Details::of),
            after: change.after.as_ref().map(Details::of),
        }
    }
}

impl FileRow<'_> {
    fn line(&self) -> String {
        let what = if self.changed.is_empty() {
            String::new()
        } else {
            format!(" [{}]", self.changed.join(", "))
        };
        format!("{} {}{what}\n", self.kind, printable(&self.path))
    }
}

impl<'a> Details<'a> {
    fn of(file: &'a Inode<Digest>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (link, device) = match &file.kind {
            Kind::Symlink(target) => (Some(text(target)), None),
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                (None, Some(format!("{major}:{minor}")))
            }
            _ => (None, None),
        };
        Self {
            r#type: file.kind.name(),
            mode: format!("{:04o}", file.mode),
            uid: file.uid,
            gid: file.gid,
            size: file.size,
            mtime: file.mtime.seconds,
            link,
            device,
            xattrs: file.xattrs.iter().map(|(name, value)| (text(name), to_hex(value))).collect(),
            digest: file.content.as_ref().map(Digest::as_str),
        }
    }
}
