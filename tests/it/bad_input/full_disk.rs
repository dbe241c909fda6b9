//! A trust directory that cannot be written, or not enough.

use crate::harness::Signer;
use crate::harness::disk::run_with_mounts;
use crate::harness::signer::TRUST;
use crate::peers::{NotaryOptions, NotaryServer};

#[test]
fn a_read_only_trust_directory_verifies_and_signs_and_says_so() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let image = signer.push("app", "1");
    signer.user.trust(&["sign", "--quiet", &image]).success();
    let second = signer.push("app", "2");
    let before = signer.trust_files();
    let folder = signer.user.trust_folder().display().to_string();
    let script = format!(
        "mount --bind {folder} {folder}\n\
         mount -o remount,ro,bind {folder}\n\
         {TRUST} verify {image}\n\
         {TRUST} --no-prompt sign {second}\n\
         {TRUST} verify {second}\n\
         code=0; {TRUST} --no-prompt key generate bob || code=$?; echo generate: $code\n"
    );
    let finished = run_with_mounts(&script, &signer.variables()).success();
    for image in [&image, &second] {
        assert!(finished.stdout.contains(&format!("{image} is trusted")), "{finished:?}");
    }
    assert!(finished.stderr.contains("could not be cached"), "{finished:?}");
    assert!(finished.stdout.contains("generate: 14"), "{finished:?}");
    assert!(finished.stderr.contains("Read-only file system"), "{finished:?}");
    assert_eq!(signer.trust_files(), before);
}

#[test]
fn a_full_disk_sets_up_no_repository_and_loses_no_key() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let image = signer.push("app", "1");
    let folder = signer.user.trust_folder().display().to_string();
    let script = format!(
        "mkdir {folder}\n\
         mount -t tmpfs -o size=64k tmpfs {folder}\n\
         head -c 1000000 /dev/zero > {folder}/filler || true\n\
         code=0; {TRUST} --no-prompt sign {image} || code=$?; echo full: $code\n\
         find {folder} -name '*.key' -size 0; find {folder} -name '*.key' | wc -l\n\
         rm {folder}/filler\n\
         {TRUST} --no-prompt sign {image}\n\
         {TRUST} verify {image}\n"
    );
    let finished = run_with_mounts(&script, &signer.variables()).success();
    assert!(finished.stdout.contains("full: 14\n0\n"), "{finished:?}");
    assert!(finished.stderr.contains("No space left on device"), "{finished:?}");
    assert!(finished.stdout.contains("is trusted"), "{finished:?}");
}

#[test]
fn a_disk_that_fills_up_while_signing_keeps_what_was_there() {
    let notary = NotaryServer::start(&NotaryOptions::default());
    let signer = Signer::new(&notary.url());
    let images = ["1", "2"].map(|tag| signer.push("app", tag));
    let [first, second] = &images;
    let folder = signer.user.trust_folder().display().to_string();
    let list = format!("find {folder} -type f -not -name filler -exec sha256sum {{}} + | sort");
    let script = format!(
        "mkdir {folder}\n\
         mount -t tmpfs -o size=128k tmpfs {folder}\n\
         {TRUST} --no-prompt sign {first}\n\
         {TRUST} verify {first}\n\
         before=$({list})\n\
         head -c 1000000 /dev/zero > {folder}/filler || true\n\
         code=0; {TRUST} --no-prompt sign {second} || code=$?; echo sign: $code\n\
         code=0; {TRUST} verify {second} || code=$?; echo verify: $code\n\
         code=0; {TRUST} key ls || code=$?; echo list: $code\n\
         test \"$before\" = \"$({list})\"\n\
         rm {folder}/filler\n\
         {TRUST} --no-prompt sign {second}\n\
         {TRUST} verify {first} {second}\n"
    );
    let finished = run_with_mounts(&script, &signer.variables()).success();
    // Nothing has to be stored to sign with keys that are there.
    assert!(finished.stdout.contains("sign: 0"), "{finished:?}");
    assert!(finished.stdout.contains("verify: 0"), "{finished:?}");
    assert!(finished.stdout.contains("list: 0"), "{finished:?}");
    assert!(finished.stderr.contains("could not be cached"), "{finished:?}");
}
