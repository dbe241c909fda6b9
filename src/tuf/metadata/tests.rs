//! Malformed fields of every kind: an error that names the place, never a panic.

use test_case::test_case;

use crate::codec::canonical_json::{JsonProblem, Value};
use crate::tuf::metadata::{
    Document, MetadataError, Problem, Root, Signed, Snapshot, Targets, TimestampFile,
    encode_envelope,
};
use crate::tuf::names::RoleName;
use crate::tuf::testing::{Repo, TestKey};

fn repo() -> Repo {
    let mut repo = Repo::new();
    repo.delegate("targets/a", vec![TestKey::bare()], &["dir/"]);
    repo
}

fn parse(role: &RoleName, raw: &[u8]) -> Result<(), MetadataError> {
    match role {
        RoleName::Root => Signed::<Root>::parse(role, raw).map(drop),
        RoleName::Timestamp => Signed::<TimestampFile>::parse(role, raw).map(drop),
        RoleName::Snapshot => Signed::<Snapshot>::parse(role, raw).map(drop),
        _ => Signed::<Targets>::parse(role, raw).map(drop),
    }
}

fn text(role: &RoleName) -> String {
    String::from_utf8(repo().files()[role].clone()).unwrap()
}

/// The place of the error that one replaced piece of a targets file makes.
fn place(role: &RoleName, from: &str, to: &str) -> Option<String> {
    let good = text(role);
    let bad = good.replacen(from, to, 1);
    assert_ne!(good, bad, "nothing replaced");
    parse(role, bad.as_bytes()).err().map(|error| error.path.join("."))
}

#[test]
fn a_file_is_the_one_that_was_signed_or_refused() {
    let role = RoleName::Targets;
    let file = text(&role);
    let message = Signed::<Targets>::parse(&role, file.as_bytes()).unwrap().message().to_vec();
    let check = |file: &str, message: &[u8]| Signed::<Targets>::check(file.as_bytes(), message);
    check(&file, &message).unwrap();
    let other = file.replacen("\"version\":1", "\"version\":2", 1);
    for (file, message) in [(&other, message.as_slice()), (&file, &message[1..]), (&file, b"")] {
        let error = check(file, message).unwrap_err();
        assert_eq!(error.problem, Problem::NotA("what was signed"));
    }
    let longer = [message.as_slice(), b"}"].concat();
    assert!(check(&file, &longer).is_err());
    assert!(check(file.strip_prefix('{').unwrap(), &message).is_err());
    assert!(check(&file.replacen("\"sig\":\"", "\"sig\":\"!", 1), &message).is_err());
}

#[test_case(r#""_type":"Targets","#, "", "signed._type"; "no type")]
#[test_case(r#""_type":"Targets""#, r#""_type":"targets""#, "signed._type"; "small type")]
#[test_case(r#""_type":"Targets""#, r#""_type":7"#, "signed._type"; "type a number")]
#[test_case(r#""version":1}"#, r#""version":"1"}"#, "signed.version"; "version text")]
#[test_case(r#","version":1}"#, "}", "signed.version"; "no version")]
#[test_case(r#""expires":"#, r#""expired":"#, "signed.expires"; "no expires")]
#[test_case(r#""expires":"2027"#, r#""expires":"12027"#, "signed.expires"; "year of five digits")]
#[test_case(r#""expires":"2027"#, r#""expires":" 2027"#, "signed.expires"; "expires with a space")]
#[test_case(r#""signed":{"#, r#""signd":{"#, "signed"; "no signed")]
#[test_case(r#""signatures":[{"#, r#""signatures":[7,{"#, "signatures.0"; "signature a number")]
#[test_case(r#""signatures":[{"keyid""#, r#""signatures":[{"keyis""#, "signatures.0.keyid"; "no keyid")]
#[test_case(r#""method":"#, r#""mode":"#, "signatures.0.method"; "no method")]
#[test_case(r#""sig":""#, r#""sig":"!"#, "signatures.0.sig"; "signature not base64")]
#[test_case(r#""targets/a","paths""#, r#""targets/b/a","paths""#, "signed.delegations.roles.0.name"; "a grandchild")]
#[test_case(r#""targets/a","paths""#, r#""targets","paths""#, "signed.delegations.roles.0.name"; "itself")]
#[test_case(r#""targets/a","paths""#, r#""snapshot","paths""#, "signed.delegations.roles.0.name"; "a base role")]
#[test_case(r#""targets/a","paths""#, r#""targets/../a","paths""#, "signed.delegations.roles.0.name"; "climbing")]
#[test_case(r#""targets/a","paths""#, r#""targets/a%2fb","paths""#, "signed.delegations.roles.0.name"; "percent")]
#[test_case(r#""targets/a","paths""#, r#""","paths""#, "signed.delegations.roles.0.name"; "no name")]
#[test_case(r#""paths":["dir/"]"#, r#""paths":"dir/""#, "signed.delegations.roles.0.paths"; "paths text")]
#[test_case(r#""paths":["dir/"]"#, r#""paths":[null]"#, "signed.delegations.roles.0.paths.0"; "a path null")]
#[test_case(r#""threshold":1"#, r#""threshold":0"#, "signed.delegations.roles.0.threshold"; "threshold zero")]
#[test_case(r#""roles":[{"keyids":["#, r#""roles":[{"keyids":["x","#, "signed.delegations.roles.0.keyids.0"; "key id of one letter")]
#[test_case(r#""targets":{"v1""#, r#""targets":{"":{},"v1""#, "signed.targets."; "target without a name")]
#[test_case(r#""targets":{"v1""#, r#""targets":{"a\nb":{},"v1""#, "signed.targets.a\nb"; "target of two lines")]
fn a_malformed_targets_file_is_refused_where_it_is_wrong(from: &str, to: &str, at: &str) {
    assert_eq!(place(&RoleName::Targets, from, to).as_deref(), Some(at));
}

#[test_case(r#""keytype":"#, r#""type":"#; "key without a type")]
#[test_case(r#""public":""#, r#""public":"!"#; "key not base64")]
fn a_malformed_key_is_refused(from: &str, to: &str) {
    let at = place(&RoleName::Root, from, to).unwrap();
    assert!(at.starts_with("signed.keys."), "{at}");
}

#[test]
fn a_root_whose_role_lists_a_key_it_lacks_is_refused() {
    let mut repo = repo();
    let stranger = TestKey::bare().id();
    repo.root.roles.get_mut("snapshot").unwrap().key_ids.push(stranger.clone());
    let error = parse(&RoleName::Root, &repo.files()[&RoleName::Root]).unwrap_err();
    assert_eq!(error.path, ["signed", "roles", "snapshot"]);
    assert_eq!(error.problem, Problem::UnlistedKey(stranger));
}

#[test]
fn a_delegation_listed_twice_is_refused() {
    let mut repo = repo();
    let roles = &mut repo.targets.get_mut(&RoleName::Targets).unwrap().delegations.roles;
    roles.push(roles[0].clone());
    let error = parse(&RoleName::Targets, &repo.files()[&RoleName::Targets]).unwrap_err();
    assert_eq!(error.path, ["signed", "delegations", "roles"]);
    assert_eq!(error.problem, Problem::DuplicateRole("targets/a".to_owned()));
}

#[test_case("\u{feff}", ""; "byte order mark")]
#[test_case("", " x"; "trailing data")]
#[test_case("", "{}"; "two documents")]
fn what_is_around_the_document_counts(before: &str, after: &str) {
    for (role, raw) in repo().files() {
        let text = String::from_utf8(raw).unwrap();
        let error = parse(&role, format!("{before}{text}{after}").as_bytes()).unwrap_err();
        assert!(matches!(error.problem, Problem::Json(_)), "{role}: {error:?}");
    }
}

#[test_case(r#""version":1}"#, r#""version":1,"version":1}"#; "inside")]
#[test_case(r#"{"signed":"#, r#"{"signed":{},"signed":"#; "signed")]
fn duplicate_members_are_refused(from: &str, to: &str) {
    for role in repo().files().keys() {
        let bad = text(role).replacen(from, to, 1);
        let error = parse(role, bad.as_bytes()).unwrap_err();
        assert!(matches!(
            error.problem,
            Problem::Json(json) if matches!(json.problem, JsonProblem::DuplicateMember(_))
        ));
    }
}

#[test_case(r#""delegations":null"#; "null")]
#[test_case(r#""delegations":{}"#; "empty")]
#[test_case(r#""delegations":{"keys":null,"roles":null}"#; "members null")]
#[test_case(r#""more":[]"#; "absent")]
fn what_go_writes_for_nothing_is_nothing(delegations: &str) {
    let bad = format!(
        r#"{{"signed":{{"_type":"Targets",{delegations},"expires":"2030-01-01T00:00:00Z","targets":null,"version":1}},"signatures":null}}"#
    );
    let signed = Signed::<Targets>::parse(&RoleName::Targets, bad.as_bytes()).unwrap();
    assert!(signed.unverified().delegations.roles.is_empty());
    assert!(signed.unverified().targets.is_empty() && signed.signatures().is_empty());
    assert!(signed.unknown_members().is_empty());
}

#[test]
fn every_truncation_and_every_flipped_bit_is_survived() {
    for (role, raw) in repo().files() {
        for length in 0..raw.len() {
            assert!(parse(&role, &raw[..length]).is_err(), "{role} cut to {length}");
        }
        for at in 0..raw.len() {
            let mut flipped = raw.clone();
            flipped[at] ^= 1 << (at % 8);
            drop(parse(&role, &flipped));
        }
    }
}

#[test]
fn unknown_members_are_named_up_to_a_number() {
    let many: Vec<String> = (0..500).map(|n| format!(r#""x{n}":1"#)).collect();
    let bad = text(&RoleName::Targets).replacen(
        r#""version":1}"#,
        &format!(r#""version":1,{}}}"#, many.join(",")),
        1,
    );
    let signed = Signed::<Targets>::parse(&RoleName::Targets, bad.as_bytes()).unwrap();
    assert_eq!(signed.unknown_members().len(), 64);
    // They are part of what is signed all the same.
    assert!(String::from_utf8_lossy(signed.message()).contains(r#""x499":1"#));
}

#[test]
fn every_document_reads_as_it_was_written() {
    fn again<T: Document + PartialEq + std::fmt::Debug>(role: &RoleName, raw: &[u8]) {
        let signed = Signed::<T>::parse(role, raw).unwrap();
        let written = encode_envelope(&signed.unverified().to_json(), signed.signatures());
        assert_eq!(written, raw);
        assert_eq!(Signed::<T>::parse(role, &written).unwrap(), signed);
    }
    let files = repo().files();
    again::<Root>(&RoleName::Root, &files[&RoleName::Root]);
    again::<TimestampFile>(&RoleName::Timestamp, &files[&RoleName::Timestamp]);
    again::<Snapshot>(&RoleName::Snapshot, &files[&RoleName::Snapshot]);
    for role in repo().targets.keys() {
        again::<Targets>(role, &files[role]);
    }
}

/// Every place of a document, from the outside in.
fn places(value: &Value) -> Vec<Vec<String>> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.to_owned(), value)).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (name, child) in children {
        found.push(vec![name.clone()]);
        for below in places(child) {
            found.push([vec![name.clone()], below].concat());
        }
    }
    found
}

fn replaced(value: &Value, place: &[String], by: &Value) -> Value {
    let Some((first, rest)) = place.split_first() else { return by.clone() };
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, child)| {
                    let child =
                        if name == first { replaced(child, rest, by) } else { child.clone() };
                    (name.to_owned(), child)
                })
                .collect(),
        ),
        Value::Array(elements) => Value::Array(
            elements
                .iter()
                .enumerate()
                .map(|(at, child)| {
                    if at.to_string() == *first { replaced(child, rest, by) } else { child.clone() }
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Members that may be null because Go writes nothing so, or because nothing reads them.
fn may_be_null(place: &str) -> bool {
    ["signatures", "consistent_snapshot", "delegations", "delegations.keys", "delegations.roles"]
        .iter()
        .any(|name| place == *name || place.ends_with(&format!("signed.{name}")))
        || ["signed.targets", "keyids", "paths", "private"].iter().any(|name| place.ends_with(name))
}

#[test]
fn go_tuf_749_null_in_any_place_is_an_error_there_or_means_nothing() {
    for (role, raw) in repo().files() {
        let document = Value::parse(&raw).unwrap();
        for place in places(&document) {
            let bad = replaced(&document, &place, &Value::Null);
            let joined = place.join(".");
            match parse(&role, &bad.to_wire()) {
                Ok(()) => assert!(may_be_null(&joined), "{role}: {joined} is null"),
                Err(error) => {
                    assert!(!may_be_null(&joined), "{role}: {joined}: {error:?}");
                    assert!(!error.path.is_empty(), "{role}: {joined}: {error:?}");
                }
            }
        }
    }
}

#[test]
fn another_type_in_any_place_is_an_error_or_is_not_read() {
    let others =
        [Value::Bool(true), Value::Int(-1), Value::from("\u{0}"), Value::Array(vec![Value::Null])];
    for (role, raw) in repo().files() {
        let document = Value::parse(&raw).unwrap();
        for place in places(&document) {
            for other in &others {
                let bad = replaced(&document, &place, other);
                let joined = place.join(".");
                // A private half that strays into metadata is nobody's business; an id or method
                // that is none belongs to nobody.
                let is_not_read = joined.ends_with("private")
                    || joined == "signed.consistent_snapshot"
                    || joined.ends_with("keytype")
                    || joined.starts_with("signatures.")
                    || joined.contains(".paths.");
                if parse(&role, &bad.to_wire()).is_ok() {
                    assert!(is_not_read, "{role}: {joined} is {other:?}");
                }
            }
        }
    }
}

#[test]
fn a_million_signatures_are_not_looked_at() {
    let good = text(&RoleName::Timestamp);
    let (signed, _) = good.split_once("\"signatures\":[").unwrap();
    let many = "{},".repeat(1_000_000);
    let bad = format!("{signed}\"signatures\":[{many}{{}}]}}");
    let error = parse(&RoleName::Timestamp, bad.as_bytes()).unwrap_err();
    assert_eq!(error.problem, Problem::TooManySignatures(1_000_001));
    assert_eq!(error.path, ["signatures"]);
}

#[test_case(r#""version":1}"#, r#""spec_version":"1.0","version":1}"#; "a member of another dialect")]
#[test_case(r#""version":1}"#, r#""spec_version":0.0,"version":1}"#; "one that is a number")]
#[test_case(r#""version":1}"#, r#""version":1.0e0}"#; "a version with an exponent")]
fn what_is_not_known_is_signed_and_not_read_and_numbers_are_plain(from: &str, to: &str) {
    let plain = !to.contains("1.0e0");
    for role in repo().files().keys() {
        let bad = text(role).replacen(from, to, 1);
        assert_eq!(parse(role, bad.as_bytes()).is_ok(), plain, "{role}");
    }
}

#[test_case("2030-01-01T00:00:00.5Z", true; "a fraction")]
#[test_case("2030-01-01T00:00:00+14:00", true; "an offset")]
#[test_case("2030-01-01T00:00:60Z", false; "a leap second")]
#[test_case("10000-01-01T00:00:00Z", false; "the year 10000")]
#[test_case("2030-01-01", false; "a day")]
#[test_case("", false; "nothing")]
#[test_case("2030-01-01T00:00:00Z\\u0000", false; "a zero byte behind")]
fn times_of_every_form(expires: &str, accepted: bool) {
    for role in repo().files().keys() {
        let good = text(role);
        let (before, rest) = good.split_once("\"expires\":\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        let changed = format!("{before}\"expires\":\"{expires}\"{after}");
        let result = parse(role, changed.as_bytes());
        assert_eq!(result.is_ok(), accepted, "{role}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.path, ["signed", "expires"]);
        }
    }
}

#[test_case("root"; "a base role")]
#[test_case("?"; "a question mark")]
#[test_case("#"; "a hash")]
#[test_case("/x"; "absolute")]
#[test_case("../x"; "outside")]
#[test_case("targets/../x"; "climbing")]
#[test_case("targets/%2e%2e/x"; "climbing in disguise")]
#[test_case("targets/a%2fb"; "a slash in disguise")]
#[test_case("targets/a\\u0000b"; "a zero byte")]
#[test_case("targets/."; "here")]
#[test_case("targets/.."; "there")]
#[test_case("targets/a."; "a dot at the end")]
#[test_case("targets/😀"; "a face")]
#[test_case("targets/A"; "a capital letter")]
#[test_case("targets/a b"; "a blank")]
#[test_case("targets/a\\\\b"; "a backslash")]
#[test_case("targets/a/"; "a slash at the end")]
fn roles_of_other_names_are_neither_delegated_to_nor_listed(name: &str) {
    let listing = text(&RoleName::Snapshot).replacen("\"targets/a\":", &format!("\"{name}\":"), 1);
    // `root` is listed already, and twice is too often.
    assert!(parse(&RoleName::Snapshot, listing.as_bytes()).is_err());
    let at = place(&RoleName::Targets, r#""targets/a","paths""#, &format!("\"{name}\",\"paths\""));
    assert_eq!(at.as_deref(), Some("signed.delegations.roles.0.name"));
}

#[test]
fn a_role_name_that_no_column_holds_is_refused() {
    let of_length = |bytes: usize| format!("targets/{}", "a".repeat(bytes - 8));
    assert!(RoleName::parse(&of_length(255)).is_ok());
    assert!(RoleName::parse(&of_length(256)).is_err());
}

#[test_case("future", r#""AAAA""#, true; "a type of the future")]
#[test_case("ed25519", r#""AAAA""#, true; "an ed25519 key of three bytes")]
#[test_case("ecdsa", r#""""#, true; "a key of no bytes")]
#[test_case("rsa", r#""AAAA""#, true; "an rsa key that is none")]
#[test_case("ecdsa-x509", r#""AAAA""#, true; "a certificate that is none")]
#[test_case("ecdsa", "7", false; "a key that is a number")]
#[test_case("ecdsa", r#""A""#, false; "a key that is not base64")]
fn keys_that_verify_nothing_are_listed_without_harm(kind: &str, public: &str, accepted: bool) {
    let id = "0".repeat(64);
    let key = format!(r#"{{"keytype":"{kind}","keyval":{{"private":null,"public":{public}}}}}"#);
    let from = r#""keys":{"#;
    let at = place(&RoleName::Root, from, &format!(r#"{from}"{id}":{key},"#));
    let expected = (!accepted).then(|| format!("signed.keys.{id}"));
    assert_eq!(at, expected);
}
