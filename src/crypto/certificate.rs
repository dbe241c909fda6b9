//! stub
use crate::clock::Timestamp;
use crate::crypto::{KeyError, PrivateKey, PublicKey};
/// One X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    pub common_name: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub is_ca: bool,
    pub public_key: PublicKey,
}
impl Certificate {
    /// All certificates of a PEM bundle, in order.
    pub fn parse_bundle(_pem: &[u8]) -> Result<Vec<Certificate>, KeyError> {
        unimplemented!()
    }
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    /// CN equals the GUN, or ends in `*` and is a prefix (notary.md §1.11).
    pub fn covers(&self, _gun: &str) -> bool {
        unimplemented!()
    }
    /// Not SHA-1/DSA/MD5 signed, RSA >= 2048.
    pub fn check_algorithms(&self) -> Result<(), KeyError> {
        unimplemented!()
    }
    /// Not expired at `now`; one day's leeway on notBefore.
    pub fn check_dates(&self, _now: Timestamp) -> Result<(), KeyError> {
        unimplemented!()
    }
    /// Self-signed root certificate for a GUN as the reference writes it (§1.11): PEM text.
    pub fn self_signed(
        _gun: &str,
        _key: &PrivateKey,
        _now: Timestamp,
    ) -> Result<Vec<u8>, KeyError> {
        unimplemented!()
    }
    /// The one leaf (non-CA) of a bundle, and the CA certificates after it.
    pub fn split_leaf(
        _bundle: Vec<Certificate>,
    ) -> Result<(Certificate, Vec<Certificate>), KeyError> {
        unimplemented!()
    }
    /// Whether this certificate's signature chain leads to one of `roots` through `intermediates` (CA pinning; EKU codeSigning, serverAuth, any or none).
    pub fn chains_to(
        &self,
        _intermediates: &[Certificate],
        _roots: &[Certificate],
        _now: Timestamp,
    ) -> Result<(), KeyError> {
        unimplemented!()
    }
}
