//! Media types of configurations and layers, docker's and OCI's.

/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// OCI's image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// OCI's layer, a tar archive as it is.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// OCI's layer, compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// OCI's layer, compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Docker's layer, a tar archive as it is.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Docker's layer, compressed with gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Docker's layer, compressed with zstd.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// How a layer's archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// What a layer's media type says of it; `None` if it is no layer's.
    pub fn of_layer(media_type: &str) -> Option<Self> {
        let distributable = media_type
            .replace(".nondistributable", "")
            .replace("rootfs.foreign.diff", "rootfs.diff");
        match distributable.as_str() {
            OCI_LAYER | DOCKER_LAYER => Some(Self::None),
            OCI_LAYER_GZIP | DOCKER_LAYER_GZIP => Some(Self::Gzip),
            OCI_LAYER_ZSTD | DOCKER_LAYER_ZSTD => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What the first bytes of a stream say; at least six of them, if there are that many.
    pub fn of_bytes(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that readers skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The media type of an OCI layer packed so.
    pub const fn oci_layer(self) -> &'static str {
        match self {
            Self::None => OCI_LAYER,
            Self::Gzip => OCI_LAYER_GZIP,
            Self::Zstd => OCI_LAYER_ZSTD,
        }
    }
}

/// Whether a layer is one that registries need not keep: its descriptor says where to get it.
pub fn is_foreign_layer(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".rootfs.foreign.diff.")
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(OCI_LAYER, Some(Compression::None))]
    #[test_case(DOCKER_LAYER_GZIP, Some(Compression::Gzip))]
    #[test_case(OCI_LAYER_ZSTD, Some(Compression::Zstd))]
    #[test_case(
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        Some(Compression::Gzip)
    )]
    #[test_case(
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        Some(Compression::Gzip)
    )]
    #[test_case(OCI_CONFIG, None)]
    #[test_case("application/octet-stream", None)]
    fn layers(media_type: &str, expected: Option<Compression>) {
        assert_eq!(Compression::of_layer(media_type), expected);
    }

    #[test]
    fn streams_tell_by_their_first_bytes() {
        assert_eq!(Compression::of_bytes(&[0x1f, 0x8b, 8]), Compression::Gzip);
        assert_eq!(Compression::of_bytes(&[0x28, 0xb5, 0x2f, 0xfd, 0]), Compression::Zstd);
        assert_eq!(Compression::of_bytes(b"file"), Compression::None);
        assert_eq!(Compression::of_bytes(b""), Compression::None);
    }
}
