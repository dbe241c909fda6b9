//! What each fuzz target does with its bytes. The targets in `fuzz_targets/` call these functions,
//! and so does a test of the product, over a corpus and changes of it, so that none of them rots.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::OnceLock;

use trust::actions::image::load::{Options, load as load_images};
use trust::actions::image_files::{ImageFile, Kind};
use trust::clock::Timestamp;
use trust::codec::canonical_json::Value;
use trust::codec::pem::Pem;
use trust::codec::timestamp::Rfc3339;
use trust::crypto::certificate::Certificate;
use trust::crypto::{
    Hashes, KeyBlock, KeyId, KeyType, Passphrase, PrivateKey, PublicKey, Signature,
};
use trust::crypto::{jwe, sealed};
use trust::dockerfile::{
    Dockerfile, Ignore, Instruction, Known, Pattern, Source, Word, check, expand, expand_words,
    parse, parse_trigger, place,
};
use trust::oci::archive::{ArchiveReader, ArchiveWriter, Expander, Expansion, Tree};
use trust::oci::manifest::{Manifest, OCI_INDEX, OCI_MANIFEST};
use trust::oci::media_type::Compression;
use trust::oci::{Descriptor, Digest, Reference};
use trust::server::auth::jwt::has_form;
use trust::server::config::document::parse as parse_server_config;
use trust::server::import::sql_dump::{self, DumpError};
use trust::server::notary::multipart;
use trust::server::registry::manifests::Prepared;
use trust::server::registry::range::{Wanted, chunk, wanted};
use trust::server::router::{Route, route};
use trust::store::ImageLayout;
use trust::store::client_config::ClientConfig;
use trust::store::credentials::DockerConfig;
use trust::store::images::layer_archive::Packing;
use trust::store::rescue::Record;
use trust::tuf::ceremony::Ceremony;
use trust::tuf::changelist::Change;
use trust::tuf::delegation::{effective_paths, permits, search_order};
use trust::tuf::history::{KeptFile, examine};
use trust::tuf::metadata::{
    DelegationRole, Delegations, Document, FileMeta, Header, RoleSpec, encode_envelope,
};
use trust::tuf::proposal::Proposal;
use trust::tuf::root_trust::{Dates, certified_keys};
use trust::tuf::trusted::Expiry;
use trust::tuf::{
    Gun, Pin, RoleName, Root, Signed, Snapshot, Target, TargetName, Targets, TimestampFile,
    TrustedSet,
};
use trust::wire::errors::summarise;
use trust::wire::notary::{Changefeed, NotaryErrorBody};
use trust::wire::referrers::{Referrer, ReferrersList};
use trust::wire::registry::{TagList, next_link};
use trust::wire::{ApiError, Challenge, TokenAnswer};

/// A target: its name, and what it does with bytes.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// Every target there is.
pub const ALL: &[FuzzTarget] = &[
    ("archive", archive),
    ("backup", backup),
    ("canonical_json", canonical_json),
    ("ceremony", ceremony),
    ("certificate", certificate),
    ("challenge", challenge),
    ("change", change),
    ("client_config", client_config),
    ("delegation_walk", delegation_walk),
    ("docker_config", docker_config),
    ("dockerfile", dockerfile),
    ("expansion", expansion),
    ("ignore_rules", ignore_rules),
    ("image_file", image_file),
    ("layers", layers),
    ("load", load),
    ("manifest", manifest),
    ("names", names),
    ("pem_key", pem_key),
    ("proposal", proposal),
    ("publication", publication),
    ("pushed_manifest", pushed_manifest),
    ("reference", reference),
    ("rescue", rescue),
    ("root", root),
    ("server_answers", server_answers),
    ("server_config", server_config),
    ("server_requests", server_requests),
    ("signed_envelope", signed_envelope),
    ("signed_sequence", signed_sequence),
    ("sql_dump", sql_dump),
    ("trusted_set", trusted_set),
];

/// An upload of metadata. Whatever it is, it is taken apart or refused.
pub fn publication(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let body = [b"--b\r\n".as_slice(), data, b"\r\n--b--\r\n"].concat();
    for body in [data.to_vec(), body] {
        let read = multipart::files("multipart/form-data; boundary=b", body.into());
        if let Ok(files) = runtime.block_on(read) {
            assert!(!files.contains_key(&RoleName::Timestamp));
        }
    }
}

/// A manifest that somebody pushes. What is taken is kept byte by byte.
pub fn pushed_manifest(data: &[u8]) {
    for media_type in ["", OCI_MANIFEST, OCI_INDEX, "application/vnd.example+json"] {
        let bytes = bytes::Bytes::copy_from_slice(data);
        let Ok(prepared) = Prepared::read(media_type, bytes, None) else { continue };
        assert_eq!(prepared.bytes, data);
        assert_eq!(prepared.digest, Digest::sha256_of(data));
    }
}

/// The configuration of a server.
pub fn server_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Refused or read; what is wrong has a place.
    if let Err(error) = parse_server_config(text, None) {
        assert!(!error.to_string().is_empty());
    }
}

/// What stands in the head of a request: the path, ranges, a token.
pub fn server_requests(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for path in [text.to_owned(), format!("/v2/{text}"), format!("/v2/a/{text}")] {
        if let Ok(Route::Manifest(name, _) | Route::Uploads(name)) = route(&path) {
            assert!(!name.as_str().contains(".."));
        }
    }
    if let Wanted::Part(part) = wanted(Some(text), 1000) {
        assert!(part.start < part.end && part.end <= 1000);
    }
    if has_form(text) {
        assert_eq!(text.matches('.').count(), 2);
    }
    if let Some((first, last)) = chunk(text) {
        assert!(first <= last);
    }
}

/// A tar archive. What is read of it can be written, and is then read the same.
pub fn archive(data: &[u8]) {
    let mut reader = ArchiveReader::new(data);
    let mut writer = ArchiveWriter::new(Vec::new());
    let mut entries = Vec::new();
    while let Ok(Some(entry)) = reader.next_entry() {
        let mut content = Vec::new();
        if reader.read_to_end(&mut content).is_err() {
            break;
        }
        if writer.append_bytes(&entry, &content).is_ok() {
            entries.push((entry, content));
        }
    }
    let written = writer.finish().unwrap();
    let mut reader = ArchiveReader::new(&written[..]);
    for (entry, content) in entries {
        assert_eq!(reader.next_entry().unwrap(), Some(entry));
        let mut again = Vec::new();
        reader.read_to_end(&mut again).unwrap();
        assert_eq!(again, content);
    }
    assert_eq!(reader.next_entry().unwrap(), None);
}

/// Layers, packed or not, on top of each other: cut where a byte is 255. What they come to can be
/// written as one layer, which comes to the same.
pub fn layers(data: &[u8]) {
    let mut tree = Tree::<()>::default();
    for layer in data.split(|byte| *byte == 255) {
        let Ok(expander) = Expander::new(layer, Expansion::allowed(1 << 20)) else { continue };
        let mut reader = ArchiveReader::new(expander);
        tree.begin_layer();
        while let Ok(Some(entry)) = reader.next_entry() {
            drop(tree.apply(&entry));
        }
    }
    let entries: Vec<_> = tree.entries().map(|(entry, _)| entry).collect();
    let mut again = Tree::<()>::default();
    again.begin_layer();
    for entry in &entries {
        again.apply(entry).unwrap();
    }
    assert_eq!(again.entries().map(|(entry, _)| entry).collect::<Vec<_>>(), entries);
}

/// An archive of images: whatever it is, what is taken in is whole.
pub fn load(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let layout = ImageLayout::new(folder.path().join("images"));
    let options = Options {
        platform: None,
        packing: Packing::AsItComes(Compression::Gzip),
        expansion: Expansion::allowed(1 << 20),
    };
    let loaded = load_images(&layout, &mut &data[..], &options);
    let index = layout.index().unwrap();
    assert_eq!(loaded.is_ok(), index.entries().next().is_some());
    for (digest, size) in layout.reachable(index.entries().map(|entry| &entry.descriptor)).unwrap()
    {
        drop(layout.verify_blob(&Descriptor::new("", digest, size)));
    }
    assert!(loaded.is_ok() || layout.blobs().unwrap().is_empty());
}

/// A dump of notary's databases, whole and without its end. A row that was passed on stays one,
/// whatever comes after it.
pub fn sql_dump(data: &[u8]) {
    let rows = |data: &[u8]| {
        let mut rows = Vec::new();
        let read = sql_dump::read(data, &mut |row| {
            rows.push(row);
            Ok::<(), DumpError>(())
        });
        (rows, read)
    };
    let (all, _) = rows(data);
    // What is packed may end anywhere.
    let is_packed = data.starts_with(b"\x1f\x8b");
    let half = data.get(..data.len() / 2).unwrap_or_default();
    let (some, _) = rows(half);
    assert!(is_packed || some.len() <= all.len());
    assert!(is_packed || some.iter().zip(&all).all(|(one, other)| one == other));
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(jwe::open(text, &Passphrase::new("secret-one".to_owned())));
}

/// The head of a backup of keys: what is read of it before a passphrase is asked for.
pub fn backup(data: &[u8]) {
    drop(sealed::check(data));
}

/// A file of a root ceremony, which comes from whoever had it last.
pub fn ceremony(data: &[u8]) {
    drop(Ceremony::parse(data));
}

/// The configuration file.
pub fn client_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(ClientConfig::parse(Path::new("/etc/trust/config.json"), text));
}

/// The record of a rescued collection, and files of it in any order: bytes between NUL bytes are
/// files of one role after the other. What is judged does not depend on the order.
pub fn rescue(data: &[u8]) {
    if let Ok(record) = Record::parse(data) {
        let again = record.to_json().and_then(|json| Record::parse(&json));
        assert_eq!(again.ok(), Some(record));
    }
    let Ok(gun) = Gun::parse("localhost:5000/app") else { return };
    let base = [RoleName::Root, RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets];
    let roles = base.into_iter().chain([RoleName::releases()]).cycle();
    let bytes = data.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let files = roles.zip(bytes).map(|(role, bytes)| KeptFile { role, bytes });
    let mut files: Vec<KeptFile> = files.collect();
    let count = |files: &[KeptFile]| {
        let history = examine(&gun, files, None);
        assert_eq!(history.findings.len(), files.len());
        assert!(history.current.values().all(|place| *place < files.len()));
        history.findings.iter().filter(|finding| finding.refused.is_none()).count()
    };
    let counted = count(&files);
    files.reverse();
    assert_eq!(count(&files), counted);
}

/// What a companion role holds, written by one signer and read by all others: the bytes are
/// the custom data of a target with the name of a proposal.
pub fn proposal(data: &[u8]) {
    let Ok(custom) = Value::parse(data) else { return };
    let name = format!(".trust/proposals/targets/releases/{}", "0".repeat(64));
    let Ok(name) = TargetName::parse(&name) else { return };
    let hashes = Hashes::from_iter([("sha256", vec![0; 32])]);
    let target = Target { length: 1, hashes, custom: Some(custom) };
    if let Ok(read) = Proposal::read(&name, &target) {
        let again = Proposal::read(&name, &read.to_target(1)).map(|again| again.to_target(1));
        assert_eq!(again, Ok(read.to_target(1)));
    }
}

/// What is read is written, and if that can be read it means the same: control characters stay raw
/// when written and are refused when read, as the reference does, and `1.0` is written as `1`.
pub fn canonical_json(data: &[u8]) {
    let Ok(value) = Value::parse(data) else { return };
    if let Ok(again) = Value::parse(&value.to_wire()) {
        assert_eq!(again.to_canonical(), value.to_canonical());
        assert_eq!(again.to_wire(), value.to_wire());
    }
}

/// A Dockerfile, compose file or Kubernetes file: other images can be written in the places of those
/// it names, and nothing else of it changes.
pub fn image_file(data: &[u8]) {
    const OTHER: &str = "x:1";
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (kind, _) in Kind::ALL {
        let Ok(file) = ImageFile::parse("file", Some(kind), text.to_owned()) else { continue };
        let others = file.images.iter().enumerate().filter(|(_, place)| place.span.is_some());
        let others: Vec<(usize, String)> =
            others.map(|(number, _)| (number, OTHER.to_owned())).collect();
        let changed = file.with_images(&others).expect("places of the file");
        let taken: usize =
            file.images.iter().filter_map(|place| place.span.clone()).map(|span| span.len()).sum();
        assert_eq!(changed.len() + taken, text.len() + others.len() * OTHER.len());
        assert_eq!(file.with_images(&[]).as_deref(), Some(text));
    }
}

/// A Dockerfile. Its places are in it, its triggers can be read, and its checks come to an end.
pub fn dockerfile(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let holds = |at: &std::ops::Range<usize>| {
        assert!(text.get(at.clone()).is_some(), "{at:?}");
        assert!(place(text, at.start) <= place(text, at.end));
    };
    let dockerfile: Dockerfile = match parse(text) {
        Ok(dockerfile) => dockerfile,
        Err(error) => return holds(&error.at),
    };
    let escape = dockerfile.directives.escape;
    let lookup = |name: &str| (name.len() == 1).then(|| name.repeat(3));
    for stage in &dockerfile.stages {
        holds(&stage.from.at);
        holds(&stage.from.image.at);
        for step in &stage.steps {
            holds(&step.at);
            match &step.instruction {
                Instruction::Onbuild(trigger) => drop(parse_trigger(&trigger.text, escape)),
                Instruction::Copy(copy) => {
                    holds(&copy.destination.at);
                    for source in &copy.sources {
                        let Source::Path(word) = source else { continue };
                        holds(&word.at);
                        drop(expand(word, escape, &lookup));
                    }
                }
                _ => {}
            }
        }
    }
    let ignore = Ignore::parse(data).unwrap_or_default();
    let known = Known {
        predefined: &[],
        arguments: &BTreeMap::new(),
        ignore: Some(&ignore),
        environment: &|_| Some(Vec::new()),
    };
    for finding in check(text, known).expect("it was read before") {
        holds(&finding.at);
    }
}

/// A word with variables. What it comes to, in single quotes, comes to itself.
pub fn expansion(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (word, value) = text.split_once('\n').unwrap_or((text, "a b*/"));
    let lookup = |name: &str| (name.len() < 3).then(|| value.to_owned());
    let word = Word { text: word.to_owned(), at: 0..word.len() };
    for escape in ['\\', '`'] {
        drop(expand_words(&word, escape, &lookup));
        let Ok(expanded) = expand(&word, escape, &lookup) else { continue };
        let quoted = format!("'{}'", expanded.replace('\'', "'\"'\"'"));
        let again = expand(&Word { text: quoted, at: 0..0 }, escape, &|_| None);
        assert_eq!(again.ok(), Some(expanded));
    }
}

/// A `.dockerignore`, and behind its first empty line a path. Nothing below a folder that is left
/// out as a whole is kept, and a pattern matches a path if it matches a folder above.
pub fn ignore_rules(data: &[u8]) {
    let split = data.windows(2).position(|pair| pair == b"\n\n");
    let (rules, path) = match split {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &b"a/b"[..]),
    };
    let path = &path[..path.len().min(64)];
    if let Ok(ignore) = Ignore::parse(&rules[..rules.len().min(512)]) {
        let below = [path, b"/x"].concat();
        assert!(!ignore.may_skip(path) || ignore.excludes(&below));
    }
    let first = rules.split(|byte| *byte == b'\n').next().unwrap_or_default();
    for pattern in [Pattern::parse(first), Pattern::parse_doubled(first)].into_iter().flatten() {
        let mut any = pattern.matches(path);
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            any |= pattern.matches(&path[..at]);
        }
        assert_eq!(pattern.matches_or_parent(path), any);
    }
}

/// A certificate bundle.
pub fn certificate(data: &[u8]) {
    let Ok(bundle) = Certificate::parse_bundle(data) else { return };
    let Ok((leaf, rest)) = Certificate::split_leaf(bundle) else { return };
    let _ = leaf.covers("docker.io/library/alpine");
    let is_fine = leaf.check_algorithms().is_ok() && leaf.chains_to(&rest, &rest, now()).is_ok();
    // A chain of itself alone is none.
    assert!(!is_fine || !rest.is_empty());
}

/// What a server answers to somebody it does not know.
pub fn challenge(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop(Challenge::parse_all(text.lines()));
}

/// A staged change; what is read is written, and what is written reads the same again.
pub fn change(data: &[u8]) {
    let Ok(change) = Change::parse(data) else { return };
    let written = change.encode();
    let again = Change::parse(&written).expect("what was written");
    assert_eq!(again.encode(), written);
    assert_eq!(Change::parse(&again.encode()), Ok(again));
}

/// A targets file with delegations, walked in search order; the first line of the rest is a name.
pub fn delegation_walk(data: &[u8]) {
    let mut paths = Vec::new();
    let mut children: BTreeMap<RoleName, Vec<RoleName>> = BTreeMap::new();
    let mut target = None;
    // A line is `role path path …`, or a target's name.
    for line in String::from_utf8_lossy(data).lines() {
        let mut words = line.split(' ');
        match words.next().map(RoleName::parse) {
            Some(Ok(role)) => {
                let own: Vec<String> = words.map(str::to_owned).collect();
                let effective = effective_paths(&paths, &own);
                // A child never gets further than its parent.
                for path in &effective {
                    assert!(paths.iter().any(|parent: &String| path.starts_with(parent)));
                    assert!(own.iter().any(|own| path.starts_with(own)));
                }
                if paths.is_empty() {
                    paths = own;
                }
                if let Some(parent) = role.parent() {
                    let siblings = children.entry(parent).or_default();
                    // A file that lists a role twice is refused before.
                    if !siblings.contains(&role) {
                        siblings.push(role.clone());
                    }
                }
                children.entry(role).or_default();
            }
            _ => target = TargetName::parse(line).ok(),
        }
    }
    if let Some(target) = &target {
        let permitted = permits(&paths, target);
        assert_eq!(permitted, paths.iter().any(|path| target.as_str().starts_with(path)));
    }
    let priority = [RoleName::releases(), RoleName::Targets];
    for from in children.keys() {
        let order = search_order(from, &priority, &children);
        assert!(order.len() <= children.len(), "a role is visited twice");
    }
}

/// Docker's `config.json`.
pub fn docker_config(data: &[u8]) {
    thread_local! {
        static FOLDER: std::path::PathBuf = {
            let name = format!("trust-fuzz-{:?}-{}", std::thread::current().id(), std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            folder
        };
    }
    FOLDER.with(|folder| {
        std::fs::write(folder.join("config.json"), data).expect("a file");
        let Ok(config) = DockerConfig::load(folder) else { return };
        for host in ["localhost:5000", "docker.io", "registry.example.com"] {
            // No program is started here.
            if !config.uses_helper(host) {
                drop(config.get(host));
            }
        }
    });
}

/// An image manifest or index.
pub fn manifest(data: &[u8]) {
    for media_type in [OCI_MANIFEST, OCI_INDEX] {
        drop(Manifest::parse(media_type, data));
    }
}

/// Names of everything; a name that is taken is safe to be a path and reads the same again.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_safe =
        |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['/', '\\', '\0']);
    if let Ok(gun) = Gun::parse(text) {
        assert!(gun.segments().all(is_safe), "{text:?}");
        assert_eq!(Gun::parse(gun.as_str()).as_ref(), Ok(&gun));
    }
    if let Ok(role) = RoleName::parse(text) {
        assert!(role.segments().all(is_safe), "{text:?}");
        assert_eq!(RoleName::parse(role.as_str()).as_ref(), Ok(&role));
        if let Some(parent) = role.parent() {
            assert_eq!(parent.depth() + 1, role.depth());
        }
    }
    drop(TargetName::parse(text));
    drop(KeyId::parse(text));
    drop(Digest::parse(text));
    if let Ok(time) = Rfc3339::parse(text) {
        assert_eq!(Rfc3339::parse(&time.to_string()).as_ref(), Ok(&time));
    }
}

/// A private key file: its blocks are written and read again.
pub fn pem_key(data: &[u8]) {
    for pem in Pem::parse_all(data).unwrap_or_default() {
        if let Ok(again) = Pem::parse_all(&pem.encode()) {
            assert_eq!(again.len(), 1);
        }
    }
    for mut block in KeyBlock::parse_all(data).unwrap_or_default() {
        let mut headers = block.headers();
        headers.path = None;
        block.set_headers(&headers);
        drop(block.path_key_id());
        let again = KeyBlock::parse_all(&block.to_pem()).expect("what was written");
        assert_eq!(again.len(), 1);
        if !block.is_encrypted() {
            drop(block.decrypt(None));
        }
    }
}

/// The name of an image; what is understood is understood the same again.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(reference) = Reference::parse(text) else { return };
    let again = Reference::parse(&reference.familiar()).expect("what was written");
    assert_eq!(again, reference);
}

/// A root, and whose keys count in it.
pub fn root(data: &[u8]) {
    let Ok(root) = Signed::<Root>::parse(&RoleName::Root, data) else { return };
    let Ok(gun) = Gun::parse("docker.io/library/alpine") else { return };
    drop(certified_keys(root.unverified(), &gun, Dates::Ignored));
}

/// Bodies and headers of registries, token servers and trust servers.
pub fn server_answers(data: &[u8]) {
    drop(Changefeed::parse(data));
    if let Some(body) = NotaryErrorBody::parse(data) {
        let _ = body.is_conflict();
    }
    drop(ApiError::parse_all(data));
    drop(TokenAnswer::parse(data));
    drop(TagList::parse(data));
    referrers(data);
    drop(summarise("application/json", data));
    let shown = summarise("text/plain", data);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    if let Ok(text) = std::str::from_utf8(data) {
        drop(next_link([text]));
    }
}

/// A list of referrers: what was put on it is there, also when it is read again.
fn referrers(data: &[u8]) {
    let digest = Digest::sha256_of(data);
    let subject = Referrer::of_manifest("a/b", &digest, data);
    let Ok(mut list) = ReferrersList::parse(data) else { return };
    let Some((_, referrer)) = subject else { return };
    if list.put(&referrer).is_ok() {
        let bytes = list.to_bytes().expect("it is hardly longer than what was read");
        let mut again = ReferrersList::parse(&bytes).expect("it was written here");
        assert!(again.has(&referrer));
        assert!(again.remove(&digest).is_ok_and(|removed| removed) && !again.names(&digest));
    }
}

/// A metadata file of each role.
pub fn signed_envelope(data: &[u8]) {
    for role in [RoleName::Timestamp, RoleName::Snapshot, RoleName::Targets, RoleName::releases()] {
        drop(Signed::<TimestampFile>::parse(&role, data));
        drop(Signed::<Snapshot>::parse(&role, data));
        drop(Signed::<Targets>::parse(&role, data));
    }
}

/// A sequence of files for a trusted set, after a real root: the first byte of each says whose it
/// is, the next two how long.
pub fn trusted_set(data: &[u8]) {
    let Ok(gun) = Gun::parse("localhost:15005/survey/gv") else { return };
    let real = real_files();
    let root = &real[&RoleName::Root];
    let mut set = TrustedSet::first_use(gun, now(), Expiry::Remembered, Pin::FirstUse, root)
        .expect("a real root");
    let mut rest = data;
    while let [whose, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (file, next) = tail.split_at(length);
        let or_real = |role| if length == 0 { real[&role].as_slice() } else { file };
        drop(match whose % 5 {
            0 => set.accept_root(file).map(drop),
            1 => set.accept_timestamp(or_real(RoleName::Timestamp)),
            2 => set.accept_snapshot(or_real(RoleName::Snapshot)),
            3 => set.accept_targets(&RoleName::Targets, or_real(RoleName::Targets)),
            _ => set.accept_targets(&RoleName::releases(), file),
        });
        rest = next;
    }
    drop(set.finish());
}

/// Instructions for somebody who signs with keys of their own, and a set that is handed what comes
/// of it: each has two bytes, what to do and how. Whatever they do, no version goes down, and what
/// is accepted names one set of files.
pub fn signed_sequence(data: &[u8]) {
    thread_local! {
        static HONEST: Forge = Forge::new();
    }
    let mut forge = HONEST.with(Forge::clone);
    let first = forge.files.clone();
    let Some(mut set) = forge.read(&first, None) else { panic!("an honest repository") };
    let mut kept = first;
    for step in data.chunks_exact(2).take(64) {
        let (action, how) = (step[0] % 16, step[1]);
        match action {
            0..=5 => forge.sign(usize::from(action), how),
            6 => forge.rotate(how),
            7 => forge.publish(),
            8..=13 => drop(forge.offer(&mut set, usize::from(action - 8))),
            14 => forge.replay(how),
            _ => {
                let resumed = forge.resume(&kept);
                if let Ok(read) = std::mem::replace(&mut set, resumed).finish() {
                    let files = read.files();
                    check_versions(&kept, &files);
                    kept.extend(files);
                    set = forge.resume(&kept);
                }
            }
        }
    }
    // All in order, at last.
    if let Some(Ok(read)) = forge.read(&kept, Some(&kept)).map(TrustedSet::finish) {
        check_versions(&kept, &read.files());
    }
}

/// A repository whose owner does not know what they do.
#[derive(Clone)]
struct Forge {
    gun: Gun,
    root: Root,
    targets: BTreeMap<RoleName, Targets>,
    snapshot: Header,
    timestamp: Header,
    /// What is served now.
    files: BTreeMap<RoleName, Vec<u8>>,
    past: Vec<BTreeMap<RoleName, Vec<u8>>>,
}

/// Three root keys in certificates, and four bare ones.
struct Keys {
    root: [(PrivateKey, PublicKey); 3],
    other: [PrivateKey; 4],
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let since = Timestamp::from_second(1_795_000_000).expect("a time");
        let certified = || {
            let key = PrivateKey::generate_ecdsa().expect("a key");
            let pem = Certificate::self_signed(GUN, &key, since).expect("a certificate");
            (key, PublicKey::new(KeyType::EcdsaX509, pem))
        };
        let bare = || PrivateKey::generate_ed25519().expect("a key");
        Keys {
            root: [certified(), certified(), certified()],
            other: [bare(), bare(), bare(), bare()],
        }
    })
}

const GUN: &str = "docker.io/library/alpine";

fn order() -> [RoleName; 6] {
    let deep = RoleName::parse("targets/releases/deep").expect("a role");
    [
        RoleName::Root,
        RoleName::Targets,
        RoleName::releases(),
        deep,
        RoleName::Snapshot,
        RoleName::Timestamp,
    ]
}

impl Forge {
    fn new() -> Self {
        let header = || Header {
            version: 1,
            expires: Rfc3339::parse("2030-01-01T00:00:00Z").expect("a time"),
        };
        let keys = keys();
        let spec = |ids: Vec<KeyId>| RoleSpec { key_ids: ids, threshold: NonZeroU32::MIN };
        let bare = |n: usize| keys.other[n].public_key().clone();
        let mut listed: BTreeMap<KeyId, PublicKey> =
            keys.root.iter().map(|(_, public)| (public.id(), public.clone())).collect();
        listed.extend((0..3).map(|n| (bare(n).id(), bare(n))));
        let roles = BTreeMap::from([
            ("root".to_owned(), spec(vec![keys.root[0].1.id()])),
            ("targets".to_owned(), spec(vec![bare(0).id()])),
            ("snapshot".to_owned(), spec(vec![bare(1).id()])),
            ("timestamp".to_owned(), spec(vec![bare(2).id()])),
        ]);
        let root = Root { header: header(), consistent_snapshot: false, keys: listed, roles };
        let mut targets = BTreeMap::new();
        let [_, top, releases, deep, ..] = order();
        for (role, child) in [(&top, Some(&releases)), (&releases, Some(&deep)), (&deep, None)] {
            let mut file = Targets {
                header: header(),
                targets: BTreeMap::new(),
                delegations: Delegations::default(),
            };
            let name = TargetName::parse(role.as_str()).expect("a name");
            let hashes = Hashes::of(b"content");
            file.targets.insert(name, Target { length: 7, hashes, custom: None });
            if let Some(child) = child {
                for n in [0, 3] {
                    file.delegations.keys.insert(bare(n).id(), bare(n));
                }
                file.delegations.roles.push(DelegationRole {
                    name: child.clone(),
                    key_ids: vec![bare(0).id(), bare(3).id()],
                    paths: vec![String::new()],
                    threshold: NonZeroU32::MIN,
                });
            }
            targets.insert(role.clone(), file);
        }
        let gun = Gun::parse(GUN).expect("a name");
        let mut forge = Self {
            gun,
            root,
            targets,
            snapshot: header(),
            timestamp: header(),
            files: BTreeMap::new(),
            past: Vec::new(),
        };
        (0..6).for_each(|which| forge.sign(which, 0b1111_0001));
        forge
    }

    /// Signs a file anew: the low bits are its version or expiry, the high ones who signs.
    fn sign(&mut self, which: usize, how: u8) {
        let role = order()[which].clone();
        let version = u64::from(how & 7);
        let expires = if how & 8 == 0 { "2030-01-01T00:00:00Z" } else { "2020-01-01T00:00:00Z" };
        let header = Header { version, expires: Rfc3339::parse(expires).expect("a time") };
        let who = how >> 4;
        let file = match &role {
            RoleName::Root => {
                self.root.header = header;
                encode(&self.root, &roots(who))
            }
            RoleName::Snapshot => {
                self.snapshot = header;
                let listed = self.files.iter();
                let listed = listed
                    .filter(|(role, _)| !matches!(role, RoleName::Timestamp | RoleName::Snapshot));
                let meta = listed.map(|(role, raw)| (role.clone(), FileMeta::of(raw))).collect();
                encode(&Snapshot { header: self.snapshot.clone(), meta }, &others(who))
            }
            RoleName::Timestamp => {
                self.timestamp = header;
                let snapshot = FileMeta::of(&self.files[&RoleName::Snapshot]);
                let file = TimestampFile {
                    header: self.timestamp.clone(),
                    snapshot,
                    others: BTreeMap::new(),
                };
                encode(&file, &others(who))
            }
            role => {
                let Some(file) = self.targets.get_mut(role) else { return };
                file.header = header;
                encode(file, &others(who))
            }
        };
        self.files.insert(role, file);
    }

    /// Gives the root other keys and another threshold, and signs it with all of them.
    fn rotate(&mut self, how: u8) {
        let keys = keys();
        let ids = (0..3).filter(|n| how & (1 << n) != 0).map(|n| keys.root[n].1.id()).collect();
        let threshold = NonZeroU32::new(u32::from(how >> 3 & 3)).unwrap_or(NonZeroU32::MIN);
        self.root.roles.insert("root".to_owned(), RoleSpec { key_ids: ids, threshold });
        self.root.header.version += 1;
        let file = encode(&self.root, &roots(0b1111));
        self.files.insert(RoleName::Root, file);
    }

    /// What an honest owner does: the next version of everything below the root.
    fn publish(&mut self) {
        self.past.push(self.files.clone());
        let next = |header: &Header| u8::try_from((header.version + 1).min(7)).unwrap_or(7);
        for which in 1..4 {
            let version = next(&self.targets[&order()[which]].header);
            self.sign(which, 0b1111_0000 | version);
        }
        self.sign(4, 0b1111_0000 | next(&self.snapshot));
        self.sign(5, 0b1111_0000 | next(&self.timestamp));
    }

    /// Serves an earlier file again.
    fn replay(&mut self, how: u8) {
        let role = order()[usize::from(how) % 6].clone();
        let past = self.past.get(usize::from(how >> 4) % self.past.len().max(1));
        if let Some(file) = past.and_then(|files| files.get(&role)) {
            self.files.insert(role, file.clone());
        }
    }

    fn resume(&self, kept: &BTreeMap<RoleName, Vec<u8>>) -> TrustedSet {
        TrustedSet::resume(self.gun.clone(), now(), Expiry::Enforced, Pin::FirstUse, kept)
            .expect("what was accepted is a root")
    }

    fn offer(&self, set: &mut TrustedSet, which: usize) -> Result<(), trust::tuf::UpdateError> {
        let role = &order()[which];
        let file = &self.files[role];
        match role {
            RoleName::Root => set.accept_root(file).map(drop),
            RoleName::Timestamp => set.accept_timestamp(file),
            RoleName::Snapshot => set.accept_snapshot(file),
            role => set.accept_targets(role, file),
        }
    }

    /// Offers all, in order, to somebody who has these files or none.
    fn read(
        &self,
        first: &BTreeMap<RoleName, Vec<u8>>,
        kept: Option<&BTreeMap<RoleName, Vec<u8>>>,
    ) -> Option<TrustedSet> {
        let mut set = if let Some(kept) = kept {
            self.resume(kept)
        } else {
            let root = &first[&RoleName::Root];
            let gun = self.gun.clone();
            TrustedSet::first_use(gun, now(), Expiry::Enforced, Pin::FirstUse, root).ok()?
        };
        for which in [0, 5, 4, 1, 2, 3] {
            self.offer(&mut set, which).ok()?;
        }
        Some(set)
    }
}

fn encode<T: Document>(document: &T, sign: &dyn Fn(&[u8]) -> Vec<Signature>) -> Vec<u8> {
    let body = document.to_json();
    encode_envelope(&body, &sign(&body.to_canonical()))
}

/// Who signs with the root keys, as bits.
fn roots(who: u8) -> impl Fn(&[u8]) -> Vec<Signature> {
    move |message| {
        let chosen = keys().root.iter().enumerate().filter(|(n, _)| who & (1 << n) != 0);
        chosen.map(|(_, (private, public))| signature(private, public, message)).collect()
    }
}

/// Who signs with the bare keys, as bits.
fn others(who: u8) -> impl Fn(&[u8]) -> Vec<Signature> {
    move |message| {
        let chosen = keys().other.iter().enumerate().filter(|(n, _)| who & (1 << n) != 0);
        chosen.map(|(_, key)| signature(key, key.public_key(), message)).collect()
    }
}

fn signature(private: &PrivateKey, public: &PublicKey, message: &[u8]) -> Signature {
    let (method, bytes) = private.sign(message).expect("a signature");
    Signature { key_id: public.id(), method, bytes }
}

/// The versions of what is kept never go down, unless with a root that has other keys.
fn check_versions(kept: &BTreeMap<RoleName, Vec<u8>>, files: &BTreeMap<RoleName, Vec<u8>>) {
    for (role, raw) in files {
        if let Some(before) = kept.get(role) {
            assert!(version(raw) >= version(before), "{role} went back");
        }
    }
    // What is accepted names one set of files.
    let snapshot = Value::parse(&files[&RoleName::Snapshot]).expect("what was accepted");
    let meta = snapshot.get("signed").and_then(|signed| signed.get("meta")).expect("a snapshot");
    for (role, raw) in files {
        if role.is_targets() || *role == RoleName::Root {
            let listed = meta.get(role.as_str()).expect("listed").get("length");
            assert_eq!(listed.and_then(Value::as_int), i64::try_from(raw.len()).ok(), "{role}");
        }
    }
}

fn version(raw: &[u8]) -> i64 {
    let file = Value::parse(raw).expect("what was accepted");
    let version = file.get("signed").and_then(|signed| signed.get("version"));
    version.and_then(Value::as_int).expect("a version")
}

fn real_files() -> &'static BTreeMap<RoleName, Vec<u8>> {
    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!(
                "../../tests/data/notary-vectors/docker-trust-final/tuf/localhost:15005/survey/gv/",
                "metadata/",
                $name
            ))
            .to_vec()
        };
    }
    static FILES: OnceLock<BTreeMap<RoleName, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        BTreeMap::from([
            (RoleName::Root, file!("root.json")),
            (RoleName::Timestamp, file!("timestamp.json")),
            (RoleName::Snapshot, file!("snapshot.json")),
            (RoleName::Targets, file!("targets.json")),
        ])
    })
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_500_000).expect("a time")
}
