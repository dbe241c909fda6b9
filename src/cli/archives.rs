//! Flags and words of the commands that read and write layers and archives.

use clap::ValueEnum;

use crate::actions::image::find::{LocalImage, find, find_for};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::ImageName;
use crate::oci::archive::Expansion;
use crate::oci::media_type::Compression;
use crate::oci::platform::Platform;
use crate::store::ImageLayout;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressionChoice {
    /// RFC 1952, which everything reads.
    Gzip,
    /// RFC 8878: faster and smaller.
    Zstd,
    /// Not at all.
    None,
}

impl From<CompressionChoice> for Compression {
    fn from(choice: CompressionChoice) -> Self {
        match choice {
            CompressionChoice::Gzip => Self::Gzip,
            CompressionChoice::Zstd => Self::Zstd,
            CompressionChoice::None => Self::None,
        }
    }
}

/// The flag of every command that unpacks layers.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct ExpansionArgs {
    /// Most bytes that a layer may unpack to, such as `100GiB` [default: 64GiB, and 200 times its
    /// own size beyond the first GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_size: Option<u64>,
}

impl ExpansionArgs {
    /// What is allowed.
    pub fn expansion(self) -> Expansion {
        self.max_size.map_or_else(Expansion::default, Expansion::allowed)
    }
}

/// Flags of commands that make an image of one that is here.
#[derive(Debug, clap::Args)]
pub struct RemakingArgs {
    /// Platform of an image for several, such as `linux/arm64`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Compression of the layers
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionChoice,

    /// How large layers may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl RemakingArgs {
    /// Opens the layout, and finds the image in it: that of the platform, if one is named.
    pub fn find(
        &self,
        session: &Session,
        image: &str,
    ) -> Result<(ImageLayout, LocalImage), CliError> {
        let platform = platform(self.platform.as_deref())?;
        let layout = self.layout.open(session)?;
        let image = match platform {
            Some(platform) => find_for(&layout, image, &platform)?,
            None => find(&layout, image)?,
        };
        Ok((layout, image))
    }

    /// How its layers are written, and how large those it has may be.
    pub fn packing(&self) -> (Compression, Expansion) {
        (Compression::from(self.compression), self.expansion.expansion())
    }
}

/// The name of an image that is to be made: it has no digest yet.
pub fn new_name(text: &str) -> Result<ImageName, CliError> {
    let name = ImageName::parse(text)?;
    if name.reference().is_some_and(|name| name.digest().is_some()) {
        return Err(CliError::usage("the name of a new image has no digest"));
    }
    Ok(name)
}

/// Reads `--platform`.
pub fn platform(text: Option<&str>) -> Result<Option<Platform>, CliError> {
    text.map(Platform::parse).transpose().map_err(|error| CliError::usage(error.to_string()))
}

/// A number of bytes, perhaps with a unit: `B`, `kB`, `MB`, `GB`, `TB` of a thousand, `KiB`, `MiB`,
/// `GiB`, `TiB` of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" => Some(1000),
        "mb" => Some(1_000_000),
        "gb" => Some(1_000_000_000),
        "tb" => Some(1_000_000_000_000),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        "t" | "tib" => Some(1 << 40),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .zip(scale)
        .and_then(|(number, scale)| number.checked_mul(scale))
        .ok_or_else(|| "write a number of bytes, or one with a unit such as 100GiB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in
            [("0", 0), ("17", 17), ("3 kB", 3000), ("2GiB", 2 << 30), ("1m", 1 << 20)]
        {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GB", "1PB", "99999999TiB", "x"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
