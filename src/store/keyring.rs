//! stub: the operating system's keyring (crate `keyring`), service `trust`, user = key id.
use crate::crypto::{KeyId, Passphrase};
use crate::store::StoreError;
pub fn remember(_id: &KeyId, _p: &Passphrase) -> Result<(), StoreError> {
    unimplemented!()
}
/// None when nothing is remembered or there is no keyring service.
pub fn recall(_id: &KeyId) -> Result<Option<Passphrase>, StoreError> {
    unimplemented!()
}
/// Whether something was there.
pub fn forget(_id: &KeyId) -> Result<bool, StoreError> {
    unimplemented!()
}
