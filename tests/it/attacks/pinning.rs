//! A root that is what it says, but not the one that was agreed on.

use std::collections::{BTreeMap, BTreeSet};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::crypto::KeyType;
use trust::crypto::certificate::Certificate;
use trust::tuf::Pinning;
use trust::tuf::root_trust::RootTrustError;
use trust::tuf::trusted::UpdateError;

use super::assert_matches;
use crate::harness::{Key, Victim};

type Issuer = CertifiedIssuer<'static, KeyPair>;

#[test_case(true, true, true; "the whole chain")]
#[test_case(false, true, false; "the intermediate is missing")]
#[test_case(true, false, false; "another authority")]
fn a_pinned_authority_must_be_at_the_end_of_the_chain(
    intermediate: bool,
    right: bool,
    accepted: bool,
) {
    let (victim, authority) = certified_by_an_authority(intermediate);
    let authority = if right { authority } else { self_signed_authority("another").pem() };
    let authorities = Certificate::parse_bundle(authority.as_bytes()).unwrap();
    let pinning = Pinning {
        authorities: BTreeMap::from([("localhost".to_owned(), authorities)]),
        ..Pinning::default()
    };
    let outcome = victim.refresh_pinned(pinning);
    if accepted {
        outcome.unwrap();
    } else {
        let cause = refused(outcome.unwrap_err());
        assert_matches!(cause, UpdateError::Root(RootTrustError::NotPinned { .. }));
        assert!(victim.trust_files().is_empty());
    }
}

#[test]
fn a_root_with_another_key_than_the_pinned_one_is_refused() {
    let mut victim = Victim::new();
    victim.publish();
    let pinned = |key: &Key| Pinning {
        key_ids: BTreeMap::from([(victim.repository.gun().to_owned(), BTreeSet::from([key.id()]))]),
        ..Pinning::default()
    };
    let cause = refused(victim.refresh_pinned(pinned(&Key::plain())).unwrap_err());
    assert_matches!(cause, UpdateError::Root(RootTrustError::NotPinned { .. }));
    assert!(victim.trust_files().is_empty());
    let right = pinned(&victim.repository.signers("root")[0]);
    victim.refresh_pinned(right).unwrap();
}

#[test]
fn first_use_can_be_forbidden() {
    let mut victim = Victim::new();
    victim.publish();
    let forbidden = Pinning { first_use_forbidden: true, ..Pinning::default() };
    let cause = refused(victim.refresh_pinned(forbidden.clone()).unwrap_err());
    assert_matches!(cause, UpdateError::Root(RootTrustError::FirstUseForbidden { .. }));
    assert!(victim.trust_files().is_empty());
    victim.accepts();
    victim.refresh_pinned(forbidden).unwrap();
}

fn refused(error: RefreshError) -> UpdateError {
    match error {
        RefreshError::Refused { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

/// Somebody whose repository's root key is certified through an intermediate; the PEM is that of
/// the authority at the end.
fn certified_by_an_authority(with_intermediate: bool) -> (Victim, String) {
    let mut victim = Victim::new();
    let authority = self_signed_authority("authority");
    let between = CertifiedIssuer::signed_by(
        authority_params("intermediate"),
        KeyPair::generate().unwrap(),
        &authority,
    )
    .unwrap();
    let key = Key::plain();
    let pair = KeyPair::try_from(key.pkcs8()).unwrap();
    let mut leaf = CertificateParams::new(Vec::new()).unwrap();
    leaf.distinguished_name = rcgen::DistinguishedName::new();
    leaf.distinguished_name.push(DnType::CommonName, victim.repository.gun());
    let mut bundle = leaf.signed_by(&pair, &between).unwrap().pem();
    if with_intermediate {
        bundle.push_str(&between.pem());
    }
    let key = key.listed_as(KeyType::EcdsaX509, bundle.into_bytes());
    victim.repository.grant("root", &[key], 1);
    victim.publish();
    (victim, authority.pem())
}

fn self_signed_authority(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}
