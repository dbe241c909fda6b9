//! `trust image save IMAGE…`, and `trust save`

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::actions::image::save::{Format, Plan, plan};
use crate::cli::archives::{CompressionChoice, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::archive::Packer;
use crate::oci::media_type::Compression;
use crate::store::streams::UserFile;

/// Write images into an archive
///
/// The archive goes to stdout unless a file is named. The same images give the same bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: names, ids or digests; a repository without a tag stands for all of its tags
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// File to write, in one step when it is whole
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Kind of archive: docker's has one platform, OCI's all
    #[arg(long, value_enum, default_value = "docker-archive")]
    pub format: FormatChoice,

    /// Compression of the whole [default: by the file's name, `.gz`, `.tgz` or `.zst`; else none]
    #[arg(long, value_enum)]
    pub compression: Option<CompressionChoice>,

    /// Platform of images for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatChoice {
    /// As docker writes it from version 25 on; older ones and others read it as well.
    DockerArchive,
    /// An OCI image layout in an archive.
    OciArchive,
}

impl Args {
    /// Writes the archive.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let platform = platform(self.platform.as_deref())?;
        if self.output.is_none() && session.ui.shows_data_to_a_person() {
            return Err(CliError::usage("cowardly refusing to save to a terminal")
                .hint("name a file with `-o FILE`, or redirect the output"));
        }
        let layout = self.layout.open(session)?;
        let format = match self.format {
            FormatChoice::DockerArchive => Format::Docker,
            FormatChoice::OciArchive => Format::Oci,
        };
        let by_name = self.output.as_deref().map_or(Compression::None, of_name);
        let compression = self.compression.map_or(by_name, Compression::from);
        let plan = plan(&layout, &self.images, format, platform.as_ref())?;
        match &self.output {
            Some(path) => {
                let file = UserFile::begin(path)?;
                written(&plan, file, compression)?.finish()?;
            }
            None => {
                written(&plan, session.ui.output(), compression)?.flush()?;
            }
        }
        Ok(())
    }
}

fn written<W: Write>(plan: &Plan<'_>, out: W, compression: Compression) -> Result<W, CliError> {
    let packer = Packer::new(BufWriter::with_capacity(BUFFER, out), compression)?;
    let buffer = plan.write(packer)?.finish()?;
    buffer.into_inner().map_err(|error| error.into_error().into())
}

/// The compression that a file's name promises.
fn of_name(path: &Path) -> Compression {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz" | "tgz") => Compression::Gzip,
        Some("zst" | "tzst") => Compression::Zstd,
        _ => Compression::None,
    }
}

const BUFFER: usize = 256 << 10;
