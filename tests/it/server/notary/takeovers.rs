//! Notary servers that are taken over by their tables: again after they went on, beside changes of
//! this server's own, with keys out of the oldest tables, and with more than there can be
//! (`spec/takeover.md`).

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use serde_json::{Value, json};
use trust::crypto::{Passphrase, PrivateKey};
use trust::limits::MAX_IMPORTED_KEYS;
use trust::server::import::Outcome;
use trust::server::import::keys::PastKeyError;
use trust::server::import::notary::{Notary, Refused, TakenOver, TakeoverError};
use trust::server::import::source::Source;
use trust::server::notary::bump::collections;
use trust::tuf::Gun;

use super::World;
use crate::peers::old_tables::{Dump, KeyColumns, OldCollection, OldFile, PASSPHRASE, VARIABLE};

/// A key as a row says it is: collection, role, and whether it signed.
type KeyOf<'a> = (&'a str, &'a str, &'a PrivateKey, bool);

/// The dump of a server to which this was published, in this order.
fn dump(published: &[Vec<OldFile>], keys: &[KeyOf<'_>], columns: KeyColumns) -> Vec<u8> {
    let mut dump = Dump::new(Vec::new(), columns);
    for files in published {
        dump.files(files);
    }
    for (gun, role, key, was_used) in keys {
        dump.key(gun, role, key, *was_used);
    }
    dump.finish()
}

/// The keys that a server has for collections, as its last version notes them.
fn keys<'a>(collections: &[&'a OldCollection]) -> Vec<KeyOf<'a>> {
    let of = |old: &&'a OldCollection| {
        let old: &'a OldCollection = old;
        let gun = old.gun.as_str();
        [(gun, "timestamp", &old.timestamp, true), (gun, "snapshot", &old.snapshot, true)]
    };
    collections.iter().flat_map(of).collect()
}

/// What became of each name: the outcome, how many files were stored, and whether it is an archive.
type Outcomes = BTreeMap<String, Result<(Outcome, usize, bool), Refused>>;

impl World {
    fn takes_over(&self, dump: Vec<u8>) -> Result<Outcomes, TakeoverError> {
        let server = Arc::clone(&self.server.server);
        self.server.runtime.block_on(async {
            let variables =
                |name: &str| (name == VARIABLE).then(|| Passphrase::new(PASSPHRASE.to_owned()));
            let mut outcomes = Outcomes::new();
            let mut told = |TakenOver { gun, outcome, .. }| {
                let outcome = outcome.map(|taken| (taken.outcome, taken.stored, taken.is_archive));
                outcomes.insert(gun, outcome);
            };
            let notary = Notary { server: Source::dump(Cursor::new(dump)).await?, signer: None };
            notary.take_over(&server, &variables, &mut told).await?;
            Ok(outcomes)
        })
    }

    /// What became of each name, none of which was refused.
    #[track_caller]
    fn takes_all_over(&self, dump: Vec<u8>) -> Vec<(String, Outcome, usize, bool)> {
        let outcomes = self.takes_over(dump).unwrap().into_iter();
        let row = |(gun, outcome): (String, Result<_, Refused>)| {
            let (outcome, stored, is_archive) = outcome.unwrap();
            (gun, outcome, stored, is_archive)
        };
        outcomes.map(row).collect()
    }

    /// The whole feed: number, collection and version of each change.
    fn changes(&self) -> Vec<(String, String, u64)> {
        let feed = self.server.get("/v2/_trust/changefeed?records=1000").json();
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        let row = |record: &Value| {
            let version = record["Version"].as_u64().unwrap();
            (text(record, "ID"), text(record, "GUN"), version)
        };
        feed["records"].as_array().map(|all| all.iter().map(row).collect()).unwrap_or_default()
    }

    fn timestamp_of(&self, gun: &str) -> Value {
        self.server.get(&format!("/v2/{gun}/_trust/tuf/timestamp.json")).json()
    }
}

#[test]
fn an_old_server_that_went_on_is_taken_over_again() {
    let world = World::with_own_snapshot();
    let [mut one, mut two, mut staged, mut late] =
        ["old/one", "old/two", "old/staged", "old/late"].map(OldCollection::new);
    let mut events = vec![one.sign("1"), two.sign("1"), one.sign("2")];
    let waits = ("old/staged", "timestamp", &staged.timestamp, false);
    let before = dump(&events, &[keys(&[&one, &two]), vec![waits]].concat(), KeyColumns::All);
    assert_eq!(
        world.takes_all_over(before.clone()),
        [
            ("old/one".to_owned(), Outcome::New, 7, false),
            ("old/staged".to_owned(), Outcome::Remembered, 0, true),
            ("old/two".to_owned(), Outcome::New, 4, false),
        ]
    );

    // The old server goes on: with one that is here, one that was only staged, and a new one.
    events.extend([one.sign("3"), staged.sign("1"), late.sign("1")]);
    let after = dump(&events, &keys(&[&one, &two, &staged, &late]), KeyColumns::All);
    assert_eq!(
        world.takes_all_over(after.clone()),
        [
            ("old/late".to_owned(), Outcome::New, 4, false),
            ("old/one".to_owned(), Outcome::Continued, 3, false),
            ("old/staged".to_owned(), Outcome::New, 4, false),
            ("old/two".to_owned(), Outcome::Unchanged, 0, false),
        ]
    );
    let row = |id: &str, gun: &str, version| (id.to_owned(), gun.to_owned(), version);
    let feed = [
        row("1", "old/one", 1),
        row("2", "old/two", 1),
        row("3", "old/one", 2),
        row("4", "old/one", 3),
        row("5", "old/staged", 1),
        row("6", "old/late", 1),
    ];
    assert_eq!(world.changes(), feed);

    // Once more, and even out of the older dump: nothing is there twice, nothing goes back.
    for dump in [after, before] {
        let again = world.takes_all_over(dump);
        assert!(again.iter().all(|row| row.1 == Outcome::Unchanged && row.2 == 0), "{again:?}");
        assert_eq!(world.changes(), feed);
    }
    assert_eq!(world.timestamp_of("old/one")["signed"]["version"], 3);
    for old in [&one, &two, &staged, &late] {
        let answer = world.server.get(&format!("/v2/{}/_trust/tuf/timestamp.key", old.gun));
        assert_eq!(super::key_of(&answer).id(), old.timestamp.id(), "{}", old.gun);
    }
    world.is_sound();

    // One that both servers went on with went two ways.
    world.clock.go(24 * 366 * 3);
    assert_eq!(world.timestamp_of("old/two")["signed"]["version"], 2);
    events.push(two.sign("2"));
    let outcomes = world.takes_over(dump(&events, &keys(&[&one, &two]), KeyColumns::All)).unwrap();
    let refused = outcomes["old/two"].as_ref().unwrap_err().to_string();
    assert!(refused.contains("old/two went two ways"), "{refused}");
    assert_eq!(world.timestamp_of("old/two")["signed"]["version"], 2);
    world.is_sound();
}

#[test]
fn beside_changes_of_its_own_a_server_gives_new_numbers() {
    let world = World::with_own_snapshot();
    let [mut mine, mut one, mut gone, mut back] =
        ["mine", "old/one", "old/gone", "old/back"].map(OldCollection::new);
    let own = [mine.sign("1"), mine.sign("2")];
    world.takes_all_over(dump(&own, &keys(&[&mine]), KeyColumns::All));
    // A deleted collection has no rows, but its changes.
    let mut dumped = Dump::new(Vec::new(), KeyColumns::All);
    dumped.files(&one.sign("1"));
    dumped.changes_of(&gone.sign("1"));
    dumped.deletion("old/gone");
    dumped.changes_of(&back.sign("before"));
    dumped.deletion("old/back");
    let mut back = OldCollection::new("old/back");
    dumped.files(&back.sign("1"));
    dumped.files(&one.sign("2"));
    dumped.keys(&one);
    dumped.keys(&back);
    let dumped = dumped.finish();

    let outcomes = world.takes_all_over(dumped.clone());
    let outcomes: Vec<_> = outcomes.iter().map(|row| (row.0.as_str(), row.1, row.3)).collect();
    assert_eq!(
        outcomes,
        [
            ("old/back", Outcome::New, false),
            ("old/gone", Outcome::Remembered, true),
            ("old/one", Outcome::New, false),
        ]
    );
    // What was told here stays; of the others what leads to what they are now is told after it.
    let feed = world.changes();
    let row = |id: &str, gun: &str, version| (id.to_owned(), gun.to_owned(), version);
    assert_eq!(feed[..2], [row("1", "mine", 1), row("2", "mine", 2)]);
    let ids: Vec<u64> = feed.iter().map(|row| row.0.parse().unwrap()).collect();
    assert!(ids.windows(2).all(|two| two[0] < two[1]), "{ids:?}");
    let of = |gun: &str| -> Vec<u64> {
        feed.iter().filter(|row| row.1 == gun).map(|row| row.2).collect()
    };
    assert_eq!((of("old/one"), of("old/back"), of("old/gone")), (vec![1, 2], vec![1], vec![0]));

    // Again: nothing is told twice.
    let again = world.takes_all_over(dumped);
    assert!(again.iter().all(|row| row.2 == 0 && row.1 != Outcome::New), "{again:?}");
    assert_eq!(world.changes(), feed);
    assert_eq!(world.timestamp_of("old/one")["signed"]["version"], 2);
    world.is_sound();
}

#[test]
fn keys_of_the_oldest_tables_sign_on() {
    let mut old = OldCollection::new("old/one");
    let events = [old.sign("1")];
    // Notary added the columns later, with nothing in them; dumps may be older still.
    for (gun, role, was_used, columns) in [
        ("", "", true, KeyColumns::All),
        ("", "", false, KeyColumns::All),
        ("\\N", "\\N", false, KeyColumns::All),
        ("-", "-", true, KeyColumns::First),
    ] {
        let world = World::with_own_snapshot();
        // One that no root lists is nobody's.
        let stray = PrivateKey::generate_ecdsa().unwrap();
        let rows = [
            (gun, role, &old.timestamp, was_used),
            (gun, role, &old.snapshot, was_used),
            (gun, role, &stray, was_used),
        ];
        let outcomes = world.takes_all_over(dump(&events, &rows, columns));
        assert_eq!(outcomes, [("old/one".to_owned(), Outcome::New, 4, false)], "{columns:?}");
        world.clock.go(24 * 366 * 3);
        let timestamp = world.timestamp_of("old/one");
        assert_eq!(timestamp["signed"]["version"], 2, "{timestamp}");
        assert_eq!(timestamp["signatures"][0]["keyid"], old.timestamp.id().as_str());
        let next = world.server.ask("POST", "/v2/old/one/_trust/tuf/timestamp.key", &[], "");
        assert_ne!(super::key_of(&next).id(), stray.id());
        world.is_sound();
    }
}

#[test]
fn a_key_of_the_oldest_tables_is_of_who_listed_it_first() {
    let world = World::with_own_snapshot();
    let mut one = OldCollection::new("old/one");
    let same = PrivateKey::from_pkcs8(&one.timestamp.to_pkcs8().unwrap()).unwrap();
    // Whose name comes first, and who listed the key later.
    let mut thief = OldCollection::with_timestamp_key("a/thief", same);
    let published = [one.sign("1"), thief.sign("1")];
    let rows = [
        ("", "", &one.timestamp, true),
        ("", "", &one.snapshot, true),
        ("", "", &thief.snapshot, true),
    ];
    let outcomes = world.takes_all_over(dump(&published, &rows, KeyColumns::All));
    assert_eq!(
        outcomes,
        [
            ("a/thief".to_owned(), Outcome::New, 4, true),
            ("old/one".to_owned(), Outcome::New, 4, false),
        ]
    );
    world.is_sound();
}

#[test]
fn keys_that_were_handed_out_there_neither_count_here_nor_are_forgotten() {
    let world = World::with_own_snapshot();
    let staged = OldCollection::new("old/staged");
    let mut other = OldCollection::new("old/other");
    let waits = ("old/staged", "timestamp", &staged.timestamp, false);
    let events = [other.sign("1")];
    world.takes_all_over(dump(&events, &[keys(&[&other]), vec![waits]].concat(), KeyColumns::All));
    // Of a name that has keys and nothing else there is nothing to make anew.
    let server = &world.server;
    let names = server.runtime.block_on(collections(&server.server)).unwrap();
    assert_eq!(names.iter().map(Gun::as_str).collect::<Vec<_>>(), ["old/other"]);
    let now = trust::clock::Clock::now(&world.clock).as_microsecond();
    let long_ago = now - 1_000_000 * 3600 * 24 * 100;
    let sql = |statement: &str| world.server.sql(statement, &[]);
    // As if ten thousand had come with it.
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)";
    sql(&format!("{numbers} INSERT INTO collection (gun, seq) SELECT 'kept/' || i, 0 FROM n"));
    let add = |names: &str| {
        sql(&format!(
            "{numbers} INSERT INTO server_key (gun, role, key_id, public, state, created_at) \
             SELECT '{names}/' || i, 'timestamp', 'k', k.public, 'pending', {long_ago} \
             FROM n, server_key k WHERE k.gun = 'old/staged'"
        ))
    };
    add("kept");
    sql(&format!("UPDATE server_key SET created_at = {long_ago} WHERE gun = 'old/staged'"));
    let ask = |gun: &str| world.server.get(&format!("/v2/{gun}/_trust/tuf/timestamp.key"));
    assert_eq!(ask("new/one").status, 200);
    // And if ten thousand are asked for here, it is those that make room.
    add("asked");
    assert_eq!(ask("new/two").status, 200);
    assert_eq!(sql("DELETE FROM server_key WHERE gun LIKE 'asked/%'"), 0);
    assert_eq!(sql("DELETE FROM server_key WHERE gun LIKE 'kept/%'"), 10_000);
    assert_eq!(super::key_of(&ask("old/staged")).id(), staged.timestamp.id());
}

#[test]
fn a_collection_with_too_many_keys_is_refused_and_no_other() {
    let world = World::with_own_snapshot();
    let [mut one, mut two] = ["old/one", "old/two"].map(OldCollection::new);
    let events = [one.sign("1"), two.sign("1")];
    let mut rows = keys(&[&one, &two]);
    let stray = PrivateKey::generate_ecdsa().unwrap();
    rows.extend((0..MAX_IMPORTED_KEYS).map(|_| ("old/one", "timestamp", &stray, true)));
    let outcomes = world.takes_over(dump(&events, &rows, KeyColumns::All)).unwrap();
    assert!(matches!(outcomes["old/one"], Err(Refused::Keys { limit: MAX_IMPORTED_KEYS })));
    assert!(matches!(outcomes["old/two"], Ok((Outcome::New, 4, false))));
    assert_eq!(world.server.get("/v2/old/one/_trust/tuf/root.json").status, 404);
    world.is_sound();
}

#[test]
fn nothing_is_taken_over_with_a_passphrase_that_is_wrong() {
    let world = World::with_own_snapshot();
    let mut old = OldCollection::new("old/one");
    let events = [old.sign("1")];
    let dumped = dump(&events, &keys(&[&old]), KeyColumns::All);
    let text = String::from_utf8(dumped).unwrap();
    // Of another name than the one that is set.
    let refused = world.takes_over(text.replace("first_alias", "second.alias").into()).unwrap_err();
    assert!(
        matches!(&refused, TakeoverError::Passphrase(PastKeyError::NoPassphrase { variable, .. })
            if variable == "NOTARY_SIGNER_SECOND_ALIAS"),
        "{refused:?}"
    );
    assert_eq!(world.changes(), []);
    assert_eq!(world.server.get("/v2/old/one/_trust/tuf/root.json").status, 404);
    assert_eq!(world.feed(), [json!(null); 0]);
}
